//! A member's scalar answers: computed from its shares, sealed, kept, and sent as often as asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rayon::prelude::*;
use tonic::transport::Channel;
use unsilo_fhe::{
    AnswerSheet, DirectionAnswers, DirectionKey, Entropy, KeyShare, ProjectionAnswers, Projections,
    Question, RoundContext, RoundPublicKey, answer_all_projections, direction_hash,
    share::ShareError,
};
use unsilo_ledger::{AnswerStatement, Hash};
use unsilo_proto::{
    SealedHashes, limits,
    v1::{
        AnswerRequest, DirectionsRequest, SealedDirectionAnswer, committee_client::CommitteeClient,
    },
};
use zeroize::Zeroizing;

use super::{
    Shared,
    requests::{Failure, blocking, within},
    shares::{self, Seat, Served, ShareFailure},
};
use crate::{
    error::NodeError,
    guard::AnswerRecord,
    join::no_randomness,
    outbox::KeptAnswers,
    session::{AnswerJob, Event, RaterFacts, Sitting, Task},
};

/// The answers that this process made last. After a lost connection a round is answered again while the thread of the first
/// attempt still computes: it would replace what was recorded meanwhile, and the member could send nothing any more.
#[derive(Default)]
pub(super) struct Answering(Mutex<Option<(AnswerJob, AnswerRecord)>>);

impl Answering {
    /// What `make` gives, or gave before: one at a time, and once for a job.
    fn once<E>(
        &self,
        job: &AnswerJob,
        make: impl FnOnce() -> Result<AnswerRecord, E>,
    ) -> Result<AnswerRecord, E> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, record)) = &*made
            && of == job
        {
            return Ok(record.clone());
        }
        let record = make()?;
        *made = Some((job.clone(), record.clone()));
        Ok(record)
    }
}

/// Fetches shares and directions, answers everything, keeps the sealed answers.
pub(super) async fn answer(
    channel: Channel,
    shared: Arc<Shared>,
    job: AnswerJob,
    wait: Duration,
) -> Result<Event, Failure> {
    if !shared.payload.is_encrypted() {
        return blocking(move || {
            let made = shared
                .answering
                .once(&job, || keep(&shared, &job, plain(job.at.seat)));
            made.map(Event::Answered).map_err(Failure::from)
        })
        .await?;
    }
    let round = job.at.round;
    let wanted = job.set.iter().map(|(id, _, _)| id.0).collect();
    let served = shares::fetch(channel.clone(), round, wanted, wait).await?;
    let keys = match job.raters.is_empty() {
        true => BTreeMap::new(),
        false => fetch_directions(channel, round, wait).await?,
    };
    blocking(move || {
        shared
            .answering
            .once(&job, || compute(&shared, &job, &served, &keys))
            .map(Event::Answered)
            .or_else(|failure| failure.into_event(round, Task::Answer(round)))
    })
    .await?
}

/// The direction keys of each rater, as the coordinator hands them out.
async fn fetch_directions(
    channel: Channel,
    round: u64,
    wait: Duration,
) -> Result<BTreeMap<u32, Vec<Vec<u8>>>, Failure> {
    let mut client = CommitteeClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(wait, client.directions(DirectionsRequest { round }))
        .await?
        .into_inner();
    let mut keys = BTreeMap::new();
    while let Some(of) = within(wait, stream.message()).await? {
        if of.keys.len() <= limits::DIRECTIONS && keys.len() < limits::RATERS {
            keys.insert(of.rater, of.keys);
        }
    }
    Ok(keys)
}

/// The projections of a round with its challenge.
pub(super) fn projections(shared: &Shared, at: &Sitting, challenge: Hash) -> Projections {
    let context = RoundContext {
        federation: shared.federation.0,
        round: at.round,
        model: at.model,
    };
    Projections::new(&shared.params, &context, challenge)
}

