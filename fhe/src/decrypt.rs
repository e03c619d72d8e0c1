//! `M = round((C - a·S) / Delta)`: the weighted sum of the updates.

use crate::{
    context::RoundContext,
    fill::filled,
    modular,
    open::KeySum,
    pack::{self, CiphertextError},
    params::{BLINDING_CHUNKS, CHUNK_BYTES, DELTA, MAX_ERROR, MAX_TOTAL_WEIGHT, N, Params},
    permute::Permutation,
    ring::{NttPoly, PublicPolynomials},
    simd::{Level, vectorised},
};
use rayon::prelude::*;
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
    /// Longer than accepted contributions can add up to: the key sum is not that of this ciphertext.
    #[error(
        "the decrypted sum is longer than accepted contributions of these weights can add up to: the key sum does not fit this ciphertext"
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
    let chunks = check(permutation.params(), sum_ciphertext, total_weight)?;
    let key = NttPoly::new(&key_sum.0.0);
    // Four bytes a step are enough unless the weights add up to more than 65,000 or somebody cheated.
    let values = match in_model_order::<i32>(permutation, context, chunks, &key, total_weight)? {
        Some(values) => values,
        None => in_model_order::<i64>(permutation, context, chunks, &key, total_weight)?
            .unwrap_or_default(),
    };
    Ok(WeightedSum {
        values,
        total_weight,
    })
}

/// Chunks that one thread takes at least: fewer are not worth handing over.
const TASK: usize = 8;

/// All steps, checked, in model order; on the way they are kept as `T`. `None` if one does not fit.
fn in_model_order<T: Step>(
    permutation: &Permutation,
    context: &RoundContext,
    chunks: &[[u8; CHUNK_BYTES]],
    key: &NttPoly,
    total_weight: u64,
) -> Result<Option<Vec<i64>>, DecryptError> {
    let params = permutation.params();
    let scratch = || (Decryptor::new(context, key), Box::new([0; N]));
    let write =
        |(decryptor, steps): &mut (Decryptor<'_>, Box<[i64; N]>), k: usize, kept: &mut _| {
            decryptor.chunk(k, &chunks[k], steps)?;
            let squares = sum_of_squares(decryptor.level, &steps[..]);
            Ok(T::keep(decryptor.level, steps, kept).then_some(squares))
        };
    let add = |a: Result<Option<u128>, _>, b: Result<_, _>| Ok(a?.zip(b?).map(|(a, b)| a + b));
    let (permuted, squares) = filled(chunks.len(), scratch, write, add);
    // Which of several bad words is met first depends on the threads; the answer does not.
    let squares = squares.unwrap_or(Ok(Some(0)));
    let squares = squares.or_else(|error: CiphertextError| {
        pack::check_chunks(0, chunks)?;
        Err(error)
    })?;
    let Some(squares) = squares else {
        return Ok(None);
    };
    if squares > longest_sum(params, total_weight).pow(2) {
        return Err(DecryptError::TooLong);
    }
    // What stands in padding and blinding is part of no update: it ends here.
    let data = &permuted[..params.parameters()];
    let places = permutation.places(&context.federation);
    let places = places.par_iter().with_min_len(TASK * N);
    Ok(Some(
        places.map(|&place| data[place as usize].into()).collect(),
    ))
}

/// A number that steps are kept in.
trait Step: Copy + Default + Into<i64> + Send + Sync {
    /// Writes the steps; `false` if one does not fit.
    fn keep(level: Level, steps: &[i64; N], kept: &mut [Self; N]) -> bool;
}

impl Step for i32 {
    fn keep(level: Level, steps: &[i64; N], kept: &mut [Self; N]) -> bool {
        narrow(level, steps, kept)
    }
}

impl Step for i64 {
    fn keep(_: Level, steps: &[i64; N], kept: &mut [Self; N]) -> bool {
        *kept = *steps;
        true
    }
}

