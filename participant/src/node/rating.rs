//! The company's rater, asked on a thread of its own.

use std::sync::{Arc, atomic::Ordering};
use std::{panic::resume_unwind, time::Instant};

use tokio::sync::mpsc::UnboundedSender;
use unsilo_ledger::Hash;
use unsilo_train::StepReport;

use super::{Shared, directions::asked, jobs::Cancelled};
use crate::{
    error::NodeError,
    join::no_randomness,
    progress::Progress,
    rater::{Answered, Opinion, Rater, RoundStart},
    session::{DirectionValues, Event, RowJob},
};

fn rater(shared: &Shared) -> Result<Arc<dyn Rater>, NodeError> {
    let none = || NodeError::Computation("this node has no rater".to_owned());
    shared.local().rater.clone().ok_or_else(none)
}

/// What this company asks about in a round.
pub(super) fn directions(
    shared: &Shared,
    (round, model, earlier): (u64, Hash, &[Hash]),
    progress: &UnboundedSender<Progress>,
) -> Result<Event, NodeError> {
    let began = Instant::now();
    let weights = shared.models.load(&model)?;
    let differences = differences(shared, &weights, earlier)?;
    let unable = |reason| {
        NodeError::Computation(format!(
            "round {round}: this company rates nobody, and contributes all the same: {reason}"
        ))
    };
    let start = RoundStart {
        round,
        model,
        weights: &weights,
        differences: &differences,
    };
    let mut watch = |_: StepReport| {
        let late = shared.stopped_rater.load(Ordering::Relaxed) >= round;
        if late || shared.cancelled.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Cancelled));
        }
    };
    let values = rater(shared)?
        .directions(&start, &mut watch)
        .map_err(unable)?;
    let _ = progress.send(Progress::Directed {
        round,
        directions: values.len(),
        known: differences.len(),
        milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    Ok(Event::Directions {
        round,
        values: DirectionValues(values),
    })
}

/// What the rounds before changed in the model, the oldest first. A model that this node no longer has, or never had, ends
/// the list: what lies before it is not known.
fn differences(
    shared: &Shared,
    weights: &[f32],
    earlier: &[Hash],
) -> Result<Vec<Vec<f32>>, NodeError> {
    let held = shared.models.held()?;
    let mut differences = Vec::new();
    let mut after = weights.to_vec();
    for model in earlier.iter().take_while(|model| held.contains(*model)) {
        let before = shared.models.load(model)?;
        for (after, before) in after.iter_mut().zip(&before) {
            *after -= before;
        }
        differences.push(std::mem::replace(&mut after, before));
    }
    differences.reverse();
    Ok(differences)
}

/// What this company makes of the answers, with the salt of its commitment. A rater that cannot say gives a row of zeros,
/// which the ledger takes as no word on anybody: a row that never comes would be waited for.
pub(super) fn row(
    shared: &Shared,
    job: &RowJob,
    progress: &UnboundedSender<Progress>,
) -> Result<Event, NodeError> {
    let round = job.round;
    let asked = asked(shared, round)?;
    let kept = asked.0.directions.iter();
    let directions: Vec<&[i8]> = kept.map(|(values, _)| values.as_slice()).collect();
    let answered = Answered {
        round,
        contributors: &job.contributors,
        directions: &directions,
        scores: &job.scores,
    };
    let said = rater(shared)?.row(&answered).and_then(|opinions| {
        let silent = opinions.iter().all(|opinion| opinion.score <= 0);
        match opinions.len() == job.contributors.len() {
            true if silent => Err("no contribution helps by its held-out rows".to_owned()),
            true => Ok(opinions),
            false => Err(format!(
                "it has {} opinions on {} contributions",
                opinions.len(),
                job.contributors.len()
            )),
        }
    });
    let opinions = said.unwrap_or_else(|reason| {
        let _ = progress.send(Progress::Warning {
            message: format!("round {round}: this company has no say in the weights: {reason}"),
        });
        vec![Opinion::default(); job.contributors.len()]
    });
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(no_randomness)?;
    Ok(Event::Row {
        round,
        opinions,
        salt,
    })
}
