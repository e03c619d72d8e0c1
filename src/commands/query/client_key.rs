//! The key of encrypted queries on this machine: a secret of 643 bytes, and what the coordinator needs of it, 30 MB that
//! anybody may see, beside it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use data_encoding::HEXLOWER;
use tempfile::NamedTempFile;
use unsilo_inference::{ClientKey, EVALUATION_KEY_BYTES, KeyHash, key_hash, new_seeder};
use zeroize::Zeroizing;

use crate::exit::CommandError;

/// A client key and its evaluation key.
pub(super) struct Keys {
    pub(super) client: ClientKey,
    pub(super) evaluation: Vec<u8>,
    pub(super) hash: KeyHash,
    /// The evaluation key was made just now.
    pub(super) made: bool,
}

/// Where the key is unless somebody says otherwise.
///
/// # Errors
/// If this machine has no home directory.
pub(super) fn default_path() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let settings = folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let settings = settings.or_else(|| folder("HOME").map(|home| home.join(".config")));
    let settings = settings.ok_or_else(|| {
        CommandError::Input(
            "there is no home directory to keep the key of encrypted queries in: name a file with --client-key".into(),
        )
    })?;
    Ok(settings.join("unsilo/query.key"))
}

/// Reads the key at `path`, or makes it. Takes seconds when it makes one: for a thread that may block.
///
/// # Errors
/// Names the file: not readable, readable by others, or not a key of this release.
pub(super) fn open(path: &Path) -> anyhow::Result<Keys> {
    let (client, bytes) = client(path)?;
    // Named after the key it belongs to, by a hash of its 5,000 random bits: a new key gets a new file.
    let name = HEXLOWER.encode(&key_hash(&bytes)[..8]);
    let evaluation_path = path.with_added_extension(format!("{name}.evaluation"));
    let (evaluation, made) = match fs::read(&evaluation_path) {
        Ok(evaluation) if evaluation.len() == EVALUATION_KEY_BYTES => (evaluation, false),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error)
                .with_context(|| format!("cannot read {}", evaluation_path.display()));
        }
        _ => {
            let evaluation = client.evaluation_key(&mut *new_seeder());
            let mut file = fresh(&evaluation_path, &evaluation)?;
            file.flush()?;
            file.persist(&evaluation_path)
                .map_err(|error| error.error)
                .with_context(|| format!("cannot write {}", evaluation_path.display()))?;
            (evaluation, true)
        }
    };
    Ok(Keys {
        client,
        hash: key_hash(&evaluation),
        evaluation,
        made,
    })
}

fn client(path: &Path) -> anyhow::Result<(ClientKey, Zeroizing<Vec<u8>>)> {
    if !path
        .try_exists()
        .with_context(|| format!("cannot look at {}", path.display()))?
    {
        let folder = parent(path);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let key = ClientKey::generate(&mut *new_seeder());
        let file = fresh(path, &key.to_bytes())?;
        match file.persist_noclobber(path) {
            // Somebody made one at the same time: theirs is it.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            persisted => {
                persisted
                    .map_err(|error| error.error)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    let unreadable = || format!("cannot read {}", path.display());
    let mode = fs::metadata(path)
        .with_context(unreadable)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(CommandError::Input(format!(
            "others can read the key of your encrypted queries, {} (mode {mode:o}): run chmod 600 on it if you trust them, \
             or remove it and let a new one be made",
            path.display()
        ))
        .into());
    }
    let bytes = Zeroizing::new(fs::read(path).with_context(unreadable)?);
    let key = ClientKey::from_bytes(&bytes).map_err(|error| {
        CommandError::Input(format!(
            "{}: {error}. Remove it and let a new one be made: nothing else depends on it",
            path.display()
        ))
    })?;
    Ok((key, bytes))
}

/// A file beside `path` that its owner alone reads, with these bytes on disk.
fn fresh(path: &Path, bytes: &[u8]) -> anyhow::Result<NamedTempFile> {
    let unwritten = || format!("cannot write {}", path.display());
    let mut file = NamedTempFile::new_in(parent(path)).with_context(unwritten)?;
    file.write_all(bytes).with_context(unwritten)?;
    file.as_file().sync_all().with_context(unwritten)?;
    Ok(file)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_what_is_not_one_is_named() {
        let folder = tempfile::tempdir().expect("made");
        let path = folder.path().join("deep/er/query.key");
        let first = open(&path).expect("made");
        assert!(first.made);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        let again = open(&path).expect("read");
        assert!(!again.made && again.hash == first.hash);
        assert_eq!(*again.client.to_bytes(), *first.client.to_bytes());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        let error = open(&path).err().expect("refused").to_string();
        assert!(
            error.contains("chmod 600") && error.contains("query.key"),
            "{error}"
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        let mut bytes = fs::read(&path).expect("read");
        bytes[100] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let error = open(&path).err().expect("refused").to_string();
        assert!(
            error.contains("Remove it") && error.contains("query.key"),
            "{error}"
        );
        // Another client key gets another evaluation key.
        fs::remove_file(&path).expect("removed");
        let other = open(&path).expect("made");
        assert!(other.made && other.hash != first.hash);
    }
}
