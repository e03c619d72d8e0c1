//! Work that takes a thread and no connection: seats, training, encryption, directions, evaluation.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::Ordering,
};

use tokio::sync::mpsc::UnboundedSender;
use unsilo_fhe::RoundKeyPair;
use unsilo_ledger::Hash;
use unsilo_train::StepReport;
use zeroize::Zeroize;

use super::{Shared, connected::Outcome, directions, rating};
use crate::{
    error::NodeError,
    guard::SeatRecord,
    join::no_randomness,
    keystore,
    outbox::Beside,
    payload::Prepared,
    progress::Progress,
    rater::RECENT_DIFFERENCES,
    session::{ContributionJob, Effect, Event},
};

/// Thrown through the trainer when the node ends, so that a long training does not hold it up.
pub(super) struct Cancelled;

/// Does a job that needs no connection. `None` if the node ended meanwhile.
///
/// What a person must correct (a full disk, a file that cannot be read) stops the node; a computation that failed is
/// told, and tried again with the next step.
pub(super) fn run(
    shared: &Shared,
    effect: Effect,
    progress: &UnboundedSender<Progress>,
) -> Option<Outcome> {
    let task = effect.task()?;
    let work = || match effect {
        Effect::MakeSeat {
            round,
            model,
            size,
            draw,
        } => make_seat(shared, round, model, size, draw),
        Effect::FirstModel { seed, model } => first_model(shared, &seed, &model),
        Effect::Contribute(job) => make_contribution(shared, &job, progress),
        Effect::AskRater {
            round,
            model,
            earlier,
        } => rating::directions(shared, (round, model, &earlier), progress),
        Effect::MakeDirections(job) => directions::make(shared, &job),
        Effect::MakeRow(job) => rating::row(shared, &job, progress),
        Effect::Evaluate { seed, round, model } => evaluate(shared, &seed, round, model),
        _ => Err(NodeError::Computation("not a job".to_owned())),
    };
    let ended = catch_unwind(AssertUnwindSafe(work));
    if shared.cancelled.load(Ordering::Relaxed) {
        return None;
    }
    let failed = |reason| Outcome::Event(Event::Failed { task, reason });
    Some(match ended {
        Ok(Ok(event)) => Outcome::Event(event),
        Ok(Err(NodeError::Computation(reason))) => failed(reason),
        Ok(Err(error)) => Outcome::Broken(error),
        Err(thrown) if thrown.is::<Cancelled>() => failed(
            "the directions of a round that takes none any more are given up: the rater of this machine is too slow for the \
             federation's rounds"
                .to_owned(),
        ),
        Err(_) => {
            failed("a computation ended unexpectedly; the node goes on without it".to_owned())
        }
    })
}

/// The secret key is durable before the seat is known to anybody.
fn make_seat(
    shared: &Shared,
    round: u64,
    model: Hash,
    size: u64,
    draw: Vec<u32>,
) -> Result<Event, NodeError> {
    let keys = RoundKeyPair::generate().map_err(no_randomness)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(no_randomness)?;
    keystore::write(&shared.directory.round_key(round), &keys.to_secret_bytes())?;
    let record = SeatRecord {
        round,
        model,
        round_key: keys.public().as_bytes().to_vec(),
        nonce,
        size,
        draw,
    };
    nonce.zeroize();
    Ok(Event::SeatMade(record))
}

fn first_model(shared: &Shared, seed: &Hash, expected: &Hash) -> Result<Event, NodeError> {
    let model = shared.models.save(&shared.models.first(seed))?;
    if model != *expected {
        return Err(NodeError::Computation(
            "the first weights do not have the hash on the ledger: this program and the ledger disagree".to_owned(),
        ));
    }
    Ok(Event::ModelHeld(model))
}

/// Trains, encodes, encrypts, and keeps the result in the outbox.
fn make_contribution(
    shared: &Shared,
    job: &ContributionJob,
    progress: &UnboundedSender<Progress>,
) -> Result<Event, NodeError> {
    let round = job.round;
    let federation = shared.federation.0;
    if job.measures {
        let local = shared.local();
        let sums = local.learner.own_sums().ok_or_else(|| {
            NodeError::Computation(format!("round {round}: there is nothing to measure"))
        })?;
        let made = shared.payload.prepare_integers(
            &shared.permutation,
            federation,
            job,
            &sums.integers(),
            &*shared.dealer,
        )?;
        return keep(shared, job, made, progress);
    }
    let mut tell = |StepReport { step, of, loss }: StepReport| {
        if shared.cancelled.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Cancelled));
        }
        let _ = progress.send(Progress::Training {
            round,
            step,
            of,
            loss,
        });
    };
    let before = shared.models.load(&job.model)?;
    let mut update = shared.local().learner.train(round, &before, &mut tell)?;
    for (after, before) in update.iter_mut().zip(&before) {
        *after -= before;
    }
    drop(before);

    let dealer = &*shared.dealer;
    let made = shared
        .payload
        .prepare(&shared.permutation, federation, job, update, dealer)?;
    keep(shared, job, made, progress)
}

/// Keeps a contribution in the outbox.
fn keep(
    shared: &Shared,
    job: &ContributionJob,
    made: Prepared,
    progress: &UnboundedSender<Progress>,
) -> Result<Event, NodeError> {
    let round = job.round;
    if shared.cancelled.load(Ordering::Relaxed) {
        return Err(NodeError::Computation("the node is ending".to_owned()));
    }
    let sealed: usize = made.sealed_shares.iter().map(Vec::len).sum();
    let beside = Beside {
        sealed_shares: made.sealed_shares,
        linear_hash: made.linear_hash,
    };
    shared
        .outbox
        .keep(round, &made.bytes, &beside, &made.seal_seeds)?;
    if let Some(clip) = made.clip {
        let _ = progress.send(Progress::Encrypted {
            round,
            bytes: made.bytes.len() as u64,
            clip,
        });
    }
    Ok(Event::Encrypted {
        round,
        model: job.model,
        root: made.root,
        bytes: (made.bytes.len() + sealed) as u64,
    })
}

fn evaluate(shared: &Shared, seed: &Hash, round: u64, model: Hash) -> Result<Event, NodeError> {
    let weights = shared.models.load(&model)?;
    let mut watch = |_: StepReport| {
        if shared.cancelled.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Cancelled));
        }
    };
    let first = || shared.models.first(seed);
    let local = shared.local();
    let evaluation = local
        .learner
        .evaluate(round, &weights, &shared.models, first, &mut watch)?;
    let keep = match shared.config.storage.keep_models {
        0 => 0,
        // The rater looks at what the last rounds changed.
        keep if local.rater.is_some() => keep.max(RECENT_DIFFERENCES + 1),
        keep => keep,
    };
    shared.models.prune(keep, &[model])?;
    Ok(Event::Evaluated {
        round,
        model,
        evaluation,
    })
}

/// Erases what only a round that is over needed.
pub(super) fn forget(shared: &Shared, round: u64) -> Result<(), NodeError> {
    keystore::erase(&shared.directory.round_key(round))?;
    shared.judging.forget(round);
    shared.outbox.forget(round)
}
