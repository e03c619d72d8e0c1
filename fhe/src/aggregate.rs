//! Weighted sums of ciphertexts, digit by digit, straight from the packed bytes: the coordinator's step.
//!
//! Ranges of chunks are independent, so that a sum needs no more memory than one range, whatever the model's size.

use crate::{
    digit_sum::{
        CHUNK_DIGITS, DigitSum, MAX_DIGIT, TOGETHER, chunk_bytes, digit_bytes,
        kernels::{add_group, encode_five, encode_three, spill},
    },
    pack::{self, CiphertextError},
    params::{CHUNK_BYTES, MAX_TOTAL_WEIGHT, MAX_WEIGHT},
    simd::Level,
};
use rayon::prelude::*;
use thiserror::Error;

/// Why a contribution was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AggregateError {
    /// The bytes are no ciphertext for this range of chunks.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// A weight above the limit that the error distribution was chosen for.
    #[error("weight {weight} is above {MAX_WEIGHT}")]
    Weight {
        /// Weight given.
        weight: u16,
    },
    /// The sum could wrap around.
    #[error("with this contribution the weights add up to {total}, above {MAX_TOTAL_WEIGHT}")]
    TotalWeight {
        /// Sum of weights it would have had.
        total: u64,
    },
}

/// The digit sum of a range of chunks, 4 bytes a digit and 12 more once the weights pass 65537.
///
/// Exact, and independent of the order of additions.
pub struct DigitAccumulator {
    /// What was added since the last spill, in little-endian words.
    sums: Vec<[[u8; 4]; CHUNK_DIGITS]>,
    /// What was added before; empty as long as there was no spill.
    spilled: Vec<[u64; CHUNK_DIGITS]>,
    /// Whether nothing was added at all: `sums` counts as zero, whatever it holds.
    fresh: bool,
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
            sums: vec![[[0; 4]; CHUNK_DIGITS]; chunks],
            spilled: Vec::new(),
            fresh: true,
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
        self.add_all(&[(packed, weight)])
    }

    /// [`DigitAccumulator::add`] for several contributions: fastest with many, as the sums are then read and
    /// written once for up to [`TOGETHER`] of them.
    ///
    /// # Errors
    /// [`AggregateError`] for the first that cannot be added; nothing is added then.
    pub fn add_all(&mut self, contributions: &[(&[u8], u16)]) -> Result<(), AggregateError> {
        let mut total = self.total_weight;
        for &(packed, weight) in contributions {
            pack::split_chunks(packed, self.sums.len())?;
            total = checked_total(total, weight)?;
        }
        for group in groups(contributions) {
            self.make_room(group.iter().map(|(_, weight)| u64::from(*weight)).sum());
            let sums = self.sums.as_flattened_mut();
            add(self.level, sums, &mut self.fresh, group);
        }
        self.total_weight = total;
        Ok(())
    }

    /// Sees to it that `weight` more fits in 32 bits.
    fn make_room(&mut self, weight: u64) {
        if self.load + weight > ROOM {
            self.spilled.resize(self.sums.len(), [0; CHUNK_DIGITS]);
            for (sums, spilled) in self.sums.iter_mut().zip(&mut self.spilled) {
                spill(self.level, sums, spilled);
            }
            self.load = 0;
        }
        self.load += weight;
    }

    /// Sum of the weights added.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The sum.
    #[must_use]
    pub fn finish(mut self) -> DigitSum {
        let total_weight = self.total_weight;
        let mut bytes = Vec::new();
        self.drain(&mut bytes);
        DigitSum::new(total_weight, bytes)
    }

    /// Appends the sum, in its form on the wire, to `wire` and starts again from nothing: for range after range.
    pub fn drain(&mut self, wire: &mut Vec<u8>) {
        let start = wire.len();
        wire.resize(start + self.sums.len() * chunk_bytes(self.total_weight), 0);
        self.encode(&mut wire[start..]);
        self.clear();
    }

    fn encode(&self, wire: &mut [u8]) {
        if self.fresh {
            return wire.fill(0);
        }
        let width = digit_bytes(self.total_weight);
        let mut spilled = self.spilled.iter();
        let out = wire.chunks_exact_mut(CHUNK_DIGITS * width);
        for (sums, out) in self.sums.iter().zip(out) {
            match (spilled.next(), width) {
                (Some(spilled), _) => encode_five(self.level, spilled, sums, out),
                (None, 3) => encode_three(self.level, sums, out),
                (None, _) => out.copy_from_slice(sums.as_flattened()),
            }
        }
    }

    fn clear(&mut self) {
        self.spilled.clear();
        (self.fresh, self.load, self.total_weight) = (true, 0, 0);
    }
}

