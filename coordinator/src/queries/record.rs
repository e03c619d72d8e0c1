//! A query on disk: records of one size, so that a number says where a record lies.

use borsh::{BorshDeserialize, BorshSerialize};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use unsilo_ledger::{Hash, Query};

/// Bytes of a record.
pub(super) const RECORD_BYTES: usize = 180;
/// Bytes of the checksum at its end.
const CHECKSUM_BYTES: usize = 8;

/// A query that is about to be answered.
#[derive(Clone, Debug)]
pub(crate) struct NewQuery {
    pub(crate) round: u64,
    pub(crate) model: Hash,
    pub(crate) request: Hash,
    pub(crate) answer: Hash,
    pub(crate) rows: u32,
    pub(crate) fee: u64,
    /// Whose quota the rows count against; zeros for nobody's.
    pub(crate) token: [u8; 8],
}

/// What the caller is given: the query's number and its salt, which nobody else knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) number: u64,
    pub(crate) salt: [u8; 16],
}

impl Receipt {
    /// 48 hexadecimal digits.
    pub(crate) fn to_text(self) -> String {
        let mut bytes = self.number.to_be_bytes().to_vec();
        bytes.extend(self.salt);
        HEXLOWER.encode(&bytes)
    }

    /// Parses [`Receipt::to_text`].
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        let (number, salt) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            number: u64::from_be_bytes(*number),
            salt: salt.try_into().ok()?,
        })
    }
}

/// A query as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Record {
    /// The leaf of its batch.
    pub(super) query: Query,
    pub(super) token: [u8; 8],
    /// The fees of all queries up to and with this one, ever.
    pub(super) fees: u64,
    /// So many queries were synced to disk when this was written: what a crash may take is only beyond.
    pub(super) synced: u64,
}

impl Record {
    /// The record with its checksum, [`RECORD_BYTES`].
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// `None` unless the bytes are a whole record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (record, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
        if checksum(record) != *found {
            return None;
        }
        borsh::from_slice(record).ok()
    }
}

/// The first bytes of SHA-256: against torn writes and bad disks, not against forgers.
pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_size_and_every_flipped_bit_is_seen() {
        let record = Record {
            query: Query {
                number: 7,
                at_ms: 8,
                round: 9,
                model: [1; 32],
                request: [2; 32],
                answer: [3; 32],
                rows: 64,
                fee: 5,
                salt: [4; 16],
            },
            token: [6; 8],
            fees: 11,
            synced: 7,
        };
        let bytes = record.encode();
        assert_eq!(bytes.len(), RECORD_BYTES);
        assert_eq!(Record::decode(&bytes), Some(record));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&flipped), None, "bit {bit}");
        }
        assert_eq!(Record::decode(&[0; RECORD_BYTES]), None);
    }

    #[test]
    fn a_receipt_reads_back_and_nothing_else_does() {
        let receipt = Receipt {
            number: 300,
            salt: [9; 16],
        };
        let text = receipt.to_text();
        assert_eq!(Receipt::from_text(&text), Some(receipt));
        for wrong in [
            "",
            "00",
            &text[..46],
            &text.to_uppercase(),
            &format!("{text}00"),
        ] {
            let read = Receipt::from_text(wrong);
            assert!(read.is_none() || wrong == text, "{wrong}");
        }
    }
}
