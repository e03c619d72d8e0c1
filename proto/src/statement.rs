//! Bytes that an identity signs on the wire but that are no ledger entries, and the hashes they name.

use sha2::{Digest, Sha256};
use unsilo_ledger::Domain;

/// Under which an identity signs a [`join_statement`].
pub const JOIN_DOMAIN: Domain = Domain::new("join");

/// Under which an identity signs an [`opening_statement`].
pub const OPENING_DOMAIN: Domain = Domain::new("opening answer");

/// What a company signs to prove, when it joins, that it holds its identity key: the signature binds the
/// identity to this name, this invitation and this TLS key.
#[must_use]
pub fn join_statement(name: &str, secret_hash: &[u8; 32], certificate_request: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&length(name.as_bytes()));
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(secret_hash);
    bytes.extend_from_slice(&length(certificate_request));
    bytes.extend_from_slice(certificate_request);
    bytes
}

/// What a member signs under its one answer of a round, so that two different answers are evidence.
/// `digest` is the hash of the set and weights, `opening` the hash of the answer.
#[must_use]
pub fn opening_statement(
    federation: &[u8; 32],
    round: u64,
    seat: u16,
    digest: &[u8; 32],
    opening: &[u8; 32],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(federation);
    bytes.extend_from_slice(&round.to_le_bytes());
    bytes.extend_from_slice(&seat.to_le_bytes());
    bytes.extend_from_slice(digest);
    bytes.extend_from_slice(opening);
    bytes
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_le_bytes()
}

/// Hash of a round's weighted sum of ciphertexts, as `ModelPublished` records it.
#[must_use]
pub fn sum_hash(ciphertext: &[u8]) -> [u8; 32] {
    let mut hasher = sum_hasher();
    hasher.update(ciphertext);
    hasher.finalize().into()
}

/// The same hash for a sum that is read in pieces: feed it the pieces in order.
#[must_use]
pub fn sum_hasher() -> Sha256 {
    Sha256::new_with_prefix(b"unsilo/v1/sum\0")
}

/// Hash of the opened key of a sum, as `ModelPublished` records it.
#[must_use]
pub fn key_sum_hash(key_sum: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/key sum\0")
        .chain_update(key_sum)
        .finalize()
        .into()
}

/// Hash of one member's answer, for [`opening_statement`].
#[must_use]
pub fn opening_hash(opening: &[u8]) -> [u8; 32] {
    Sha256::new_with_prefix(b"unsilo/v1/opening answer\0")
        .chain_update(opening)
        .finalize()
        .into()
}

/// Hash of the set and weights that an opening is for: `weights` holds every closed contribution of the
/// round as (participant, weight), ascending by participant, weight 0 included.
#[must_use]
pub fn weights_digest(round: u64, weights: &[(u32, u16)]) -> [u8; 32] {
    let mut hasher =
        Sha256::new_with_prefix(b"unsilo/v1/weights\0").chain_update(round.to_le_bytes());
    for (participant, weight) in weights {
        hasher.update(participant.to_le_bytes());
        hasher.update(weight.to_le_bytes());
    }
    hasher.finalize().into()
}
