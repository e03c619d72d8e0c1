//! The first weights of a federation: drawn from the founders' seed, so that nobody chose them.
//!
//! They are integers in units of 2^-24. Every value has at most 24 significant bits, so
//! `value as f32 * 2^-24` is exact and all participants start from the same bits.

use crate::hash::{Domain, Hash, Xof};
use crate::model::{ModelHasher, ModelSpec};

const INITIAL_WEIGHTS: Domain = Domain::new("initial weights");

/// The first weights, in units of 2^-24, in the order that [`crate::model_hash`] documents.
///
/// Weights are uniform in ±floor(sqrt(6 / inputs) * 2^24) (He et al. 2015, uniform), biases 0. With
/// fewer than 6 inputs the bound passes 1 and the values are multiples of 4, to stay exact in an f32.
pub fn initial_weights_q24(spec: &ModelSpec, seed: &Hash) -> Vec<i32> {
    let mut weights = Vec::new();
    visit(spec, seed, |value| weights.push(value));
    weights
}

/// The bits of the f32 that equals `value * 2^-24`, for values of at most 24 significant bits.
///
/// Integer arithmetic only, so that the hash of the first model needs no floating point.
pub fn q24_to_f32_bits(value: i32) -> u32 {
    let magnitude = value.unsigned_abs();
    let Some(top) = magnitude.checked_ilog2() else {
        return 0;
    };
    let sign = u32::from(value < 0).wrapping_shl(31);
    // value = 1.f * 2^(top - 24); the exponent field holds top - 24 + 127.
    let exponent = top.wrapping_add(103).wrapping_shl(23);
    let aligned = match 23_u32.checked_sub(top) {
        Some(up) => magnitude.wrapping_shl(up),
        None => magnitude.wrapping_shr(top.wrapping_sub(23)),
    };
    sign | exponent | (aligned & 0x007f_ffff)
}

/// The hash of the first model, without holding it in memory.
pub(crate) fn initial_model_hash(spec: &ModelSpec, seed: &Hash) -> Hash {
    const FLUSH: usize = 16_384;
    let mut hasher = ModelHasher::new(spec);
    let mut buffer = Vec::with_capacity(FLUSH);
    visit(spec, seed, |value| {
        buffer.extend_from_slice(&q24_to_f32_bits(value).to_le_bytes());
        if buffer.len() >= FLUSH {
            hasher.update(&buffer);
            buffer.clear();
        }
    });
    hasher.update(&buffer);
    hasher.finish()
}

fn visit(spec: &ModelSpec, seed: &Hash, mut sink: impl FnMut(i32)) {
    let mut xof = Xof::new(INITIAL_WEIGHTS, seed);
    for (inputs, outputs) in spec.shapes() {
        let uniform = Uniform::for_inputs(inputs);
        let weights = u64::from(inputs).saturating_mul(u64::from(outputs));
        for _ in 0..weights {
            sink(uniform.draw(&mut xof));
        }
        for _ in 0..outputs {
            sink(0);
        }
    }
}

/// Uniform on the multiples of `step` in `-reach * step ..= reach * step`.
struct Uniform {
    reach: u32,
    step: i32,
    span: u32,
    limit: u32,
}

impl Uniform {
    fn for_inputs(inputs: u32) -> Self {
        // 6 * 2^48: the square of the bound, in units of 2^-48, before it is divided by the inputs.
        const SIX_Q48: u64 = 1_688_849_860_263_936;
        let square = SIX_Q48.checked_div(u64::from(inputs)).unwrap_or(0);
        let bound = u32::try_from(square.isqrt()).unwrap_or(u32::MAX);
        let (reach, step) = if bound > 16_777_216 {
            (bound.wrapping_shr(2), 4)
        } else {
            (bound, 1)
        };
        let span = reach.saturating_mul(2).saturating_add(1);
        // Attempts at or above the last whole multiple of `span` are drawn again.
        let limit = u32::MAX.saturating_sub(u32::MAX.checked_rem(span).unwrap_or(0));
        Self {
            reach,
            step,
            span,
            limit,
        }
    }

    fn draw(&self, xof: &mut Xof) -> i32 {
        loop {
            let attempt = u32::from_le_bytes(xof.take());
            if attempt < self.limit {
                let offset = i64::from(attempt.checked_rem(self.span).unwrap_or(0));
                let steps = offset.saturating_sub(i64::from(self.reach));
                // |steps * step| < 2^26, so neither conversion can fail.
                return i32::try_from(steps).unwrap_or(0).saturating_mul(self.step);
            }
        }
    }
}
