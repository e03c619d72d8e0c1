//! The products of one chunk with short vectors, in integers that cannot overflow.

use crate::{
    pack::split,
    params::{CHUNK_BYTES, N, Q},
    simd::{Level, vectorised},
};

/// Digits of a word: 12 bits each, so that two products with an i8 and the sum of a chunk fit in 32 bits.
const DIGITS: usize = 4;
const DIGIT_BITS: usize = 12;

/// The words of one chunk, digit by digit.
pub(super) struct Digits {
    digits: [[i16; N]; DIGITS],
    level: Level,
}

impl Default for Digits {
    fn default() -> Self {
        Self {
            digits: [[0; N]; DIGITS],
            level: Level::best(),
        }
    }
}

/// `sum_i v_i·d_i` for each digit: at most `2^27·N·128·4095` in absolute value, far below 2^63.
#[derive(Clone, Copy, Default)]
pub(super) struct Sums([i64; DIGITS]);

impl Digits {
    /// Takes a chunk; false if one of its words is not below q.
    pub(super) fn read(&mut self, bytes: &[u8; CHUNK_BYTES]) -> bool {
        read(self.level, bytes, &mut self.digits) < Q
    }

    /// Adds the product with each vector to its sums.
    pub(super) fn add_products(&self, vectors: &[[i8; N]], sums: &mut [Sums]) {
        add_products(self.level, &self.digits, vectors, sums);
    }
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// The number mod q that the digits stand for.
    pub(super) fn reduce(&self) -> u64 {
        let digits = self.0.iter().rev();
        let value = digits.fold(0_i128, |value, &sum| {
            (value << DIGIT_BITS) + i128::from(sum)
        });
        value.rem_euclid(Q.into()) as u64
    }
}

vectorised! {
    /// Splits the words into digits; returns the largest word.
    fn read(bytes: &[u8; CHUNK_BYTES], digits: &mut [[i16; N]; DIGITS]) -> u64 {
        const BLOCK: usize = 64;
        const MASK: u64 = (1 << DIGIT_BITS) - 1;
        let mut words = [0; BLOCK];
        let mut largest = 0;
        for (block, bytes) in bytes.as_chunks::<{ BLOCK * 6 }>().0.iter().enumerate() {
            for (quad, bytes) in words.as_chunks_mut().0.iter_mut().zip(bytes.as_chunks().0) {
                *quad = split(bytes);
            }
            largest = words.iter().fold(largest, |largest, &word| word.max(largest));
            for (b, digits) in digits.iter_mut().enumerate() {
                let digits = &mut digits[block * BLOCK..][..BLOCK];
                for (digit, word) in digits.iter_mut().zip(&words) {
                    *digit = (word >> (b * DIGIT_BITS) & MASK) as i16;
                }
            }
        }
        largest
    }
}

vectorised! {
    /// `sums[v][b] += <vectors[v], digits[b]>`.
    fn add_products(digits: &[[i16; N]; DIGITS], vectors: &[[i8; N]], sums: &mut [Sums]) {
        for (vector, sums) in vectors.iter().zip(sums) {
            for (sum, digits) in sums.0.iter_mut().zip(digits) {
                let products = vector.iter().zip(digits).map(|(&v, &d)| i32::from(v) * i32::from(d));
                // At most 2048·128·4095 < 2^31 in absolute value.
                *sum += i64::from(products.sum::<i32>());
            }
        }
    }
}
