//! Sums and codings of digits, compiled for every instruction set.

use super::{CHUNK_DIGITS, TOGETHER};
use crate::{
    hash_ring::DIGITS,
    modular::reduce_once,
    params::{N, Q},
    simd::vectorised,
};

vectorised! {
    /// `sums += weights·digits` for as many packed coefficients, whose bytes are their digits, or `sums := weights·digits`
    /// if `fresh`. Takes at most [`TOGETHER`] contributions and one weight for each. The sums are little-endian words.
    pub(crate) fn add_group(sums: &mut [[u8; 4]], fresh: bool, packed: &[&[u8]], weights: &[u16]) {
        match packed.len() {
            0 if fresh => sums.fill([0; 4]),
            0 => {}
            1 => add::<1>(sums, fresh, packed, weights),
            2 => add::<2>(sums, fresh, packed, weights),
            3 => add::<3>(sums, fresh, packed, weights),
            4 => add::<4>(sums, fresh, packed, weights),
            5 => add::<5>(sums, fresh, packed, weights),
            6 => add::<6>(sums, fresh, packed, weights),
            7 => add::<7>(sums, fresh, packed, weights),
            _ => add::<TOGETHER>(sums, fresh, packed, weights),
        }
    }
}

/// [`add_group`] for so many.
#[inline(always)]
fn add<const COUNT: usize>(sums: &mut [[u8; 4]], fresh: bool, packed: &[&[u8]], weights: &[u16]) {
    const { assert!(COUNT <= TOGETHER) };
    let digits: [&[[u8; 2]]; COUNT] =
        std::array::from_fn(|j| &packed[j].as_chunks().0[..sums.len()]);
    let weights: [u32; COUNT] = std::array::from_fn(|j| weights[j].into());
    let total = |i: usize| -> u32 {
        let mut total = 0;
        for j in 0..COUNT {
            total += u32::from(u16::from_le_bytes(digits[j][i])) * weights[j];
        }
        total
    };
    if fresh {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = total(i).to_le_bytes();
        }
    } else {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = (u32::from_le_bytes(*sum) + total(i)).to_le_bytes();
        }
    }
}

vectorised! {
    /// Moves narrow sums to wide ones.
    pub(crate) fn spill(sums: &mut [[u8; 4]; CHUNK_DIGITS], spilled: &mut [u64; CHUNK_DIGITS]) {
        for (sum, spilled) in sums.iter_mut().zip(spilled) {
            *spilled += u64::from(u32::from_le_bytes(std::mem::take(sum)));
        }
    }
}

vectorised! {
    /// Writes sums below 2^24 in three bytes each.
    pub(crate) fn encode_three(sums: &[[u8; 4]; CHUNK_DIGITS], out: &mut [u8]) {
        // Four digits are three words.
        let quads = sums.as_chunks::<4>().0;
        for (out, quad) in out.as_chunks_mut::<12>().0.iter_mut().zip(quads) {
            let [a, b, c, d] = quad.map(u32::from_le_bytes);
            out[..4].copy_from_slice(&(a | b << 24).to_le_bytes());
            out[4..8].copy_from_slice(&(b >> 8 | c << 16).to_le_bytes());
            out[8..].copy_from_slice(&(c >> 16 | d << 8).to_le_bytes());
        }
    }
}

vectorised! {
    /// Writes sums that spilled, so that they need five bytes each.
    pub(crate) fn encode_five(spilled: &[u64; CHUNK_DIGITS], sums: &[[u8; 4]; CHUNK_DIGITS], out: &mut [u8]) {
        for (out, (spilled, sum)) in out.as_chunks_mut::<5>().0.iter_mut().zip(spilled.iter().zip(sums)) {
            let total = spilled + u64::from(u32::from_le_bytes(*sum));
            out.copy_from_slice(&total.to_le_bytes()[..5]);
        }
    }
}

vectorised! {
    /// Reads the digit sums of one chunk and returns the largest.
    pub(crate) fn decode(width: usize, bytes: &[u8], digits: &mut [[u64; N]; DIGITS]) -> u64 {
        match width {
            3 => decode_wide::<3>(bytes, digits),
            4 => decode_wide::<4>(bytes, digits),
            _ => decode_wide::<5>(bytes, digits),
        }
    }
}

