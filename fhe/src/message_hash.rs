//! A keyed hash of a quantised update, faster than encrypting it: NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: UMAC).
//!
//! It is only there so that two different updates never share a one-time key, should the same entropy come twice (a
//! restored virtual machine). So it must not collide for whoever does not know the key, and it never leaves the process.

use crate::{
    params::N,
    simd::{Level, vectorised},
    xof::Xof,
};
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

/// Words of one chunk of steps: two steps in 32 bits.
const WORDS: usize = N / 2;
/// Independent sums of one chunk. Each collides with probability 2^-32.
const SUMS: usize = 4;
/// Bytes of the hash of one chunk.
pub(crate) const HASH_BYTES: usize = 8 * SUMS;

/// The key: one word for each word of a chunk, and two more for every further sum, which uses the key shifted by them.
pub(crate) struct MessageHashKey(Box<[u32; WORDS + 2 * (SUMS - 1)]>);

impl MessageHashKey {
    /// The key that a secret stream gives.
    pub(crate) fn new(mut stream: Xof) -> Self {
        let mut key = Self(Box::new([0; WORDS + 2 * (SUMS - 1)]));
        let mut bytes = Zeroizing::new([0; 4 * (WORDS + 2 * (SUMS - 1))]);
        stream.fill(&mut bytes[..]);
        for (word, bytes) in key.0.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        key
    }

    /// The hashes of all chunks, one after the other, on the threads of rayon's current pool.
    ///
    /// For two different messages of as many chunks they differ but with probability 2^-128 over the key.
    pub(crate) fn hash(&self, chunks: &[[i16; N]]) -> Zeroizing<Vec<[u8; HASH_BYTES]>> {
        let level = Level::best();
        Zeroizing::new(
            chunks
                .par_iter()
                .with_min_len(64)
                .map(|chunk| sums(level, &self.0, chunk))
                .collect(),
        )
    }
}

impl Drop for MessageHashKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

vectorised! {
    /// Sum `j` is `sum_i (m_2i + k_(2i+2j))·(m_(2i+1) + k_(2i+1+2j))` mod 2^64, the factors mod 2^32, little endian.
    fn sums(key: &[u32; WORDS + 2 * (SUMS - 1)], steps: &[i16; N]) -> [u8; HASH_BYTES] {
        let mut hash = [0; HASH_BYTES];
        for (j, out) in hash.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let pairs = steps.as_chunks::<4>().0.iter().zip(key[2 * j..].as_chunks::<2>().0);
            let sum = pairs.fold(0_u64, |sum, (steps, key)| {
                let [a, b, c, d] = steps.map(|step| u32::from(step as u16));
                let (first, second) = (a | b << 16, c | d << 16);
                let factors = (first.wrapping_add(key[0]), second.wrapping_add(key[1]));
                sum.wrapping_add(u64::from(factors.0).wrapping_mul(factors.1.into()))
            });
            *out = sum.to_le_bytes();
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_hashes_alike_and_as_defined() {
        let key = MessageHashKey::new(Xof::new("message hash test", &[]));
        let steps: [i16; N] =
            std::array::from_fn(|i| (i as i16).wrapping_mul(-12345).wrapping_add(77));
        let words: Vec<u32> = steps
            .as_chunks()
            .0
            .iter()
            .map(|[a, b]: &[i16; 2]| u32::from(*a as u16) | u32::from(*b as u16) << 16)
            .collect();
        for level in Level::available() {
            let hash = sums(level, &key.0, &steps);
            for (j, sum) in hash.as_chunks().0.iter().enumerate() {
                let expected = (0..WORDS / 2).fold(0_u64, |sum, i| {
                    let factor = |i: usize| u64::from(words[i].wrapping_add(key.0[i + 2 * j]));
                    sum.wrapping_add(factor(2 * i).wrapping_mul(factor(2 * i + 1)))
                });
                assert_eq!(u64::from_le_bytes(*sum), expected);
            }
        }
    }

    #[test]
    fn one_step_changes_every_sum() {
        let key = MessageHashKey::new(Xof::new("message hash test", &[]));
        let steps = [5; N];
        let sums_of = |steps| key.hash(&[steps])[0];
        for place in [0, 1, 2, 3, N - 1] {
            let mut other = steps;
            other[place] ^= 1;
            let (a, b) = (sums_of(steps), sums_of(other));
            assert!(
                a.as_chunks::<8>()
                    .0
                    .iter()
                    .zip(b.as_chunks::<8>().0)
                    .all(|(a, b)| a != b)
            );
        }
    }
}
