//! What can go wrong between the log and the disk.

use crate::diverged::AppendError;
use crate::entry::signed::DecodeError;
use crate::identity::PublicKey;
use crate::snapshot::SnapshotError;
use crate::tree::ProofError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a log could not be created, opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is a log at this path already.
    #[error("{} holds a ledger already: it is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is no file at this path.
    #[error("there is no ledger at {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the log open for writing.
    #[error("{} is open in another process: stop it first (reading it with `ledger verify` is possible meanwhile)", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a ledger, is of another version, or is damaged.
    #[error("the ledger file is damaged: {reason}; restore it from a replica")]
    Damaged {
        /// What was found.
        reason: String,
    },
    /// Bytes that are no entry.
    #[error("the ledger file is damaged: entry {index}: {error}; restore it from a replica")]
    Undecodable {
        /// The position, from 0.
        index: u64,
        /// What is wrong.
        #[source]
        error: DecodeError,
    },
    /// The log was written for another coordinator.
    #[error("this is the ledger of the coordinator {found}, not of {expected}")]
    OtherCoordinator {
        /// Asked for.
        expected: PublicKey,
        /// In the file.
        found: PublicKey,
    },
    /// A replica is asked to append on its own.
    #[error("this is a replica: only the coordinator appends without a signed checkpoint")]
    ReplicaOnly,
    /// Entries are asked for that are not there: the log began with a snapshot.
    #[error(
        "this ledger holds the entries from {first} on, because it began with a snapshot: what comes before needs the \
         full ledger"
    )]
    NotHeld {
        /// The first entry that is there.
        first: u64,
    },
    /// No snapshot can be made at this size: no checkpoint of it is kept with enough cosignatures, or the books
    /// there were not kept.
    #[error(
        "there is no snapshot of {size} entries: enough owners must cosign, and the books there must be kept"
    )]
    NoSnapshot {
        /// What was asked for.
        size: u64,
    },
    /// A snapshot that would take the place of a log that is as large already.
    #[error("the snapshot has {snapshot} entries, the ledger here has {log} already")]
    NotLarger {
        /// Entries of the snapshot.
        snapshot: u64,
        /// Entries of the log.
        log: u64,
    },
    /// The coordinator's own log is the one that all others are copies of.
    #[error("the coordinator's own ledger never begins with a snapshot")]
    SnapshotOfOwnLog,
    /// The snapshot that the log begins with, or the one just made, is not right.
    #[error("the ledger's snapshot is wrong: {0}; remove the file and fetch the ledger again")]
    Snapshot(#[from] SnapshotError),
    /// A proof about entries that are not there.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A commit failed before.
    #[error("an earlier write failed and may or may not be on disk: open the ledger again")]
    Uncertain,
    /// The stored entries break the rules or do not lead to the stored checkpoint: somebody edited the
    /// file, or part of it was lost.
    #[error("the ledger file was altered: {0}; restore it from a replica")]
    Altered(#[source] AppendError),
    /// The entries or the checkpoint given do not fit; nothing was written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The disk failed, or is full.
    #[error("the ledger file could not be read or written: {0}")]
    Io(#[source] io::Error),
}

impl StoreError {
    pub(super) fn io(error: io::Error) -> Self {
        Self::Io(error)
    }

    /// Whether there was no room left on the disk.
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Io(error)
            if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}
