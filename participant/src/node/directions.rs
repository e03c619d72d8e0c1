//! A rater's directions: blinded and kept, committed, and what the committee answers on them, decoded.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tonic::transport::Channel;
use unsilo_fhe::{
    Direction, DirectionAnswers, Entropy, Projections, Queries, Question, RoundContext,
    RoundKeyPair, direction_hash, products,
};
use unsilo_ledger::{AnswerStatement, Hash, ParticipantId};
use unsilo_proto::{
    SealedHashes, limits, sealed_hash,
    v1::{
        CommitDirectionsRequest, DirectionAnswersRequest, SeatDirectionAnswer,
        rounds_client::RoundsClient,
    },
};

use super::{
    Shared, ciphertexts, proof,
    requests::{Failure, blocking, within},
    shares::Leaves,
    sums::wrong,
};
use crate::{
    error::NodeError,
    guard::DirectionsRecord,
    join::no_randomness,
    outbox::KeptDirections,
    progress::Score,
    session::{DirectionsJob, Event, ReceiveJob, Task},
};

/// Blinds directions and makes the key for their answers; both are durable before anybody hears of them.
pub(super) fn make(shared: &Shared, job: &DirectionsJob) -> Result<Event, NodeError> {
    let keys = RoundKeyPair::generate().map_err(no_randomness)?;
    let mut kept = KeptDirections {
        key: keys.to_secret_bytes().to_vec(),
        directions: Vec::new(),
    };
    for values in &job.values.0 {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(no_randomness)?;
        kept.directions.push((values.clone(), entropy));
    }
    let context = context(shared, job.round, job.model);
    // What the rater gave may be nothing that can be asked.
    let unable = |reason| {
        NodeError::Computation(format!(
            "round {}: this company rates nobody, and contributes all the same: {reason}",
            job.round
        ))
    };
    let directions = blind(shared, &kept)
        .map_err(unable)?
        .iter()
        .zip(0..)
        .map(|(direction, index)| {
            let key = direction.key(&context);
            direction_hash(&context, job.participant.0, index, &key)
        })
        .collect();
    shared.outbox.keep_directions(job.round, &kept)?;
    Ok(Event::DirectionsMade(DirectionsRecord {
        round: job.round,
        round_key: keys.public().as_bytes().to_vec(),
        directions,
    }))
}

/// The directions, blinded as they were the first time.
fn blind(shared: &Shared, kept: &KeptDirections) -> Result<Vec<Direction>, NodeError> {
    kept.directions
        .iter()
        .map(|(values, entropy)| {
            Direction::new(&shared.permutation, values, Entropy::from_bytes(*entropy))
                .map_err(|error| NodeError::Computation(error.to_string()))
        })
        .collect()
}

fn context(shared: &Shared, round: u64, model: Hash) -> RoundContext {
    RoundContext {
        federation: shared.draft.federation_id().0,
        round,
        model,
    }
}

/// Sends the keys of the kept directions under their signed entry.
pub(super) async fn commit(
    channel: Channel,
    shared: Arc<Shared>,
    (round, model): (u64, Hash),
    entry: Vec<u8>,
    wait: Duration,
) -> Result<Event, Failure> {
    let keys = blocking(move || {
        let context = context(&shared, round, model);
        let directions = blind(&shared, &shared.outbox.directions(round)?)?;
        Ok::<_, NodeError>(
            directions
                .iter()
                .map(|direction| direction.key(&context).to_bytes())
                .collect(),
        )
    })
    .await??;
    let request = CommitDirectionsRequest { entry, keys };
    within(wait, RoundsClient::new(channel).commit_directions(request)).await?;
    Ok(Event::Accepted(Task::CommitDirections(round)))
}

/// Fetches what each seat answered, and every contribution, and decodes the products.
pub(super) async fn receive(
    channel: Channel,
    shared: Arc<Shared>,
    job: ReceiveJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = job.round;
    let mut client =
        RoundsClient::new(channel.clone()).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(
        wait,
        client.direction_answers(DirectionAnswersRequest { round }),
    )
    .await?
    .into_inner();
    let mut sealed: BTreeMap<u16, SeatDirectionAnswer> = BTreeMap::new();
    while let Some(answer) = within(wait, stream.message()).await? {
        let seat = u16::try_from(answer.seat).unwrap_or(0);
        if job.seats.iter().any(|(of, ..)| *of == seat)
            && answer.sealed.len() <= limits::DIRECTION_ANSWER_BYTES
        {
            sealed.insert(seat, answer);
        }
    }
    let wanted = job.set.iter().map(|(id, ..)| id.0).collect();
    let proof = proof::fetch_round(channel, round, (wanted, job.committee), wait).await?;
    let directions = {
        let shared = shared.clone();
        blocking(move || {
            let kept = shared.outbox.directions(round)?;
            let directions = blind(&shared, &kept)?;
            Ok::<_, NodeError>(Arc::new((kept, directions)))
        })
        .await??
    };
    let mut queried = Vec::with_capacity(job.set.len());
    for (participant, root, _) in &job.set {
        let leaves = proof
            .leaves
            .get(&participant.0)
            .and_then(Leaves::of)
            .ok_or_else(|| {
                Failure::Refused(wrong("it does not show what a contribution consists of"))
            })?;
        let at = context(&shared, round, job.model);
        if leaves.root(&shared, &at, participant.0) != *root {
            return Err(Failure::Refused(wrong(
                "what it shows of a contribution is not what was signed",
            )));
        }
        let products = query(
            &mut client,
            &shared,
            (round, *participant, leaves.chunks_root),
            &directions,
            wait,
        )
        .await?;
        queried.push((participant.0, products));
    }
    blocking(move || Ok(decode(&shared, &job, &sealed, &directions, &queried))).await?
}

