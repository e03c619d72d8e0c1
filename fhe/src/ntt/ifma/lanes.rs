//! Arithmetic on eight lanes at once: products, reductions, butterflies, the transposition of 8 x 8 blocks.

use super::super::twiddles::Factors;
use crate::{
    params::N,
    simd::avx512::{load, splat},
};
use std::arch::x86_64::*;

/// Eight coefficients.
pub(super) type Lanes = [u64; 8];
/// A polynomial.
pub(super) type Vectors = [Lanes; N / 8];

/// The same memory, cut into vectors.
pub(super) fn vectors(poly: &mut [u64; N]) -> &mut Vectors {
    poly.as_chunks_mut()
        .0
        .first_chunk_mut()
        .expect("N is a multiple of eight")
}

/// The same memory, cut into vectors.
pub(super) fn vectors_of(poly: &[u64; N]) -> &Vectors {
    poly.as_chunks()
        .0
        .first_chunk()
        .expect("N is a multiple of eight")
}

/// Its blocks of 64 coefficients.
pub(super) fn blocks(poly: &mut Vectors) -> impl Iterator<Item = &mut [Lanes; 8]> {
    poly.as_chunks_mut().0.iter_mut()
}

/// A factor and its quotient.
pub(super) type Factor = (__m512i, __m512i);

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat_factor<const K: usize>(factors: &Factors<K, u64>, i: usize) -> Factor {
    (splat(factors.values[i]), splat(factors.quotients[i]))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_factor<const K: usize>(factors: &Factors<K, Lanes>, i: usize) -> Factor {
    (load(&factors.values[i]), load(&factors.quotients[i]))
}

/// Whether sixteen multiples of `M` fit in 52 bits, rather than four.
pub(super) const fn is_roomy(modulus: u64) -> bool {
    modulus < 1 << 48
}

/// Bits of the modulus.
pub(super) const fn bits(modulus: u64) -> u32 {
    u64::BITS - modulus.leading_zeros()
}

/// `2^bits - M`, small.
pub(super) const fn fold_of(modulus: u64) -> u64 {
    (1 << bits(modulus)) - modulus
}

/// `y·w` below `2M`, for `y < 2^52`; garbage above bit 52 if the modulus is roomy.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn product<const M: u64>(y: __m512i, (value, quotient): Factor) -> __m512i {
    let zero = _mm512_setzero_si512();
    let multiple = _mm512_madd52hi_epu64(zero, y, quotient);
    let low = _mm512_madd52lo_epu64(zero, y, value);
    let exact = _mm512_madd52lo_epu64(low, multiple, splat((1 << 52) - M));
    if is_roomy(M) {
        exact
    } else {
        _mm512_and_si512(exact, splat((1 << 52) - 1))
    }
}

/// `x` if it is below `bound`, else `x - bound`, for `x < 2·bound` without garbage.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn reduce(x: __m512i, bound: u64) -> __m512i {
    _mm512_min_epu64(x, _mm512_sub_epi64(x, splat(bound)))
}

/// The value in the low 52 bits, folded to less than `2^bits + 16·FOLD < 2M`, without garbage.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn fold<const M: u64>(x: __m512i) -> __m512i {
    let low = _mm512_and_si512(x, splat((1 << bits(M)) - 1));
    // x·2^(52-bits) / 2^52 of the low 52 bits: x >> bits.
    let high = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, splat(1 << (52 - bits(M))));
    _mm512_madd52lo_epu64(low, high, splat(fold_of(M)))
}

/// `(x + w·y, x - w·y)`. Roomy: `x` grows by `2M`. Otherwise both are below `4M`, before and after.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn forward_butterfly<const M: u64>(x: &mut __m512i, y: &mut __m512i, factor: Factor) {
    let from = if is_roomy(M) { *x } else { reduce(*x, 2 * M) };
    let term = product::<M>(*y, factor);
    *x = _mm512_add_epi64(from, term);
    *y = _mm512_sub_epi64(_mm512_add_epi64(from, splat(2 * M)), term);
}