/// Length in steps up to which the two blinding chunks alone tell a wrong key from the right one: see [`is_plausible`].
pub const BLINDING_DECIDES: u128 = 1 << 41;

/// How much longer than the clip norm an accepted contribution can be: the accept rule lets one of norm `4·C` pass with
/// probability 2^-35.7 (`params/budgets.py`; 2^-30 if it is all in one coefficient). Twice the clip norm would not do: one
/// such passes in 5 % of the rounds, and a sum that the check let through must open.
const ACCEPTED_CLIPS: u128 = 4;

/// Length in steps, over all coefficients, that the sum of accepted contributions does not exceed:
/// `W·(4·C + (MAX_ERROR/Delta + 1)·sqrt D)`, `W` the sum of the weights.
///
/// The check bounds what a contribution holds over *all* its coefficients, padding and blinding included, and no single one
/// of them: somebody may put 20,000 steps into one blinding coefficient and be accepted. So the sum is held against a bound
/// on its length too, and against none for single coefficients.
#[must_use]
pub fn longest_sum(params: &Params, total_weight: u64) -> u128 {
    let coefficients = (params.chunks() * N) as u64;
    let root = coefficients.isqrt() + 1;
    let noise = (MAX_ERROR as u64 / DELTA + 2) * root;
    let one = ACCEPTED_CLIPS * u128::from(params.clip_steps()) + u128::from(noise);
    u128::from(total_weight) * one
}

/// Whether `key_sum` fits the sum: what it decrypts to is no longer than accepted contributions can add up to. The test to
/// give [`crate::open_key_sum`].
///
/// Under a wrong key every coefficient is uniform mod q, so `n` of them have a length of about `2^36.2·sqrt n` steps: 2^42.2
/// for the blinding chunks alone. They pass for shorter than `R` steps with probability at most the volume of the ball over
/// `q^n`, that is `(4.14·R/(sqrt n·2^38))^n`. For the 4096 coefficients of the blinding chunks and `R` up to
/// [`BLINDING_DECIDES`] that is 2^-3800, and they alone are decrypted: the work does not grow with the model. With `n`
/// contributions of weight 256 this is so while `n·ceil(sqrt d)` is below about 2^19 (`d` up to 2^22; 255 contributions
/// beyond, where `C` no longer grows). For more or larger ones all chunks are decrypted: `R` is at most `2^35·sqrt n`
/// for them at the largest weight, and a wrong key passes with probability below 2^-5000.
///
/// This is about keys that are wrong by accident or by any lie that is not aimed at this test. Whoever looks for a difference
/// of keys that is short in both blinding chunks has a lattice problem to solve, for whose hardness no number is claimed here:
/// that the opened key is the key of what was judged is for the members to say ([`crate::Verdict::verify_key_sum`]), and
/// nothing is published that `t` of them have not verified.
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
    let key = NttPoly::new(&key_sum.0.0);
    let longest = longest_sum(params, total_weight);
    let first = match longest <= BLINDING_DECIDES {
        true => params.data_chunks(),
        false => 0,
    };
    let scratch = || (Decryptor::new(context, &key), Box::new([0; N]));
    let work = chunks[first..].par_iter().enumerate().with_min_len(TASK);
    let squares = work
        .map_init(scratch, |(decryptor, steps), (index, bytes)| {
            decryptor.chunk(first + index, bytes, steps)?;
            Ok(sum_of_squares(decryptor.level, &steps[..]))
        })
        .try_reduce(|| 0, |a, b| Ok::<_, CiphertextError>(a + b));
    squares.is_ok_and(|squares| squares <= longest.pow(2))
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

/// Decrypts chunks one by one, in any order.
struct Decryptor<'a> {
    level: Level,
    key: &'a NttPoly,
    public: PublicPolynomials,
    mask: Box<[u64; N]>,
    coefficients: Box<[u64; N]>,
}

