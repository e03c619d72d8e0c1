//! `M = round((C - a·S) / Delta)`: the weighted sum of the updates.

use crate::{
    context::RoundContext,
    modular,
    open::KeySum,
    pack::{self, CiphertextError},
    params::{BLINDING_CHUNKS, CHUNK_BYTES, DELTA, MAX_ERROR, MAX_TOTAL_WEIGHT, N, Params},
    permute::Permutation,
    ring::{NttPoly, PublicPolynomials},
    simd::{Level, vectorised},
};
use thiserror::Error;

/// The opened sum `sum_j w_j·m_j`, in steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedSum {
    /// One value for each model parameter, in model order.
    pub values: Vec<i64>,
    /// Sum of the weights, `sum_j w_j`.
    pub total_weight: u64,
}

/// Why a sum does not decrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecryptError {
    /// The bytes are no ciphertext for the parameters.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// No weight, or more than the parameters have headroom for.
    #[error("the sum of weights is {total}: it lies between 1 and {MAX_TOTAL_WEIGHT}")]
    TotalWeight {
        /// Sum given.
        total: u64,
    },
    /// Padding and blinding encrypt zero, and do not decrypt to it: the key sum is not that of this ciphertext.
    #[error(
        "chunk {chunk} should hold {value} at {index} no larger than the noise bound {bound}: the key sum does not fit this ciphertext"
    )]
    NotZero {
        /// Chunk, from 0.
        chunk: usize,
        /// Coefficient within the chunk, from 0.
        index: usize,
        /// What it decrypts to, in steps.
        value: i64,
        /// What noise alone can make of it.
        bound: i64,
    },
    /// Longer than contributions of bounded norm can add up to.
    #[error(
        "the decrypted sum is longer than twice what contributions of these weights can add up to"
    )]
    TooLong,
}

/// Decrypts a packed weighted sum (all chunks) with the key of that sum.
///
/// 1. *Public input*: ciphertext, key sum, sum of weights.
/// 2. *Public output*: the weighted sum of the updates.
///
/// Noise of the output: `sum_j w_j·e_j / Delta`, at most `1 + 8·sigma/Delta` = 10.1 steps per unit of weight, and with
/// deviation `1.13·sqrt(sum w_j^2)` steps.
///
/// # Errors
/// [`DecryptError`] if the ciphertext is malformed or what comes out is implausible.
pub fn decrypt(
    params: &Params,
    context: &RoundContext,
    sum_ciphertext: &[u8],
    key_sum: &KeySum,
    total_weight: u64,
) -> Result<WeightedSum, DecryptError> {
    let permutation = Permutation::new(params, &context.federation);
    decrypt_permuted(&permutation, context, sum_ciphertext, key_sum, total_weight)
}

/// [`decrypt`] with a permutation, and so parameters, that is kept between rounds.
///
/// # Errors
/// As for [`decrypt`].
pub fn decrypt_permuted(
    permutation: &Permutation,
    context: &RoundContext,
    sum_ciphertext: &[u8],
    key_sum: &KeySum,
    total_weight: u64,
) -> Result<WeightedSum, DecryptError> {
    let params = permutation.params();
    let chunks = check(params, sum_ciphertext, total_weight)?;
    let mut decryptor = Decryptor::new(context, key_sum);
    let mut permuted = vec![0; chunks.len() * N];
    for (k, (bytes, steps)) in chunks.iter().zip(permuted.as_chunks_mut().0).enumerate() {
        decryptor.chunk(k, bytes, steps)?;
    }
    let (data, zeros) = permuted.split_at(params.parameters());
    check_zeros(zeros, params.parameters(), total_weight)?;

    let limit = 2 * u128::from(params.clip_steps()) * u128::from(total_weight);
    let square = |value: u64| u128::from(value) * u128::from(value);
    let squares = |sum: u128, value: &i64| sum + square(value.unsigned_abs());
    if data.iter().fold(0, squares) > limit * limit {
        return Err(DecryptError::TooLong);
    }
    let places = permutation.places(&context.federation);
    Ok(WeightedSum {
        values: places.iter().map(|&place| data[place as usize]).collect(),
        total_weight,
    })
}

