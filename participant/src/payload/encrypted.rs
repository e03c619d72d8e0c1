//! Encoding and encryption of an update, and decryption of a sum.

use unsilo_fhe::{
    Committee, Dealing, Encoded, Entropy, KeySum, Params, Permutation, RoundContext,
    RoundPublicKey, WeightedSum, apply_mean, decode_integers, decrypt_permuted, encode_integers,
    encode_permuted,
};
use unsilo_ledger::{
    ColumnSums,
    statistics::{DIGITS, digits},
};
use zeroize::Zeroize;

use super::{Prepared, ServedKey};
use crate::{dealer::Dealer, error::NodeError, join::no_randomness, session::ContributionJob};

/// Clips, quantises and encrypts `update` under a fresh key, whose shares are sealed to the committee.
pub(super) fn prepare(
    params: &Params,
    permutation: &Permutation,
    federation: [u8; 32],
    job: &ContributionJob,
    mut update: Vec<f32>,
    dealer: &dyn Dealer,
) -> Result<Prepared, NodeError> {
    let failed = |error: &dyn std::fmt::Display| {
        NodeError::Computation(format!("round {}: {error}", job.round))
    };
    let mut rounding_seed = [0; 32];
    getrandom::fill(&mut rounding_seed).map_err(no_randomness)?;
    let encoded = encode_permuted(permutation, job.unit_log2, &update, rounding_seed);
    rounding_seed.zeroize();
    update.zeroize();
    drop(update);
    let encoded = encoded.map_err(|error| failed(&error))?;
    encrypt(params, federation, job, encoded, dealer)
}

/// Encrypts integers, each with its digits, under a fresh key, whose shares are sealed to the committee.
pub(super) fn prepare_integers(
    params: &Params,
    permutation: &Permutation,
    federation: [u8; 32],
    job: &ContributionJob,
    integers: &[(u64, usize)],
    dealer: &dyn Dealer,
) -> Result<Prepared, NodeError> {
    let encoded = encode_integers(permutation, integers)
        .map_err(|error| NodeError::Computation(format!("round {}: {error}", job.round)))?;
    encrypt(params, federation, job, encoded, dealer)
}

fn encrypt(
    params: &Params,
    federation: [u8; 32],
    job: &ContributionJob,
    encoded: Encoded,
    dealer: &dyn Dealer,
) -> Result<Prepared, NodeError> {
    let failed = |error: &dyn std::fmt::Display| {
        NodeError::Computation(format!("round {}: {error}", job.round))
    };
    let clip = encoded.clip();

    let context = RoundContext {
        federation,
        round: job.round,
        model: job.model,
    };
    let committee = committee(&job.round_keys, job.threshold).map_err(|reason| failed(&reason))?;
    let dealing = Dealing {
        params,
        context: &context,
        participant: job.participant.0,
        committee: &committee,
    };
    let entropy = Entropy::from_os().map_err(no_randomness)?;
    let made = dealer
        .deal(&dealing, encoded, entropy)
        .map_err(|reason| failed(&reason))?;
    Ok(Prepared {
        bytes: made.ciphertext,
        sealed_shares: made.sealed_shares,
        linear_hash: made.linear_hash.to_bytes(),
        seal_seeds: made.seal_seeds.to_secret_bytes(),
        root: made.commitment.root,
        clip: Some(clip),
    })
}

/// Decrypts a sum with its key and adds the mean to `weights`.
pub(super) fn open(served: &ServedKey<'_>, sum: &[u8], weights: &mut [f32]) -> Result<(), String> {
    let mean = decrypt(served, sum)?;
    apply_mean(weights, &mean, served.unit_log2).map_err(|error| error.to_string())
}

/// Decrypts the sum of the statistics round with its key and reads its integers.
pub(super) fn open_statistics(
    served: &ServedKey<'_>,
    sum: &[u8],
    columns: usize,
) -> Result<Vec<Option<ColumnSums>>, String> {
    let integers = decode_integers(&decrypt(served, sum)?, &digits(columns));
    let columns = integers.chunks(DIGITS.len()).map(ColumnSums::from_integers);
    Ok(columns.collect())
}

fn decrypt(served: &ServedKey<'_>, sum: &[u8]) -> Result<WeightedSum, String> {
    let key_sum = KeySum::from_bytes(served.key_sum).map_err(|error| error.to_string())?;
    decrypt_permuted(
        served.permutation,
        served.context,
        sum,
        &key_sum,
        served.total_weight,
    )
    .map_err(|error| error.to_string())
}

/// The committee as the ledger has it.
pub(crate) fn committee(round_keys: &[Vec<u8>], threshold: usize) -> Result<Committee, String> {
    let members = round_keys
        .iter()
        .map(|bytes| RoundPublicKey::from_bytes(bytes).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    Committee::new(members, threshold).map_err(|error| error.to_string())
}
