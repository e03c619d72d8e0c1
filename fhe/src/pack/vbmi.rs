//! 48-bit words to and from 64-bit ones with byte permutations: 32 words are three vectors packed, four unpacked.

use crate::{
    params::{CHUNK_BYTES, N},
    simd::avx512::{load, load_bytes, store, store_bytes},
};
use std::arch::x86_64::*;

/// Bytes in use of each lane of unpacked words: six of eight.
const USED: u64 = 0x3F3F_3F3F_3F3F_3F3F;

/// For each byte of unpacked vector `v`, its place in the packed bytes of the vector before and its own:
/// `48·v` counts from the start of packed vector `v - 1`, or from the start for the first.
const UNPACK: [[u8; 64]; 4] = {
    let mut indices = [[0; 64]; 4];
    let mut v = 0;
    while v < 4 {
        // Packed byte 48·v lies in packed vector (48·v)/64, that is v - 1 (0 for v = 0 and 1).
        let start = 48 * v - 64 * (48 * v / 64);
        let mut i = 0;
        while i < 64 {
            indices[v][i] = (start + i / 8 * 6 + i % 8 % 6) as u8;
            i += 1;
        }
        v += 1;
    }
    indices
};

/// For each byte of packed vector `v`, its place in unpacked vectors `v` and `v + 1`.
const PACK: [[u8; 64]; 3] = {
    let mut indices = [[0; 64]; 3];
    let mut v = 0;
    while v < 3 {
        let mut i = 0;
        while i < 64 {
            let byte = 64 * v + i;
            indices[v][i] = (byte / 6 * 8 + byte % 6 - 64 * v) as u8;
            i += 1;
        }
        v += 1;
    }
    indices
};

/// Unpacks one chunk and returns its largest word.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn unpack(bytes: &[u8; CHUNK_BYTES], coefficients: &mut [u64; N]) -> u64 {
    let [i0, i1, i2, i3] = [
        load_bytes(&UNPACK[0]),
        load_bytes(&UNPACK[1]),
        load_bytes(&UNPACK[2]),
        load_bytes(&UNPACK[3]),
    ];
    let mut largest = _mm512_setzero_si512();
    let groups = coefficients
        .as_chunks_mut::<8>()
        .0
        .as_chunks_mut::<4>()
        .0
        .iter_mut();
    for ([out0, out1, out2, out3], packed) in
        groups.zip(bytes.as_chunks::<64>().0.as_chunks::<3>().0)
    {
        let [a, b, c] = [
            load_bytes(&packed[0]),
            load_bytes(&packed[1]),
            load_bytes(&packed[2]),
        ];
        let words = [
            _mm512_maskz_permutexvar_epi8(USED, i0, a),
            _mm512_maskz_permutex2var_epi8(USED, a, i1, b),
            _mm512_maskz_permutex2var_epi8(USED, b, i2, c),
            _mm512_maskz_permutexvar_epi8(USED, i3, c),
        ];
        for word in words {
            largest = _mm512_max_epu64(largest, word);
        }
        store(out0, words[0]);
        store(out1, words[1]);
        store(out2, words[2]);
        store(out3, words[3]);
    }
    _mm512_reduce_max_epu64(largest)
}

/// Packs one chunk of numbers below 2^48.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn pack(coefficients: &[u64; N], bytes: &mut [u8; CHUNK_BYTES]) {
    let [i0, i1, i2] = [
        load_bytes(&PACK[0]),
        load_bytes(&PACK[1]),
        load_bytes(&PACK[2]),
    ];
    let groups = bytes
        .as_chunks_mut::<64>()
        .0
        .as_chunks_mut::<3>()
        .0
        .iter_mut();
    for ([out0, out1, out2], words) in
        groups.zip(coefficients.as_chunks::<8>().0.as_chunks::<4>().0)
    {
        let [a, b, c, d] = [
            load(&words[0]),
            load(&words[1]),
            load(&words[2]),
            load(&words[3]),
        ];
        store_bytes(out0, _mm512_permutex2var_epi8(a, i0, b));
        store_bytes(out1, _mm512_permutex2var_epi8(b, i1, c));
        store_bytes(out2, _mm512_permutex2var_epi8(c, i2, d));
    }
}
