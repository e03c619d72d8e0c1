//! The products of one chunk with short vectors, in integers that cannot overflow.
//!
//! Words are cut into digits that multiply with a byte in 32 bits: 12 bits each in the code that is compiled for every
//! instruction set, 8 bits where AVX512-VNNI multiplies bytes. Both add up the same integers.

#[cfg(target_arch = "x86_64")]
mod vnni;

use crate::{
    pack::split,
    params::{CHUNK_BYTES, N, Q},
    simd::{Kind, Level, vectorised},
};

/// 12-bit digits of a word.
const DIGITS: usize = 4;
const DIGIT_BITS: usize = 12;
/// Sums are kept for both halves of the words.
const HALF_BITS: usize = 24;

/// The words of one chunk, digit by digit.
pub(super) struct Digits {
    level: Level,
    digits: Layout,
}

enum Layout {
    Words(Box<[[i16; N]; DIGITS]>),
    #[cfg(target_arch = "x86_64")]
    Bytes(Box<vnni::Bytes>),
}

/// `sum_i v_i·(c_i mod 2^24)` and `sum_i v_i·(c_i >> 24)`: at most `2^27·128·2^24` = 2^58 in absolute value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums([i64; 2]);

impl Digits {
    pub(super) fn new(level: Level) -> Self {
        let digits = match level.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Layout::Bytes(Box::default()),
            _ => Layout::Words(Box::new([[0; N]; DIGITS])),
        };
        Self { level, digits }
    }

    /// Takes a chunk; false if one of its words is not below q.
    pub(super) fn read(&mut self, bytes: &[u8; CHUNK_BYTES]) -> bool {
        match &mut self.digits {
            Layout::Words(digits) => read(self.level, bytes, digits) < Q,
            #[cfg(target_arch = "x86_64")]
            Layout::Bytes(digits) => digits.read(bytes),
        }
    }

    /// Adds the product with each vector to its sums.
    pub(super) fn add_products(&self, vectors: &[[i8; N]], sums: &mut [Sums]) {
        match &self.digits {
            Layout::Words(digits) => add_products(self.level, digits, vectors, sums),
            #[cfg(target_arch = "x86_64")]
            Layout::Bytes(digits) => digits.add_products(vectors, sums),
        }
    }
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// The number mod q that the halves stand for.
    pub(super) fn reduce(&self) -> u64 {
        let [low, high] = self.0.map(i128::from);
        (low + (high << HALF_BITS)).rem_euclid(Q.into()) as u64
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
    /// Adds `<vectors[v], digits>` to the sums of each vector.
    fn add_products(digits: &[[i16; N]; DIGITS], vectors: &[[i8; N]], sums: &mut [Sums]) {
        for (vector, sums) in vectors.iter().zip(sums) {
            for (b, digits) in digits.iter().enumerate() {
                let products = vector.iter().zip(digits).map(|(&v, &d)| i32::from(v) * i32::from(d));
                // At most 2048·128·4095 < 2^31 in absolute value.
                let sum = i64::from(products.sum::<i32>());
                sums.0[b / 2] += sum << (b % 2 * DIGIT_BITS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pack, xof::Xof};

    fn exact(words: &[u64; N], vector: &[i8; N]) -> Sums {
        let half = |shift: u64| {
            let terms = words.iter().zip(vector);
            terms
                .map(|(word, &v)| (word >> shift & 0xFF_FFFF) as i64 * i64::from(v))
                .sum()
        };
        Sums([half(0), half(24)])
    }

    /// Vectors at the edges and between; an odd number of them.
    fn vectors() -> Vec<[i8; N]> {
        let mut vectors = vec![[i8::MIN; N], [i8::MAX; N], [0; N], [-1; N]];
        for seed in 0..7_u8 {
            let mut bytes = [0; N];
            Xof::new("kernel test", &[&[seed]]).fill(&mut bytes);
            vectors.push(bytes.map(|byte| byte as i8));
        }
        vectors
    }

    #[test]
    fn every_instruction_set_adds_the_same_integers() {
        let mut uniform = [0; N];
        Xof::new("kernel test", &[]).fill_uniform(&mut [0; CHUNK_BYTES], &mut uniform);
        for words in [uniform, [0; N], [Q - 1; N], [0xFF_FFFF; N]] {
            let mut bytes = [0; CHUNK_BYTES];
            pack::pack(&words, &mut bytes);
            let vectors = vectors();
            for level in Level::available() {
                let mut digits = Digits::new(level);
                assert!(digits.read(&bytes));
                let mut sums = vec![Sums([5, -7]); vectors.len()];
                digits.add_products(&vectors, &mut sums);
                for (sum, vector) in sums.iter().zip(&vectors) {
                    let mut expected = exact(&words, vector);
                    expected.add(&Sums([5, -7]));
                    assert_eq!(*sum, expected, "{level:?}");
                    let value: i128 = words
                        .iter()
                        .zip(vector)
                        .map(|(&word, &v)| i128::from(word) * i128::from(v))
                        .sum();
                    let value = value + 5 - (7 << 24);
                    assert_eq!(i128::from(sum.reduce()), value.rem_euclid(Q.into()));
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sees_a_word_that_is_no_number_mod_q() {
        for level in Level::available() {
            let mut digits = Digits::new(level);
            for place in [0, 1, 63, 64, 1000, N - 1] {
                for (word, valid) in [
                    (Q - 1, true),
                    (Q, false),
                    ((1 << 48) - 1, false),
                    (0xFFFF_FF00_0000, true),
                ] {
                    let mut words = [Q - 1; N];
                    words[place] = word;
                    let mut bytes = [0; CHUNK_BYTES];
                    pack::pack(&words, &mut bytes);
                    assert_eq!(digits.read(&bytes), valid, "{level:?}: {word} at {place}");
                }
            }
        }
    }
}
