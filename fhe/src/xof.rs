//! The extendable-output function behind everything that is expanded from a seed.
//!
//! `XOF(what, parts)` is AES-128 in counter mode (big-endian 128-bit counter, as in NIST SP 800-38A);
//! key and initial counter block are the two halves of `SHA-256("unsilo/v1/" || what || 0 || parts)`.
//! For public values this is a fixed, fast way to get random-looking bytes; for secret ones both the key
//! and the counter are secret, so collecting many targets does not help.

use crate::{
    hash::hasher,
    pack,
    params::{CHUNK_BYTES, N, Q},
    simd::{Level, vectorised},
};
use aes::{
    Aes128Enc, Block,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

const BLOCK: usize = 16;
/// Blocks made at a time: the counters are still in the first cache when they are encrypted.
const BATCH: usize = 1024;

/// A running expansion. Its state is wiped when dropped; it has no `Debug`.
pub struct Xof {
    cipher: Aes128Enc,
    /// Number of the first block.
    first: u128,
    /// Number of the next block.
    counter: u128,
    /// The last block made, of which the first `used` bytes are given out.
    block: [u8; BLOCK],
    used: usize,
}

impl Xof {
    /// Starts `XOF(what, parts)`; at most the last part may vary in length.
    #[must_use]
    pub fn new(what: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = hasher(what);
        for part in parts {
            hasher.update(part);
        }
        Self::of_hasher(hasher)
    }

    /// Starts the expansion of what was hashed after [`hasher`]: to hash parts that many expansions begin with only once.
    pub(crate) fn of_hasher(hasher: Sha256) -> Self {
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(hasher.finalize().into());
        let (halves, _) = digest.as_chunks::<BLOCK>();
        let first = u128::from_be_bytes(halves[1]);
        Self {
            cipher: Aes128Enc::new((&halves[0]).into()),
            first,
            counter: first,
            block: [0; BLOCK],
            used: BLOCK,
        }
    }

    /// Goes to byte `16·block` of the stream.
    pub(crate) fn seek(&mut self, block: u64) {
        self.counter = self.first.wrapping_add(block.into());
        self.used = BLOCK;
    }

    /// The next bytes of the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let left = &self.block[self.used..];
        let (rest, bytes) = bytes.split_at_mut(left.len().min(bytes.len()));
        rest.copy_from_slice(&left[..rest.len()]);
        self.used += rest.len();

        let (blocks, tail) = bytes.as_chunks_mut::<BLOCK>();
        let level = Level::best();
        for blocks in blocks.chunks_mut(BATCH) {
            self.counter = counters(level, self.counter, blocks);
            self.cipher
                .encrypt_blocks(Block::cast_slice_from_core_mut(blocks));
        }
        if !tail.is_empty() {
            self.counter = counters(level, self.counter, std::slice::from_mut(&mut self.block));
            self.cipher.encrypt_block((&mut self.block).into());
            tail.copy_from_slice(&self.block[..tail.len()]);
            self.used = tail.len();
        }
    }

    /// The next 8 bytes, as a little-endian number.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// One polynomial with coefficients uniform mod q, in coefficient order.
    ///
    /// Takes 48-bit little-endian words from the stream and leaves out those that are not below `q`.
    /// `bytes` is scratch space; it holds a part of the stream afterwards.
    pub fn fill_uniform(&mut self, bytes: &mut [u8; CHUNK_BYTES], coefficients: &mut [u64; N]) {
        self.fill(bytes);
        if pack::unpack(bytes, coefficients) < Q {
            return;
        }
        // Once in 800,000 chunks: close the gaps, and fill up from the stream.
        let mut kept = 0;
        for i in 0..N {
            if coefficients[i] < Q {
                coefficients[kept] = coefficients[i];
                kept += 1;
            }
        }
        while kept < N {
            let mut word = [0; 8];
            self.fill(&mut word[..6]);
            let word = u64::from_le_bytes(word);
            if word < Q {
                coefficients[kept] = word;
                kept += 1;
            }
        }
    }
}

impl Drop for Xof {
    fn drop(&mut self) {
        // The cipher wipes its own round keys.
        self.block.zeroize();
        self.first.zeroize();
        self.counter.zeroize();
    }
}

vectorised! {
    /// Writes consecutive counters, big endian, and returns the next one.
    fn counters(first: u128, blocks: &mut [[u8; BLOCK]]) -> u128 {
        let (high, low) = ((first >> 64) as u64, first as u64);
        let count = blocks.len() as u64;
        for (block, i) in blocks.iter_mut().zip(0..count) {
            let sum = low.wrapping_add(i);
            let carried = high.wrapping_add(u64::from(sum < low));
            block[..8].copy_from_slice(&carried.to_be_bytes());
            block[8..].copy_from_slice(&sum.to_be_bytes());
        }
        first.wrapping_add(u128::from(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_carry_into_the_upper_half() {
        for level in Level::available() {
            for first in [
                0,
                u128::from(u64::MAX) - 2,
                u128::MAX - 5,
                u128::from(u64::MAX) << 64,
            ] {
                let mut blocks = [[0; BLOCK]; 9];
                let next = counters(level, first, &mut blocks);
                for (block, i) in blocks.iter().zip(0..) {
                    assert_eq!(u128::from_be_bytes(*block), first.wrapping_add(i));
                }
                assert_eq!(next, first.wrapping_add(9));
            }
        }
    }
}
