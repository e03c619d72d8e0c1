//! Contributions of others, as the coordinator serves them: read part by part, and held against their signed hash.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tonic::transport::Channel;
use unsilo_fhe::{CHUNK_BYTES, ChunkHasher, Params, Queries};
use unsilo_ledger::Hash;
use unsilo_proto::v1::{CiphertextRequest, blob_part::Part, rounds_client::RoundsClient};

use super::requests::{Failure, within};
use crate::error::NodeError;

/// Parts of a ciphertext that wait for the thread that works on them.
const PARTS_AHEAD: usize = 4;

/// Streams one whole ciphertext of a round through `work`, on a thread of its own.
pub(super) async fn read<T: Send + 'static>(
    client: &mut RoundsClient<Channel>,
    (round, participant): (u64, u32),
    work: impl FnOnce(Receiver<bytes::Bytes>) -> T + Send + 'static,
    wait: Duration,
) -> Result<T, Failure> {
    let request = CiphertextRequest {
        round,
        participant,
        first_chunk: 0,
        chunks: 0,
    };
    let mut stream = within(wait, client.ciphertext(request)).await?.into_inner();
    let (sender, parts) = channel(PARTS_AHEAD);
    let worker = tokio::task::spawn_blocking(move || work(parts));
    while let Some(part) = within(wait, stream.message()).await? {
        if let Some(Part::Data(part)) = part.part
            && sender.send(part).await.is_err()
        {
            // The worker has seen enough.
            break;
        }
    }
    drop(sender);
    worker.await.map_err(|error| {
        Failure::Broken(NodeError::Computation(format!(
            "a computation ended unexpectedly: {error}"
        )))
    })
}

/// Root over the chunks, and the products of what is asked with them, chunk by chunk as they arrive; `None` if they are no
/// ciphertext of this model.
pub(super) fn products(
    params: &Params,
    mut queries: Queries<'_>,
    mut parts: Receiver<bytes::Bytes>,
) -> Option<(Hash, Vec<u64>)> {
    let mut hasher = ChunkHasher::new(params);
    let mut begun = Vec::new();
    let mut next = 0;
    while let Some(part) = parts.blocking_recv() {
        hasher.update(&part);
        begun.extend_from_slice(&part);
        let whole = begun.len() - begun.len() % CHUNK_BYTES;
        if whole > 0 {
            queries.add(next, &[&begun[..whole]]).ok()?;
            next += whole / CHUNK_BYTES;
            begun.drain(..whole);
        }
    }
    let root = hasher.finish().ok()?;
    Some((root, queries.finish().ok()?.pop()?))
}
