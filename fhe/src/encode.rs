//! From a float update to bounded integers, permuted and padded.

use crate::{
    params::{MAX_STEP, N, Params},
    permute,
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
    let d = params.parameters();
    if update.len() != d {
        return Err(EncodeError::Length {
            expected: d,
            actual: update.len(),
        });
    }
    // In f64 a product of powers of two with an f32 is exact, and no f32 squared overflows.
    let inverse_unit = (-f64::from(unit_log2)).exp2();
    let mut squares = 0.0;
    for &value in update {
        let steps = f64::from(value) * inverse_unit;
        squares += steps * steps;
    }
    if !squares.is_finite()
        && let Some(index) = update.iter().position(|value| !value.is_finite())
    {
        return Err(EncodeError::NotFinite { index });
    }
    // Rounding moves each entry by less than one step, so the norm by less than sqrt(d); the last
    // step is for the error of the float sum.
    let target = params.clip_steps() as f64 - (d as f64).sqrt() - 1.0;
    let norm = squares.sqrt();
    let clip = if norm > target { target / norm } else { 1.0 };

    let mut steps = Zeroizing::new(vec![0_i16; params.chunks() * N]);
    let places = permute::places(params, federation);
    let seed = Zeroizing::new(rounding_seed);
    let mut rounding = Xof::new("stochastic rounding", &[&seed[..]]);
    const BATCH: usize = 2048;
    let mut bytes = Zeroizing::new([0; BATCH * 4]);
    for (values, places) in update.chunks(BATCH).zip(places.chunks(BATCH)) {
        rounding.fill(&mut bytes[..]);
        let (words, _) = bytes.as_chunks::<4>();
        for ((&value, &place), word) in values.iter().zip(places).zip(words) {
            let threshold = f64::from(u32::from_le_bytes(*word)) / 4_294_967_296.0;
            let limit = f64::from(MAX_STEP);
            let exact = (f64::from(value) * inverse_unit * clip).clamp(-limit, limit);
            let low = exact.floor();
            let up = if exact - low > threshold { 1.0 } else { 0.0 };
            // Within ±32767: a fraction remains only strictly below the limit.
            steps[place as usize] = (low + up) as i16;
        }
    }
    Ok(Encoded { steps, clip })
}
