//! Weighted sums of ciphertexts digit by digit: what the coordinator publishes in place of the sum mod q.
//!
//! The packed bytes of a ciphertext *are* its 16-bit digits, three a coefficient. Their weighted sums over the integers
//! keep what the sum mod q has lost: the [linear hash](crate::linear_hash) of the digit sum is the weighted sum of the
//! contributions' hashes. The sum mod q follows from the digits.
//!
//! On the wire: the three digit sums of each coefficient in the order of the ciphertext, each in [`digit_bytes`]
//! little-endian bytes. Nothing else; the reader knows the parameters and the sum of the weights. Chunks are
//! independent, so sum, encoding and decoding go range by range.

use crate::{
    aggregate::AggregateError,
    hash_ring::{DIGITS, RunningHash},
    linear_hash::LinearHash,
    modular::reduce_once,
    pack,
    params::{CHUNK_BYTES, MAX_TOTAL_WEIGHT, MAX_WEIGHT, N, Params, Q},
    simd::{Level, vectorised},
};
use rayon::prelude::*;
use thiserror::Error;

/// Digits of one chunk.
const CHUNK_DIGITS: usize = DIGITS * N;
/// Largest digit.
const MAX_DIGIT: u64 = (1 << 16) - 1;
/// Most bytes of a digit sum on the wire.
const MAX_DIGIT_BYTES: usize = digit_bytes(MAX_TOTAL_WEIGHT);
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

const fn chunk_bytes(total_weight: u64) -> usize {
    CHUNK_DIGITS * digit_bytes(total_weight)
}

/// The digit sum of a range of chunks, 4 bytes a digit and 12 more once the weights pass 65537.
///
/// Exact, and independent of the order of additions.
pub struct DigitAccumulator {
    /// What was added since the last spill.
    sums: Vec<[u32; CHUNK_DIGITS]>,
    /// What was added before; empty as long as there was no spill.
    spilled: Vec<[u64; CHUNK_DIGITS]>,
    /// Weight in `sums`, at most [`ROOM`].
    load: u64,
    total_weight: u64,
    level: Level,
}

/// How much weight fits in 32 bits.
const ROOM: u64 = u32::MAX as u64 / MAX_DIGIT;

impl DigitAccumulator {
    /// A sum of nothing over `chunks` chunks.
    #[must_use]
    pub fn new(chunks: usize) -> Self {
        Self {
            sums: vec![[0; CHUNK_DIGITS]; chunks],
            spilled: Vec::new(),
            load: 0,
            total_weight: 0,
            level: Level::best(),
        }
    }

    /// Adds `weight` times the chunks in `packed` ([`CHUNK_BYTES`] each, as many as the accumulator has).
    ///
    /// Every 48-bit word has digits, so words are not checked here: that was done when the contribution came in
    /// ([`crate::check_ciphertext`]), and a contribution that changed since is seen by its linear hash.
    ///
    /// # Errors
    /// [`AggregateError`] if length or weight is wrong; the sum is then what it was before.
    pub fn add(&mut self, packed: &[u8], weight: u16) -> Result<(), AggregateError> {
        let chunks = pack::split_chunks(packed, self.sums.len())?;
        if weight > MAX_WEIGHT {
            return Err(AggregateError::Weight { weight });
        }
        let load = u64::from(weight);
        let total = self.total_weight + load;
        if total > MAX_TOTAL_WEIGHT {
            return Err(AggregateError::TotalWeight { total });
        }
        if self.load + load > ROOM {
            self.spilled.resize(self.sums.len(), [0; CHUNK_DIGITS]);
            for (sums, spilled) in self.sums.iter_mut().zip(&mut self.spilled) {
                spill(self.level, sums, spilled);
            }
            self.load = 0;
        }
        for (sums, bytes) in self.sums.iter_mut().zip(chunks) {
            add_digits(self.level, sums, bytes, weight);
        }
        self.load += load;
        self.total_weight = total;
        Ok(())
    }

    /// Sum of the weights added.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The sum.
    #[must_use]
    pub fn finish(self) -> DigitSum {
        let width = digit_bytes(self.total_weight);
        let mut bytes = vec![0; self.sums.len() * CHUNK_DIGITS * width];
        let mut spilled = self.spilled.iter();
        let out = bytes.chunks_exact_mut(CHUNK_DIGITS * width);
        for (sums, out) in self.sums.iter().zip(out) {
            match spilled.next() {
                None => encode_narrow(self.level, sums, width, out),
                Some(spilled) => encode_wide(self.level, spilled, sums, out),
            }
        }
        DigitSum {
            total_weight: self.total_weight,
            bytes,
        }
    }
}

/// The weighted digit sum of whole ciphertexts that are all in memory, a few chunks at a time so that the sums stay in
/// the processor's cache, on the threads of rayon's current pool.
///
/// # Errors
/// [`AggregateError`] for the first contribution that cannot be added.
pub fn weighted_digit_sum(
    chunks: usize,
    contributions: &[(&[u8], u16)],
) -> Result<DigitSum, AggregateError> {
    for (packed, _) in contributions {
        pack::split_chunks(packed, chunks)?;
    }
    let ranges = (0..chunks.div_ceil(RANGE)).into_par_iter().map(|range| {
        let (first, last) = (range * RANGE, chunks.min((range + 1) * RANGE));
        let mut sum = DigitAccumulator::new(last - first);
        for (packed, weight) in contributions {
            sum.add(&packed[first * CHUNK_BYTES..last * CHUNK_BYTES], *weight)?;
        }
        Ok(sum.finish())
    });
    let sums: Vec<DigitSum> = ranges.collect::<Result<_, AggregateError>>()?;
    Ok(DigitSum {
        total_weight: sums.first().map_or(0, DigitSum::total_weight),
        bytes: sums.iter().flat_map(DigitSum::as_bytes).copied().collect(),
    })
}