type Asked = Arc<(KeptDirections, Vec<Direction>)>;

/// The products of the directions with one ciphertext, which is held against its signed root on the way.
async fn query(
    client: &mut RoundsClient<Channel>,
    shared: &Arc<Shared>,
    (round, participant, chunks_root): (u64, ParticipantId, Hash),
    directions: &Asked,
    wait: Duration,
) -> Result<Vec<u64>, Failure> {
    let (shared, directions) = (shared.clone(), directions.clone());
    let work = move |parts| {
        let asked: Vec<&Direction> = directions.1.iter().collect();
        let queries = Queries::of_directions(&shared.params, &asked, 1).ok()?;
        ciphertexts::products(&shared.params, queries, parts)
    };
    match ciphertexts::read(client, (round, participant.0), work, wait).await? {
        Some((root, products)) if root == chunks_root => Ok(products),
        _ => Err(Failure::Refused(wrong(
            "a ciphertext is not the one that was signed",
        ))),
    }
}

fn decode(
    shared: &Shared,
    job: &ReceiveJob,
    sealed: &BTreeMap<u16, SeatDirectionAnswer>,
    asked: &(KeptDirections, Vec<Direction>),
    queried: &[(u32, Vec<u64>)],
) -> Event {
    let task = Task::ReceiveAnswers(job.round);
    let failed = |reason: String| Event::Failed {
        task,
        reason: format!(
            "round {}: what the committee answered cannot be used: {reason}",
            job.round
        ),
    };
    let keys = match RoundKeyPair::from_secret_bytes(&asked.0.key) {
        Ok(keys) => keys,
        Err(error) => return failed(error.to_string()),
    };
    let at = context(shared, job.round, job.model);
    let projections = Projections::new(&shared.params, &at, job.challenge);
    let question = Question {
        projections: &projections,
        validator: job.participant.0,
        directions: &job.directions,
    };
    let mut answers = Vec::new();
    for (seat, key, root) in &job.seats {
        // A member that the judgement counts answered every rater, be it with something that does not open.
        let Some(answer) = sealed.get(seat) else {
            return Event::AnswersWithheld {
                round: job.round,
                seat: *seat,
            };
        };
        if !is_signed(shared, job, *seat, (key, root), answer) {
            return Event::AnswerSubstituted {
                task,
                round: job.round,
                seat: *seat,
            };
        }
        // A seat whose answers do not open is one that did not answer.
        match DirectionAnswers::open(&question, *seat, &keys, &answer.sealed) {
            Ok(opened) => answers.push(opened),
            Err(error) => tracing::warn!(seat, %error, "a member's answers cannot be read"),
        }
    }
    let directions: Vec<&Direction> = asked.1.iter().collect();
    let accepted: Vec<(u32, u16)> = job
        .set
        .iter()
        .map(|(id, _, exponent)| (id.0, *exponent))
        .collect();
    match products(job.threshold, &directions, &answers, queried, &accepted) {
        Ok(scored) => Event::Scores {
            round: job.round,
            undecided: scored
                .undecided
                .into_iter()
                .map(|of| (ParticipantId(of.participant), of.seats))
                .collect(),
            scores: scored
                .products
                .iter()
                .flat_map(|of| {
                    of.scaled.iter().zip(0..).map(|(value, direction)| Score {
                        participant: ParticipantId(of.participant),
                        direction,
                        value: *value,
                    })
                })
                .collect(),
        },
        Err(error) => failed(error.to_string()),
    }
}

/// Whether the part that was handed out is one of what the seat's member signed.
fn is_signed(
    shared: &Shared,
    job: &ReceiveJob,
    seat: u16,
    (key, root): (&unsilo_ledger::PublicKey, &Hash),
    answer: &SeatDirectionAnswer,
) -> bool {
    let Some(Ok(hashes)) = answer.hashes.as_ref().map(SealedHashes::from_message) else {
        return false;
    };
    let Ok(signature) = answer.signature.as_slice().try_into() else {
        return false;
    };
    let statement = AnswerStatement {
        federation: shared.draft.federation_id(),
        round: job.round,
        seat,
        sheet_root: *root,
        sealed: hashes.digest(),
    };
    let mine = (job.participant.0, sealed_hash(&answer.sealed));
    answer.sheet_root == root
        && statement.verify(key, &signature)
        && hashes.directions.contains(&mine)
}
