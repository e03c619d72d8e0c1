//! Failures of this process, as opposed to refusals of a message ([`unsilo_proto::Rejected`]).

use std::{io, path::PathBuf};

/// Why the coordinator could not start or go on. Every text names the file or field and the next step.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// A file or directory cannot be read or written.
    #[error("cannot {action} {path}: {source}{}", hint(source))]
    Io {
        /// "read", "write", "create", "lock".
        action: &'static str,
        /// What was being touched.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// A file that a person wrote has a mistake.
    #[error("{path}: {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Field, what is wrong, what is expected.
        message: String,
    },
    /// The directory is not (or already is) a coordinator's.
    #[error("{0}")]
    Directory(String),
    /// Another coordinator serves from the directory.
    #[error("another coordinator already serves from {path}: stop it first")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", listen_hint(source))]
    Listen {
        /// `host:port` of the configuration.
        address: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// The ledger on disk does not verify.
    #[error("ledger: {0}")]
    Ledger(String),
    /// The disk did not take an entry of the ledger; most likely it is full.
    #[error(
        "{0}; nothing acknowledged is lost: make sure that there is room on the disk, and start again"
    )]
    LedgerNotWritten(String),
    /// Certificates could not be made or read.
    #[error("certificates: {0}")]
    Certificates(String),
    /// The operating system gives no randomness.
    #[error("the operating system's random source failed: {0}")]
    Randomness(getrandom::Error),
}

impl CoordinatorError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn config(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Config {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The disk or quota is full: nothing is lost, and the same command can go on once there is room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// Whether an operating-system error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give this user the right to it, or choose another directory"
        }
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; nothing acknowledged is lost: free some space and start again"
        }
        _ => "",
    }
}

fn listen_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port: stop it, or choose another with --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need privileges: choose another with --listen"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: choose another with --listen"
        }
        _ => "",
    }
}
