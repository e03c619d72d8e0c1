//! Raw f32 updates, for the benchmark only: everybody who sees one can read it.

use std::path::Path;

use sha2::{Digest, Sha256};
use unsilo_fhe::{ContributionCommitment, LinearHash, Params, RoundContext};

use super::{MARKER, Prepared, ServedKey};
use crate::{directory::Directory, error::NodeError, keystore, session::ContributionJob};

/// Marks a node's directory: from then on it sends its updates unencrypted, for a benchmark. Builds without the
/// feature `plaintext-bench` lack this function and refuse the directory.
///
/// # Errors
/// [`NodeError`] if the directory is not there, is not private or cannot be written.
pub fn mark_plaintext(directory: &Path) -> Result<(), NodeError> {
    let directory = Directory::open(directory)?;
    keystore::write(&directory.path().join(MARKER), b"")
}

pub(super) fn bytes(params: &Params) -> usize {
    4 * params.parameters()
}

/// The update as it is, little endian.
pub(super) fn prepare(
    params: &Params,
    federation: [u8; 32],
    job: &ContributionJob,
    update: &[f32],
) -> Prepared {
    let bytes: Vec<u8> = update
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let content = Sha256::new_with_prefix(b"unsilo/v1/plaintext-bench update\0")
        .chain_update(&bytes)
        .finalize()
        .into();
    let context = RoundContext {
        federation,
        round: job.round,
        model: job.model,
    };
    let commitment = ContributionCommitment::new(
        params,
        &context,
        job.participant.0,
        content,
        &[],
        &LinearHash::zero().digest(),
    );
    Prepared {
        bytes,
        sealed_shares: Vec::new(),
        linear_hash: LinearHash::zero().to_bytes(),
        seal_seeds: Vec::new().into(),
        root: commitment.root,
        clip: None,
    }
}

/// Adds the mean to `weights`, in the coordinator's arithmetic.
pub(super) fn open(served: &ServedKey<'_>, sum: &[u8], weights: &mut [f32]) {
    let scale = 1.0 / served.total_weight as f64;
    for (weight, sum) in weights.iter_mut().zip(sum.as_chunks().0) {
        *weight = (f64::from(*weight) + f64::from(f32::from_le_bytes(*sum)) * scale) as f32;
    }
}