/// `(x + y, (x - y)·w)`. Roomy: `x` and `y` are below `bound`, the sum below `2·bound <= 16M`, the product below `2M`.
/// Otherwise all are below `2M`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn inverse_butterfly<const M: u64>(
    x: &mut __m512i,
    y: &mut __m512i,
    factor: Factor,
    bound: u64,
) {
    let sum = _mm512_add_epi64(*x, *y);
    let difference = _mm512_sub_epi64(_mm512_add_epi64(*x, splat(bound)), *y);
    *x = if is_roomy(M) { sum } else { reduce(sum, 2 * M) };
    *y = product::<M>(difference, factor);
}

/// A multiplicand of [`forward_block`], reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn evaluation<const M: u64>(v: __m512i) -> __m512i {
    let v = if is_roomy(M) {
        fold::<M>(v)
    } else {
        reduce(v, 2 * M)
    };
    reduce(v, M)
}

/// `2^52 mod M`, below 2^24.
pub(super) const fn wrap_of(modulus: u64) -> u64 {
    fold_of(modulus) << (52 - bits(modulus))
}

/// Any `x` below `2^(bits+30)`, folded once: below `2^bits + x/2^bits·FOLD`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn fold_all<const M: u64>(x: __m512i) -> __m512i {
    let low = _mm512_and_si512(x, splat((1 << bits(M)) - 1));
    let high = _mm512_srlv_epi64(x, splat(bits(M).into()));
    _mm512_madd52lo_epu64(low, high, splat(fold_of(M)))
}

/// `floor(2^52·v / M)` for a reduced `v`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn quotient_of<const M: u64>(v: __m512i) -> __m512i {
    let zero = _mm512_setzero_si512();
    // 2^52 = 2^(52-bits)·M + wrap, so the quotient is 2^(52-bits)·v + floor(wrap·v / M), of which wrap·v / 2^bits is
    // short by less than two.
    let shift = 52 - bits(M);
    let multiple = _mm512_sllv_epi64(v, splat(shift.into()));
    let estimate = _mm512_madd52hi_epu64(multiple, v, splat(fold_of(M) << (2 * shift)));
    // 2^52·v - estimate·M in 52 bits: below 3M.
    let rest = _mm512_madd52lo_epu64(zero, estimate, splat((1 << 52) - M));
    let rest = _mm512_and_si512(rest, splat((1 << 52) - 1));
    let one = splat(1);
    let once = _mm512_cmpge_epu64_mask(rest, splat(M));
    let twice = _mm512_cmpge_epu64_mask(rest, splat(2 * M));
    let estimate = _mm512_mask_add_epi64(estimate, once, estimate, one);
    _mm512_mask_add_epi64(estimate, twice, estimate, one)
}

/// Lane `k` of vector `i` becomes lane `i` of vector `k`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn transpose([a, b, c, d, e, f, g, h]: [__m512i; 8]) -> [__m512i; 8] {
    // Pairs of lanes 2i and 2i + 1, then 4 x 4 blocks of two lanes each.
    let even = [
        _mm512_unpacklo_epi64(a, b),
        _mm512_unpacklo_epi64(c, d),
        _mm512_unpacklo_epi64(e, f),
        _mm512_unpacklo_epi64(g, h),
    ];
    let odd = [
        _mm512_unpackhi_epi64(a, b),
        _mm512_unpackhi_epi64(c, d),
        _mm512_unpackhi_epi64(e, f),
        _mm512_unpackhi_epi64(g, h),
    ];
    let [a, c, e, g] = transpose_pairs(even);
    let [b, d, f, h] = transpose_pairs(odd);
    [a, b, c, d, e, f, g, h]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_pairs([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let (ab_even, ab_odd) = (
        _mm512_shuffle_i64x2::<EVEN>(a, b),
        _mm512_shuffle_i64x2::<ODD>(a, b),
    );
    let (cd_even, cd_odd) = (
        _mm512_shuffle_i64x2::<EVEN>(c, d),
        _mm512_shuffle_i64x2::<ODD>(c, d),
    );
    [
        _mm512_shuffle_i64x2::<EVEN>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<EVEN>(ab_odd, cd_odd),
        _mm512_shuffle_i64x2::<ODD>(ab_even, cd_even),
        _mm512_shuffle_i64x2::<ODD>(ab_odd, cd_odd),
    ]
}
