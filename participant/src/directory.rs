//! A node's directory: what lies where, and the lock that keeps a second node out.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use crate::{error::NodeError, keystore};

/// The configuration's name: what tells a participant's directory from others.
const CONFIG: &str = "participant.toml";

/// The paths of a node. Everything in it is private (0700).
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, created if needed.
    pub(crate) fn create(path: &Path) -> Result<Self, NodeError> {
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs::create_dir_all(parent).map_err(NodeError::io("create", parent))?;
        }
        keystore::private_directory(path)?;
        Self::open(path)
    }

    /// The directory at `path`, which must exist and be private.
    pub(crate) fn open(path: &Path) -> Result<Self, NodeError> {
        let absolute = path.canonicalize().map_err(NodeError::io("read", path))?;
        keystore::private_directory(&absolute)?;
        Ok(Self(absolute))
    }

    /// The same, if `unsilo join` made it: looked at before its permissions, so that nobody is told to change those of
    /// another directory.
    pub(crate) fn of_participant(path: &Path) -> Result<Self, NodeError> {
        if !path.join(CONFIG).is_file() {
            return Err(NodeError::Directory(format!(
                "{} is not a participant's directory: give the one that `unsilo join` made, or run that with your \
                 invitation first",
                path.display()
            )));
        }
        Self::open(path)
    }

    /// Keeps every other node out until the guard is dropped (or the process ends, however it ends).
    pub(crate) fn lock(&self) -> Result<DirectoryLock, NodeError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(NodeError::io("lock", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(NodeError::Locked {
                path: self.0.clone(),
            }),
            Err(TryLockError::Error(error)) => Err(NodeError::io("lock", &path)(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The configuration, for people to edit.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join(CONFIG)
    }

    /// Ledger identity: the 32-byte Ed25519 seed in hexadecimal (secret).
    pub(crate) fn identity(&self) -> PathBuf {
        self.0.join("identity.key")
    }

    /// TLS key, PEM (secret).
    pub(crate) fn tls_key(&self) -> PathBuf {
        self.0.join("tls.key")
    }

    /// The certificate of that key, PEM.
    pub(crate) fn tls_certificate(&self) -> PathBuf {
        self.0.join("tls.pem")
    }

    /// The federation's authority, PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// The federation card: the draft, canonical bytes.
    pub(crate) fn card(&self) -> PathBuf {
        self.0.join("federation.card")
    }

    /// The ledger replica.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.tlog")
    }

    /// A replica with every entry, while it is fetched to take the place of one that began with a snapshot.
    pub(crate) fn whole_ledger(&self) -> PathBuf {
        self.0.join("whole")
    }

    /// Guard records.
    pub(crate) fn guards(&self) -> PathBuf {
        self.0.join("guard.redb")
    }

    /// The secret key of the seat held in `round`.
    pub(crate) fn round_key(&self, round: u64) -> PathBuf {
        self.0.join(format!("round-{round}.key"))
    }

    /// Contributions on their way.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// Weights, by hash.
    pub(crate) fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// Which rows are held out from training: a number that the split is drawn by.
    pub(crate) fn held_out_seed(&self) -> PathBuf {
        self.0.join("held-out.seed")
    }

    /// What this company thinks of the others: moving averages of their scores.
    pub(crate) fn averages(&self) -> PathBuf {
        self.0.join("rating.averages")
    }

    /// What this company asked about the others' contributions at the last models.
    pub(crate) fn asked(&self) -> PathBuf {
        self.0.join("rating.asked")
    }

    /// What was seen that must never happen.
    pub(crate) fn alarms(&self) -> PathBuf {
        self.0.join("alarms")
    }
}

/// Held while a node works on its directory.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// The operating system drops the lock with the file.
    _file: File,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_node_on_one_directory_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let directory = Directory::create(&outer.path().join("a/b")).unwrap();
        let held = directory.lock().unwrap();
        assert!(matches!(
            Directory::open(directory.path()).unwrap().lock(),
            Err(NodeError::Locked { .. })
        ));
        drop(held);
        directory.lock().unwrap();
    }
}
