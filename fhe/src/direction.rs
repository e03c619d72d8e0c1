//! A validator's question to the contributions of a round: one short vector over the model's parameters.
//!
//! Only `A_v` of the *extended* direction is ever posted. `A_v` is a function of `v`: for up to 2048 parameters `v` could be read
//! off it, and at any size a guess could be confirmed. So `v` is extended on the two chunks that encrypt zero by `rho`,
//! uniform in {-8..8}, fresh for each direction and round: `A_v` is then hiding under RLWE (154 bits, `params/estimate.py`), and the answer the same.

use crate::{
    context::RoundContext,
    hash::hash,
    key::Entropy,
    params::{BLINDING_CHUNKS, N, Params},
    permute::Permutation,
    projection::PROJECTIONS,
    query::Vectors,
    ring::{Poly, PolynomialError},
    transpose::{row, rows},
    xof::Xof,
};
use std::sync::Arc;
use thiserror::Error;
use zeroize::Zeroizing;

/// `h` at most: distinct vectors, projections included, that are opened on the contributions of one round.
pub const MAX_OPENED: usize = 128;
/// Parameters that a model must have for each vector opened in a round.
pub const PARAMETERS_PER_OPENED: usize = 32;
/// Largest entry of the blinding part `rho`.
pub const MAX_BLINDING: i8 = 8;

/// `h`: how many distinct vectors a member answers in one round, the projections included: 128, or a 32nd of the
/// parameters if that is less.
#[must_use]
pub fn max_opened(params: &Params) -> usize {
    MAX_OPENED.min(params.parameters() / PARAMETERS_PER_OPENED)
}

/// `V`: how many directions validators may ask in one round.
#[must_use]
pub fn max_directions(params: &Params) -> usize {
    max_opened(params).saturating_sub(PROJECTIONS)
}

/// Square of the largest norm of a direction, `min(8·sqrt d, 2^36/C)`: its product with an update within the clip norm
/// has at most 36 bits and a sign.
#[must_use]
pub fn max_squared_norm(params: &Params) -> u64 {
    let by_range = (1 << 36) / params.clip_steps();
    (64 * params.parameters() as u64).min(by_range * by_range)
}

/// A blinded direction. Secret of its validator: wiped when dropped, no `Debug`, no `Clone`.
pub struct Direction {
    params: Params,
    /// All chunks: permuted, zero padded, blinding part last.
    entries: Zeroizing<Vec<i8>>,
    /// Which chunks have an entry that differs from zero, and the blinding ones: asked for every chunk of every ciphertext.
    touched: Zeroizing<Vec<bool>>,
}

/// Why values are no direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DirectionError {
    /// For another model.
    #[error("the model has {expected} parameters, the direction {actual}")]
    Length {
        /// Parameters of the model.
        expected: usize,
        /// Entries given.
        actual: usize,
    },
    /// It asks nothing.
    #[error("every entry of the direction is zero")]
    Zero,
    /// Longer than the range of the answers allows.
    #[error("the squared norm of the direction is {squared}, above {limit}")]
    TooLong {
        /// Sum of the squares.
        squared: u64,
        /// Largest sum of squares, [`max_squared_norm`].
        limit: u64,
    },
    /// A NaN or an infinity.
    #[error("entry {index} of the direction is not a finite number")]
    NotFinite {
        /// First such entry.
        index: usize,
    },
}

impl Direction {
    /// Blinds `values`, in model order. The entropy is used up: a direction that must survive a crash is made again
    /// from the entropy that was recorded.
    ///
    /// # Errors
    /// [`DirectionError`] if the length is wrong, all entries are zero or the norm is above [`max_squared_norm`].
    pub fn new(
        permutation: &Permutation,
        values: &[i8],
        entropy: Entropy,
    ) -> Result<Self, DirectionError> {
        let params = permutation.params();
        if values.len() != params.parameters() {
            return Err(DirectionError::Length {
                expected: params.parameters(),
                actual: values.len(),
            });
        }
        check_norm(params, values)?;
        let mut entries = Zeroizing::new(vec![0; params.chunks() * N]);
        let places = permutation.places(permutation.federation());
        for (&place, &value) in places.iter().zip(values) {
            entries[place as usize] = value;
        }
        let blinding = &mut entries[params.data_chunks() * N..];
        // The values are hashed in, so that one entropy never blinds two directions alike.
        let bytes: Zeroizing<Vec<u8>> =
            Zeroizing::new(values.iter().map(|v| v.to_le_bytes()[0]).collect());
        fill_blinding(
            &mut Xof::new("direction blinding", &[entropy.bytes(), &bytes]),
            blinding,
        );
        Ok(Self::of_blinded(params, entries))
    }

    fn of_blinded(params: &Params, entries: Zeroizing<Vec<i8>>) -> Self {
        let chunks = entries.as_chunks::<N>().0.iter().enumerate();
        let touched = chunks
            .map(|(chunk, entries)| chunk >= params.data_chunks() || *entries != [0; N])
            .collect();
        Self {
            params: *params,
            touched: Zeroizing::new(touched),
            entries,
        }
    }

