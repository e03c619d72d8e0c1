//! The transform on AVX512-IFMA: eight lanes of 52-bit products, values reduced as seldom as the modulus allows.
//!
//! Eleven layers in three passes over the polynomial: 3, 2, and 6 (of which the last three work across the lanes of a
//! transposed 8 x 8 block). Forward butterflies are `(x + w·y, x - w·y)`, inverse ones `(x + y, (x - y)/w)`.
//!
//! Bounds. A product with a prepared factor (Shoup) of any `y < 2^52` is below `2M`, in the low 52 bits of its lane; the
//! bits above are garbage that no later multiplication sees. With `M < 2^48` sixteen multiples of `M` fit, and sums are
//! folded (`2^48 = M + FOLD`) once in several layers; with `M < 2^50` only four do, and every butterfly reduces.

#![expect(
    unsafe_code,
    reason = "calls of functions for a detected instruction set"
)]

mod lanes;

use self::lanes::{
    Lanes, Vectors, blocks, evaluation, fold, fold_all, forward_butterfly, inverse_butterfly,
    is_roomy, load_factor, product, quotient_of, reduce, splat_factor, transpose, vectors,
    vectors_of, wrap_of,
};
use super::{
    Prepared,
    twiddles::{Block, Factors, Twiddles, invert, multiply, root},
};
use crate::{
    params::N,
    simd::avx512::{load, splat, store},
};
use std::arch::x86_64::*;

/// Tables of the kernels modulo `M`. One exists only where the processor has the instructions.
pub(super) struct Ifma<const M: u64> {
    forward: Twiddles,
    inverse: Twiddles,
    /// `1/N`, and `1/N` times the inverse factor of the last layer.
    scales: Factors<2, u64>,
}

impl<const M: u64> Ifma<M> {
    /// `None` if the processor lacks the instructions.
    pub(super) fn new() -> Option<Self> {
        const {
            assert!(
                M < 1 << 50 && M > (1 << 50) - (1 << 22)
                    || M < 1 << 48 && M > (1 << 48) - (1 << 18)
            );
            assert!((if is_roomy(M) { 16 * M } else { 4 * M }) <= 1 << 52);
        };
        if !(std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512ifma"))
        {
            return None;
        }
        let root = root(M);
        let inverse = Twiddles::new(M, invert(M, root));
        let scale = invert(M, N as u64);
        let values = [scale, multiply(M, scale, inverse.first.values[0])];
        let quotients = values.map(|value| ((u128::from(value) << 52) / u128::from(M)) as u64);
        Some(Self {
            forward: Twiddles::new(M, root),
            inverse,
            scales: Factors { values, quotients },
        })
    }

    /// Evaluations of `poly`, and their quotients.
    pub(super) fn prepare(&self, poly: &mut [u64; N], quotients: &mut [u64; N]) {
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { prepare::<M>(&self.forward, vectors(poly), vectors(quotients)) }
    }

    pub(super) fn inverse(&self, poly: &mut [u64; N]) {
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { inverse::<M>(&self.inverse, &self.scales, vectors(poly)) }
    }

    pub(super) fn multiply_into(&self, factor: &Prepared, other: &mut [u64; N]) {
        let (values, quotients) = (vectors_of(&factor.values), vectors_of(&factor.quotients));
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { multiply_into::<M>(self, values, quotients, vectors(other)) }
    }

    pub(super) fn multiply_evaluations(
        &self,
        factor: &Prepared,
        other: &[u64; N],
        product: &mut [u64; N],
    ) {
        let factors = [&factor.values, &factor.quotients].map(|words| vectors_of(words));
        let (other, product) = (vectors_of(other), vectors(product));
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { multiply_evaluations::<M>(self, factors, other, product) }
    }

    pub(super) fn add_product(&self, sum: &mut [u64; N], a: &Prepared, b: &mut [u64; N]) {
        let (values, quotients) = (vectors_of(&a.values), vectors_of(&a.quotients));
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { add_product::<M>(&self.forward, vectors(sum), values, quotients, vectors(b)) }
    }

    /// From reduced coefficients to reduced evaluations.
    pub(super) fn evaluate(&self, poly: &mut [u64; N]) {
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { evaluate::<M>(&self.forward, vectors(poly)) }
    }

    pub(super) fn add_unreduced(&self, sums: [&mut [u64; N]; 2], a: &[u64; N], b: &mut [u64; N]) {
        let sums = sums.map(vectors);
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { add_unreduced::<M>(&self.forward, sums, vectors_of(a), vectors(b)) }
    }

    pub(super) fn settle(&self, low: &mut [u64; N], high: &mut [u64; N]) {
        // SAFETY: `new` has seen avx512f and avx512ifma.
        unsafe { settle::<M>(vectors(low), vectors(high)) }
    }
}

/// Three layers: `factors(0)` over distance 4, 1 and 2 over distance 2, 3 to 6 over distance 1.
macro_rules! forward_eight {
    ($v:ident, $factor:expr) => {{
        let factor = $factor;
        let [a, b, c, d, e, f, g, h] = &mut $v;
        for (x, y) in [(&mut *a, &mut *e), (b, f), (c, g), (d, h)] {
            forward_butterfly::<M>(x, y, factor(0));
        }
        let [a, b, c, d, e, f, g, h] = &mut $v;
        for (x, y, i) in [(&mut *a, &mut *c, 1), (b, d, 1), (e, g, 2), (f, h, 2)] {
            forward_butterfly::<M>(x, y, factor(i));
        }
        let [a, b, c, d, e, f, g, h] = &mut $v;
        for (x, y, i) in [(&mut *a, &mut *b, 3), (c, d, 4), (e, f, 5), (g, h, 6)] {
            forward_butterfly::<M>(x, y, factor(i));
        }
    }};
}

/// The first five layers, from reduced coefficients to below `11M` if roomy.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn forward_outer<const M: u64>(twiddles: &Twiddles, poly: &mut Vectors) {
    for j in 0..32 {
        let mut v: [__m512i; 8] = std::array::from_fn(|k| load(&poly[j + 32 * k]));
        forward_eight!(v, |i| splat_factor(&twiddles.first, i));
        for (k, v) in v.into_iter().enumerate() {
            store(&mut poly[j + 32 * k], v);
        }
    }
    // Below 7M if roomy.
    for (block, factors) in poly
        .as_chunks_mut::<32>()
        .0
        .iter_mut()
        .zip(&twiddles.second)
    {
        for j in 0..8 {
            let [mut a, mut b, mut c, mut d] = std::array::from_fn(|k| load(&block[j + 8 * k]));
            forward_butterfly::<M>(&mut a, &mut c, splat_factor(factors, 0));
            forward_butterfly::<M>(&mut b, &mut d, splat_factor(factors, 0));
            forward_butterfly::<M>(&mut a, &mut b, splat_factor(factors, 1));
            forward_butterfly::<M>(&mut c, &mut d, splat_factor(factors, 2));
            for (k, v) in [a, b, c, d].into_iter().enumerate() {
                store(&mut block[j + 8 * k], v);
            }
        }
    }
}

