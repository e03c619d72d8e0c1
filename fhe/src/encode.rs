//! From a float update to bounded integers, permuted and padded.

use crate::{
    params::{MAX_STEP, N, Params},
    permute::Permutation,
    simd::{Level, vectorised},
    xof::Xof,
};
use thiserror::Error;
use zeroize::Zeroizing;

/// A quantised update, ready to be encrypted: permuted, padded with zeros, blinding chunks appended.
///
/// The plaintext of a contribution: wiped when dropped, and without `Debug` or `Clone`.
pub struct Encoded {
    /// `params.chunks()·N` steps, each within ±[`MAX_STEP`].
    steps: Zeroizing<Vec<i16>>,
    /// Factor the update was multiplied by to respect the norm bound, 1 if it was within.
    clip: f64,
}

/// Why an update cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The update is for another model.
    #[error("the model has {expected} parameters, the update {actual}")]
    Length {
        /// Parameters of the model.
        expected: usize,
        /// Entries given.
        actual: usize,
    },
    /// Training diverged: a NaN or an infinity.
    #[error("entry {index} of the update is not a finite number: lower the learning rate")]
    NotFinite {
        /// First such entry.
        index: usize,
    },
}

impl Encoded {
    /// All steps in the order of the ciphertext: `params.chunks()` times `N`.
    #[must_use]
    pub fn steps(&self) -> &[i16] {
        &self.steps
    }

    /// Factor applied to keep the norm bound, in `(0, 1]`.
    #[must_use]
    pub fn clip(&self) -> f64 {
        self.clip
    }

    /// Steps that are within every bound already.
    pub(crate) fn unclipped(steps: Zeroizing<Vec<i16>>) -> Self {
        Self { steps, clip: 1.0 }
    }

    /// The steps chunk by chunk.
    pub(crate) fn chunks(&self) -> &[[i16; N]] {
        self.steps.as_chunks().0
    }
}

/// Quantises `update` (in model order, any finite floats) in steps of `2^unit_log2`.
///
/// The update is first scaled down, if need be, so that even after rounding its L2 norm is at most
/// [`Params::clip_steps`]; entries then saturate at ±[`MAX_STEP`], and each is rounded up or down at random so that
/// its expectation is exact. `rounding_seed` is secret and used once.
///
/// # Errors
/// [`EncodeError`] if the length is wrong or an entry is not finite.
pub fn encode(
    params: &Params,
    federation: &[u8; 32],
    unit_log2: i8,
    update: &[f32],
    rounding_seed: [u8; 32],
) -> Result<Encoded, EncodeError> {
    let permutation = Permutation::new(params, federation);
    encode_permuted(&permutation, unit_log2, update, rounding_seed)
}

/// [`encode`] with a permutation, and so parameters and a federation, that is kept between rounds.
///
/// # Errors
/// As for [`encode`].
pub fn encode_permuted(
    permutation: &Permutation,
    unit_log2: i8,
    update: &[f32],
    rounding_seed: [u8; 32],
) -> Result<Encoded, EncodeError> {
    let params = permutation.params();
    let d = params.parameters();
    if update.len() != d {
        return Err(EncodeError::Length {
            expected: d,
            actual: update.len(),
        });
    }
    // A product with a power of two is exact in f64, and no f32 squared overflows.
    let level = Level::best();
    let per_unit = 1.0 / step_size(unit_log2);
    let norm = norm(level, update) * per_unit;
    if !norm.is_finite()
        && let Some(index) = update.iter().position(|value| !value.is_finite())
    {
        return Err(EncodeError::NotFinite { index });
    }
    // Rounding moves each entry by less than one step, so the norm by less than sqrt(d); the last
    // step is for the errors of the float sum.
    let target = params.clip_steps() as f64 - (d as f64).sqrt() - 1.0;
    let clip = if norm > target { target / norm } else { 1.0 };

    let mut steps = Zeroizing::new(vec![0_i16; params.chunks() * N]);
    let places = permutation.places(permutation.federation());
    let seed = Zeroizing::new(rounding_seed);
    let mut rounding = Xof::new("stochastic rounding", &[&seed[..]]);
    let mut bytes = Zeroizing::new([0; BATCH * 4]);
    let mut quantised = Zeroizing::new([0; BATCH]);
    for (values, places) in update.chunks(BATCH).zip(places.chunks(BATCH)) {
        rounding.fill(&mut bytes[..]);
        quantise(level, values, per_unit * clip, &bytes, &mut quantised);
        for (&place, &step) in places.iter().zip(&*quantised) {
            steps[place as usize] = step;
        }
    }
    Ok(Encoded { steps, clip })
}

/// `2^unit_log2`, put together from its bits: exact on every machine, and so is its inverse.
pub(crate) fn step_size(unit_log2: i8) -> f64 {
    f64::from_bits(((1023 + i64::from(unit_log2)) as u64) << 52)
}

/// Entries quantised at a time.
const BATCH: usize = 2048;

vectorised! {
    /// L2 norm, in units of the values; not finite if a value is not.
    fn norm(values: &[f32]) -> f64 {
        let mut sums = [0.0; 16];
        let (blocks, rest) = values.as_chunks::<16>();
        for block in blocks {
            for (sum, &value) in sums.iter_mut().zip(block) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
        for (sum, &value) in sums.iter_mut().zip(rest) {
            *sum += f64::from(value) * f64::from(value);
        }
        sums.iter().sum::<f64>().sqrt()
    }
}

vectorised! {
    /// `floor(clamp(value·scale) + u)` for each value, `u` uniform in `[0, 1)`: 4 bytes of `random` a value.
    ///
    /// In fixed point with 32 fractional bits: rounding to those is the only bias, at most 2^-33 of a step.
    fn quantise(values: &[f32], scale: f64, random: &[u8; BATCH * 4], steps: &mut [i16; BATCH]) {
        const LIMIT: f64 = MAX_STEP as f64;
        const FIXED: f64 = (1_u64 << 32) as f64;
        // Adding 1.5·2^52 rounds to an integer that then stands in the low bits.
        const ROUNDER: f64 = 6_755_399_441_055_744.0;
        let words = random.as_chunks::<4>().0;
        for ((&value, word), step) in values.iter().zip(words).zip(steps) {
            let exact = (f64::from(value) * scale).clamp(-LIMIT, LIMIT) * FIXED;
            let fixed = (exact + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits());
            let sum = fixed.wrapping_add(u32::from_le_bytes(*word).into());
            *step = (sum >> 32) as i16;
        }
    }
}
