//! Batches on their way to the ledger, and the proof that a query is in one.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use unsilo_ledger::{Proof, Query, QueryTree, query::MAX_BATCH_QUERIES};

use super::log::QueryLog;
use crate::{
    error::CoordinatorError,
    owner::{EnteredBatch, Owner},
    round::{Event, QueryBatch},
};

/// How often it is looked whether queries wait.
const LOOK: Duration = Duration::from_millis(500);
/// The least time between two batches: under steady load an entry of some 250 bytes every five seconds, 1.6 GB a
/// year. A query after a pause is entered at the next look.
const PAUSE: Duration = Duration::from_secs(5);

/// A query of a batch on the ledger, with everything that shows it.
pub(crate) struct Proved {
    pub(crate) batch: EnteredBatch,
    /// From the leaf to the batch's root.
    pub(crate) proof: Proof,
}

/// Offers what waits to the ledger until the coordinator stops. Where it goes on, the ledger says: a crash at any
/// point loses no query and enters none twice.
pub(crate) async fn enter(log: QueryLog, owner: Owner, mut stopping: watch::Receiver<bool>) {
    let mut offered: Option<(Instant, u64)> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let Some(entered) = owner.now().state.pool().map(|pool| pool.queries) else {
            continue;
        };
        let waiting = log.len().saturating_sub(entered);
        let full = waiting >= u64::from(MAX_BATCH_QUERIES);
        // An offer that waits for its step is replaced by a larger one, no more often than batches come.
        let early =
            offered.is_some_and(|(at, first)| at.elapsed() < PAUSE && !(full && first != entered));
        if waiting == 0 || early {
            continue;
        }
        offered = Some((Instant::now(), entered));
        let kept = log.clone();
        let made = tokio::task::spawn_blocking(move || batch(&kept, entered)).await;
        match made {
            Ok(Ok(Some(batch))) => {
                if let Err(rejected) = owner.event(Event::Queries(batch)).await {
                    tracing::error!(%rejected, "queries could not be entered; they are tried again");
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::error!(%error, "queries cannot be entered"),
            Err(error) => tracing::error!(%error, "a batch of queries could not be made"),
        }
    }
}

/// The next batch after `entered` queries; `None` if there is nothing to enter.
fn batch(log: &QueryLog, entered: u64) -> Result<Option<QueryBatch>, CoordinatorError> {
    let waiting = log.len().saturating_sub(entered);
    let count =
        u32::try_from(waiting).map_or(MAX_BATCH_QUERIES, |waiting| waiting.min(MAX_BATCH_QUERIES));
    let Some(fees) = log.fees_of(entered + u64::from(count))? else {
        return Ok(None);
    };
    if count == 0 {
        return Ok(None);
    }
    let root = tree(&log.queries(entered, count)?).root();
    Ok(Some(QueryBatch {
        first: entered,
        count,
        root,
        fees_through: fees,
    }))
}

fn tree(queries: &[Query]) -> QueryTree {
    let leaves: Vec<Vec<u8>> = queries.iter().map(Query::to_bytes).collect();
    QueryTree::new(leaves.iter().map(Vec::as_slice))
}

impl QueryLog {
    /// The proof that query `number` is in `batch`. Reads the whole batch: for a thread that may block.
    ///
    /// # Errors
    /// [`CoordinatorError`] if the file of queries does not make the root that is on the ledger.
    pub(crate) fn prove(
        &self,
        number: u64,
        batch: EnteredBatch,
    ) -> Result<Proved, CoordinatorError> {
        let tree = tree(&self.queries(batch.first, batch.count)?);
        let place = number
            .checked_sub(batch.first)
            .and_then(|place| u32::try_from(place).ok());
        let proof = place.and_then(|place| tree.prove(place).ok());
        match proof {
            Some(proof) if tree.root() == batch.root => Ok(Proved { batch, proof }),
            _ => Err(CoordinatorError::Ledger(format!(
                "queries.log does not hold the queries that entry {} was made of: restore it from a backup",
                batch.index
            ))),
        }
    }
}
