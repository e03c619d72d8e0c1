//! What an admin writes: the model file and the terms (once, fixed by the genesis), and the settings (any time).

mod model_file;
mod settings;
mod terms;

pub use model_file::ModelFile;
pub use settings::{
    Access, EndpointSettings, MAX_ENCRYPTED_KEYS, MAX_ROWS_PER_ENCRYPTED_QUERY, Settings,
};
pub use terms::Terms;

use std::{fs, path::Path};

use crate::error::CoordinatorError;

/// Largest configuration file that is read, bytes: a model file names up to 65,536 columns.
const MAX_FILE_BYTES: u64 = 16 << 20;

fn read(path: &Path) -> Result<String, CoordinatorError> {
    let size = fs::metadata(path)
        .map_err(CoordinatorError::io("read", path))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(CoordinatorError::config(
            path,
            format!(
                "{size} bytes is too large for a configuration file (at most {MAX_FILE_BYTES})"
            ),
        ));
    }
    let bytes = fs::read(path).map_err(CoordinatorError::io("read", path))?;
    String::from_utf8(bytes)
        .map_err(|_| CoordinatorError::config(path, "is not UTF-8 text: is it really a TOML file?"))
}
