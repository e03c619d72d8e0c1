//! Reading entries one after another, and finding where one begins.

use super::StoreError;
use super::disk::Disk;
use super::layout::LENGTH_BYTES;
use crate::entry::signed::MAX_ENTRY_BYTES;

/// Read at a time.
const BUFFER_BYTES: usize = 1024 * 1024;
/// The position of every so many entries is kept in memory; the others are found from there.
const STRIDE: u64 = 64;

/// Where entries begin: of every [`STRIDE`]th, from the first that is there on.
#[derive(Clone, Default)]
pub(super) struct Positions {
    /// The first entry that is there.
    first: u64,
    /// How many are there.
    entries: u64,
    offsets: Vec<u64>,
}

impl Positions {
    /// Of a log that begins with entry `first`, none yet.
    pub(super) fn from(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    /// The first entry that is there.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Without offsets, but counting on: for entries that are not written yet.
    pub(super) fn clone_end(&self) -> Self {
        Self {
            first: self.first,
            entries: self.entries,
            offsets: Vec::new(),
        }
    }

    /// The next entry begins at `offset`.
    pub(super) fn push(&mut self, offset: u64) {
        if self.entries.checked_rem(STRIDE) == Some(0) {
            self.offsets.push(offset);
        }
        self.entries = self.entries.saturating_add(1);
    }

    /// Takes over what was pushed to a [`Positions::clone_end`].
    pub(super) fn extend(&mut self, more: Self) {
        self.entries = more.entries;
        self.offsets.extend(more.offsets);
    }

    /// The last entry at or before `index` whose position is kept.
    pub(super) fn first_before(&self, index: u64) -> u64 {
        let held = index.saturating_sub(self.first);
        index.saturating_sub(held.checked_rem(STRIDE).unwrap_or(0))
    }

    /// Where that one begins.
    pub(super) fn before(&self, index: u64) -> u64 {
        let held = index.saturating_sub(self.first);
        let at = usize::try_from(held.checked_div(STRIDE).unwrap_or(0)).unwrap_or(usize::MAX);
        self.offsets.get(at).copied().unwrap_or(u64::MAX)
    }
}

/// Entries from one position to another.
pub(super) struct EntryReader<'a> {
    disk: &'a dyn Disk,
    /// Of the first byte in `buffer`.
    base: u64,
    buffer: Vec<u8>,
    /// Of the next byte, in `buffer`.
    at: usize,
    end: u64,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(disk: &'a dyn Disk, from: u64, end: u64) -> Self {
        Self {
            disk,
            base: from,
            buffer: Vec::new(),
            at: 0,
            end,
        }
    }

    /// Where the next entry begins.
    pub(super) fn position(&self) -> u64 {
        self.base
            .saturating_add(u64::try_from(self.at).unwrap_or(u64::MAX))
    }

    /// The next entry's canonical bytes; `None` at the end, which must be the end of an entry.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, StoreError> {
        if self.position() >= self.end {
            return Ok(None);
        }
        let header = self.take(usize::try_from(LENGTH_BYTES).unwrap_or_default())?;
        let length = header
            .try_into()
            .map(u32::from_le_bytes)
            .unwrap_or_default();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_ENTRY_BYTES {
            return Err(StoreError::Damaged {
                reason: format!("an entry of {length} bytes is announced"),
            });
        }
        self.take(length).map(Some)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], StoreError> {
        let past = self.at.saturating_add(length);
        if past > self.buffer.len() {
            self.fill(length)?;
        }
        let start = self.at;
        self.at = start.saturating_add(length);
        let taken = self.buffer.get(start..self.at);
        taken.ok_or_else(|| StoreError::Damaged {
            reason: "its last entry is cut off".to_owned(),
        })
    }

    /// Reads on, so that at least `length` bytes lie ahead if there are so many.
    fn fill(&mut self, length: usize) -> Result<(), StoreError> {
        let position = self.position();
        let there = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        self.buffer.resize(length.max(BUFFER_BYTES).min(there), 0);
        let read = self
            .disk
            .read_at(position, &mut self.buffer)
            .map_err(StoreError::io)?;
        self.buffer.truncate(read);
        self.base = position;
        self.at = 0;
        Ok(())
    }
}