#[inline(always)]
fn decode_wide<const WIDTH: usize>(bytes: &[u8], digits: &mut [[u64; N]; DIGITS]) -> u64 {
    let [low, middle, high] = digits;
    let mut largest = 0;
    let word = |bytes: &[u8; WIDTH]| {
        let mut word = [0; 8];
        word[..WIDTH].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let triples = bytes.as_chunks::<WIDTH>().0.as_chunks::<DIGITS>().0;
    for (((low, middle), high), triple) in low.iter_mut().zip(middle).zip(high).zip(triples) {
        [*low, *middle, *high] = [word(&triple[0]), word(&triple[1]), word(&triple[2])];
        largest = largest.max(*low).max(*middle).max(*high);
    }
    largest
}

vectorised! {
    /// `d_0 + 2^16·d_1 + 2^32·d_2` mod q, for digits below 2^40.
    pub(crate) fn reduce_digits(digits: &[[u64; N]; DIGITS], words: &mut [u64; N]) {
        // 2^48 is q + FOLD.
        const FOLD: u64 = (1 << 48) - Q;
        const MASK: u64 = (1 << 48) - 1;
        let [low, middle, high] = digits;
        for (((word, low), middle), high) in words.iter_mut().zip(low).zip(middle).zip(high) {
            // Below 2^40 + 2^56 + 2^48 + 2^24·2^18.
            let sum = low + (middle << 16) + ((high & 0xFFFF) << 32) + (high >> 16) * FOLD;
            *word = reduce_once((sum & MASK) + (sum >> 48) * FOLD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        digit_sum::{MAX_DIGIT, MAX_DIGIT_BYTES, digit_bytes},
        params::{CHUNK_BYTES, MAX_TOTAL_WEIGHT},
        simd::Level,
        xof::Xof,
    };

    #[test]
    fn every_instruction_set_sums_and_codes_alike() {
        let mut chunks = [[0; CHUNK_BYTES]; TOGETHER];
        Xof::new("digit sum test", &[]).fill(chunks.as_flattened_mut());
        chunks[0][..600].fill(0xFF);
        let weights = [256, 0, 1, 77, 16, 255, 33, 2];
        let digit = |chunk: &[u8; CHUNK_BYTES], i: usize| {
            u64::from(u16::from_le_bytes([chunk[2 * i], chunk[2 * i + 1]]))
        };
        let exact: Vec<u64> = (0..CHUNK_DIGITS)
            .map(|i| {
                chunks
                    .iter()
                    .zip(weights)
                    .map(|(chunk, weight)| digit(chunk, i) * u64::from(weight))
                    .sum()
            })
            .collect();
        for level in Level::available() {
            let mut sums = [[[7; 4]; CHUNK_DIGITS]; 2];
            let packed = chunks.each_ref().map(|chunk| &chunk[..]);
            add_group(level, &mut sums[0], true, &packed, &weights);
            // In groups of every size: some, then the rest.
            for first in 0..TOGETHER {
                let [_, sums] = &mut sums;
                add_group(level, sums, true, &packed[..first], &weights[..first]);
                add_group(level, sums, false, &packed[first..], &weights[first..]);
                add_group(level, sums, false, &[], &[]);
                assert!(
                    sums.iter()
                        .zip(&exact)
                        .all(|(&sum, &exact)| u64::from(u32::from_le_bytes(sum)) == exact)
                );
            }
            assert!(sums[0] == sums[1]);

            // At every width, sums that fit it.
            let mut spilled = [(1 << 36) + 5; CHUNK_DIGITS];
            let [mut narrow, _] = sums;
            spill(level, &mut narrow, &mut spilled);
            assert_eq!(narrow, [[0; 4]; CHUNK_DIGITS]);
            for width in 3..=MAX_DIGIT_BYTES {
                let sums = sums[0].map(u32::from_le_bytes);
                let sums = sums.map(|sum| if width == 3 { sum >> 8 } else { sum });
                let mut wire = vec![0; CHUNK_DIGITS * width];
                let mut expected = sums.map(u64::from).to_vec();
                let sums = sums.map(u32::to_le_bytes);
                match width {
                    3 => encode_three(level, &sums, &mut wire),
                    4 => wire.copy_from_slice(sums.as_flattened()),
                    _ => {
                        encode_five(level, &spilled, &sums, &mut wire);
                        for (sum, spilled) in expected.iter_mut().zip(&spilled) {
                            *sum += spilled;
                        }
                    }
                }
                assert!(
                    wire.chunks(width)
                        .zip(&expected)
                        .all(|(bytes, value)| *bytes == value.to_le_bytes()[..width])
                );
                let mut digits = [[0; N]; DIGITS];
                let largest = decode(level, width, &wire, &mut digits);
                assert_eq!(Some(&largest), expected.iter().max());
                assert!((0..CHUNK_DIGITS).all(|i| digits[i % DIGITS][i / DIGITS] == expected[i]));
                let mut words = [0; N];
                reduce_digits(level, &digits, &mut words);
                for (i, word) in words.iter().enumerate() {
                    let exact = (0..DIGITS)
                        .map(|b| u128::from(digits[b][i]) << (16 * b))
                        .sum::<u128>();
                    assert_eq!(u128::from(*word), exact % u128::from(Q));
                }
            }
        }
    }

    #[test]
    fn the_largest_digits_fit_their_bytes_and_their_sum_mod_q_does_not_overflow() {
        for (total, bytes) in [
            (1, 3),
            (256, 3),
            (257, 4),
            (65_537, 4),
            (65_538, 5),
            (MAX_TOTAL_WEIGHT, 5),
        ] {
            assert_eq!(digit_bytes(total), bytes);
            assert!(
                total * MAX_DIGIT < 1 << (8 * bytes)
                    && (bytes == 3 || total * MAX_DIGIT >= 1 << (8 * bytes - 8))
            );
        }
        // What `reduce_digits` adds up before it reduces, and after one fold.
        let digit = MAX_TOTAL_WEIGHT * MAX_DIGIT;
        let fold = (1_u128 << 48) - u128::from(Q);
        let sum = u128::from(digit) * (1 + (1 << 16))
            + (0xFFFF_u128 << 32)
            + u128::from(digit >> 16) * fold;
        assert!(sum < 1 << 64);
        assert!((1_u128 << 48) + (sum >> 48) * fold < 2 * u128::from(Q));
        // Digits are reduced mod p, and the digests of a sum stay unambiguous.
        assert!(digit < crate::HASH_MODULUS);
    }
}
