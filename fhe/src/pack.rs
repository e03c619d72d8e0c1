//! Coefficients as 48-bit little-endian words, and the check of a packed ciphertext.

#[cfg(target_arch = "x86_64")]
mod vbmi;

#[cfg(target_arch = "x86_64")]
use crate::simd::Kind;
use crate::{
    params::{CHUNK_BYTES, N, Params, Q},
    simd::{Level, vectorised},
};
use thiserror::Error;

/// Why bytes are not a ciphertext for the parameters in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CiphertextError {
    /// Truncated, oversized, or made for another model.
    #[error("a ciphertext for these parameters has {expected} bytes, not {actual}")]
    Length {
        /// Bytes that the parameters ask for.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A word that is no number mod q.
    #[error("coefficient {index} of chunk {chunk} is {value}, not below the modulus {Q}")]
    Coefficient {
        /// Chunk, from 0.
        chunk: usize,
        /// Coefficient within the chunk, from 0.
        index: usize,
        /// The word.
        value: u64,
    },
}

impl CiphertextError {
    /// Other bytes than the whole ciphertext.
    pub(crate) fn length(expected: u64, actual: u64) -> Self {
        let saturated = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self::Length {
            expected: saturated(expected),
            actual: saturated(actual),
        }
    }
}

/// Unpacks one chunk and returns its largest word.
pub(crate) fn unpack_at(
    level: Level,
    bytes: &[u8; CHUNK_BYTES],
    coefficients: &mut [u64; N],
) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if level.kind() == Kind::Avx512 {
        #[expect(
            unsafe_code,
            reason = "a Level exists only for a detected instruction set"
        )]
        // SAFETY: the level has seen these instructions, and others.
        return unsafe { vbmi::unpack(bytes, coefficients) };
    }
    unpack_words(level, bytes, coefficients)
}

/// Packs one chunk of numbers below 2^48.
pub(crate) fn pack_at(level: Level, coefficients: &[u64; N], bytes: &mut [u8; CHUNK_BYTES]) {
    #[cfg(target_arch = "x86_64")]
    if level.kind() == Kind::Avx512 {
        #[expect(
            unsafe_code,
            reason = "a Level exists only for a detected instruction set"
        )]
        // SAFETY: the level has seen these instructions, and others.
        return unsafe { vbmi::pack(coefficients, bytes) };
    }
    pack_words(level, coefficients, bytes);
}

vectorised! {
    /// [`unpack_at`] word by word.
    fn unpack_words(bytes: &[u8; CHUNK_BYTES], coefficients: &mut [u64; N]) -> u64 {
        let mut largest = [0; 4];
        let (words, _) = bytes.as_chunks::<24>();
        let (quads, _) = coefficients.as_chunks_mut::<4>();
        for (word, quad) in words.iter().zip(quads) {
            *quad = split(word);
            for (largest, coefficient) in largest.iter_mut().zip(quad) {
                *largest = (*largest).max(*coefficient);
            }
        }
        largest.into_iter().fold(0, u64::max)
    }
}

vectorised! {
    /// [`pack_at`] word by word.
    fn pack_words(coefficients: &[u64; N], bytes: &mut [u8; CHUNK_BYTES]) {
        let (words, _) = bytes.as_chunks_mut::<24>();
        let (quads, _) = coefficients.as_chunks::<4>();
        for (word, [a, b, c, d]) in words.iter_mut().zip(quads) {
            word[..8].copy_from_slice(&(a | b << 48).to_le_bytes());
            word[8..16].copy_from_slice(&(b >> 16 | c << 32).to_le_bytes());
            word[16..].copy_from_slice(&(c >> 32 | d << 16).to_le_bytes());
        }
    }
}

/// Four coefficients from 24 bytes, read as three words.
#[inline(always)]
pub(crate) fn split(bytes: &[u8; 24]) -> [u64; 4] {
    const MASK: u64 = (1 << 48) - 1;
    let (words, _) = bytes.as_chunks::<8>();
    let [a, b, c] = [words[0], words[1], words[2]].map(u64::from_le_bytes);
    [
        a & MASK,
        (a >> 48 | b << 16) & MASK,
        (b >> 32 | c << 32) & MASK,
        c >> 16,
    ]
}

/// [`unpack_at`] on this processor.
pub(crate) fn unpack(bytes: &[u8; CHUNK_BYTES], coefficients: &mut [u64; N]) -> u64 {
    unpack_at(Level::best(), bytes, coefficients)
}

/// [`pack_at`] on this processor.
pub(crate) fn pack(coefficients: &[u64; N], bytes: &mut [u8; CHUNK_BYTES]) {
    pack_at(Level::best(), coefficients, bytes);
}

/// Unpacks one chunk whose words must be numbers mod q, or returns the first that is not, with its index.
pub(crate) fn unpack_checked(
    bytes: &[u8; CHUNK_BYTES],
    coefficients: &mut [u64; N],
) -> Result<(), (usize, u64)> {
    if unpack(bytes, coefficients) < Q {
        return Ok(());
    }
    let first = coefficients
        .iter()
        .enumerate()
        .find(|&(_, &value)| value >= Q);
    first.map_or(Ok(()), |(index, &value)| Err((index, value)))
}

/// Splits a ciphertext into its chunks if it has the exact length for `chunks` of them.
pub(crate) fn split_chunks(
    ciphertext: &[u8],
    chunks: usize,
) -> Result<&[[u8; CHUNK_BYTES]], CiphertextError> {
    match ciphertext.as_chunks() {
        (split, []) if split.len() == chunks => Ok(split),
        _ => Err(CiphertextError::Length {
            expected: chunks * CHUNK_BYTES,
            actual: ciphertext.len(),
        }),
    }
}

/// Checks that `ciphertext` is one for `params`: exact length, every coefficient below q.
///
/// # Errors
/// [`CiphertextError`], naming the first word that is out of range.
pub fn check_ciphertext(params: &Params, ciphertext: &[u8]) -> Result<(), CiphertextError> {
    check_chunks(0, split_chunks(ciphertext, params.chunks())?)
}

/// Checks that every coefficient of consecutive chunks is below q, for a ciphertext that is read in pieces.
/// `first` is the number of the first of them, for the error.
///
/// # Errors
/// [`CiphertextError::Coefficient`], naming the first word that is out of range.
pub fn check_chunks(first: usize, chunks: &[[u8; CHUNK_BYTES]]) -> Result<(), CiphertextError> {
    let mut coefficients = [0; N];
    for (chunk, bytes) in (first..).zip(chunks) {
        unpack_checked(bytes, &mut coefficients).map_err(|(index, value)| {
            CiphertextError::Coefficient {
                chunk,
                index,
                value,
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xof::Xof;

    #[test]
    fn every_instruction_set_packs_the_same_words() {
        let mut bytes = [0; CHUNK_BYTES];
        Xof::new("pack test", &[]).fill(&mut bytes);
        let expected: Vec<u64> = bytes
            .chunks(6)
            .map(|word| {
                (0..)
                    .zip(word)
                    .map(|(i, &byte)| u64::from(byte) << (8 * i))
                    .sum()
            })
            .collect();
        for level in Level::available() {
            let mut words = [0; N];
            let largest = unpack_at(level, &bytes, &mut words);
            assert_eq!(words, *expected);
            assert_eq!(Some(&largest), expected.iter().max());
            let mut packed = [0; CHUNK_BYTES];
            pack_at(level, &words, &mut packed);
            assert_eq!(packed, bytes);
        }
    }
}