/// The weighted digit sum of whole ciphertexts that are all in memory, a range at a time so that the sums stay in the
/// processor's cache, on the threads of rayon's current pool.
///
/// # Errors
/// [`AggregateError`] for the first contribution that cannot be added.
pub fn weighted_digit_sum(
    chunks: usize,
    contributions: &[(&[u8], u16)],
) -> Result<DigitSum, AggregateError> {
    let mut wire = Vec::new();
    let total_weight = weighted_digit_sum_into(chunks, contributions, &mut wire)?;
    Ok(DigitSum::new(total_weight, wire))
}

/// [`weighted_digit_sum`] in its form on the wire, into memory that is used again: what `wire` held is lost. Returns the
/// sum of the weights.
///
/// # Errors
/// [`AggregateError`] for the first contribution that cannot be added; `wire` is then what it was before.
pub fn weighted_digit_sum_into(
    chunks: usize,
    contributions: &[(&[u8], u16)],
    wire: &mut Vec<u8>,
) -> Result<u64, AggregateError> {
    let mut total_weight = 0;
    for &(packed, weight) in contributions {
        pack::split_chunks(packed, chunks)?;
        total_weight = checked_total(total_weight, weight)?;
    }
    let (level, chunk_bytes) = (Level::best(), chunk_bytes(total_weight));
    wire.resize(chunks * chunk_bytes, 0);
    let ranges = wire.par_chunks_mut(RANGE * chunk_bytes).enumerate();
    let scratch = || (DigitAccumulator::new(0), Vec::new());
    ranges.try_for_each_init(scratch, |(sum, parts), (range, out)| {
        let (start, length) = (range * RANGE, out.len() / chunk_bytes);
        parts.clear();
        parts.extend(contributions.iter().map(|&(packed, weight)| {
            let packed = &packed[start * CHUNK_BYTES..][..length * CHUNK_BYTES];
            (packed, weight)
        }));
        if digit_bytes(total_weight) == 4 {
            // The sums are their own form on the wire, and never spill.
            let (sums, mut fresh) = (out.as_chunks_mut().0, true);
            for group in groups(parts) {
                add(level, sums, &mut fresh, group);
            }
        } else {
            sum.clear();
            sum.sums.resize(length, [[0; 4]; CHUNK_DIGITS]);
            sum.add_all(parts)?;
            sum.encode(out);
        }
        Ok::<_, AggregateError>(())
    })?;
    Ok(total_weight)
}

/// Chunks summed at a time: 384 KiB of sums, and runs of each contribution that are long enough for the processor's
/// prefetching.
const RANGE: usize = 16;

/// Contributions in groups of about the same size, at most [`TOGETHER`].
pub(crate) fn groups<T>(contributions: &[T]) -> std::slice::Chunks<'_, T> {
    let count = contributions.len().div_ceil(TOGETHER).max(1);
    contributions.chunks(contributions.len().div_ceil(count).max(1))
}

/// Adds a group whose weight the sums have room for. They count as zero if `fresh`.
fn add(level: Level, sums: &mut [[u8; 4]], fresh: &mut bool, group: &[(&[u8], u16)]) {
    let (mut packed, mut weights) = ([&[][..]; TOGETHER], [0; TOGETHER]);
    for ((packed, weight), part) in packed.iter_mut().zip(&mut weights).zip(group) {
        (*packed, *weight) = *part;
    }
    add_group(
        level,
        sums,
        *fresh,
        &packed[..group.len()],
        &weights[..group.len()],
    );
    *fresh = false;
}

/// `total + weight`, if both are within their limits.
fn checked_total(total: u64, weight: u16) -> Result<u64, AggregateError> {
    if weight > MAX_WEIGHT {
        return Err(AggregateError::Weight { weight });
    }
    match total + u64::from(weight) {
        total @ ..=MAX_TOTAL_WEIGHT => Ok(total),
        total => Err(AggregateError::TotalWeight { total }),
    }
}