/// Chunks summed at a time: 96 KiB of sums.
const RANGE: usize = 4;

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
        let width = digit_bytes(self.total_weight);
        let mut packed = vec![0; self.bytes.len() / (CHUNK_DIGITS * width) * CHUNK_BYTES];
        let chunks = self.bytes.par_chunks_exact(CHUNK_DIGITS * width);
        let scratch = || Box::new([[0; N]; DIGITS]);
        packed
            .as_chunks_mut()
            .0
            .par_iter_mut()
            .zip(chunks)
            .for_each_init(scratch, |digits, (packed, bytes)| {
                let level = Level::best();
                decode(level, width, bytes, digits);
                pack_mod_q(level, digits, packed);
            });
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
        let hashes = work.try_fold(RunningHash::new, |mut hash, (k, (packed, bytes))| {
            let (level, chunk) = (Level::best(), first + k);
            hash.absorb(chunk as u64, |digits| {
                if decode(level, width, bytes, digits) > bound {
                    return Err(too_large(chunk, digits, bound));
                }
                pack_mod_q(level, digits, packed);
                Ok(())
            })?;
            Ok(hash)
        });
        let add = |mut sum: RunningHash, other: RunningHash| {
            sum.add(&other);
            Ok(sum)
        };
        if let Some(hash) = hashes.try_reduce_with(add) {
            self.hash.add(&hash?);
        }
        Ok(())
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

/// Names the first digit above the bound.
fn too_large(chunk: usize, digits: &[[u64; N]; DIGITS], bound: u64) -> DigitSumError {
    let places = (0..N).flat_map(|index| (0..DIGITS).map(move |digit| (index, digit)));
    let (index, digit) = places
        .into_iter()
        .find(|&(index, digit)| digits[digit][index] > bound)
        .expect("only called when there is one");
    DigitSumError::Digit {
        chunk,
        index,
        digit,
        value: digits[digit][index],
        bound,
    }
}

/// Chunks that one thread takes at least: fewer are not worth handing over.
const TASK: usize = 8;

vectorised! {
    /// `sums += weight·digits` of one packed chunk, whose bytes are its digits.
    fn add_digits(sums: &mut [u32; CHUNK_DIGITS], bytes: &[u8; CHUNK_BYTES], weight: u16) {
        for (sum, digit) in sums.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *sum += u32::from(u16::from_le_bytes(*digit)) * u32::from(weight);
        }
    }
}

vectorised! {
    /// Moves narrow sums to wide ones.
    fn spill(sums: &mut [u32; CHUNK_DIGITS], spilled: &mut [u64; CHUNK_DIGITS]) {
        for (sum, spilled) in sums.iter_mut().zip(spilled) {
            *spilled += u64::from(std::mem::take(sum));
        }
    }
}

vectorised! {
    /// Writes sums that never spilled, in three or four bytes each.
    fn encode_narrow(sums: &[u32; CHUNK_DIGITS], width: usize, out: &mut [u8]) {
        if width == 3 {
            for (out, sum) in out.as_chunks_mut::<3>().0.iter_mut().zip(sums) {
                out.copy_from_slice(&sum.to_le_bytes()[..3]);
            }
        } else {
            for (out, sum) in out.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
                *out = sum.to_le_bytes();
            }
        }
    }
}

vectorised! {
    /// Writes sums that spilled, so that they need five bytes each.
    fn encode_wide(spilled: &[u64; CHUNK_DIGITS], sums: &[u32; CHUNK_DIGITS], out: &mut [u8]) {
        for (out, (spilled, sum)) in out.as_chunks_mut::<5>().0.iter_mut().zip(spilled.iter().zip(sums)) {
            out.copy_from_slice(&(spilled + u64::from(*sum)).to_le_bytes()[..5]);
        }
    }
}

vectorised! {
    /// Reads the digit sums of one chunk and returns the largest.
    fn decode(width: usize, bytes: &[u8], digits: &mut [[u64; N]; DIGITS]) -> u64 {
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
    /// `d_0 + 2^16·d_1 + 2^32·d_2` mod q, packed, for digits below 2^40.
    fn pack_mod_q(digits: &[[u64; N]; DIGITS], packed: &mut [u8; CHUNK_BYTES]) {
        // 2^48 is q + FOLD.
        const FOLD: u64 = (1 << 48) - Q;
        const MASK: u64 = (1 << 48) - 1;
        let mut words = [0; N];
        let [low, middle, high] = digits;
        for (((word, low), middle), high) in words.iter_mut().zip(low).zip(middle).zip(high) {
            // Below 2^40 + 2^56 + 2^48 + 2^24·2^18.
            let sum = low + (middle << 16) + ((high & 0xFFFF) << 32) + (high >> 16) * FOLD;
            *word = reduce_once((sum & MASK) + (sum >> 48) * FOLD);
        }
        let level = Level::best();
        pack::pack_at(level, &words, packed);
    }
}
