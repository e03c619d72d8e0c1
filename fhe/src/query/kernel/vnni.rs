//! The same products with `vpdpbusd`, which multiplies 64 unsigned with 64 signed bytes and adds them up by fours.

use super::{HALF_BITS, Sums};
use crate::{
    pack,
    params::{CHUNK_BYTES, N, Q},
};
use std::arch::x86_64::*;
use zeroize::Zeroize;

/// Words taken at a time: one register of each byte.
const BLOCK: usize = 64;
const BYTES: usize = 6;
/// Vectors taken at a time: 24 sums and 4 vectors fit in the 32 registers, so that each byte of a ciphertext is loaded
/// once for four products.
const VECTORS: usize = 4;

/// The words of a chunk in blocks of 64: first all lowest bytes of the block, then all second ones, and so on.
pub(super) struct Bytes([[[u8; BLOCK]; BYTES]; N / BLOCK]);

impl Default for Bytes {
    fn default() -> Self {
        Self([[[0; BLOCK]; BYTES]; N / BLOCK])
    }
}

impl Bytes {
    /// Takes a public chunk; false if one of its words is not below q. To be called where AVX512 was detected.
    pub(super) fn read(&mut self, bytes: &[u8; CHUNK_BYTES]) -> bool {
        // q is 2^48 - 163839: a word that is not below it has three upper bytes of 255, as one in 2^24 has.
        !self.sort(bytes) || pack::unpack(bytes, &mut [0; N]) < Q
    }

    /// Takes a chunk, secret or not, whose words are known to be below q. To be called where AVX512 was detected.
    pub(super) fn take(&mut self, bytes: &[u8; CHUNK_BYTES]) {
        // What was seen of the words is not looked at.
        let _suspicious = self.sort(bytes);
    }

    /// Sorts the bytes of all words, without a branch on them; true if a word has three upper bytes of 255.
    fn sort(&mut self, bytes: &[u8; CHUNK_BYTES]) -> bool {
        #[expect(
            unsafe_code,
            reason = "Bytes are made only at the level that has these features"
        )]
        // SAFETY: `Level::available` has seen each of the features named at `sort`.
        unsafe {
            sort(bytes, &mut self.0)
        }
    }

    /// Overwrites the chunk with zeros.
    pub(super) fn wipe(&mut self) {
        self.0.zeroize();
    }

    /// Adds the product with each vector to its sums. To be called where AVX512 was detected.
    pub(super) fn add_products(&self, vectors: &[[i8; N]], sums: &mut [Sums]) {
        #[expect(
            unsafe_code,
            reason = "Bytes are made only at the level that has these features"
        )]
        // SAFETY: `Level::available` has seen each of the features named at `add_products`.
        unsafe {
            add_products(&self.0, vectors, sums);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    #[expect(unsafe_code, reason = "there is no safe load of a register")]
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe {
        _mm512_loadu_si512(bytes.as_ptr().cast())
    }
}

#[target_feature(enable = "avx512f")]
fn store(register: __m512i, bytes: &mut [u8; 64]) {
    #[expect(unsafe_code, reason = "there is no safe store of a register")]
    // SAFETY: 64 writable bytes; the store needs no alignment.
    unsafe {
        _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register);
    }
}

/// Where byte `b` of the 64 words of a block lies in its 384 bytes: as an index into the pair of registers `pair`, and the
/// mask of the words that lie there.
const fn places(b: usize, pair: usize) -> ([u8; 64], u64) {
    let (mut indices, mut mask) = ([0; 64], 0);
    let mut word = 0;
    while word < BLOCK {
        let place = BYTES * word + b;
        if place / 128 == pair {
            indices[word] = (place % 128) as u8;
            mask |= 1 << word;
        }
        word += 1;
    }
    (indices, mask)
}

const PLACES: [[([u8; 64], u64); 3]; BYTES] = {
    let mut all = [[([0; 64], 0); 3]; BYTES];
    let mut b = 0;
    while b < BYTES {
        let mut pair = 0;
        while pair < 3 {
            all[b][pair] = places(b, pair);
            pair += 1;
        }
        b += 1;
    }
    all
};

/// As [`Bytes::sort`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn sort(bytes: &[u8; CHUNK_BYTES], sorted: &mut [[[u8; BLOCK]; BYTES]; N / BLOCK]) -> bool {
    let ones = _mm512_set1_epi8(-1);
    let mut suspicious = 0;
    for (block, sorted) in bytes.as_chunks::<{ BLOCK * BYTES }>().0.iter().zip(sorted) {
        let mut registers = [_mm512_setzero_si512(); BYTES];
        for (register, bytes) in registers.iter_mut().zip(block.as_chunks().0) {
            *register = load(bytes);
        }
        let mut upper = ones;
        for (b, (places, sorted)) in PLACES.iter().zip(sorted).enumerate() {
            let mut register = _mm512_setzero_si512();
            for ((indices, mask), pair) in places.iter().zip(registers.as_chunks::<2>().0) {
                let found = _mm512_permutex2var_epi8(pair[0], load(indices), pair[1]);
                register = _mm512_mask_mov_epi8(register, *mask, found);
            }
            store(register, sorted);
            if b >= BYTES / 2 {
                upper = _mm512_and_si512(upper, register);
            }
        }
        suspicious |= _mm512_cmpeq_epi8_mask(upper, ones);
    }
    suspicious != 0
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn add_products(bytes: &[[[u8; BLOCK]; BYTES]; N / BLOCK], vectors: &[[i8; N]], sums: &mut [Sums]) {
    let (fours, rest) = vectors.as_chunks::<VECTORS>();
    let (sums_of_fours, sums_of_rest) = sums.as_chunks_mut::<VECTORS>();
    for (vectors, sums) in fours.iter().zip(sums_of_fours) {
        products(bytes, vectors, sums);
    }
    for (vector, sums) in rest.iter().zip(sums_of_rest) {
        products::<1>(
            bytes,
            std::array::from_ref(vector),
            std::array::from_mut(sums),
        );
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn products<const V: usize>(
    bytes: &[[[u8; BLOCK]; BYTES]; N / BLOCK],
    vectors: &[[i8; N]; V],
    sums: &mut [Sums; V],
) {
    // Each lane adds up 32·4 products of at most 255·128: far below 2^31.
    let mut lanes = [[_mm512_setzero_si512(); BYTES]; V];
    for (block, bytes) in bytes.iter().enumerate() {
        let mut entries = [_mm512_setzero_si512(); V];
        for (entries, vector) in entries.iter_mut().zip(vectors) {
            *entries = load_signed(&vector.as_chunks().0[block]);
        }
        for (b, bytes) in bytes.iter().enumerate() {
            let bytes = load(bytes);
            for (lanes, &entries) in lanes.iter_mut().zip(&entries) {
                lanes[b] = _mm512_dpbusd_epi32(lanes[b], bytes, entries);
            }
        }
    }
    for (sums, lanes) in sums.iter_mut().zip(&lanes) {
        for (b, &lanes) in lanes.iter().enumerate() {
            let sum = i64::from(_mm512_reduce_add_epi32(lanes));
            sums.0[8 * b / HALF_BITS] += sum << (8 * b % HALF_BITS);
        }
    }
}

#[target_feature(enable = "avx512f")]
fn load_signed(entries: &[i8; 64]) -> __m512i {
    #[expect(unsafe_code, reason = "there is no safe load of a register")]
    // SAFETY: 64 readable bytes; the load needs no alignment.
    unsafe {
        _mm512_loadu_si512(entries.as_ptr().cast())
    }
}
