//! Writing a small file so that after a crash either the old or the new content is there, whole.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use crate::error::CoordinatorError;

/// Who may read what we write: secrets are for the owner alone.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    /// Mode 0600.
    Owner,
    /// Mode 0644.
    All,
}

/// Replaces `path` by `bytes`: a temporary file beside it is written and fsynced, renamed over it, and the
/// directory is fsynced. A crash before the rename leaves the old file; after it, the new one.
pub(crate) fn write(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), CoordinatorError> {
    let temporary = path.with_extension("new");
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::All => 0o644,
    };
    let attempt = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_parent(path)
    };
    attempt().map_err(CoordinatorError::io("write", path))
}

/// Makes a rename or creation in `path`'s directory survive a crash.
pub(crate) fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Creates a directory that only its owner can enter; an existing one is left as it is.
pub(crate) fn private_directory(path: &Path) -> Result<(), CoordinatorError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(CoordinatorError::io("create", path))
}

/// The directories called `round-NUMBER` in `directory`.
pub(crate) fn rounds(directory: &Path) -> Vec<(u64, std::path::PathBuf)> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files
        .filter_map(|file| {
            let name = file.file_name();
            let number = name.to_str()?.strip_prefix("round-")?.parse().ok()?;
            Some((number, file.path()))
        })
        .collect()
}
