//! Sums and models from the coordinator: fetched, verified, recomputed, compared with the ledger, stored.

use std::{sync::Arc, time::Duration};

use sha2::Digest;
use tonic::{Streaming, transport::Channel};
use unsilo_ledger::Hash;
use unsilo_proto::{
    Code, Rejected, limits, sum_hasher,
    v1::{
        BlobHeader, BlobPart, ModelRequest, SumRequest, blob_part::Part,
        models_client::ModelsClient,
    },
};

use super::{
    Shared, judging, proof,
    requests::{Failure, blocking, within},
};
use crate::{
    error::NodeError,
    payload::{ReadSum, SumReader},
    session::{Event, JudgingJob, PublishedFacts, Task},
};

/// Parts of a sum that wait for the thread that works on them.
const PARTS_AHEAD: usize = 4;

/// Fetches the sum of a round, its key and its proof; verifies, decrypts, applies the mean, and compares every hash.
pub(super) async fn recompute(
    channel: Channel,
    shared: Arc<Shared>,
    published: PublishedFacts,
    judged: Option<Box<JudgingJob>>,
    wait: Duration,
) -> Result<Event, Failure> {
    let (key_sum, sum) = match fetch_sum(channel.clone(), &shared, &published, wait).await? {
        Ok(fetched) => fetched,
        Err(reason) => return Ok(differs(&published, reason)),
    };
    let mut fetched = proof::Fetched::default();
    let mut answers = None;
    if shared.payload.is_encrypted() {
        fetched = proof::fetch(channel.clone(), &published, wait).await?;
        if let Some(job) = judged.as_deref()
            && judging::needs_answers(&shared, published.round)
        {
            answers = Some(judging::fetch(channel, &shared, job, wait).await?);
        }
    }
    blocking(move || {
        let verified = proof::Proof {
            published: &published,
            fetched: &fetched,
            judged: judged.as_deref(),
            answers: answers.as_ref(),
        };
        match verified.verify(&shared, &key_sum, &sum) {
            Ok(()) => match &published.statistics {
                Some(claimed) => Ok(proof::confirm_statistics(
                    &shared, &published, claimed, &key_sum, &sum,
                )),
                None => proof::apply(&shared, &published, &key_sum, &sum),
            },
            Err(proof::Fault::Differs(reason)) => Ok(differs(&published, reason)),
            Err(proof::Fault::Unable(reason)) => Ok(Event::Failed {
                task: Task::Recompute(published.round, published.claim()),
                reason: format!(
                    "round {}: the new model cannot be checked here: {reason}",
                    published.round
                ),
            }),
        }
    })
    .await?
}

/// What is told when something about a published model does not fit.
pub(super) fn differs(published: &PublishedFacts, reason: String) -> Event {
    Event::SumDiffers {
        round: published.round,
        claim: published.claim(),
        reason,
    }
}

