//! A rater's directions: blinded and kept, committed, and what the committee answers on them, decoded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};
use tonic::transport::Channel;
use unsilo_fhe::{
    BLINDING_CHUNKS, ChunkSample, Direction, DirectionAnswers, Entropy, Projections, Queries,
    Question, RoundContext, RoundKeyPair, direction_hash, products,
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
    rating::SAMPLED_CHUNKS,
    session::{DirectionsJob, Event, ReceiveJob, Task},
};

/// Contributions that a rater fetches at once: a way there and back costs more than the sample of one.
const AT_ONCE: usize = 4;

/// Blinds directions and makes the key for their answers; both are durable before anybody hears of them.
pub(super) fn make(shared: &Shared, job: &DirectionsJob) -> Result<Event, NodeError> {
    let keys = RoundKeyPair::generate().map_err(no_randomness)?;
    let mut kept = KeptDirections {
        key: keys.to_secret_bytes().to_vec(),
        directions: Vec::new(),
    };
    // Of a large model each rater asks about chunks of its own choice, which nobody can know before the close.
    let secret = Entropy::from_os().map_err(no_randomness)?;
    let sample = ChunkSample::draw(&shared.params, SAMPLED_CHUNKS, secret);
    for values in &job.values.0 {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(no_randomness)?;
        let mut values = values.clone();
        if let Some(sample) = &sample {
            sample.restrict(&shared.permutation, &mut values);
        }
        kept.directions.push((values, entropy));
    }
    let context = context(shared, job.round, job.model);
    // What the rater gave may be nothing that can be asked.
    let unable = |reason| {
        NodeError::Computation(format!(
            "round {}: this company rates nobody, and contributes all the same: {reason}",
            job.round
        ))
    };
    let blinded = blind(shared, &kept).map_err(unable)?;
    let directions = blinded
        .iter()
        .zip(0..)
        .map(|(direction, index)| {
            let key = direction.key(&context);
            direction_hash(&context, job.participant.0, index, &key)
        })
        .collect();
    shared.outbox.keep_directions(job.round, &kept)?;
    shared.asking.keep(job.round, &Arc::new((kept, blinded)));
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
        federation: shared.federation.0,
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
        let asked = asked(&shared, round)?;
        Ok::<_, NodeError>(
            asked
                .1
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
        blocking(move || asked(&shared, round)).await??
    };
    let sampled = touched(&shared, &directions.1);
    let mut roots = Vec::with_capacity(job.set.len());
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
        roots.push((*participant, leaves.chunks_root));
    }
    let fetches: Vec<_> = roots
        .into_iter()
        .map(|(participant, root)| {
            let (client, of) = (client.clone(), (round, participant, root));
            let (shared, directions, sampled) = (&shared, &directions, sampled.as_deref());
            async move {
                let products = match sampled {
                    Some(chunks) => query_some(client, shared, of, directions, chunks, wait).await,
                    None => query(client, shared, of, directions, wait).await,
                };
                Ok::<_, Failure>((participant.0, products?))
            }
        })
        .collect();
    let queried: Vec<(u32, Vec<u64>)> = futures_util::stream::iter(fetches)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    blocking(move || Ok(decode(&shared, &job, &sealed, &directions, &queried))).await?
}

/// What a company asks about in a round: as it is kept, and blinded.
pub(super) type Asked = Arc<(KeptDirections, Vec<Direction>)>;

/// What this process asks about in the round it asked in last. Blinding a million parameters again for every step, which
/// takes them from the disk and permutes them, would cost more than all that is computed with them.
#[derive(Default)]
pub(super) struct Asking(Mutex<Option<(u64, Asked)>>);

impl Asking {
    fn keep(&self, round: u64, asked: &Asked) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((round, asked.clone()));
    }

    fn of(&self, round: u64) -> Option<Asked> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, asked) = kept.as_ref()?;
        (*of == round).then(|| asked.clone())
    }
}

/// What was kept of a round, blinded as it was the first time.
pub(super) fn asked(shared: &Shared, round: u64) -> Result<Asked, NodeError> {
    if let Some(asked) = shared.asking.of(round) {
        return Ok(asked);
    }
    let kept = shared.outbox.directions(round)?;
    let directions = blind(shared, &kept)?;
    let asked = Arc::new((kept, directions));
    shared.asking.keep(round, &asked);
    Ok(asked)
}

/// The chunks that directions touch, if they are a sample of a large model's and not all of them.
fn touched(shared: &Shared, directions: &[Direction]) -> Option<Vec<usize>> {
    let touches = |chunk: &usize| directions.iter().any(|one| one.touches(*chunk));
    let chunks: Vec<usize> = (0..shared.params.chunks()).filter(touches).collect();
    let is_sample = shared.params.data_chunks() > SAMPLED_CHUNKS
        && chunks.len() <= SAMPLED_CHUNKS + BLINDING_CHUNKS;
    is_sample.then_some(chunks)
}

/// The products of the directions with the chunks of one ciphertext that they touch, which are held against its signed
/// root.
async fn query_some(
    client: RoundsClient<Channel>,
    shared: &Arc<Shared>,
    (round, participant, chunks_root): (u64, ParticipantId, Hash),
    directions: &Asked,
    chunks: &[usize],
    wait: Duration,
) -> Result<Vec<u64>, Failure> {
    let fetched = ciphertexts::some(client, (round, participant.0), chunks, wait).await?;
    let (shared, directions, chunks) = (shared.clone(), directions.clone(), chunks.to_vec());
    let found = blocking(move || {
        let asked: Vec<&Direction> = directions.1.iter().collect();
        let queries = Queries::of_directions(&shared.params, &asked, 1).ok()?;
        fetched.products(&shared.params, queries, &chunks)
    })
    .await?;
    match found {
        Some((root, products)) if root == chunks_root => Ok(products),
        _ => Err(Failure::Refused(wrong(
            "chunks of a ciphertext are not those that were signed",
        ))),
    }
}

/// The products of the directions with one ciphertext, which is held against its signed root on the way.
async fn query(
    mut client: RoundsClient<Channel>,
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
    match ciphertexts::read(&mut client, (round, participant.0), work, wait).await? {
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
        federation: shared.federation,
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
