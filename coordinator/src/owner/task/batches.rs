//! Batches of answered queries in the log.

use unsilo_ledger::{Entry, SignedEntry, store::StoreError};
use unsilo_proto::Rejected;

use super::{Task, internal};
use crate::{error::CoordinatorError, owner::EnteredBatch};

impl Task {
    pub(super) fn note_batch(&mut self, signed: &SignedEntry, index: u64) {
        if let Entry::QueryBatch { first, count, .. } = signed.entry {
            self.batches.push((first, count, index));
        }
    }

    /// The batch that holds query `number`, with its proof against the newest checkpoint.
    pub(super) fn batch(&self, number: u64) -> Result<Option<EnteredBatch>, Rejected> {
        // Batches follow each other without gaps, so the last that begins at or before it holds it, or none does yet.
        let after = self.batches.partition_point(|(first, ..)| *first <= number);
        let found = after.checked_sub(1).map(|last| self.batches[last]);
        let Some((first, count, index)) =
            found.filter(|(first, count, _)| number - first < u64::from(*count))
        else {
            return Ok(None);
        };
        let failed = |error: StoreError| internal(CoordinatorError::Ledger(error.to_string()));
        let size = self.ledger.len();
        let entry = self
            .ledger
            .encoded_entries(index, 1, usize::MAX)
            .map_err(failed)?;
        let proof = self
            .ledger
            .prove_inclusion(index, size)
            .map_err(|error| internal(CoordinatorError::Ledger(error.to_string())))?;
        let entry = entry.into_iter().next().unwrap_or_default();
        let Ok(SignedEntry {
            entry: Entry::QueryBatch { root, .. },
            ..
        }) = SignedEntry::decode(&entry)
        else {
            return Err(internal(CoordinatorError::Ledger(format!(
                "entry {index} is not the batch of queries that it was"
            ))));
        };
        let checkpoint = self.ledger.checkpoint();
        Ok(Some(EnteredBatch {
            first,
            count,
            root,
            entry,
            index,
            proof,
            checkpoint: checkpoint
                .map_or_else(String::new, |checkpoint| checkpoint.note().to_owned()),
        }))
    }
}
