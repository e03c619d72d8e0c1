//! `X_jk = <c_j, r_k>`: the projections of every ciphertext, which the coordinator publishes and anybody can recompute.

use crate::{
    hash::hash,
    params::{MAX_PARTICIPANTS, Q},
    projection::PROJECTIONS,
};
use thiserror::Error;

/// Bytes of one row: participant, then 48 words of 6 bytes.
const ROW_BYTES: usize = 4 + WORDS_BYTES;
/// Bytes of [`PROJECTIONS`] numbers mod q.
pub(super) const WORDS_BYTES: usize = PROJECTIONS * 6;

/// The projections of each ciphertext of the closed set, in ascending order of participants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionTable {
    rows: Vec<(u32, [u64; PROJECTIONS])>,
}

/// Why rows or bytes are no such table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// No row, or more than a round can have.
    #[error("a table of projections has 1 to {MAX_PARTICIPANTS} rows, not {rows}")]
    Rows {
        /// Rows given.
        rows: usize,
    },
    /// Not a whole number of rows.
    #[error("{actual} bytes are no whole number of rows of {ROW_BYTES} bytes")]
    Length {
        /// Bytes given.
        actual: usize,
    },
    /// Participants are not strictly ascending.
    #[error("participant {participant} is not in ascending order")]
    Order {
        /// The first that is out of order.
        participant: u32,
    },
    /// A word that is no number mod q.
    #[error(
        "projection {projection} of participant {participant} is {value}, not below the modulus {Q}"
    )]
    Word {
        /// Whose row.
        participant: u32,
        /// Which projection, from 0.
        projection: usize,
        /// The word.
        value: u64,
    },
}

impl ProjectionTable {
    /// A table of the rows that [`crate::Queries`] gave, in ascending order of participants.
    ///
    /// # Errors
    /// [`TableError`] if there is no row or too many, the order is wrong or a word is not below q.
    pub fn new(rows: Vec<(u32, [u64; PROJECTIONS])>) -> Result<Self, TableError> {
        if rows.is_empty() || rows.len() as u64 > MAX_PARTICIPANTS {
            return Err(TableError::Rows { rows: rows.len() });
        }
        for pair in rows.windows(2) {
            if pair[0].0 >= pair[1].0 {
                return Err(TableError::Order {
                    participant: pair[1].0,
                });
            }
        }
        for (participant, words) in &rows {
            check_words(words).map_err(|(projection, value)| TableError::Word {
                participant: *participant,
                projection,
                value,
            })?;
        }
        Ok(Self { rows })
    }

    /// Participants and their projections, ascending.
    #[must_use]
    pub fn rows(&self) -> &[(u32, [u64; PROJECTIONS])] {
        &self.rows
    }

    /// The participants, ascending: the closed set.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.rows.iter().map(|&(participant, _)| participant)
    }

    /// The projections of one participant's ciphertext.
    #[must_use]
    pub fn row(&self, participant: u32) -> Option<&[u64; PROJECTIONS]> {
        let place = self.rows.binary_search_by_key(&participant, |row| row.0);
        Some(&self.rows.get(place.ok()?)?.1)
    }

    /// `participant (4) || 48 words of 6 bytes`, row after row.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.rows.len() * ROW_BYTES);
        for (participant, words) in &self.rows {
            bytes.extend(participant.to_le_bytes());
            write_words(words, &mut bytes);
        }
        bytes
    }

    /// Decodes a table.
    ///
    /// # Errors
    /// [`TableError`] as for [`Self::new`], and if the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TableError> {
        let (rows, []) = bytes.as_chunks::<ROW_BYTES>() else {
            return Err(TableError::Length {
                actual: bytes.len(),
            });
        };
        if rows.len() as u64 > MAX_PARTICIPANTS {
            return Err(TableError::Rows { rows: rows.len() });
        }
        let row = |row: &[u8; ROW_BYTES]| {
            let (participant, words) = row.split_at(4);
            let participant = participant
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
            (participant, read_words(words))
        };
        Self::new(rows.iter().map(row).collect())
    }

    /// What the ledger records of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash("projection table", &[&self.to_bytes()])
    }
}

/// The first word that is not below q.
pub(super) fn check_words(words: &[u64; PROJECTIONS]) -> Result<(), (usize, u64)> {
    match words.iter().position(|&word| word >= Q) {
        Some(index) => Err((index, words[index])),
        None => Ok(()),
    }
}

/// Appends 48 words of 6 bytes, little endian.
pub(super) fn write_words(words: &[u64; PROJECTIONS], bytes: &mut Vec<u8>) {
    for word in words {
        bytes.extend(&word.to_le_bytes()[..6]);
    }
}

/// Reads 48 words of 6 bytes; missing ones are zero.
pub(super) fn read_words(bytes: &[u8]) -> [u64; PROJECTIONS] {
    let mut words = [0; PROJECTIONS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<6>().0) {
        *word = bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte));
    }
    words
}