fn compute(
    shared: &Shared,
    job: &AnswerJob,
    served: &Served,
    keys: &BTreeMap<u32, Vec<Vec<u8>>>,
) -> Result<AnswerRecord, ShareFailure> {
    let seat = Seat::open(shared, &job.at)?;
    let asked = read_directions(&seat.context, &job.raters, keys)?;
    let set: Vec<_> = job.set.iter().map(|(id, _, root)| (*id, *root)).collect();
    let opened = seat.open_shares(shared, &set, served)?;
    let projections = projections(shared, &job.at, job.challenge);
    let mut entropy = Zeroizing::new([0; 32]);
    getrandom::fill(&mut entropy[..])
        .map_err(|error| ShareFailure::Broken(no_randomness(error)))?;
    let (sheet, sealed) = seal_sheet(&seat, job.at.seat, &opened, &projections, *entropy)?;
    let directions = asked
        .par_iter()
        .map(|(rater, asked)| seal_directions(job, &projections, (rater, asked), &opened))
        .collect::<Result<_, _>>()?;
    let kept = KeptAnswers {
        seat: job.at.seat,
        sheet_root: sealed.root,
        sheet: sealed.sheet,
        sheet_keys: sealed.keys.into_iter().map(|(_, key)| key).collect(),
        directions,
        entropy: *entropy,
    };
    let record = keep(shared, job, kept).map_err(ShareFailure::Broken)?;
    shared.judging.keep_own_sheet(sheet);
    Ok(record)
}

/// The directions that were committed, each held against its hash on the ledger.
fn read_directions<'a>(
    context: &RoundContext,
    raters: &'a [RaterFacts],
    served: &BTreeMap<u32, Vec<Vec<u8>>>,
) -> Result<Vec<(&'a RaterFacts, Vec<DirectionKey>)>, ShareFailure> {
    raters
        .iter()
        .map(|rater| {
            let id = rater.participant.0;
            let unfit = || {
                ShareFailure::Unable(format!(
                    "the coordinator did not hand out the directions that participant {id} committed to"
                ))
            };
            let bytes = served
                .get(&id)
                .filter(|keys| keys.len() == rater.directions.len())
                .ok_or_else(unfit)?;
            let keys = (0..)
                .zip(bytes)
                .zip(&rater.directions)
                .map(|((index, bytes), committed)| {
                    let key = DirectionKey::from_bytes(bytes).ok()?;
                    (direction_hash(context, id, index, &key) == *committed).then_some(key)
                })
                .collect::<Option<_>>()
                .ok_or_else(unfit)?;
            Ok((rater, keys))
        })
        .collect()
}

/// The answers on all projections, sealed to the other seats; the same entropy gives the same bytes.
pub(super) fn seal_sheet(
    seat: &Seat,
    number: u16,
    opened: &[(u32, Result<KeyShare, ShareError>)],
    projections: &Projections,
    entropy: [u8; 32],
) -> Result<(AnswerSheet, unsilo_fhe::SealedSheet), ShareFailure> {
    let shares: Vec<&KeyShare> = opened
        .iter()
        .filter_map(|(_, share)| share.as_ref().ok())
        .collect();
    let answered = answer_all_projections(&shares, projections)
        .map_err(|error| ShareFailure::Unable(error.to_string()))?;
    let mut answered = answered.into_iter();
    let answers = opened
        .iter()
        .map(|(participant, share)| {
            let answer = share.is_ok().then(|| answered.next()).flatten();
            // Its dealer or this member is at fault: an appeal tells.
            answer.unwrap_or_else(|| ProjectionAnswers::unusable(*participant))
        })
        .collect();
    AnswerSheet::seal(
        projections,
        &seat.committee,
        number,
        answers,
        Entropy::from_bytes(entropy),
    )
    .map_err(|error| ShareFailure::Unable(error.to_string()))
}

/// The answers on one rater's directions, for every contribution of another owner that this member has a share of, sealed
/// to the rater. A rater that committed to a key which cannot be sealed to gets nothing; that is no reason to answer nobody.
fn seal_directions(
    job: &AnswerJob,
    projections: &Projections,
    (rater, asked): (&RaterFacts, &[DirectionKey]),
    opened: &[(u32, Result<KeyShare, ShareError>)],
) -> Result<(u32, Vec<u8>), ShareFailure> {
    let question = Question {
        projections,
        validator: rater.participant.0,
        directions: &rater.directions,
    };
    let shares: Vec<&KeyShare> = job
        .set
        .iter()
        .zip(opened)
        .filter(|((_, owner, _), _)| *owner != rater.owner)
        .filter_map(|(_, (_, share))| share.as_ref().ok())
        .collect();
    let answers = DirectionAnswers::new(&question, asked, &shares)
        .map_err(|error| ShareFailure::Unable(error.to_string()))?;
    let entropy = Entropy::from_os().map_err(|error| ShareFailure::Broken(no_randomness(error)))?;
    let sealed = RoundPublicKey::from_bytes(&rater.round_key)
        .ok()
        .and_then(|to| answers.seal(&question, &to, &entropy).ok());
    Ok((rater.participant.0, sealed.unwrap_or_default()))
}

