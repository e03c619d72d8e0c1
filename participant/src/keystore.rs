//! Files that hold secrets: mode 0600 in directories of mode 0700, written whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use zeroize::Zeroizing;

use crate::error::NodeError;

/// Longest secret file that is read, bytes: round keys and PEM keys are far below.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Creates `path` with mode 0700, or checks that it is a directory that nobody else can enter.
///
/// # Errors
/// [`NodeError::Permission`] with the command to run if others have access.
pub(crate) fn private_directory(path: &Path) -> Result<(), NodeError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_private(path, "700"),
        Err(error) => Err(NodeError::io("create", path)(error)),
    }
}

/// Writes `bytes` to `path` so that after a crash the file is the old one or the new one, with mode 0600;
/// durable when it returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), NodeError> {
    // Beside the whole name: two files that differ in their extension alone may be written at the same time.
    let fresh = path.with_added_extension("new");
    let written = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = written {
        // A half-written file would only take up space; the error that matters is the first one.
        let _ = fs::remove_file(&fresh);
        return Err(NodeError::io("write", path)(error));
    }
    sync_parent(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a secret.
///
/// # Errors
/// [`NodeError::Permission`] with the command to run if anybody else could read it.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, NodeError> {
    check_private(path, "600")?;
    let file = File::open(path).map_err(NodeError::io("read", path))?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_SECRET_BYTES)
        .read_to_end(&mut bytes)
        .map_err(NodeError::io("read", path))?;
    Ok(bytes)
}

/// Overwrites a secret and removes it; one that is gone already is fine.
pub(crate) fn erase(path: &Path) -> Result<(), NodeError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(NodeError::io("erase", path)(error)),
    };
    let overwrite = |file: &mut File| -> io::Result<()> {
        let length = file.metadata()?.len();
        file.rewind()?;
        io::copy(&mut io::repeat(0).take(length), file)?;
        file.sync_all()
    };
    // Best effort: file systems that copy on write keep old blocks until they are reused.
    let overwritten = overwrite(&mut file);
    fs::remove_file(path).map_err(NodeError::io("erase", path))?;
    overwritten.map_err(NodeError::io("erase", path))
}

/// Refuses a file or directory that group or others have any access to.
pub(crate) fn check_private(path: &Path, mode: &str) -> Result<(), NodeError> {
    let found = fs::metadata(path).map_err(NodeError::io("read", path))?;
    let bits = found.permissions().mode() & 0o777;
    if bits & 0o077 == 0 {
        return Ok(());
    }
    Err(NodeError::Permission {
        path: path.to_owned(),
        message: format!(
            "others on this machine have access (mode {bits:o}); run: chmod {mode} {}",
            shell_word(path)
        ),
    })
}

/// The path as one word of a shell command.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Makes a created, renamed or removed name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), NodeError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(NodeError::io("write", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_readable_by_their_owner_only_and_wider_modes_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("node");
        private_directory(&dir).unwrap();
        private_directory(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
        let path = dir.join("it's.key");
        write(&path, b"secret").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read(&path).unwrap().as_slice(), b"second");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let Err(NodeError::Permission { message, .. }) = read(&path) else {
            panic!("a group-readable secret was read");
        };
        assert!(
            message.contains("chmod 600 '") && message.contains(r"it'\''s.key"),
            "{message}"
        );
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            private_directory(&dir),
            Err(NodeError::Permission { .. })
        ));
    }

    #[test]
    fn an_erased_secret_is_gone_and_erasing_again_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("round.key");
        write(&path, b"secret").unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
        erase(&path).unwrap();
    }
}