    /// Rounds a float vector, in model order, to entries that [`Self::new`] accepts: as long as [`max_squared_norm`]
    /// allows after rounding to nearest, entries saturated at ±127.
    ///
    /// # Errors
    /// [`DirectionError`] if the length is wrong, an entry is not finite, or every entry rounds to zero.
    pub fn quantise(params: &Params, values: &[f32]) -> Result<Vec<i8>, DirectionError> {
        if values.len() != params.parameters() {
            return Err(DirectionError::Length {
                expected: params.parameters(),
                actual: values.len(),
            });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(DirectionError::NotFinite { index });
        }
        let squared: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        if squared == 0.0 {
            return Err(DirectionError::Zero);
        }
        let mut scale = (max_squared_norm(params) as f64 / squared).sqrt();
        loop {
            let rounded: Vec<i8> = values
                .iter()
                .map(|&value| (f64::from(value) * scale).round().clamp(-127.0, 127.0) as i8)
                .collect();
            match check_norm(params, &rounded) {
                // Rounding made it longer. Each turn takes off at least a thousandth, until every entry rounds to zero.
                Err(DirectionError::TooLong { squared, limit }) => {
                    scale *= (limit as f64 / squared as f64).sqrt().min(0.999);
                }
                result => return result.map(|()| rounded),
            }
        }
    }

    /// The parameters it was made for.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Whether an entry in this chunk differs from zero. The blinding chunks always count.
    #[must_use]
    pub fn touches(&self, chunk: usize) -> bool {
        self.touched.get(chunk) == Some(&true)
    }

    /// `A_v` in one round: what the validator posts. Spread over the threads of the caller's rayon pool.
    #[must_use]
    pub fn key(&self, context: &RoundContext) -> DirectionKey {
        let vectors = [self];
        let mut rows = rows(context, &Vectors::Directions(&self.params, &vectors));
        DirectionKey::of_row(rows.pop().unwrap_or_else(Poly::zero))
    }

    /// L2 norm, blinding included.
    pub(crate) fn norm(&self) -> f64 {
        // Integers, so that the additions need not wait for each other.
        let squares = self.entries.iter().map(|&entry| i64::from(entry).pow(2));
        (squares.sum::<i64>() as f64).sqrt()
    }

    /// Any entries at all, blinding included, for tests beyond the norm bound.
    #[cfg(test)]
    pub(crate) fn of_entries(params: &Params, entries: Vec<i8>) -> Self {
        Self::of_blinded(params, Zeroizing::new(entries))
    }

    /// The entries of one chunk.
    pub(crate) fn chunk(&self, chunk: usize) -> &[i8; N] {
        &self.entries.as_chunks().0[chunk]
    }
}

/// Sum of the squares of the entries against the limit.
fn check_norm(params: &Params, values: &[i8]) -> Result<(), DirectionError> {
    let limit = max_squared_norm(params);
    match values
        .iter()
        .map(|&v| u64::from(v.unsigned_abs()).pow(2))
        .sum()
    {
        0 => Err(DirectionError::Zero),
        squared if squared > limit => Err(DirectionError::TooLong { squared, limit }),
        _ => Ok(()),
    }
}

/// Uniform in {-8..8}: of each byte below 255 = 15·17 the remainder by 17, less 8.
fn fill_blinding(xof: &mut Xof, blinding: &mut [i8]) {
    const VALUES: u8 = 2 * MAX_BLINDING as u8 + 1;
    let mut bytes = Zeroizing::new([0; 64]);
    let mut free = blinding.iter_mut();
    loop {
        xof.fill(&mut bytes[..]);
        // Whether a byte is 255 says nothing about those that are kept.
        for byte in bytes.iter().filter(|&&byte| byte < u8::MAX) {
            match free.next() {
                Some(entry) => *entry = (byte % VALUES) as i8 - MAX_BLINDING,
                None => return,
            }
        }
    }
}

const _: () = assert!(BLINDING_CHUNKS == 2, "rho was estimated over two chunks");

/// `A_v` of a blinded direction, 12,288 bytes: what members answer on, and all they learn of the direction.
#[derive(Clone)]
pub struct DirectionKey {
    /// `row(A_v)`: public, shared between copies.
    row: Arc<Poly>,
}

impl DirectionKey {
    fn of_row(row: Poly) -> Self {
        Self { row: row.into() }
    }

    /// The packed polynomial.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        row(&self.row).to_bytes()
    }

    /// Decodes a direction's key.
    ///
    /// # Errors
    /// [`PolynomialError`] if the length is wrong or a coefficient is not below q.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolynomialError> {
        Poly::from_bytes(bytes).map(|key| Self::of_row(row(&key)))
    }

    /// The factors of the answer.
    pub(crate) fn row(&self) -> &[u64; N] {
        &self.row.0
    }
}

impl std::fmt::Debug for DirectionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DirectionKey(..)")
    }
}

/// What a validator commits to before the close: `H("direction", context, validator, index, A_v)`.
#[must_use]
pub fn direction_hash(
    context: &RoundContext,
    validator: u32,
    index: u8,
    key: &DirectionKey,
) -> [u8; 32] {
    hash(
        "direction",
        &[
            &context.to_bytes(),
            &validator.to_le_bytes(),
            &[index],
            &key.to_bytes(),
        ],
    )
}