/// What a benchmark's member answers: nothing is encrypted, so nothing is asked.
fn plain(seat: u16) -> KeptAnswers {
    KeptAnswers {
        seat,
        sheet_root: [0; 32],
        sheet: Vec::new(),
        sheet_keys: Vec::new(),
        directions: Vec::new(),
        entropy: [0; 32],
    }
}

fn keep(shared: &Shared, job: &AnswerJob, kept: KeptAnswers) -> Result<AnswerRecord, NodeError> {
    let round = job.at.round;
    Ok(AnswerRecord {
        round,
        seat: job.at.seat,
        contributions: job.contributions_hash,
        challenge: job.challenge,
        limit: 0,
        directions: Vec::new(),
        sheet_root: kept.sheet_root,
        sent: shared.outbox.keep_answers(round, &kept)?,
    })
}

/// Sends the kept answers.
pub(super) async fn send(
    channel: Channel,
    shared: Arc<Shared>,
    round: u64,
    sent: Hash,
    wait: Duration,
) -> Result<Event, Failure> {
    let request = {
        let shared = shared.clone();
        blocking(move || {
            let kept = shared.outbox.answers(round, &sent)?;
            Ok::<_, NodeError>(request(&shared, round, &kept))
        })
        .await?
    };
    let request = match request {
        Ok(request) => request,
        Err(error @ NodeError::DiskFull { .. }) => return Err(error.into()),
        Err(error) => {
            return Ok(Event::Failed {
                task: Task::SendAnswers(round),
                reason: format!(
                    "round {round}: the answers of this member cannot be read ({error}); others are never given, so it is \
                     one that does not answer"
                ),
            });
        }
    };
    let mut client = CommitteeClient::new(channel);
    within(wait, client.answer(request)).await?;
    Ok(Event::Accepted(Task::SendAnswers(round)))
}

fn request(shared: &Shared, round: u64, kept: &KeptAnswers) -> AnswerRequest {
    let directions: Vec<(u32, &[u8])> = kept
        .directions
        .iter()
        .map(|(rater, sealed)| (*rater, sealed.as_slice()))
        .collect();
    let statement = AnswerStatement {
        federation: shared.federation,
        round,
        seat: kept.seat,
        sheet_root: kept.sheet_root,
        sealed: SealedHashes::of(&kept.sheet, &kept.sheet_keys, &directions).digest(),
    };
    AnswerRequest {
        round,
        seat: kept.seat.into(),
        sheet_root: kept.sheet_root.to_vec(),
        sheet: kept.sheet.clone(),
        sheet_keys: kept.sheet_keys.clone(),
        directions: directions
            .iter()
            .map(|(rater, sealed)| SealedDirectionAnswer {
                rater: *rater,
                sealed: sealed.to_vec(),
            })
            .collect(),
        signature: statement.sign(&shared.identity).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    fn job(round: u64) -> AnswerJob {
        AnswerJob {
            at: Sitting {
                round,
                model: [1; 32],
                seat: 2,
                round_keys: Vec::new(),
                threshold: 3,
            },
            contributions_hash: [2; 32],
            challenge: [3; 32],
            set: Vec::new(),
            raters: Vec::new(),
        }
    }

    /// Different every time, as it is with fresh randomness.
    fn record(round: u64, fresh: u8) -> AnswerRecord {
        AnswerRecord {
            round,
            seat: 2,
            contributions: [2; 32],
            challenge: [3; 32],
            limit: 0,
            directions: Vec::new(),
            sheet_root: [fresh; 32],
            sent: [fresh; 32],
        }
    }

    #[test]
    fn two_attempts_at_one_round_give_the_answers_that_were_made_first_and_make_no_others() {
        let answering = Answering::default();
        let made = AtomicU8::new(0);
        let attempt = || {
            answering.once(&job(1), || {
                std::thread::sleep(Duration::from_millis(20));
                Ok::<_, NodeError>(record(1, made.fetch_add(1, Ordering::Relaxed)))
            })
        };
        let records: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(attempt)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap())
                .collect()
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(records.iter().all(|other| *other == record(1, 0)));
        // Another round is answered anew, and what failed is tried again.
        let failed = answering.once(&job(2), || Err(NodeError::Computation("no".into())));
        assert!(failed.is_err());
        let next = answering.once(&job(2), || Ok::<_, NodeError>(record(2, 7)));
        assert_eq!(next.unwrap(), record(2, 7));
    }
}