/// The last six layers of 64 coefficients, from below `11M` to below `13.01M` if roomy, else from below `4M` to below
/// `4M`: multiplicands, with garbage. A macro because calls would pass the eight vectors through memory.
macro_rules! forward_block {
    ($block:expr, $factors:expr) => {{
        let (block, factors): (&[Lanes; 8], &Block) = ($block, $factors);
        let mut v: [__m512i; 8] = std::array::from_fn(|k| load(&block[k]));
        if is_roomy(M) {
            // What the first of these layers multiplies may stay as it is.
            for v in &mut v[..4] {
                *v = fold::<M>(*v);
            }
        }
        forward_eight!(v, |i| splat_factor(&factors.vectors, i));
        v = transpose(v);
        forward_eight!(v, |i| load_factor(&factors.lanes, i));
        v
    }};
}

/// Two layers, in the reverse order of [`forward_eight`]: distance 1, then 2. From below `2M` to below `8M` if roomy.
macro_rules! inverse_quarters {
    ($v:ident, $factor:expr) => {{
        let factor = $factor;
        let [a, b, c, d, e, f, g, h] = &mut $v;
        for (x, y, i) in [(&mut *a, &mut *b, 3), (c, d, 4), (e, f, 5), (g, h, 6)] {
            inverse_butterfly::<M>(x, y, factor(i), 2 * M);
        }
        let [a, b, c, d, e, f, g, h] = &mut $v;
        let bound = if is_roomy(M) { 4 * M } else { 2 * M };
        for (x, y, i) in [(&mut *a, &mut *c, 1), (b, d, 1), (e, g, 2), (f, h, 2)] {
            inverse_butterfly::<M>(x, y, factor(i), bound);
        }
    }};
}

