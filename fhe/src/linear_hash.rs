//! The linear hash of a ciphertext: 12,800 bytes under the participant's signature that add up as ciphertexts do.
//!
//! Digits `c = d_0 + 2^16·d_1 + 2^32·d_2` of every coefficient give three polynomials `D_{b,k}` a chunk, and
//! `h = sum_{k,b} g_{k,b}·D_{b,k}` in `R_p`, `g` public and fixed. So `hash(sum_j w_j·D_j) = sum_j w_j·h_j`: whoever
//! holds the signed hashes can check the coordinator's [sum of digits](crate::digit_sum) against them. To find other
//! digits of the same size with the same hash is a short-integer-solution problem over `R_p`: 173 bits at 1000
//! participants and a million parameters, 146 at 1000 and 2^27 (`params/estimate.py`).

use crate::{
    hash::hash,
    hash_ring::{DIGITS, HASH_MODULUS, RunningHash},
    pack::{self, CiphertextError},
    params::{CHUNK_BYTES, N, Params},
    simd::{Level, vectorised},
};
use rayon::prelude::*;
use thiserror::Error;

/// Bytes of a linear hash: `N` coefficients of 50 bits.
pub const LINEAR_HASH_BYTES: usize = N * BITS / 8;
/// Bits of a coefficient.
const BITS: usize = 50;

/// Chunks that one thread hashes at least: fewer are not worth handing over.
const TASK: usize = 8;

/// The linear hash of a ciphertext, or of a weighted sum of ciphertexts.
#[derive(Clone, PartialEq, Eq)]
pub struct LinearHash(Box<[u64; N]>);

/// Why bytes are no linear hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinearHashError {
    /// Truncated or oversized.
    #[error("a linear hash has {LINEAR_HASH_BYTES} bytes, not {actual}")]
    Length {
        /// Bytes given.
        actual: usize,
    },
    /// A word that is no number mod p.
    #[error(
        "coefficient {index} of the linear hash is {value}, not below the modulus {HASH_MODULUS}"
    )]
    Coefficient {
        /// Coefficient, from 0.
        index: usize,
        /// The word.
        value: u64,
    },
}

impl LinearHash {
    /// The hash of nothing.
    #[must_use]
    pub fn zero() -> Self {
        Self(Box::new([0; N]))
    }

    pub(crate) fn of(running: RunningHash) -> Self {
        Self(running.finish())
    }

    /// The coefficients, 50 bits each, little endian, without gaps.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; LINEAR_HASH_BYTES];
        for (quad, out) in self
            .0
            .as_chunks::<4>()
            .0
            .iter()
            .zip(bytes.as_chunks_mut::<25>().0)
        {
            // 200 bits: three words and a byte.
            let [a, b, c, d] = *quad;
            out[..8].copy_from_slice(&(a | b << 50).to_le_bytes());
            out[8..16].copy_from_slice(&(b >> 14 | c << 36).to_le_bytes());
            out[16..24].copy_from_slice(&(c >> 28 | d << 22).to_le_bytes());
            out[24] = (d >> 42) as u8;
        }
        bytes
    }

    /// Decodes exactly one hash.
    ///
    /// # Errors
    /// [`LinearHashError`] if the length is wrong or a coefficient is not below p.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinearHashError> {
        let (packed, []) = bytes.as_chunks::<25>() else {
            return Err(LinearHashError::Length {
                actual: bytes.len(),
            });
        };
        if bytes.len() != LINEAR_HASH_BYTES {
            return Err(LinearHashError::Length {
                actual: bytes.len(),
            });
        }
        const MASK: u64 = (1 << BITS) - 1;
        let mut hash = Self::zero();
        for (bytes, quad) in packed.iter().zip(hash.0.as_chunks_mut::<4>().0) {
            let words = bytes.as_chunks::<8>().0;
            let [a, b, c] = [words[0], words[1], words[2]].map(u64::from_le_bytes);
            let d = u64::from(bytes[24]);
            *quad = [
                a & MASK,
                (a >> 50 | b << 14) & MASK,
                (b >> 36 | c << 28) & MASK,
                c >> 22 | d << 42,
            ];
        }
        match hash.0.iter().position(|&value| value >= HASH_MODULUS) {
            None => Ok(hash),
            Some(index) => Err(LinearHashError::Coefficient {
                index,
                value: hash.0[index],
            }),
        }
    }

    /// 32 bytes that stand for this hash under the signed root.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        hash("linear hash digest", &[&self.to_bytes()])
    }
}

