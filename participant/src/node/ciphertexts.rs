//! Contributions of others, as the coordinator serves them: read part by part, and held against their signed hash.

use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tonic::transport::Channel;
use unsilo_fhe::{CHUNK_BYTES, ChunkHasher, Params, Queries, root_of_chunks};
use unsilo_ledger::Hash;
use unsilo_proto::{
    limits,
    v1::{ChunksRequest, CiphertextRequest, blob_part::Part, rounds_client::RoundsClient},
};

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

/// Some chunks of a ciphertext, as the coordinator serves them.
pub(super) struct SomeChunks {
    bytes: Vec<u8>,
    paths: Vec<u8>,
}

/// Fetches the chunks with these numbers, ascending.
pub(super) async fn some(
    mut client: RoundsClient<Channel>,
    (round, participant): (u64, u32),
    chunks: &[usize],
    wait: Duration,
) -> Result<SomeChunks, Failure> {
    let request = ChunksRequest {
        round,
        participant,
        chunks: chunks
            .iter()
            .map(|chunk| u32::try_from(*chunk).unwrap_or(u32::MAX))
            .collect(),
    };
    let expected = chunks.len() * CHUNK_BYTES;
    let mut stream = within(wait, client.chunks(request)).await?.into_inner();
    let mut fetched = SomeChunks {
        bytes: Vec::with_capacity(expected),
        paths: Vec::new(),
    };
    while let Some(part) = within(wait, stream.message()).await? {
        match part.part {
            Some(Part::Header(header)) if header.paths.len() <= limits::CHUNK_PATHS_BYTES => {
                fetched.paths = header.paths;
            }
            Some(Part::Data(part)) if fetched.bytes.len() + part.len() <= expected => {
                fetched.bytes.extend_from_slice(&part);
            }
            // Neither is what was asked for.
            _ => break,
        }
    }
    Ok(fetched)
}

impl SomeChunks {
    /// Root that these chunks lead to, and the products of what is asked with them; `None` if they are none of a ciphertext of
    /// this model. What is asked touches no other chunks.
    pub(super) fn products(
        &self,
        params: &Params,
        mut queries: Queries<'_>,
        chunks: &[usize],
    ) -> Option<(Hash, Vec<u64>)> {
        let (paths, []) = self.paths.as_chunks() else {
            return None;
        };
        let root = root_of_chunks(params, chunks, &self.bytes, paths)?;
        // On one thread of the pool: to hand it chunk by chunk would cost more than the work.
        rayon::scope(|_| {
            for (chunk, bytes) in chunks.iter().zip(self.bytes.chunks(CHUNK_BYTES)) {
                queries.add(*chunk, &[bytes]).ok()?;
            }
            Some((root, queries.finish().ok()?.pop()?))
        })
    }
}
