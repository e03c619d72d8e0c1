//! Failures of a node, as opposed to refusals of a message ([`unsilo_proto::Rejected`]).

use std::{io, path::PathBuf};

use unsilo_proto::{InviteError, Rejected};

use crate::alarm::Alarm;

/// Why joining or running a node stopped. Every text says what happened and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration cannot be used.
    #[error("{path}: {message}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Field, what is wrong, what is expected.
        message: String,
    },
    /// The data cannot be used for this federation.
    #[error("{message}")]
    Data {
        /// The file.
        path: PathBuf,
        /// File, line and column, what is wrong, what is expected.
        message: String,
    },
    /// The invitation cannot be read.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// The directory is not a node's, or belongs to another membership.
    #[error("{0}")]
    Directory(String),
    /// Another node runs on the directory.
    #[error(
        "another node is running on {path}: two nodes of one identity would answer twice; stop the other one first"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Nothing answers at the coordinator's address.
    #[error(
        "cannot reach the coordinator at {address}: {reason}; check that it runs, the address in the invitation, \
         and that outgoing connections to this port are allowed"
    )]
    Unreachable {
        /// `host:port`.
        address: String,
        /// The operating system's word.
        reason: String,
    },
    /// Whoever answered is not the invitation's coordinator, or does not take our certificate.
    #[error("the connection to {address} cannot be trusted: {reason}")]
    Certificate {
        /// `host:port`.
        address: String,
        /// What does not fit.
        reason: String,
    },
    /// The coordinator refused, with its reason.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// What was to be signed is not allowed.
    #[error("the ledger's rules do not allow it: {0}; nothing was signed")]
    Rules(unsilo_ledger::Rejected),
    /// Something that must never happen was seen; the node stopped rather than go on.
    #[error("ALARM: {0}")]
    Alarm(Alarm),
    /// There is no room on the disk.
    #[error(
        "no space left to write {path}; nothing that was acknowledged is lost: free some space and start again"
    )]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// A secret can be read by others, or a file cannot be opened.
    #[error("{path}: {message}")]
    Permission {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and the command that corrects it.
        message: String,
    },
    /// Another failure of the operating system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", "create", ...
        action: &'static str,
        /// What was being touched.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The ledger replica or the guard records on disk cannot be read or written.
    #[error("{store}: {reason}")]
    Store {
        /// "ledger" or "guard records".
        store: &'static str,
        /// What the store said.
        reason: String,
    },
    /// Training, encryption or evaluation failed.
    #[error("{0}")]
    Computation(String),
}

impl NodeError {
    /// For `map_err`: an operating-system error at `path`, sorted into the variants people act on.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::PermissionDenied => Self::Permission {
                message: format!("cannot {action}: permission denied; run as the user who owns it"),
                path,
            },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    pub(crate) fn config(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Config {
            path: path.into(),
            message: message.into(),
        }
    }
}
