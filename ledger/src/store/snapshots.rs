//! Snapshots of the log, for those who join late: which can be made, and the file that they are handed out from.

use super::disk::sync_directory;
use super::reader::EntryReader;
use super::{LedgerStore, StoreError};
use crate::checkpoint::CosignedCheckpoint;
use crate::hash::Hash;
use crate::snapshot::{LogSnapshot, Outline, snapshot_hash};
use crate::state::State;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The extension of the file beside the log that holds the newest snapshot, in place of the log's.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";
/// Of how many sizes books are kept until enough owners cosigned them. Copies of the books share what did not
/// change between them; each has its own copy of what did, at most the size of one snapshot.
const KEPT_STATES: usize = 4;

/// The books at a few sizes, the newest.
#[derive(Default)]
pub(super) struct KeptStates(BTreeMap<u64, State>);

/// A snapshot about to be made, to be sent to another thread: what takes long is [`SnapshotJob::make`], which reads
/// the log's file beside whoever appends to it.
pub struct SnapshotJob {
    log: PathBuf,
    state: State,
    cosigned: CosignedCheckpoint,
    outline: Outline,
    /// Of each entry that the snapshot holds: where to begin to read, and how many entries come before it from there.
    places: BTreeMap<u64, (u64, u64)>,
    end: u64,
}

impl SnapshotJob {
    /// How many entries the snapshot is of.
    pub fn size(&self) -> u64 {
        self.cosigned.checkpoint().size
    }

    /// Makes the snapshot.
    ///
    /// # Errors
    /// When the log's file cannot be read.
    pub fn make(self) -> Result<LogSnapshot, StoreError> {
        let file = File::open(&self.log).map_err(StoreError::io)?;
        let (places, end) = (&self.places, self.end);
        // Many of them stand one after another: the reader goes on where that leads to the next one.
        let mut reading: Option<(EntryReader<'_>, u64)> = None;
        self.outline.fill(&self.state, &self.cosigned, |index| {
            let not_there = || StoreError::NotHeld { first: index };
            let (at, skip) = *places.get(&index).ok_or_else(not_there)?;
            let goes_on = reading
                .take()
                .filter(|(_, next)| (index.saturating_sub(skip)..=index).contains(next));
            let (mut reader, next) = goes_on
                .unwrap_or_else(|| (EntryReader::new(&file, at, end), index.saturating_sub(skip)));
            for _ in next..index {
                reader.next()?;
            }
            let entry = reader.next()?.ok_or_else(not_there)?.to_vec();
            reading = Some((reader, index.saturating_add(1)));
            Ok(entry)
        })
    }

    /// Makes the snapshot and writes it to `path`, in place of what is there. Returns its size, its length in bytes and
    /// its [`snapshot_hash`].
    ///
    /// Whoever reads the file meanwhile reads the old one or the new one: it is written beside, synced and renamed.
    /// After a crash or with a full disk the old one is there.
    ///
    /// # Errors
    /// As [`SnapshotJob::make`]; [`StoreError::Snapshot`] for one too large; when the file cannot be written.
    pub fn write(self, path: &Path) -> Result<(u64, u64, Hash), StoreError> {
        let size = self.size();
        let bytes = self.make()?.to_bytes();
        // Refused here rather than by everybody who fetches it.
        LogSnapshot::from_bytes(&bytes)?;
        replace(path, &bytes).map_err(StoreError::io)?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok((size, length, snapshot_hash(&bytes)))
    }
}

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

    /// Forgets the books kept of `size` entries and fewer: a snapshot of them is made, or is not wanted any more.
    pub fn forget_books(&mut self, size: u64) {
        let KeptStates(kept) = &mut self.books;
        *kept = kept.split_off(&size.saturating_add(1));
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

    /// The making of the snapshot at `size` entries (see [`LedgerStore::newest_snapshot`]), for another thread. What is
    /// done here takes microseconds for each entry about membership.
    ///
    /// # Errors
    /// [`StoreError::NoSnapshot`]; [`StoreError::NotHeld`] for a log that began with a snapshot itself and does not
    /// hold the entries about membership.
    pub fn snapshot_job(&self, size: u64) -> Result<SnapshotJob, StoreError> {
        let KeptStates(kept) = &self.books;
        let found = kept.get(&size).zip(self.cosigned(size));
        let (state, cosigned) = found
            .filter(|(state, cosigned)| state.majority_cosigned(cosigned))
            .ok_or(StoreError::NoSnapshot { size })?;
        let first = self.replica.first();
        if first > 0 {
            return Err(StoreError::NotHeld { first });
        }
        let outline = Outline::of(&self.replica, size)?;
        let places = outline
            .positions()
            .map(|index| Ok((index, self.file.locate(index)?)));
        Ok(SnapshotJob {
            log: self.path.clone(),
            state: state.clone(),
            cosigned: cosigned.clone(),
            places: places.collect::<Result<_, StoreError>>()?,
            outline,
            end: self.file.bytes(),
        })
    }

    /// The snapshot at `size` entries, made here and now.
    ///
    /// # Errors
    /// As [`LedgerStore::snapshot_job`] and [`SnapshotJob::make`].
    pub fn snapshot(&self, size: u64) -> Result<LogSnapshot, StoreError> {
        self.snapshot_job(size)?.make()
    }

    /// Writes the newest snapshot that can be made to `path` as [`SnapshotJob::write`] does, here and now, if it is
    /// newer than `before` entries; and forgets the books of older sizes. Returns its size and [`snapshot_hash`].
    ///
    /// # Errors
    /// As [`LedgerStore::snapshot_job`] and [`SnapshotJob::write`]. Nothing about the log changed.
    pub fn write_snapshot(
        &mut self,
        path: &Path,
        before: u64,
    ) -> Result<Option<(u64, Hash)>, StoreError> {
        let Some(size) = self.newest_snapshot().filter(|size| *size > before) else {
            return Ok(None);
        };
        let (size, _, hash) = self.snapshot_job(size)?.write(path)?;
        self.forget_books(size);
        Ok(Some((size, hash)))
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
