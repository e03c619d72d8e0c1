//! What every format begins with, and reading with exact lengths.

use crate::params::PARAMETER_SET;

/// `b"UNSQ"`: the first four bytes of every format here.
const MAGIC: [u8; 4] = *b"UNSQ";
/// Version of the formats.
pub const VERSION: u8 = 1;
/// Bytes of magic, version, kind and parameter set.
pub(crate) const HEADER_BYTES: usize = 8;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ClientKey = 1,
    EvaluationKey = 2,
    Query = 3,
    Answer = 4,
    LinearQuery = 5,
    LinearAnswer = 6,
}

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not ours, or something else of ours.
    #[error("these bytes are not {expected}: they do not begin as one does")]
    NotOne {
        /// What was expected.
        expected: &'static str,
    },
    /// Of another release.
    #[error(
        "format version {found}, this program reads version {VERSION}: use the same release on both sides"
    )]
    Version {
        /// The version found.
        found: u8,
    },
    /// Encryption parameters other than ours.
    #[error("encryption parameter set {found}, this program uses set {PARAMETER_SET}")]
    Parameters {
        /// The set found.
        found: u16,
    },
    /// Too short or too long.
    #[error("{found} bytes, {expected} expected")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// A checksum or tfhe's conformance check fails, or a value is out of its range.
    #[error("damaged: {0}")]
    Damaged(&'static str),
}

pub(crate) fn header(kind: Kind) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.push(kind as u8);
    bytes.extend(PARAMETER_SET.to_le_bytes());
    bytes
}

/// The bytes after the header.
pub(crate) fn body<'a>(
    bytes: &'a [u8],
    kind: Kind,
    expected: &'static str,
) -> Result<&'a [u8], FormatError> {
    let Some((head, body)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(FormatError::NotOne { expected });
    };
    if head[..4] != MAGIC || head[5] != kind as u8 {
        return Err(FormatError::NotOne { expected });
    }
    if head[4] != VERSION {
        return Err(FormatError::Version { found: head[4] });
    }
    let found = u16::from_le_bytes([head[6], head[7]]);
    if found != PARAMETER_SET {
        return Err(FormatError::Parameters { found });
    }
    Ok(body)
}

/// A slice that is read from the front.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(FormatError::Length {
            found: self.0.len(),
            expected: count,
        })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], FormatError> {
        let mut array = [0; COUNT];
        array.copy_from_slice(self.take(COUNT)?);
        Ok(array)
    }

    /// Everything was read.
    pub(crate) fn end(self) -> Result<(), FormatError> {
        match self.0.len() {
            0 => Ok(()),
            found => Err(FormatError::Length { found, expected: 0 }),
        }
    }
}

pub(crate) fn put_words(bytes: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        bytes.extend(word.to_le_bytes());
    }
}

pub(crate) fn words(bytes: &[u8]) -> Vec<u64> {
    bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect()
}

/// The `bits` most significant bits of each word, rounded to nearest, one after the other, least significant bit first.
pub(crate) fn pack_rounded(bytes: &mut Vec<u8>, words: &[u64], bits: u32) {
    let (mut pending, mut held) = (0u128, 0u32);
    for word in words {
        let half = 1u64 << (63 - bits);
        let top = word.wrapping_add(half) >> (64 - bits);
        pending |= u128::from(top) << held;
        held += bits;
        while held >= 8 {
            bytes.push((pending & 0xff) as u8);
            pending >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        bytes.push((pending & 0xff) as u8);
    }
}

/// Bytes of `count` words of `bits` bits.
pub(crate) const fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// The inverse of [`pack_rounded`]; low bits are zero. `bytes` has [`packed_bytes`] of them.
pub(crate) fn unpack(bytes: &[u8], count: usize, bits: u32) -> Vec<u64> {
    let (mut pending, mut held) = (0u128, 0u32);
    let mut source = bytes.iter();
    (0..count)
        .map(|_| {
            while held < bits {
                pending |= u128::from(source.next().copied().unwrap_or_default()) << held;
                held += 8;
            }
            let top = (pending & ((1 << bits) - 1)) as u64;
            pending >>= bits;
            held -= bits;
            top << (64 - bits)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpacking_gives_each_word_to_half_a_step(values in prop::collection::vec(any::<u64>(), 0..50), bits in 8u32..40) {
            let mut bytes = Vec::new();
            pack_rounded(&mut bytes, &values, bits);
            prop_assert_eq!(bytes.len(), packed_bytes(values.len(), bits));
            for (value, back) in values.iter().zip(unpack(&bytes, values.len(), bits)) {
                let off = back.wrapping_sub(*value).cast_signed().unsigned_abs();
                prop_assert!(off <= 1 << (63 - bits));
            }
        }
    }
}