/// Whether `key_sum` fits the sum: its blinding chunks decrypt to zero. A wrong key passes with negligible probability,
/// and the work does not grow with the model. The test to give [`crate::open_key_sum`].
#[must_use]
pub fn is_plausible(
    params: &Params,
    context: &RoundContext,
    sum_ciphertext: &[u8],
    key_sum: &KeySum,
    total_weight: u64,
) -> bool {
    let Ok(chunks) = check(params, sum_ciphertext, total_weight) else {
        return false;
    };
    let mut decryptor = Decryptor::new(context, key_sum);
    let mut steps = [0; N];
    (params.data_chunks()..params.chunks()).all(|k| {
        decryptor.chunk(k, &chunks[k], &mut steps).is_ok()
            && check_zeros(&steps, k * N, total_weight).is_ok()
    })
}

fn check<'a>(
    params: &Params,
    sum_ciphertext: &'a [u8],
    total_weight: u64,
) -> Result<&'a [[u8; CHUNK_BYTES]], DecryptError> {
    if !(1..=MAX_TOTAL_WEIGHT).contains(&total_weight) {
        return Err(DecryptError::TotalWeight {
            total: total_weight,
        });
    }
    debug_assert_eq!(params.chunks(), params.data_chunks() + BLINDING_CHUNKS);
    Ok(pack::split_chunks(sum_ciphertext, params.chunks())?)
}

/// Padding and blinding, which start at coefficient `start` of the sum, hold nothing but noise.
fn check_zeros(zeros: &[i64], start: usize, total_weight: u64) -> Result<(), DecryptError> {
    // At most 9280·2048000 / 1024 + 1: fits.
    let bound = (MAX_ERROR as u64 * total_weight / DELTA + 1) as i64;
    match zeros.iter().position(|value| value.abs() > bound) {
        None => Ok(()),
        Some(offset) => Err(DecryptError::NotZero {
            chunk: (start + offset) / N,
            index: (start + offset) % N,
            value: zeros[offset],
            bound,
        }),
    }
}

/// Decrypts chunks one by one.
struct Decryptor {
    level: Level,
    key: NttPoly,
    public: PublicPolynomials,
    mask: Box<[u64; N]>,
    coefficients: Box<[u64; N]>,
}

impl Decryptor {
    fn new(context: &RoundContext, key_sum: &KeySum) -> Self {
        Self {
            level: Level::best(),
            key: NttPoly::new(&key_sum.0.0),
            public: PublicPolynomials::new(context),
            mask: Box::new([0; N]),
            coefficients: Box::new([0; N]),
        }
    }

    /// `round((c_k - a_k·S) / Delta)`, centred.
    fn chunk(
        &mut self,
        k: usize,
        bytes: &[u8; CHUNK_BYTES],
        steps: &mut [i64; N],
    ) -> Result<(), CiphertextError> {
        pack::unpack_checked(bytes, &mut self.coefficients).map_err(|(index, value)| {
            CiphertextError::Coefficient {
                chunk: k,
                index,
                value,
            }
        })?;
        self.public.expand(k as u64, &mut self.mask);
        self.key.multiply_into(&mut self.mask);
        round_to_steps(self.level, &self.coefficients, &self.mask, steps);
        Ok(())
    }
}

vectorised! {
    /// `round((c - mask) / Delta)`, centred.
    fn round_to_steps(coefficients: &[u64; N], mask: &[u64; N], steps: &mut [i64; N]) {
        for ((step, &c), &mask) in steps.iter_mut().zip(coefficients).zip(mask) {
            let exact = modular::centre(modular::subtract(c, mask));
            // An arithmetic shift rounds down: half a step more rounds to nearest.
            *step = (exact + (DELTA / 2) as i64) >> DELTA.trailing_zeros();
        }
    }
}