impl<'a> Decryptor<'a> {
    fn new(context: &RoundContext, key: &'a NttPoly) -> Self {
        Self {
            level: Level::best(),
            key,
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

vectorised! {
    /// Steps in four bytes each; `false` if one does not fit.
    fn narrow(steps: &[i64; N], kept: &mut [i32; N]) -> bool {
        let mut bits = 0;
        for (&step, kept) in steps.iter().zip(kept) {
            *kept = step as i32;
            bits |= (step + (1 << 31)) as u64;
        }
        bits < 1 << 32
    }
}

/// Exact sum of the squares of at most `N` steps, each below 2^48 in absolute value.
fn sum_of_squares(level: Level, steps: &[i64]) -> u128 {
    match small_squares(level, steps) {
        Some(sum) => sum.into(),
        None => steps
            .iter()
            .map(|step| u128::from(step.unsigned_abs()).pow(2))
            .sum(),
    }
}

vectorised! {
    /// The sum of squares if all steps are below 2^26 in absolute value, as they are unless somebody cheats or the
    /// weights add up to more than 2000.
    fn small_squares(steps: &[i64]) -> Option<u64> {
        const LIMIT: u64 = 1 << 26;
        let (mut sum, mut bits) = (0_u64, 0_u64);
        for &step in steps {
            // Below 2^52 each, if small: 2048 of them are below 2^63.
            sum = sum.wrapping_add((step as u64).wrapping_mul(step as u64));
            bits |= (step + LIMIT as i64) as u64;
        }
        (bits < 2 * LIMIT).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{params::Q, xof::Xof};

    #[test]
    fn every_instruction_set_rounds_and_narrows_alike() {
        let mut coefficients = [[0; N]; 2];
        let mut xof = Xof::new("decrypt test", &[]);
        for poly in &mut coefficients {
            xof.fill_uniform(&mut [0; CHUNK_BYTES], poly);
        }
        let [c, mut mask] = coefficients;
        // Around the ends of the range and of a step.
        for (i, mask) in mask.iter_mut().take(4096 / 2).enumerate().skip(1024) {
            *mask = (c[i] + [Q / 2, Q / 2 + 1, Q - 512, Q - 511, 512, 511, 0, 1][i % 8]) % Q;
        }
        for level in Level::available() {
            let mut steps = [0; N];
            round_to_steps(level, &c, &mask, &mut steps);
            for ((&step, &c), &mask) in steps.iter().zip(&c).zip(&mask) {
                let centred = modular::centre((c + Q - mask) % Q);
                assert_eq!(step, (centred as f64 / DELTA as f64 + 0.5).floor() as i64);
            }
            let mut kept = [0; N];
            assert!(!narrow(level, &steps, &mut kept));
            for fitting in [[i64::from(i32::MAX); N], [i64::from(i32::MIN); N], [-1; N]] {
                assert!(narrow(level, &fitting, &mut kept));
                assert_eq!(kept.map(i64::from), fitting);
            }
            for (value, place) in [(1 << 31, 0), (-(1 << 31) - 1, N - 1), (1 << 37, 77)] {
                let mut steps = [5; N];
                steps[place] = value;
                assert!(!narrow(level, &steps, &mut kept));
            }
        }
    }

    #[test]
    fn squares_are_summed_exactly() {
        const SMALL: i64 = (1 << 26) - 1;
        for level in Level::available() {
            for (values, small) in [
                ([SMALL, -SMALL], true),
                ([0, -(SMALL + 1)], true),
                ([SMALL + 1, 0], false),
                ([0, -(SMALL + 2)], false),
                ([1 << 37, -(1 << 37)], false),
            ] {
                let steps: Vec<i64> = values.iter().copied().cycle().take(N - 1).collect();
                let exact = steps
                    .iter()
                    .map(|step| u128::from(step.unsigned_abs()).pow(2))
                    .sum();
                assert_eq!(small_squares(level, &steps).is_some(), small);
                assert_eq!(sum_of_squares(level, &steps), exact);
            }
        }
    }
}
