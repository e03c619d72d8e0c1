//! The products of one chunk with short vectors, in integers that cannot overflow.
//!
//! Words are cut into digits that multiply with a byte in 32 bits: 12 bits each in the code that is compiled for every
//! instruction set, 8 bits where AVX512-VNNI multiplies bytes. Both add up the same integers.

#[cfg(target_arch = "x86_64")]
mod vnni;

use crate::{
    modular,
    pack::split,
    params::{CHUNK_BYTES, N, Q},
    simd::{Kind, Level, vectorised},
};
use zeroize::{DefaultIsZeroes, Zeroize, Zeroizing};

/// 12-bit digits of a word.
const DIGITS: usize = 4;
const DIGIT_BITS: usize = 12;
/// Sums are kept for both halves of the words.
const HALF_BITS: usize = 24;
/// Words split at a time.
const BLOCK: usize = 64;

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

/// `sum_i v_i·(c_i mod 2^24)` and `sum_i v_i·(c_i >> 24)`: below 2^59 in absolute value, as a contribution has at most
/// 2^27 coefficients and two chunks of blinding, and each term is below `128·2^24`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums([i64; 2]);

impl DefaultIsZeroes for Sums {}

impl Digits {
    pub(super) fn new(level: Level) -> Self {
        let digits = match level.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Layout::Bytes(Box::default()),
            _ => Layout::Words(Box::new([[0; N]; DIGITS])),
        };
        Self { level, digits }
    }

    /// Takes a public chunk; false if one of its words is not below q. Branches on the words, so no secret may come here:
    /// [`Digits::take`].
    pub(super) fn read(&mut self, bytes: &[u8; CHUNK_BYTES]) -> bool {
        match &mut self.digits {
            Layout::Words(digits) => read(self.level, bytes, digits) < Q,
            #[cfg(target_arch = "x86_64")]
            Layout::Bytes(digits) => digits.read(bytes),
        }
    }

    /// Takes a chunk, secret or not, whose words are known to be below q: without a branch on them, and without a copy that is
    /// not wiped.
    pub(super) fn take(&mut self, bytes: &[u8; CHUNK_BYTES]) {
        match &mut self.digits {
            Layout::Words(digits) => take(self.level, bytes, digits),
            #[cfg(target_arch = "x86_64")]
            Layout::Bytes(digits) => digits.take(bytes),
        }
    }

    /// Overwrites the chunk with zeros.
    pub(super) fn wipe(&mut self) {
        match &mut self.digits {
            Layout::Words(digits) => digits.zeroize(),
            #[cfg(target_arch = "x86_64")]
            Layout::Bytes(digits) => digits.wipe(),
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

    /// The number mod q that the halves stand for. Without a branch or a division: the sums may be those of a secret.
    pub(super) fn reduce(&self) -> u64 {
        // Whatever two i64 are, `low + high·2^24` is at least -(2^63 + 2^87) > -2^88, and q is above 2^47: q·2^41 more makes
        // it positive. As q is below 2^48, what comes out is below 2^88 + 2^89 < 2^90, and 2^107 is allowed.
        const POSITIVE: i128 = (Q as i128) << 41;
        const _: () = assert!(POSITIVE > 1 << 88 && POSITIVE < 1 << 89);
        let [low, high] = self.0.map(i128::from);
        modular::reduce_wide((low + (high << HALF_BITS) + POSITIVE) as u128)
    }
}

/// Splits the words of one block into digits, without a branch on them; `words` is left holding the words.
#[inline(always)]
fn split_block(
    block: usize,
    bytes: &[u8; BLOCK * 6],
    words: &mut [u64; BLOCK],
    digits: &mut [[i16; N]; DIGITS],
) {
    const MASK: u64 = (1 << DIGIT_BITS) - 1;
    for (quad, bytes) in words.as_chunks_mut().0.iter_mut().zip(bytes.as_chunks().0) {
        *quad = split(bytes);
    }
    for (b, digits) in digits.iter_mut().enumerate() {
        let digits = &mut digits[block * BLOCK..][..BLOCK];
        for (digit, word) in digits.iter_mut().zip(&*words) {
            *digit = (word >> (b * DIGIT_BITS) & MASK) as i16;
        }
    }
}

vectorised! {
    /// Splits the words into digits; returns the largest word.
    fn read(bytes: &[u8; CHUNK_BYTES], digits: &mut [[i16; N]; DIGITS]) -> u64 {
        let mut words = [0; BLOCK];
        let mut largest = 0;
        for (block, bytes) in bytes.as_chunks().0.iter().enumerate() {
            split_block(block, bytes, &mut words, digits);
            largest = words.iter().fold(largest, |largest, &word| word.max(largest));
        }
        largest
    }
}

vectorised! {
    /// Splits the words into digits and does nothing else.
    fn take(bytes: &[u8; CHUNK_BYTES], digits: &mut [[i16; N]; DIGITS]) {
        let mut words = Zeroizing::new([0; BLOCK]);
        for (block, bytes) in bytes.as_chunks().0.iter().enumerate() {
            split_block(block, bytes, &mut words, digits);
        }
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
    use proptest::prelude::*;

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
        let near_q = std::array::from_fn(|i| Q - 1 - i as u64);
        for words in [
            uniform,
            near_q,
            [0; N],
            [Q - 1; N],
            [0xFF_FFFF; N],
            [0xFF_FFFF << 24; N],
        ] {
            let mut bytes = [0; CHUNK_BYTES];
            pack::pack(&words, &mut bytes);
            let vectors = vectors();
            for level in Level::available() {
                let [mut read, mut taken] = [Digits::new(level), Digits::new(level)];
                assert!(read.read(&bytes));
                taken.take(&bytes);
                for digits in [read, taken] {
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
    }

    /// `low + high·2^24 mod q` by division.
    fn divided(low: i64, high: i64) -> i128 {
        (i128::from(low) + (i128::from(high) << 24)).rem_euclid(Q.into())
    }

    #[test]
    fn sums_are_reduced_exactly_at_the_edges() {
        let edges = [i64::MIN, -(1 << 59), -1, 0, 1, Q as i64, 1 << 59, i64::MAX];
        for low in edges {
            for high in edges {
                let reduced = Sums([low, high]).reduce();
                assert_eq!(i128::from(reduced), divided(low, high), "{low}, {high}");
            }
        }
    }

    proptest! {
        #[test]
        fn sums_are_reduced_exactly(low in any::<i64>(), high in any::<i64>()) {
            prop_assert_eq!(i128::from(Sums([low, high]).reduce()), divided(low, high));
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
