//! The company's own rater, asked on a thread of its own.

use std::sync::Arc;

use unsilo_ledger::Hash;

use super::Shared;
use crate::{
    error::NodeError,
    join::no_randomness,
    rater::Rater,
    session::{DirectionValues, Event, RowJob},
};

fn rater(shared: &Shared) -> Result<&Arc<dyn Rater>, NodeError> {
    let none = || NodeError::Computation("this node has no rater".to_owned());
    shared.rater.as_ref().ok_or_else(none)
}

/// What this company asks about in a round.
pub(super) fn directions(shared: &Shared, round: u64, model: Hash) -> Result<Event, NodeError> {
    let weights = shared.models.load(&model)?;
    let unable = |reason| {
        NodeError::Computation(format!(
            "round {round}: this company asks about nothing: {reason}"
        ))
    };
    let values = rater(shared)?.directions(round, &weights).map_err(unable)?;
    Ok(Event::Directions {
        round,
        values: DirectionValues(values),
    })
}

/// What this company makes of the answers, with the salt of its commitment.
pub(super) fn row(shared: &Shared, job: &RowJob) -> Result<Event, NodeError> {
    let unable = |reason| {
        NodeError::Computation(format!(
            "round {}: this company rates nobody: {reason}",
            job.round
        ))
    };
    let opinions = rater(shared)?
        .row(job.round, &job.contributors, &job.scores)
        .map_err(unable)?;
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(no_randomness)?;
    Ok(Event::Row {
        round: job.round,
        opinions,
        salt,
    })
}
