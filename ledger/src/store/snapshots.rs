//! Snapshots of the log, for those who join late: which can be made, and the file that they are handed out from.

use super::disk::sync_directory;
use super::{LedgerStore, StoreError};
use crate::hash::Hash;
use crate::snapshot::{LogSnapshot, snapshot_hash};
use crate::state::State;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The extension of the file beside the log that holds the newest snapshot, in place of the log's.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";
/// Of how many sizes books are kept until enough owners cosigned them. Copies of the books share what did not
/// change between them; each has its own copy of what did, at most the size of one snapshot.
const KEPT_STATES: usize = 4;

/// The books at a few sizes, the newest.
#[derive(Default)]
pub(super) struct KeptStates(BTreeMap<u64, State>);

impl LedgerStore {
    /// Keeps the books as they are now, so that a snapshot can be made of them when enough owners have cosigned the
    /// checkpoint: they only do once the log may have gone on. The books of the newest few calls are kept, in
    /// memory: after a restart the next call is what counts.
    pub fn keep_books(&mut self) {
        let (size, state) = (self.len(), self.state().clone());
        let KeptStates(kept) = &mut self.books;
        kept.insert(size, state);
        while kept.len() > KEPT_STATES {
            kept.pop_first();
        }
    }

    /// The largest size at which a snapshot can be made: books are kept, and more than half of the owners cosigned.
    pub fn newest_snapshot(&self) -> Option<u64> {
        let KeptStates(kept) = &self.books;
        let ready = |(size, state): &(&u64, &State)| {
            let cosigned = self.cosigned(**size);
            cosigned.is_some_and(|cosigned| state.majority_cosigned(cosigned))
        };
        kept.iter().rev().find(ready).map(|(size, _)| *size)
    }

    /// The snapshot at `size` entries; see [`LedgerStore::newest_snapshot`].
    ///
    /// # Errors
    /// [`StoreError::NoSnapshot`]; [`StoreError::NotHeld`] for a log that began with a snapshot itself and does not
    /// hold the entries about membership; when the disk cannot be read.
    pub fn snapshot(&self, size: u64) -> Result<LogSnapshot, StoreError> {
        let KeptStates(kept) = &self.books;
        let found = kept.get(&size).zip(self.cosigned(size));
        let (state, cosigned) = found
            .filter(|(state, cosigned)| state.majority_cosigned(cosigned))
            .ok_or(StoreError::NoSnapshot { size })?;
        let first = self.replica.first();
        if first > 0 {
            return Err(StoreError::NotHeld { first });
        }
        LogSnapshot::make(&self.replica, state, cosigned, |index| {
            let mut entries = self.file.encoded(index, 1, usize::MAX)?;
            entries.pop().ok_or(StoreError::NotHeld { first: index })
        })
    }

    /// Writes the newest snapshot that can be made to `path`, in place of what is there, if it is newer than
    /// `before` entries; and forgets the books of older sizes. Returns its size and [`snapshot_hash`].
    ///
    /// Whoever reads the file meanwhile reads the old one or the new one: it is written beside, synced and renamed.
    /// After a crash or with a full disk the old one is there.
    ///
    /// # Errors
    /// As [`LedgerStore::snapshot`]; [`StoreError::Snapshot`] for one too large; when the file cannot be written.
    /// Nothing about the log changed.
    pub fn write_snapshot(
        &mut self,
        path: &Path,
        before: u64,
    ) -> Result<Option<(u64, Hash)>, StoreError> {
        let Some(size) = self.newest_snapshot().filter(|size| *size > before) else {
            return Ok(None);
        };
        let bytes = self.snapshot(size)?.to_bytes();
        // Refused here rather than by everybody who fetches it.
        LogSnapshot::from_bytes(&bytes)?;
        replace(path, &bytes).map_err(StoreError::io)?;
        let KeptStates(kept) = &mut self.books;
        *kept = kept.split_off(&size.saturating_add(1));
        Ok(Some((size, snapshot_hash(&bytes))))
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("snapshot-new");
    let mut file = File::create(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if let Err(error) = written {
        // What a full disk left of it is in the way of everything else.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    std::fs::rename(&beside, path)?;
    sync_directory(path)
}
