//! Vectors of 512 bits to and from arrays.

#![expect(unsafe_code, reason = "vector loads and stores")]

use std::arch::x86_64::*;

/// Eight words as a vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: reads the 64 bytes of the array; unaligned loads are allowed.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// A vector as eight words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store(words: &mut [u64; 8], vector: __m512i) {
    // SAFETY: writes the 64 bytes of the array; unaligned stores are allowed.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
}

/// 64 bytes as a vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: reads the 64 bytes of the array; unaligned loads are allowed.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// A vector as 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_bytes(bytes: &mut [u8; 64], vector: __m512i) {
    // SAFETY: writes the 64 bytes of the array; unaligned stores are allowed.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}

/// The same word in all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn splat(value: u64) -> __m512i {
    _mm512_set1_epi64(value as i64)
}
