//! Weighted sums of ciphertexts digit by digit: what the coordinator publishes in place of the sum mod q.
//!
//! The packed bytes of a ciphertext *are* its 16-bit digits, three a coefficient. Their weighted sums over the integers
//! keep what the sum mod q has lost: the [linear hash](crate::linear_hash) of the digit sum is the weighted sum of the
//! contributions' hashes. The sum mod q follows from the digits.
//!
//! On the wire: the three digit sums of each coefficient in the order of the ciphertext, each in [`digit_bytes`]
//! little-endian bytes. Nothing else; the reader knows the parameters and the sum of the weights. Chunks are
//! independent, so [sum](crate::aggregate), encoding and decoding go range by range.

pub(crate) mod kernels;

use crate::{
    hash_ring::{DIGITS, RunningHash},
    linear_hash::LinearHash,
    pack,
    params::{CHUNK_BYTES, MAX_TOTAL_WEIGHT, N, Params},
    simd::Level,
};
use kernels::{decode, reduce_digits};
use rayon::prelude::*;
use thiserror::Error;

/// Contributions added in one pass over the sums, at most: as many streams are read from memory at once.
pub const TOGETHER: usize = 8;
/// Digits of one chunk.
pub(crate) const CHUNK_DIGITS: usize = DIGITS * N;
/// Largest digit.
pub(crate) const MAX_DIGIT: u64 = (1 << 16) - 1;
/// Most bytes of a digit sum on the wire.
pub(crate) const MAX_DIGIT_BYTES: usize = digit_bytes(MAX_TOTAL_WEIGHT);
const _: () = assert!(MAX_DIGIT_BYTES == 5);

/// Whole bytes that a digit sum takes on the wire when the weights add up to `total_weight`, at most
/// [`MAX_TOTAL_WEIGHT`]: 3 up to 256, 4 up to 65537, then 5.
#[must_use]
pub const fn digit_bytes(total_weight: u64) -> usize {
    match total_weight * MAX_DIGIT {
        0..0x100_0000 => 3,
        0x100_0000..0x1_0000_0000 => 4,
        _ => 5,
    }
}

/// Bytes of a whole digit sum on the wire.
#[must_use]
pub fn digit_sum_bytes(params: &Params, total_weight: u64) -> usize {
    params.chunks() * chunk_bytes(total_weight)
}

/// Bytes of one chunk of a digit sum on the wire.
pub(crate) const fn chunk_bytes(total_weight: u64) -> usize {
    CHUNK_DIGITS * digit_bytes(total_weight)
}

/// Digit sums of consecutive chunks, in their form on the wire. Every digit is at most `total_weight·(2^16 - 1)`.
#[derive(Clone, PartialEq, Eq)]
pub struct DigitSum {
    total_weight: u64,
    bytes: Vec<u8>,
}

/// Why bytes are no digit sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DigitSumError {
    /// No weight, or more than the parameters have headroom for.
    #[error("the sum of weights is {total}: it lies between 1 and {MAX_TOTAL_WEIGHT}")]
    TotalWeight {
        /// Sum given.
        total: u64,
    },
    /// Truncated, oversized, or made for other weights or another model.
    #[error("a digit sum for these parameters and weights has {expected} bytes, not {actual}")]
    Length {
        /// Bytes that the parameters and weights ask for.
        expected: u64,
        /// Bytes given.
        actual: u64,
    },
    /// No contributions with these weights add up to this.
    #[error(
        "digit {digit} of coefficient {index} of chunk {chunk} is {value}: with these weights it is at most {bound}"
    )]
    Digit {
        /// Chunk, from 0.
        chunk: usize,
        /// Coefficient within the chunk, from 0.
        index: usize,
        /// Digit, from 0, least significant first.
        digit: usize,
        /// Its value.
        value: u64,
        /// Largest possible value.
        bound: u64,
    },
}

impl DigitSum {
    /// Whole chunks in their form on the wire.
    pub(crate) fn new(total_weight: u64, bytes: Vec<u8>) -> Self {
        Self {
            total_weight,
            bytes,
        }
    }

    /// The form on the wire. Sums of consecutive ranges, one after the other, are the sum of the whole.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The form on the wire.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Sum of the weights of what was added.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The packed sum of the ciphertexts mod q.
    #[must_use]
    pub fn to_ciphertext(&self) -> Vec<u8> {
        let chunk_bytes = chunk_bytes(self.total_weight);
        let mut packed = vec![0; self.bytes.len() / chunk_bytes * CHUNK_BYTES];
        let chunks = self.bytes.par_chunks_exact(chunk_bytes);
        let work = packed.as_chunks_mut().0.par_iter_mut().zip(chunks);
        let scratch = || (Level::best(), Box::new([[0; N]; DIGITS]), Box::new([0; N]));
        work.with_min_len(TASK).for_each_init(
            scratch,
            |(level, digits, words), (packed, bytes)| {
                decode(*level, digit_bytes(self.total_weight), bytes, digits);
                reduce_digits(*level, digits, words);
                pack::pack_at(*level, words, packed);
            },
        );
        packed
    }
}

impl std::fmt::Debug for DigitSum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DigitSum")
            .field("total_weight", &self.total_weight)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// A whole digit sum that arrives in pieces of any size, in order: checked, hashed and reduced mod q on the way, so that