impl std::fmt::Debug for LinearHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LinearHash({}, {}, ..)", self.0[0], self.0[1])
    }
}

/// `sum_j w_j·h_j`: what the sum of those contributions with these weights must hash to.
#[must_use]
pub fn combine_hashes(weighted: &[(u16, &LinearHash)]) -> LinearHash {
    let mut sum = LinearHash::zero();
    for (i, coefficient) in sum.0.iter_mut().enumerate() {
        // Below 2^66 each: no slice in memory has 2^62 elements.
        let total: u128 = weighted
            .iter()
            .map(|(weight, hash)| u128::from(*weight) * u128::from(hash.0[i]))
            .sum();
        *coefficient = (total % u128::from(HASH_MODULUS)) as u64;
    }
    sum
}

/// The linear hash of a ciphertext that arrives in pieces of any size, in order.
///
/// Pieces of many chunks are hashed on the threads of rayon's current pool; the hash does not depend on how many.
pub struct LinearHasher {
    expected: u64,
    taken: u64,
    /// The beginning of a chunk whose end has not arrived.
    begun: Vec<u8>,
    sum: RunningHash,
}

impl LinearHasher {
    /// A hasher for one ciphertext of `params`.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            expected: params.ciphertext_bytes() as u64,
            taken: 0,
            begun: Vec::with_capacity(CHUNK_BYTES),
            sum: RunningHash::new(),
        }
    }

    /// Takes the next bytes. Those beyond the end of the ciphertext are only counted.
    pub fn update(&mut self, bytes: &[u8]) {
        let room = self.expected.saturating_sub(self.taken);
        let mut chunk = self.taken / CHUNK_BYTES as u64;
        self.taken += bytes.len() as u64;
        let mut bytes = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        if !self.begun.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.begun.len()));
            self.begun.extend_from_slice(now);
            bytes = later;
            if self.begun.len() < CHUNK_BYTES {
                return;
            }
            absorb(&mut self.sum, chunk, self.begun.as_chunks().0);
            self.begun.clear();
            chunk += 1;
        }
        let (chunks, rest) = bytes.as_chunks();
        absorb(&mut self.sum, chunk, chunks);
        self.begun.extend_from_slice(rest);
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The hash.
    ///
    /// # Errors
    /// [`CiphertextError::Length`] if more or fewer bytes were taken than the ciphertext has.
    pub fn finish(self) -> Result<LinearHash, CiphertextError> {
        if self.taken == self.expected {
            Ok(LinearHash::of(self.sum))
        } else {
            Err(CiphertextError::length(self.expected, self.taken))
        }
    }
}

/// Adds consecutive packed chunks, of which `first` is the number of the first, on rayon's current pool.
fn absorb(sum: &mut RunningHash, first: u64, chunks: &[[u8; CHUNK_BYTES]]) {
    let numbered = chunks.par_iter().enumerate().with_min_len(TASK);
    let parts = numbered.fold(RunningHash::new, |mut sum, (k, chunk)| {
        absorb_chunk(&mut sum, first + k as u64, chunk);
        sum
    });
    let add = |mut sum: RunningHash, other: RunningHash| {
        sum.add(other);
        sum
    };
    if let Some(part) = parts.reduce_with(add) {
        sum.add(part);
    }
}

/// Adds one packed chunk.
pub(crate) fn absorb_chunk(sum: &mut RunningHash, number: u64, chunk: &[u8; CHUNK_BYTES]) {
    let level = Level::best();
    sum.absorb(number, |digits| {
        pack::unpack_at(level, chunk, &mut digits[0]);
        take_digits(level, digits);
    });
}

vectorised! {
    /// Cuts the 48-bit words in the first polynomial into the digits of all three.
    fn take_digits(digits: &mut [[u64; N]; DIGITS]) {
        let [low, middle, high] = digits;
        for ((low, middle), high) in low.iter_mut().zip(middle).zip(high) {
            let word = *low;
            (*low, *middle, *high) = (word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xof::Xof;

    #[test]
    fn every_instruction_set_takes_the_same_digits() {
        let mut bytes = [0; CHUNK_BYTES];
        Xof::new("digit test", &[]).fill(&mut bytes);
        for level in Level::available() {
            let mut digits = [[0; N]; DIGITS];
            pack::unpack_at(level, &bytes, &mut digits[0]);
            take_digits(level, &mut digits);
            for (i, digit) in bytes.as_chunks().0.iter().enumerate() {
                assert_eq!(
                    digits[i % DIGITS][i / DIGITS],
                    u64::from(u16::from_le_bytes(*digit))
                );
            }
        }
    }
}