/// The key and the sum, worked on while it arrives; or what is wrong with it.
async fn fetch_sum(
    channel: Channel,
    shared: &Shared,
    published: &PublishedFacts,
    wait: Duration,
) -> Result<Result<(Vec<u8>, ReadSum), String>, Failure> {
    let round = published.round;
    let mut client = ModelsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(wait, client.sum(SumRequest { round }))
        .await?
        .into_inner();
    let header = read_header(&mut stream, wait).await?;
    let reader = match shared.payload.sum_reader(published.total_weight) {
        Ok(reader) => reader,
        Err(reason) => return Ok(Err(reason)),
    };
    if header.bytes != reader.expected() {
        return Ok(Err(
            "the coordinator is to blame: it serves a sum of the wrong length".to_owned(),
        ));
    }
    let (sender, parts) = std::sync::mpsc::sync_channel(PARTS_AHEAD);
    let worker = tokio::task::spawn_blocking(move || read_parts(reader, &parts));
    let mut whole = Ok(());
    while let Some(part) = within(wait, stream.message()).await? {
        let Some(Part::Data(part)) = part.part else {
            whole = Err(Failure::Refused(wrong("a stream held a second header")));
            break;
        };
        // Waits while the worker is behind, but lets other tasks of this thread go on.
        let mut waiting = part;
        while let Err(error) = sender.try_send(waiting) {
            match error {
                std::sync::mpsc::TrySendError::Full(part) => {
                    waiting = part;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                std::sync::mpsc::TrySendError::Disconnected(_) => break,
            }
        }
    }
    drop(sender);
    let read = worker.await.map_err(|error| {
        Failure::Broken(NodeError::Computation(format!(
            "a computation ended unexpectedly: {error}"
        )))
    })?;
    whole?;
    Ok(read.and_then(|(hash, sum)| {
        if hash == published.sum {
            Ok((header.key_sum, sum))
        } else {
            Err("the sum that the coordinator serves is not the one named on the ledger".to_owned())
        }
    }))
}

fn read_parts(
    mut reader: SumReader,
    parts: &std::sync::mpsc::Receiver<bytes::Bytes>,
) -> Result<(Hash, ReadSum), String> {
    let mut hasher = sum_hasher();
    while let Ok(part) = parts.recv() {
        hasher.update(&part);
        reader.update(&part).map_err(no_sum)?;
    }
    Ok((hasher.finalize().into(), reader.finish().map_err(no_sum)?))
}

/// What is out of range cannot be a sum of ciphertexts, whatever the contributors sent.
fn no_sum(reason: String) -> String {
    format!("the coordinator is to blame: what it serves is no sum of the contributions: {reason}")
}

/// Fetches a model by its hash.
pub(super) async fn fetch_model(
    channel: Channel,
    shared: Arc<Shared>,
    model: Hash,
    wait: Duration,
) -> Result<Event, Failure> {
    let mut client = ModelsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let request = ModelRequest {
        model: model.to_vec(),
    };
    let mut stream = within(wait, client.model(request)).await?.into_inner();
    let data = read_blob(&mut stream, 4 * shared.params.parameters(), wait).await?;
    blocking(move || {
        let weights: Vec<f32> = data
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        if shared.models.hash(&weights) != model {
            return Err(Failure::Refused(wrong(
                "the model it sent has another hash",
            )));
        }
        let model = shared.models.save(&weights).map_err(|error| match error {
            NodeError::Computation(reason) => Failure::Refused(wrong(&reason)),
            other => Failure::Broken(other),
        })?;
        Ok(Event::ModelHeld(model))
    })
    .await?
}

async fn read_header(
    stream: &mut Streaming<BlobPart>,
    wait: Duration,
) -> Result<BlobHeader, Failure> {
    let first = within(wait, stream.message())
        .await?
        .and_then(|part| part.part);
    match first {
        Some(Part::Header(header)) => Ok(header),
        _ => Err(Failure::Refused(wrong(
            "a stream did not start with its header",
        ))),
    }
}

/// Reads a stream of exactly `bytes` bytes.
pub(super) async fn read_blob(
    stream: &mut Streaming<BlobPart>,
    bytes: usize,
    wait: Duration,
) -> Result<Vec<u8>, Failure> {
    let header = read_header(stream, wait).await?;
    if header.bytes != bytes as u64 {
        return Err(Failure::Refused(wrong(
            "a stream is not as long as this model's must be",
        )));
    }
    let mut data = Vec::with_capacity(bytes);
    while let Some(part) = within(wait, stream.message()).await? {
        let Some(Part::Data(part)) = part.part else {
            return Err(Failure::Refused(wrong("a stream held a second header")));
        };
        if part.len() > bytes - data.len() {
            return Err(Failure::Refused(wrong(
                "a stream is longer than its header says",
            )));
        }
        data.extend_from_slice(&part);
    }
    if data.len() < bytes {
        return Err(Failure::Lost("a stream ended before its end".to_owned()));
    }
    Ok(data)
}

/// A reply that cannot be used.
pub(super) fn wrong(what: &str) -> Rejected {
    Rejected::new(
        Code::Malformed,
        format!("the coordinator's reply cannot be used: {what}"),
    )
}