/// no more is kept of it than the sum mod q, 6 bytes a coefficient.
///
/// Pieces of many chunks are worked on by the threads of rayon's current pool; the result does not depend on how many.
pub struct DigitSumReader {
    total_weight: u64,
    expected: u64,
    taken: u64,
    /// The beginning of a chunk whose end has not arrived.
    begun: Vec<u8>,
    hash: RunningHash,
    ciphertext: Vec<u8>,
}

/// A digit sum that was read to its end.
#[derive(Debug)]
pub struct ReadSum {
    /// Sum of the weights it was read for.
    pub total_weight: u64,
    /// The packed sum of the ciphertexts mod q.
    pub ciphertext: Vec<u8>,
    /// Linear hash of the digits: what [`crate::verify_sum`] compares.
    pub linear_hash: LinearHash,
}

impl DigitSumReader {
    /// A reader for the sum of contributions of `params` whose weights add up to `total_weight`.
    ///
    /// # Errors
    /// [`DigitSumError::TotalWeight`].
    pub fn new(params: &Params, total_weight: u64) -> Result<Self, DigitSumError> {
        if !(1..=MAX_TOTAL_WEIGHT).contains(&total_weight) {
            return Err(DigitSumError::TotalWeight {
                total: total_weight,
            });
        }
        Ok(Self {
            total_weight,
            expected: digit_sum_bytes(params, total_weight) as u64,
            taken: 0,
            begun: Vec::new(),
            hash: RunningHash::new(),
            ciphertext: Vec::new(),
        })
    }

    /// Bytes of the whole sum on the wire.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`DigitSumError`] if a digit is too large or there are more bytes than the sum has: the sum is worthless then.
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<(), DigitSumError> {
        let chunk_bytes = chunk_bytes(self.total_weight);
        let actual = self.taken + bytes.len() as u64;
        if actual > self.expected {
            return Err(DigitSumError::Length {
                expected: self.expected,
                actual,
            });
        }
        self.taken = actual;
        if !self.begun.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(chunk_bytes - self.begun.len()));
            self.begun.extend_from_slice(now);
            bytes = later;
            if self.begun.len() < chunk_bytes {
                return Ok(());
            }
            let begun = std::mem::take(&mut self.begun);
            self.take(&begun)?;
        }
        let (chunks, rest) = bytes.split_at(bytes.len() - bytes.len() % chunk_bytes);
        self.take(chunks)?;
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    /// Takes whole chunks.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DigitSumError> {
        let width = digit_bytes(self.total_weight);
        let bound = self.total_weight * MAX_DIGIT;
        let first = self.ciphertext.len() / CHUNK_BYTES;
        let chunks = bytes
            .par_chunks_exact(CHUNK_DIGITS * width)
            .with_min_len(TASK);
        self.ciphertext
            .resize(self.ciphertext.len() + chunks.len() * CHUNK_BYTES, 0);
        let packed = &mut self.ciphertext.as_chunks_mut::<CHUNK_BYTES>().0[first..];
        let work = packed.par_iter_mut().zip(chunks).enumerate();
        let start = || (RunningHash::new(), Box::new([0; N]));
        let hashes = work.try_fold(start, |(mut hash, mut words), (k, (packed, bytes))| {
            let (level, chunk) = (Level::best(), first + k);
            let within = hash.absorb(chunk as u64, |digits| {
                let within = decode(level, width, bytes, digits) <= bound;
                reduce_digits(level, digits, &mut words);
                within
            });
            pack::pack_at(level, &words, packed);
            within.then_some((hash, words))
        });
        let add = |mut sum: RunningHash, other: RunningHash| {
            sum.add(other);
            Some(sum)
        };
        match hashes
            .map(|hash| hash.map(|(hash, _)| hash))
            .try_reduce_with(add)
        {
            None => Ok(()),
            Some(Some(hash)) => {
                self.hash.add(hash);
                Ok(())
            }
            // Which digit is met first depends on the threads; the answer does not.
            Some(None) => Err(self.too_large(first, bytes)),
        }
    }

    /// Names the first digit above the bound, of whole chunks from number `first` on.
    fn too_large(&self, first: usize, bytes: &[u8]) -> DigitSumError {
        let bound = self.total_weight * MAX_DIGIT;
        let width = digit_bytes(self.total_weight);
        let mut word = [0; 8];
        let mut values = bytes.chunks_exact(width).map(|digit| {
            word[..width].copy_from_slice(digit);
            u64::from_le_bytes(word)
        });
        let found = values
            .by_ref()
            .enumerate()
            .find(|(_, value)| *value > bound);
        let (place, value) = found.expect("only called when there is one");
        DigitSumError::Digit {
            chunk: first + place / CHUNK_DIGITS,
            index: place % CHUNK_DIGITS / DIGITS,
            digit: place % DIGITS,
            value,
            bound,
        }
    }

    /// What was read.
    ///
    /// # Errors
    /// [`DigitSumError::Length`] if bytes are missing.
    pub fn finish(self) -> Result<ReadSum, DigitSumError> {
        if self.taken < self.expected {
            return Err(DigitSumError::Length {
                expected: self.expected,
                actual: self.taken,
            });
        }
        Ok(ReadSum {
            total_weight: self.total_weight,
            ciphertext: self.ciphertext,
            linear_hash: LinearHash::of(self.hash),
        })
    }
}

/// Chunks that one thread takes at least: fewer are not worth handing over.
const TASK: usize = 8;
