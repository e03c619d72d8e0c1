//! Linear hashes and digit sums.

use super::{Outcome, Seed, canonical, fixture::fixture, refusal, refused, valid, words};
use unsilo_fhe::{
    DigitSumReader, HASH_MODULUS, LINEAR_HASH_BYTES, LinearHash, N, Q, check_ciphertext,
    combine_hashes, digit_sum_bytes, weighted_digit_sum,
};

pub(super) fn linear_hash(data: &[u8]) -> Outcome {
    let hash = LinearHash::from_bytes(data);
    if let Ok(hash) = &hash {
        assert_eq!(combine_hashes(&[(1, hash)]), *hash);
        assert_eq!(combine_hashes(&[(0, hash)]), LinearHash::zero());
    }
    canonical(data, hash, LinearHash::to_bytes)
}

pub(super) fn linear_hash_seeds() -> Vec<Seed> {
    let hash = fixture().contributions[0].linear_hash.to_bytes();
    let mut too_large = hash.clone();
    // The last coefficient is 2^50 - 1, which is not below p.
    too_large[LINEAR_HASH_BYTES - 7..].fill(0xFF);
    vec![
        valid("zero", vec![0; LINEAR_HASH_BYTES]),
        refused("bad_last_coefficient", too_large),
        refused("bad_short", hash[1..].to_vec()),
        refused("bad_long", vec![0; LINEAR_HASH_BYTES + 25]),
        valid("hash", hash),
    ]
}

/// The first eight bytes are the total weight, the rest is the digit sum; it is read in two pieces.
pub(super) fn digit_sum(data: &[u8]) -> Outcome {
    let params = &fixture().params;
    let Some((total, wire)) = data.split_first_chunk() else {
        return Outcome::Refused;
    };
    let total = u64::from_le_bytes(*total);
    let mut reader = match DigitSumReader::new(params, total) {
        Ok(reader) => reader,
        Err(error) => return refusal(&error),
    };
    assert_eq!(reader.expected(), digit_sum_bytes(params, total) as u64);
    let (first, second) = wire.split_at(wire.len() * 5 / 11);
    for piece in [first, second] {
        if let Err(error) = reader.update(piece) {
            return refusal(&error);
        }
    }
    let read = match reader.finish() {
        Ok(read) => read,
        Err(error) => return refusal(&error),
    };
    assert_eq!(read.total_weight, total);
    assert!(check_ciphertext(params, &read.ciphertext).is_ok());
    // Digit by digit, as the definition has it.
    let width = wire.len() / (3 * N * params.chunks());
    let digits: Vec<u64> = wire
        .chunks(width)
        .map(|bytes| {
            bytes
                .iter()
                .rev()
                .fold(0, |digit, &byte| digit << 8 | u64::from(byte))
        })
        .collect();
    assert!(digits.iter().all(|&digit| digit <= total * 0xFFFF));
    let coefficient = |digits: &[u64; 3]| {
        let wide = digits.map(u128::from);
        ((wide[0] + (wide[1] << 16) + (wide[2] << 32)) % u128::from(Q)) as u64
    };
    let (coefficients, _) = digits.as_chunks();
    assert!(
        words(&read.ciphertext)
            .into_iter()
            .eq(coefficients.iter().map(coefficient))
    );
    // It hashes to something that is a hash.
    let hash = read.linear_hash.to_bytes();
    assert!(LinearHash::from_bytes(&hash).is_ok_and(|again| again == read.linear_hash));
    Outcome::Accepted
}

pub(super) fn digit_sum_seeds() -> Vec<Seed> {
    let f = fixture();
    let wire = |total: u64, digit: u64, width: usize| {
        let mut bytes = total.to_le_bytes().to_vec();
        bytes.extend(digit.to_le_bytes()[..width].repeat(3 * N * f.params.chunks()));
        bytes
    };
    let terms: Vec<_> = f
        .contributions
        .iter()
        .map(|contribution| (contribution.ciphertext.as_slice(), 80))
        .collect();
    let sum = weighted_digit_sum(f.params.chunks(), &terms).expect("ciphertexts");
    let mut honest = sum.total_weight().to_le_bytes().to_vec();
    honest.extend(sum.as_bytes());
    vec![
        valid("honest", honest),
        valid("largest_of_three_bytes", wire(256, 256 * 0xFFFF, 3)),
        valid(
            "largest_of_five_bytes",
            wire(2_048_000, 2_048_000 * 0xFFFF, 5),
        ),
        refused("bad_digit", wire(100, 100 * 0xFFFF + 1, 3)),
        refused("bad_width", wire(257, 5, 3)),
        refused("bad_weight_0", wire(0, 0, 3)),
        refused("bad_weight_too_large", wire(2_048_001, 0, 5)),
        refused("bad_weight_largest", wire(u64::MAX, 0, 5)),
        refused("bad_short", vec![1, 0, 0, 0, 0, 0, 0, 0, 7]),
    ]
}

const _: () = assert!(HASH_MODULUS < (1 << 50) - 1);
