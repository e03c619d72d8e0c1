//! A batch of answered queries on its way to the ledger. It waits here for a step in which the log may grow.

use unsilo_ledger::{Entry, Hash, Phase, State};

/// Queries that were answered and wait for the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryBatch {
    /// How many were entered before.
    pub(crate) first: u64,
    /// How many.
    pub(crate) count: u32,
    /// Over all of them.
    pub(crate) root: Hash,
    /// What is owed for all queries up to and with these, ever.
    pub(crate) fees_through: u64,
}

/// The next batch, if there is one: a later offer holds all of an earlier one and more.
#[derive(Default)]
pub(super) struct Queries(Option<QueryBatch>);

impl Queries {
    pub(super) fn offered(&mut self, batch: QueryBatch) {
        self.0 = Some(batch);
    }

    /// The entry, once it may be on the ledger: while contributions come in or between rounds, as with what a
    /// participant says for itself. Fees beyond what the founders allow between two rounds stay owed, for the next one.
    pub(super) fn entry(&mut self, contributing: bool, ledger: &State) -> Option<Entry> {
        if !contributing && ledger.phase() != Phase::Idle {
            return None;
        }
        let pool = ledger.pool()?;
        let batch = self.0.take_if(|batch| batch.first <= pool.queries)?;
        if batch.first < pool.queries || batch.count == 0 {
            // Entered already.
            return None;
        }
        let owed = batch.fees_through.saturating_sub(pool.fees_entered);
        Some(Entry::QueryBatch {
            root: batch.root,
            first: batch.first,
            count: batch.count,
            fees: owed.min(ledger.query_fees_left()),
        })
    }
}
