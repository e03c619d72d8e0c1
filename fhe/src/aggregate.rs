//! Weighted sums of ciphertexts, exact mod q, straight from the packed bytes.

use crate::{
    modular::reduce_once,
    pack::{self, CiphertextError, split},
    params::{CHUNK_BYTES, MAX_TOTAL_WEIGHT, MAX_WEIGHT, N, Q},
    simd::{Level, vectorised},
};
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

/// How much weight of reduced coefficients fits in 64 bits on top of a reduced one.
const ROOM: u64 = (u64::MAX - (Q - 1)) / (Q - 1);

/// The running sum of one range of chunks, 8 bytes a coefficient.
///
/// Exact, and independent of the order of additions. Ranges are independent too: the sums of consecutive ranges,
/// one after the other, are the sum of the whole.
pub struct Accumulator {
    sums: Vec<[u64; N]>,
    /// Weight added since the sums were last reduced, at most [`ROOM`].
    load: u64,
    total_weight: u64,
    level: Level,
}

impl Accumulator {
    /// A sum of nothing over `chunks` chunks.
    #[must_use]
    pub fn new(chunks: usize) -> Self {
        Self {
            sums: vec![[0; N]; chunks],
            load: 0,
            total_weight: 0,
            level: Level::best(),
        }
    }

    /// Adds `weight` times the chunks in `packed` ([`CHUNK_BYTES`] each, as many as the accumulator has).
    ///
    /// # Errors
    /// [`AggregateError`]; the sum is then what it was before.
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
            for sum in &mut self.sums {
                reduce(self.level, sum);
            }
            self.load = 0;
        }
        for (chunk, (sum, bytes)) in self.sums.iter_mut().zip(chunks).enumerate() {
            if add_packed(self.level, sum, bytes, weight) >= Q {
                // Words are below 2^48 in any case, so subtracting the same again is exact.
                for (sum, bytes) in self.sums[..=chunk].iter_mut().zip(chunks) {
                    subtract_packed(self.level, sum, bytes, weight);
                }
                let mut words = [0; N];
                return Err(match pack::unpack_checked(&chunks[chunk], &mut words) {
                    Err((index, value)) => CiphertextError::Coefficient {
                        chunk,
                        index,
                        value,
                    }
                    .into(),
                    Ok(()) => unreachable!("the same bytes held a word that is not below q"),
                });
            }
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

    /// The packed sum, reduced mod q.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let mut packed = vec![0; self.sums.len() * CHUNK_BYTES];
        self.drain(packed.as_chunks_mut().0);
        packed
    }

    /// Writes the packed sum and starts again from nothing.
    fn drain(&mut self, packed: &mut [[u8; CHUNK_BYTES]]) {
        for (sum, bytes) in self.sums.iter_mut().zip(packed) {
            reduce(self.level, sum);
            pack::pack_at(self.level, sum, bytes);
            sum.fill(0);
        }
        (self.load, self.total_weight) = (0, 0);
    }
}

/// The weighted sum of whole ciphertexts that are all in memory, chunk by chunk so that the sum stays in the
/// processor's cache.
///
/// # Errors
/// [`AggregateError`] for the first contribution that cannot be added; `chunk` counts from the start.
pub fn weighted_sum(
    chunks: usize,
    contributions: &[(&[u8], u16)],
) -> Result<Vec<u8>, AggregateError> {
    let mut split = Vec::with_capacity(contributions.len());
    for (packed, weight) in contributions {
        split.push((pack::split_chunks(packed, chunks)?, *weight));
    }
    let mut packed = vec![0; chunks * CHUNK_BYTES];
    let mut accumulator = Accumulator::new(1);
    for (k, packed) in packed.as_chunks_mut().0.iter_mut().enumerate() {
        for (chunks, weight) in &split {
            accumulator
                .add(&chunks[k], *weight)
                .map_err(|error| match error {
                    AggregateError::Ciphertext(CiphertextError::Coefficient {
                        index,
                        value,
                        ..
                    }) => CiphertextError::Coefficient {
                        chunk: k,
                        index,
                        value,
                    }
                    .into(),
                    other => other,
                })?;
        }
        accumulator.drain(std::slice::from_mut(packed));
    }
    Ok(packed)
}

vectorised! {
    /// `sum += weight·words` modulo 2^64; returns the largest word.
    fn add_packed(sum: &mut [u64; N], bytes: &[u8; CHUNK_BYTES], weight: u16) -> u64 {
        // Unpacking a block first keeps the shuffles away from the sums.
        const BLOCK: usize = 256;
        let mut words = [0; BLOCK];
        let mut largest = 0;
        let blocks = bytes.as_chunks::<{ BLOCK * 6 }>().0;
        for (sums, bytes) in sum.as_chunks_mut::<BLOCK>().0.iter_mut().zip(blocks) {
            for (quad, bytes) in words.as_chunks_mut().0.iter_mut().zip(bytes.as_chunks().0) {
                *quad = split(bytes);
            }
            for (sum, word) in sums.iter_mut().zip(&words) {
                *sum = sum.wrapping_add(word.wrapping_mul(weight.into()));
            }
            largest = words.iter().fold(largest, |largest, &word| word.max(largest));
        }
        largest
    }
}

vectorised! {
    /// Takes back what [`add_packed`] added.
    fn subtract_packed(sum: &mut [u64; N], bytes: &[u8; CHUNK_BYTES], weight: u16) {
        for (sums, bytes) in sum.as_chunks_mut::<4>().0.iter_mut().zip(bytes.as_chunks::<24>().0) {
            for (sum, word) in sums.iter_mut().zip(split(bytes)) {
                *sum = sum.wrapping_sub(word.wrapping_mul(weight.into()));
            }
        }
    }
}

vectorised! {
    /// Reduces any 64-bit numbers mod q: 2^48 is q + 163839.
    fn reduce(sum: &mut [u64; N]) {
        const FOLD: u64 = (1 << 48) - Q;
        for sum in sum {
            *sum = reduce_once((*sum & ((1 << 48) - 1)) + (*sum >> 48) * FOLD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xof::Xof;

    #[test]
    fn every_instruction_set_adds_the_same_sum() {
        let mut bytes = [0; CHUNK_BYTES];
        Xof::new("sum test", &[]).fill(&mut bytes);
        let mut words = [0; N];
        let largest = pack::unpack(&bytes, &mut words);
        for level in Level::available() {
            let mut sum = [1 << 60; N];
            assert_eq!(add_packed(level, &mut sum, &bytes, 200), largest);
            assert!(
                sum.iter()
                    .zip(&words)
                    .all(|(sum, word)| *sum == (1 << 60) + 200 * word)
            );
            subtract_packed(level, &mut sum, &bytes, 200);
            assert_eq!(sum, [1 << 60; N]);
        }
    }

    #[test]
    fn any_number_is_reduced() {
        let mut numbers = [u64::MAX; N];
        Xof::new("reduction test", &[]).fill_uniform(&mut [0; CHUNK_BYTES], &mut numbers);
        for (i, number) in numbers.iter_mut().enumerate() {
            *number = number.wrapping_mul(i as u64 | 0x1234_5678_9ABC_DEF1);
        }
        numbers[..6].copy_from_slice(&[0, Q - 1, Q, 2 * Q - 1, u64::MAX, (Q - 1) * (ROOM + 1)]);
        for level in Level::available() {
            let mut reduced = numbers;
            reduce(level, &mut reduced);
            assert!(
                reduced
                    .iter()
                    .zip(&numbers)
                    .all(|(reduced, number)| *reduced == number % Q)
            );
        }
    }
}
