//! Polynomials as they cross the wire, round keys, and the seeds of a keystore.

use super::{Outcome, Seed, canonical, fixture::fixture, refused, valid, words};
use unsilo_fhe::{
    CHUNK_BYTES, DirectionKey, KeySum, N, Opening, Q, RoundKeyPair, RoundPublicKey, SealSeeds,
};

/// An opening, a key sum and a direction's key are one polynomial each, and are decoded alike.
pub(super) fn polynomial(data: &[u8]) -> Outcome {
    let opening = Opening::from_bytes(data);
    let key_sum = KeySum::from_bytes(data);
    let direction = DirectionKey::from_bytes(data);
    let valid = data.len() == CHUNK_BYTES && words(data).iter().all(|&word| word < Q);
    assert_eq!(
        [opening.is_ok(), key_sum.is_ok(), direction.is_ok()],
        [valid; 3]
    );
    canonical(data, key_sum, KeySum::to_bytes);
    canonical(data, direction, DirectionKey::to_bytes);
    canonical(data, opening, Opening::to_bytes)
}

pub(super) fn polynomial_seeds() -> Vec<Seed> {
    let largest = (Q - 1).to_le_bytes()[..6].repeat(N);
    let mut bad = largest.clone();
    bad[6 * 1000..][..6].copy_from_slice(&Q.to_le_bytes()[..6]);
    vec![
        valid("zero", vec![0; CHUNK_BYTES]),
        valid("largest", largest),
        valid("key_of_a_direction", fixture().direction_keys[0].to_bytes()),
        refused("bad_coefficient", bad),
        refused("bad_short", vec![0; CHUNK_BYTES - 1]),
        refused("bad_long", vec![0; CHUNK_BYTES + 1]),
    ]
}

pub(super) fn public_key(data: &[u8]) -> Outcome {
    canonical(data, RoundPublicKey::from_bytes(data), |key| {
        key.as_bytes().to_vec()
    })
}

pub(super) fn public_key_seeds() -> Vec<Seed> {
    let key = fixture().keys[0].public().as_bytes().to_vec();
    let mut no_encoding = key.clone();
    // The first ML-KEM coefficient, 12 bits, is 4095: not below 3329.
    no_encoding[..2].copy_from_slice(&[0xFF, 0xFF]);
    vec![
        refused("bad_coefficient", no_encoding),
        refused("bad_short", key[..1215].to_vec()),
        refused("bad_empty", vec![]),
        valid("key", key),
    ]
}

pub(super) fn secret_key(data: &[u8]) -> Outcome {
    let keys = RoundKeyPair::from_secret_bytes(data);
    assert_eq!(keys.is_ok(), data.len() == 32);
    canonical(data, keys, |keys| {
        let public = RoundPublicKey::from_bytes(keys.public().as_bytes());
        assert!(public.is_ok_and(|public| public == *keys.public()));
        keys.to_secret_bytes().to_vec()
    })
}

pub(super) fn secret_key_seeds() -> Vec<Seed> {
    vec![
        valid("zero", vec![0; 32]),
        valid("ones", vec![0xFF; 32]),
        refused("bad_short", vec![1; 31]),
        refused("bad_long", vec![1; 33]),
    ]
}

pub(super) fn seal_seeds(data: &[u8]) -> Outcome {
    let seeds = SealSeeds::from_secret_bytes(data).ok_or("no whole number of seeds");
    assert_eq!(seeds.is_ok(), data.len().is_multiple_of(32));
    canonical(data, seeds, |seeds| seeds.to_secret_bytes().to_vec())
}

pub(super) fn seal_seeds_seeds() -> Vec<Seed> {
    vec![
        valid("none", vec![]),
        valid(
            "five",
            fixture().contributions[0]
                .seal_seeds
                .to_secret_bytes()
                .to_vec(),
        ),
        refused("bad_half", vec![2; 80]),
    ]
}
