//! The weighted sum of a round's contributions, in bounded memory.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use rayon::prelude::*;
use unsilo_fhe::{CHUNK_BYTES, aggregate::AggregateError};
use unsilo_ledger::Hash;

use super::Contributions;
use crate::{durable, error::CoordinatorError, payload::Payload};

/// Bytes of each contribution summed at a time by one thread, whole chunks: 768 KiB of accumulators stay in its
/// cache, and a read of 384 KiB is long enough for the disk.
const RANGE_BYTES: usize = 32 * CHUNK_BYTES;

/// Why a round cannot be summed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SumError {
    /// A stored file is not what was checked when it came in.
    #[error("the stored contribution of participant {participant} is damaged: {error}")]
    Damaged {
        participant: u32,
        error: AggregateError,
    },
    /// A stored file is not what was checked when it came in.
    #[error("the stored contribution of participant {participant} is damaged: {reason}")]
    Unreadable { participant: u32, reason: String },
    /// The projections are no table: a mistake of ours.
    #[error("the projections of the round make no table")]
    Rows,
    /// The coordinator stops; the next one makes the sum anew.
    #[error("the coordinator stops")]
    Stopped,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] CoordinatorError),
}

/// Sums the round's contributions with their weights into its sum file and returns the sum's hash.
///
/// Memory: one range of accumulators and one read buffer a thread, whatever the model's size and the
/// number of participants. Every range adds in the order of the participants,
/// so the result does not depend on ranges or threads.
pub(crate) fn sum_round(
    store: &Contributions,
    payload: Payload,
    round: u64,
    weights: &[(u32, u16)],
    stopping: impl Fn() -> bool,
) -> Result<Hash, SumError> {
    let path = store.sum_path(round);
    let partial = path.with_extension("new");
    let mut output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(CoordinatorError::io("create", &partial))?;
    let mut hasher = unsilo_proto::sum_hasher();
    let bytes = payload.bytes();
    let ranges: Vec<_> = (0..bytes).step_by(RANGE_BYTES).collect();
    // As many ranges at a time as there are threads, so that they are written in order.
    for batch in ranges.chunks(rayon::current_num_threads().max(1)) {
        if stopping() {
            return Err(SumError::Stopped);
        }
        let sums: Vec<_> = batch
            .par_iter()
            .map(|&start| {
                let length = (bytes - start).min(RANGE_BYTES as u64) as usize;
                sum_range(store, payload, round, weights, start, length)
            })
            .collect::<Result<_, SumError>>()?;
        for sum in sums {
            sha2::Digest::update(&mut hasher, &sum);
            output
                .write_all(&sum)
                .map_err(CoordinatorError::io("write", &partial))?;
        }
    }
    let persist = || {
        output.sync_all()?;
        std::fs::rename(&partial, &path)?;
        durable::sync_parent(&path)
    };
    persist().map_err(CoordinatorError::io("write", &path))?;
    Ok(sha2::Digest::finalize(hasher).into())
}

fn sum_range(
    store: &Contributions,
    payload: Payload,
    round: u64,
    weights: &[(u32, u16)],
    start: u64,
    length: usize,
) -> Result<Vec<u8>, SumError> {
    let mut adder = payload.adder(length);
    let mut buffer = vec![0; length];
    for &(participant, weight) in weights.iter().filter(|(_, weight)| *weight > 0) {
        let file = store.ciphertext(round, participant)?;
        file.read_exact_at(&mut buffer, start)
            .map_err(CoordinatorError::io(
                "read",
                store.ciphertext_path(round, participant),
            ))?;
        adder
            .add(&buffer, weight)
            .map_err(|error| SumError::Damaged { participant, error })?;
    }
    Ok(adder.finish())
}