/// Three layers: from below `2M` to below `2M`.
macro_rules! inverse_eight {
    ($v:ident, $factor:expr) => {{
        inverse_quarters!($v, $factor);
        let factor = $factor;
        let [a, b, c, d, e, f, g, h] = &mut $v;
        let bound = if is_roomy(M) { 8 * M } else { 2 * M };
        for (x, y) in [(a, e), (b, f), (c, g), (d, h)] {
            inverse_butterfly::<M>(x, y, factor(0), bound);
            if is_roomy(M) {
                *x = fold::<M>(*x);
            }
        }
    }};
}

/// The first six layers of 64 reduced evaluations, to below `2M`.
macro_rules! inverse_block {
    ($v:expr, $factors:expr) => {{
        let (mut v, factors): ([__m512i; 8], &Block) = ($v, $factors);
        inverse_eight!(v, |i| load_factor(&factors.lanes, i));
        v = transpose(v);
        inverse_eight!(v, |i| splat_factor(&factors.vectors, i));
        v
    }};
}

/// The last five layers and the division by N, from below `2M` to reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse_outer<const M: u64>(twiddles: &Twiddles, scales: &Factors<2, u64>, poly: &mut Vectors) {
    let four = if is_roomy(M) { 4 * M } else { 2 * M };
    let eight = if is_roomy(M) { 8 * M } else { 2 * M };
    for (block, factors) in poly
        .as_chunks_mut::<32>()
        .0
        .iter_mut()
        .zip(&twiddles.second)
    {
        for j in 0..8 {
            let [mut a, mut b, mut c, mut d] = std::array::from_fn(|k| load(&block[j + 8 * k]));
            inverse_butterfly::<M>(&mut a, &mut b, splat_factor(factors, 1), 2 * M);
            inverse_butterfly::<M>(&mut c, &mut d, splat_factor(factors, 2), 2 * M);
            inverse_butterfly::<M>(&mut a, &mut c, splat_factor(factors, 0), four);
            inverse_butterfly::<M>(&mut b, &mut d, splat_factor(factors, 0), four);
            if is_roomy(M) {
                (a, b) = (fold::<M>(a), fold::<M>(b));
            }
            for (k, v) in [a, b, c, d].into_iter().enumerate() {
                store(&mut block[j + 8 * k], v);
            }
        }
    }
    for j in 0..32 {
        let mut v: [__m512i; 8] = std::array::from_fn(|k| load(&poly[j + 32 * k]));
        inverse_quarters!(v, |i| splat_factor(&twiddles.first, i));
        // The last layer divides by N on the way: both of its outputs are products.
        for k in 0..4 {
            let (x, y) = (v[k], v[k + 4]);
            let difference = _mm512_sub_epi64(_mm512_add_epi64(x, splat(eight)), y);
            v[k] = product::<M>(_mm512_add_epi64(x, y), splat_factor(scales, 0));
            v[k + 4] = product::<M>(difference, splat_factor(scales, 1));
        }
        for (k, v) in v.into_iter().enumerate() {
            let clean = _mm512_and_si512(v, splat((1 << 52) - 1));
            store(&mut poly[j + 32 * k], reduce(clean, M));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn prepare<const M: u64>(twiddles: &Twiddles, poly: &mut Vectors, quotients: &mut Vectors) {
    forward_outer::<M>(twiddles, poly);
    let outputs = blocks(poly).zip(blocks(quotients));
    for ((block, quotients), factors) in outputs.zip(twiddles.blocks.iter()) {
        let v = forward_block!(block, factors);
        for ((out, quotient), v) in block.iter_mut().zip(quotients).zip(v) {
            let v = evaluation::<M>(v);
            store(out, v);
            store(quotient, quotient_of::<M>(v));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse<const M: u64>(twiddles: &Twiddles, scales: &Factors<2, u64>, poly: &mut Vectors) {
    for (block, factors) in blocks(poly).zip(twiddles.blocks.iter()) {
        let v = inverse_block!(std::array::from_fn(|k| load(&block[k])), factors);
        for (out, v) in block.iter_mut().zip(v) {
            store(out, v);
        }
    }
    inverse_outer::<M>(twiddles, scales, poly);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply_into<const M: u64>(
    tables: &Ifma<M>,
    values: &Vectors,
    quotients: &Vectors,
    other: &mut Vectors,
) {
    forward_outer::<M>(&tables.forward, other);
    let both = tables
        .forward
        .blocks
        .iter()
        .zip(tables.inverse.blocks.iter());
    let factors = values
        .as_chunks::<8>()
        .0
        .iter()
        .zip(quotients.as_chunks::<8>().0);
    for ((block, (values, quotients)), (forward, inverse)) in blocks(other).zip(factors).zip(both) {
        let mut v = forward_block!(block, forward);
        for (v, (value, quotient)) in v.iter_mut().zip(values.iter().zip(quotients)) {
            *v = product::<M>(*v, (load(value), load(quotient)));
        }
        let v = inverse_block!(v, inverse);
        for (out, v) in block.iter_mut().zip(v) {
            store(out, v);
        }
    }
    inverse_outer::<M>(&tables.inverse, &tables.scales, other);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply_evaluations<const M: u64>(
    tables: &Ifma<M>,
    [values, quotients]: [&Vectors; 2],
    other: &Vectors,
    result: &mut Vectors,
) {
    let [values, quotients, other] =
        [values, quotients, other].map(|words| words.as_chunks::<8>().0);
    let factors = values.iter().zip(quotients).zip(other);
    let outputs = blocks(result).zip(tables.inverse.blocks.iter());
    for ((out, inverse), ((values, quotients), other)) in outputs.zip(factors) {
        let v: [__m512i; 8] = std::array::from_fn(|k| {
            product::<M>(load(&other[k]), (load(&values[k]), load(&quotients[k])))
        });
        let v = inverse_block!(v, inverse);
        for (out, v) in out.iter_mut().zip(v) {
            store(out, v);
        }
    }
    inverse_outer::<M>(&tables.inverse, &tables.scales, result);
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn add_product<const M: u64>(
    twiddles: &Twiddles,
    sum: &mut Vectors,
    values: &Vectors,
    quotients: &Vectors,
    b: &mut Vectors,
) {
    forward_outer::<M>(twiddles, b);
    let factors = values
        .as_chunks::<8>()
        .0
        .iter()
        .zip(quotients.as_chunks::<8>().0);
    let operands = blocks(b).zip(factors).zip(twiddles.blocks.iter());
    for (sum, ((b, (values, quotients)), factors)) in blocks(sum).zip(operands) {
        let b = forward_block!(b, factors);
        for ((sum, b), (value, quotient)) in sum.iter_mut().zip(b).zip(values.iter().zip(quotients))
        {
            let term = product::<M>(b, (load(value), load(quotient)));
            let term = _mm512_and_si512(term, splat((1 << 52) - 1));
            let total = _mm512_add_epi64(load(sum), reduce(term, M));
            store(sum, reduce(total, M));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn evaluate<const M: u64>(twiddles: &Twiddles, poly: &mut Vectors) {
    forward_outer::<M>(twiddles, poly);
    for (block, factors) in blocks(poly).zip(twiddles.blocks.iter()) {
        let v = forward_block!(block, factors);
        for (out, v) in block.iter_mut().zip(v) {
            store(out, evaluation::<M>(v));
        }
    }
}

/// `low + 2^52·high += a·b`, unreduced: either half grows by less than 2^52.
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_unreduced<const M: u64>(
    twiddles: &Twiddles,
    [low, high]: [&mut Vectors; 2],
    a: &Vectors,
    b: &mut Vectors,
) {
    forward_outer::<M>(twiddles, b);
    let sums = blocks(low).zip(blocks(high));
    let operands = a.as_chunks::<8>().0.iter().zip(blocks(b));
    for (((low, high), (a, b)), factors) in sums.zip(operands).zip(twiddles.blocks.iter()) {
        let b = forward_block!(b, factors);
        for (((low, high), a), b) in low.iter_mut().zip(high).zip(a).zip(b) {
            let a = load(a);
            let sum = _mm512_madd52lo_epu64(load(low), a, b);
            store(low, sum);
            let sum = _mm512_madd52hi_epu64(load(high), a, b);
            store(high, sum);
        }
    }
}

/// Reduces `low + 2^52·high`, both below 2^63, to `low`; `high` becomes zero.
#[target_feature(enable = "avx512f,avx512ifma")]
fn settle<const M: u64>(low: &mut Vectors, high: &mut Vectors) {
    let zero = _mm512_setzero_si512();
    let wrap = splat(wrap_of(M));
    for (low, high) in low.iter_mut().zip(high) {
        let sum = load(low);
        let top = _mm512_add_epi64(load(high), _mm512_srli_epi64::<52>(sum));
        // Below 2^bits + 2^15·FOLD, so below 2^51.
        let top = fold_all::<M>(top);
        let rest = _mm512_and_si512(sum, splat((1 << 52) - 1));
        let rest = _mm512_madd52lo_epu64(rest, top, wrap);
        let top = _mm512_madd52hi_epu64(zero, top, wrap);
        let total = _mm512_madd52lo_epu64(rest, top, wrap);
        store(low, reduce(fold_all::<M>(total), M));
        store(high, zero);
    }
}
