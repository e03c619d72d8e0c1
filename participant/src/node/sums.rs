//! Sums and models from the coordinator: fetched, recomputed, compared with the ledger, stored.

use std::{sync::Arc, time::Duration};

use tonic::{Streaming, transport::Channel};
use unsilo_fhe::RoundContext;
use unsilo_ledger::Hash;
use unsilo_proto::{
    Code, Rejected, key_sum_hash, limits, sum_hash,
    v1::{
        BlobHeader, BlobPart, ModelRequest, SumRequest, blob_part::Part,
        models_client::ModelsClient,
    },
};

use super::{
    Shared,
    requests::{Failure, blocking, within},
};
use crate::{
    error::NodeError,
    payload::ServedKey,
    session::{Event, PublishedFacts},
};

/// Fetches the sum of a round and its key, decrypts, applies the mean, and compares every hash.
pub(super) async fn recompute(
    channel: Channel,
    shared: Arc<Shared>,
    published: PublishedFacts,
    wait: Duration,
) -> Result<Event, Failure> {
    let round = published.round;
    let mut client = ModelsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(wait, client.sum(SumRequest { round }))
        .await?
        .into_inner();
    let bytes = shared.payload.bytes();
    let (header, sum) = read_blob(&mut stream, bytes, wait).await?;
    blocking(move || apply(&shared, &published, &header.key_sum, &sum)).await?
}

fn apply(
    shared: &Shared,
    published: &PublishedFacts,
    key_sum: &[u8],
    sum: &[u8],
) -> Result<Event, Failure> {
    let differs = |reason: String| {
        Ok(Event::SumDiffers {
            round: published.round,
            model: published.model,
            reason,
        })
    };
    if sum_hash(sum) != published.sum {
        return differs("the sum that was served is not the one named".to_owned());
    }
    if key_sum_hash(key_sum) != published.key_sum {
        return differs("the key of the sum that was served is not the one named".to_owned());
    }
    let context = RoundContext {
        federation: shared.draft.federation_id().0,
        round: published.round,
        model: published.base,
    };
    let served = ServedKey {
        context: &context,
        permutation: &shared.permutation,
        key_sum,
        total_weight: published.total_weight,
        unit_log2: published.unit_log2,
    };
    let mut weights = shared.models.load(&published.base)?;
    if let Err(reason) = shared.payload.open(&served, sum, &mut weights) {
        return differs(reason);
    }
    if shared.models.hash(&weights) != published.model {
        return differs("the model it gives has another hash".to_owned());
    }
    let model = shared.models.save(&weights)?;
    Ok(Event::Recomputed {
        round: published.round,
        model,
    })
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
    let bytes = 4 * shared.params.parameters();
    let (_, data) = read_blob(&mut stream, bytes, wait).await?;
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

/// Reads a stream of exactly `bytes` bytes.
async fn read_blob(
    stream: &mut Streaming<BlobPart>,
    bytes: usize,
    wait: Duration,
) -> Result<(BlobHeader, Vec<u8>), Failure> {
    let first = within(wait, stream.message())
        .await?
        .and_then(|part| part.part);
    let Some(Part::Header(header)) = first else {
        return Err(Failure::Refused(wrong(
            "a stream did not start with its header",
        )));
    };
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
    Ok((header, data))
}

/// A reply that cannot be used.
fn wrong(what: &str) -> Rejected {
    Rejected::new(
        Code::Malformed,
        format!("the coordinator's reply cannot be used: {what}"),
    )
}
