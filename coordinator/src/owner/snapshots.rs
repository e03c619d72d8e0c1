//! The newest snapshot of the log: made beside the owner, handed out by the services.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use unsilo_ledger::{
    FederationId, Hash, LogSnapshot, PublicKey, StoreError,
    snapshot::{MAX_SNAPSHOT_BYTES, snapshot_hash},
    store::SnapshotJob,
};

/// After a snapshot was made there is a pause so many times as long as the making took: it has a twentieth of a core at
/// most, however large the books are and however short the rounds.
const PAUSE: u32 = 19;

/// A snapshot in its file. The file stays readable while it is open, also when a newer one takes its name.
pub(crate) struct HandedOut {
    /// Entries that it stands for.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) hash: Hash,
    pub(crate) file: File,
}

/// What a thread found that made a snapshot, or read the one on disk.
pub(crate) struct Made {
    pub(super) result: Result<Handed, String>,
    /// Entries of the log that it was made of; `None` for the one on disk.
    pub(super) made_of: Option<u64>,
    pub(super) took: Duration,
}

/// A snapshot, and the root that it must have in the log.
pub(super) struct Handed {
    pub(super) snapshot: HandedOut,
    /// `None` for one that was just made of the log itself.
    pub(super) root: Option<Hash>,
}

/// At most one snapshot is kept, and one in the making.
pub(super) struct Snapshots {
    pub(super) path: PathBuf,
    pub(super) making: bool,
    /// When the next may be made.
    pub(super) not_before: Instant,
    pub(super) newest: watch::Sender<Option<Arc<HandedOut>>>,
}

impl Snapshots {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            making: false,
            not_before: Instant::now(),
            newest: watch::Sender::new(None),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Arc<HandedOut>>> {
        self.newest.subscribe()
    }

    /// Entries of the one that is handed out; 0 without one.
    pub(super) fn size(&self) -> u64 {
        self.newest
            .borrow()
            .as_ref()
            .map_or(0, |newest| newest.entries)
    }

    /// Takes over what a thread found.
    pub(super) fn made(&mut self, took: Duration) {
        self.making = false;
        self.not_before = Instant::now() + took * PAUSE;
    }
}

/// Makes a snapshot and opens its file.
pub(super) fn make(job: SnapshotJob, path: &Path) -> Result<Handed, StoreError> {
    let (entries, bytes, hash) = job.write(path)?;
    Ok(Handed {
        snapshot: HandedOut {
            entries,
            bytes,
            hash,
            // Only this thread gives the name away: it is the file just written.
            file: File::open(path).map_err(StoreError::Io)?,
        },
        root: None,
    })
}

/// Reads the snapshot that an earlier process left, and verifies it like anybody who is handed it.
pub(super) fn read(
    path: &Path,
    coordinator: &PublicKey,
    federation: &FederationId,
) -> Result<Handed, StoreError> {
    let file = File::open(path).map_err(StoreError::Io)?;
    let length = file.metadata().map_err(StoreError::Io)?.len();
    if length > MAX_SNAPSHOT_BYTES as u64 {
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        return Err(unsilo_ledger::SnapshotError::TooLong { bytes }.into());
    }
    let bytes = std::fs::read(path).map_err(StoreError::Io)?;
    let verified = LogSnapshot::from_bytes(&bytes)?.verify(coordinator, federation)?;
    Ok(Handed {
        root: Some(verified.cosigned().checkpoint().root),
        snapshot: HandedOut {
            entries: verified.trust().entries,
            bytes: bytes.len() as u64,
            hash: snapshot_hash(&bytes),
            file,
        },
    })
}
