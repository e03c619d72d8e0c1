//! The projections of a round's ciphertexts, `X_jk = <c_j, r_k>`, in bounded memory and one pass over the disk.

use std::{fs::File, os::unix::fs::FileExt};

use rayon::prelude::*;
use unsilo_fhe::{CHUNK_BYTES, ChunkHasher, ProjectionTable, Projections, Queries};
use unsilo_ledger::Hash;

use super::{Contributions, sum::SumError};
use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

/// Bytes of ciphertext in memory at a time, of all contributions together; one chunk of each at the least.
const MEMORY_BYTES: usize = 64 << 20;
/// Chunks of a contribution in memory at most: what is read is still in the cache when it is hashed and projected, and the
/// system has no fresh pages to clear. All of MEMORY_BYTES for ten contributions of a million parameters took longer.
const CHUNKS_AT_ONCE: usize = 64;

/// Projects every contribution of the closed set (ascending) with the round's vectors, stores the table, and returns
/// its hash. Every byte is read once, and hashed on the way: a contribution that this disk changed since it came in would
/// look like its contributor's fault, so there is no table with it. One that is there from before a restart is taken as it is.
pub(crate) fn project_round(
    store: &Contributions,
    projections: &Projections,
    round: u64,
    participants: &[u32],
    stopping: impl Fn() -> bool,
) -> Result<Hash, SumError> {
    let path = store.projections_path(round);
    let there = std::fs::read(&path)
        .ok()
        .and_then(|bytes| ProjectionTable::from_bytes(&bytes).ok())
        .filter(|table| table.participants().eq(participants.iter().copied()));
    if let Some(table) = there {
        return Ok(table.hash());
    }
    let files: Vec<File> = participants
        .iter()
        .map(|participant| store.ciphertext(round, *participant))
        .collect::<Result<_, _>>()?;
    let chunks = projections.params().chunks();
    let at_once = (MEMORY_BYTES / CHUNK_BYTES / files.len().max(1))
        .clamp(1, CHUNKS_AT_ONCE)
        .min(chunks);
    let mut queries = Queries::of_projections(projections, files.len());
    let mut buffers = vec![vec![0; at_once * CHUNK_BYTES]; files.len()];
    let mut hashers: Vec<_> = files
        .iter()
        .map(|_| ChunkHasher::new(projections.params()))
        .collect();
    for first in (0..chunks).step_by(at_once) {
        if stopping() {
            return Err(SumError::Stopped);
        }
        let length = at_once.min(chunks - first) * CHUNK_BYTES;
        files
            .par_iter()
            .zip(&mut buffers)
            .zip(&mut hashers)
            .zip(participants)
            .try_for_each(|(((file, buffer), hasher), participant)| {
                buffer.truncate(length);
                file.read_exact_at(buffer, (first * CHUNK_BYTES) as u64)
                    .map_err(CoordinatorError::io(
                        "read",
                        store.ciphertext_path(round, *participant),
                    ))?;
                hasher.update(buffer);
                Ok::<_, CoordinatorError>(())
            })?;
        let ranges: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
        queries
            .add(first, &ranges)
            .map_err(|error| damaged(participants, &error))?;
    }
    for (hasher, participant) in hashers.into_iter().zip(participants) {
        if hasher.finish().ok() != Some(store.leaves(round, *participant)?.chunks_root) {
            return Err(SumError::Unreadable {
                participant: *participant,
                reason: "it has changed since it was checked: look at the disk".to_owned(),
            });
        }
    }
    let rows = queries
        .finish()
        .map_err(|error| damaged(participants, &error))?;
    let rows = participants
        .iter()
        .zip(rows)
        .map(|(participant, row)| Ok((*participant, row.try_into().map_err(|_| SumError::Rows)?)))
        .collect::<Result<_, SumError>>()?;
    let table = ProjectionTable::new(rows).map_err(|_| SumError::Rows)?;
    durable::write(&path, &table.to_bytes(), Readers::Owner)?;
    Ok(table.hash())
}

/// Which stored contribution is not what was checked when it came in.
fn damaged(participants: &[u32], error: &unsilo_fhe::query::QueryError) -> SumError {
    use unsilo_fhe::query::QueryError;
    let index = match error {
        QueryError::Ciphertext { index, .. } | QueryError::Range { index, .. } => *index,
        _ => 0,
    };
    SumError::Unreadable {
        participant: participants.get(index).copied().unwrap_or_default(),
        reason: error.to_string(),
    }
}
