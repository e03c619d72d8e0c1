//! A log that is being read back: batches are read and decoded ahead and verified by other threads, while the ones
//! before them are applied in order.

use super::StoreError;
use super::disk::Disk;
use super::layout::Head;
use super::reader::{EntryReader, Positions};
use crate::entry::signed::SignedEntry;
use crate::parallel::{BATCH_ENTRIES, Batch, Verifiers};
use crate::replica::Replica;
use crate::seated_keys::SeatedKeys;
use std::collections::VecDeque;

/// About how many bytes of entries are verified together.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Shorter logs are not worth a thread.
const WORTH_THREADS: u64 = 1024 * 1024;

/// A log up to some entry.
#[derive(Clone)]
pub(super) struct Loading<'a> {
    disk: &'a dyn Disk,
    at: u64,
    positions: Positions,
    replica: Replica,
}

impl<'a> Loading<'a> {
    /// A log of which `replica` holds what is before position `at`.
    pub(super) fn new(disk: &'a dyn Disk, at: u64, replica: Replica) -> Self {
        Self {
            disk,
            at,
            positions: Positions::from(replica.first()),
            replica,
        }
    }

    pub(super) fn into_parts(self) -> (Positions, Replica) {
        (self.positions, self.replica)
    }

    /// Reads, verifies and applies the entries up to a head, which must be of exactly these.
    pub(super) fn read_to(
        &mut self,
        head: &Head,
        visit: &mut dyn FnMut(u64, &SignedEntry),
    ) -> Result<(), StoreError> {
        let many = head.end.saturating_sub(self.at) > WORTH_THREADS;
        Verifiers::with(many, |verifiers| self.read_with(verifiers, head, visit))?;
        if self.replica.len() != head.entries {
            return Err(StoreError::Damaged {
                reason: format!(
                    "it has {} entries where its head says {}",
                    self.replica.len(),
                    head.entries
                ),
            });
        }
        if head.entries > 0 {
            self.replica
                .adopt(&head.note)
                .map_err(StoreError::Altered)?;
        }
        Ok(())
    }

    fn read_with(
        &mut self,
        verifiers: &Verifiers,
        head: &Head,
        visit: &mut dyn FnMut(u64, &SignedEntry),
    ) -> Result<(), StoreError> {
        let mut reader = EntryReader::new(self.disk, self.at, head.end);
        let mut seated = SeatedKeys::of(self.replica.state());
        let mut under_way = VecDeque::new();
        // How reading ended: at the end, or at something unreadable, which counts once all before it was applied.
        let mut ended: Option<Result<(), StoreError>> = None;
        let mut next = self.replica.len();
        loop {
            while ended.is_none() && under_way.len() < verifiers.ahead() {
                let federation = self.replica.state().federation_id();
                // The genesis alone: without it nobody knows what the other signatures are under.
                if federation.is_none() && !under_way.is_empty() {
                    break;
                }
                let limit = if federation.is_none() {
                    1
                } else {
                    BATCH_ENTRIES
                };
                let (batch, error) = self.read_batch(&mut reader, &mut seated, next, limit);
                let count = u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
                next = next.saturating_add(count);
                if let Err(error) = error {
                    ended = Some(Err(error));
                } else if count == 0 {
                    ended = Some(Ok(()));
                }
                if count > 0 {
                    under_way.push_back(verifiers.start(batch, federation, self.replica.keys()));
                }
            }
            let Some(batch) = under_way.pop_front() else {
                return ended.unwrap_or(Ok(()));
            };
            let (batch, verified) = batch.finish();
            let first = self.replica.len();
            self.replica
                .load(&batch, &verified)
                .map_err(StoreError::Altered)?;
            for (index, entry) in (first..).zip(&batch.entries) {
                visit(index, entry);
            }
        }
    }

    /// The next entries, the first of them at index `first`; fewer than there might be, or none, at the end or
    /// before something that cannot be read.
    fn read_batch(
        &mut self,
        reader: &mut EntryReader<'_>,
        seated: &mut SeatedKeys,
        first: u64,
        limit: usize,
    ) -> (Batch, Result<(), StoreError>) {
        let mut batch = Batch {
            entries: Vec::new(),
            encoded: Vec::new(),
            inside: Vec::new(),
        };
        let mut bytes_left = BATCH_BYTES;
        let mut read = || -> Result<(), StoreError> {
            for index in (first..).take(limit) {
                self.at = reader.position();
                let Some(bytes) = reader.next()? else { break };
                let entry = SignedEntry::decode(bytes)
                    .map_err(|error| StoreError::Undecodable { index, error })?;
                self.positions.push(self.at);
                let keys = seated.inside(&entry.entry, self.replica.state());
                batch.inside.push(keys);
                batch.entries.push(entry);
                batch.encoded.push(bytes.to_vec());
                bytes_left = bytes_left.saturating_sub(bytes.len());
                if bytes_left == 0 {
                    break;
                }
            }
            self.at = reader.position();
            Ok(())
        };
        let ended = read();
        (batch, ended)
    }
}
