//! One seat's answers on one contribution, shown to everybody.

use super::{
    sheet::{self, AnswerSheet, Entry, NODE},
    table::{WORDS_BYTES, check_words, read_words, write_words},
};
use crate::{
    merkle,
    projection::{PROJECTIONS, Projections},
};
use thiserror::Error;

/// Hashes beside the way to the root in a round of the largest size.
const MAX_PATH: usize = crate::params::MAX_PARTICIPANTS
    .next_power_of_two()
    .trailing_zeros() as usize;
/// Bytes without the path: seat, salt, whether there are answers, words, length of the path.
const FIXED_BYTES: usize = 2 + 32 + 1 + WORDS_BYTES + 1;

/// What [`AnswerSheet::show`](super::AnswerSheet::show) gives: the answers, their salt and the way to the signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAnswers {
    pub(super) seat: u16,
    pub(super) salt: [u8; 32],
    pub(super) words: Option<[u64; PROJECTIONS]>,
    pub(super) path: Vec<[u8; 32]>,
}

/// Why shown answers were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShownError {
    /// Truncated, left over, or with a longer path than any round has.
    #[error("the bytes are no answers of one seat on one contribution")]
    Length,
    /// A word that is no number mod q, or words where it says there are none.
    #[error("the shown answers of seat {seat} are no 48 numbers mod q")]
    Words {
        /// Who answered.
        seat: u16,
    },
    /// The contribution is not in the closed set.
    #[error("participant {participant} is not in the closed set")]
    NotClosed {
        /// Whose contribution.
        participant: u32,
    },
    /// They are not under the root that the member signed.
    #[error(
        "the shown answers of seat {seat} on participant {participant} are not under its signed root"
    )]
    OtherRoot {
        /// Who answered.
        seat: u16,
        /// Whose contribution.
        participant: u32,
    },
}

impl AnswerSheet {
    /// The answers on one contribution, with what proves them to those who have only the root. Shows nothing of the others.
    ///
    /// With those of `t - 1` other seats it shows the sketch of that update: see [`Evidence`](super::Evidence) for when that is
    /// right, and [`Appeal`](super::Appeal) for what one seat's answers are shown for.
    #[must_use]
    pub fn show(&self, participant: u32) -> Option<ShownAnswers> {
        let place = |entry: &Entry| entry.participant.cmp(&participant);
        let index = self.entries.binary_search_by(place).ok()?;
        Some(ShownAnswers {
            seat: self.seat,
            salt: sheet::salt(&self.salt_seed, participant),
            words: self.entries[index].words,
            path: merkle::path(NODE, &self.leaves, index),
        })
    }
}

impl ShownAnswers {
    /// Who answered.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.seat
    }

    /// Checks that the seat answered this on `participant`, under the root it signed; `closed` is the closed set, ascending.
    ///
    /// # Errors
    /// [`ShownError`] if it did not.
    pub fn verify(
        &self,
        projections: &Projections,
        closed: &[u32],
        participant: u32,
        root: &[u8; 32],
    ) -> Result<(), ShownError> {
        let seat = self.seat;
        let index = closed
            .binary_search(&participant)
            .map_err(|_| ShownError::NotClosed { participant })?;
        let entry = Entry {
            participant,
            words: self.words,
        };
        let leaf = sheet::leaf(&self.salt, &entry);
        let tree = merkle::root_of_path(NODE, leaf, index, closed.len(), &self.path);
        match tree.map(|tree| sheet::sheet_root(projections, seat, closed.len(), &tree)) {
            Some(found) if found == *root => Ok(()),
            _ => Err(ShownError::OtherRoot { seat, participant }),
        }
    }

    /// `seat (2) || salt (32) || answered (1) || 48 words of 6 bytes || hashes on the path (1) || path`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 32 * self.path.len());
        bytes.extend(self.seat.to_le_bytes());
        bytes.extend(self.salt);
        bytes.push(self.words.is_some().into());
        write_words(&self.words.unwrap_or([0; PROJECTIONS]), &mut bytes);
        bytes.push(self.path.len() as u8);
        bytes.extend(self.path.as_flattened());
        bytes
    }

    /// Decodes exactly one.
    ///
    /// # Errors
    /// [`ShownError`] if the bytes are not what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShownError> {
        match Self::read(bytes)? {
            (shown, []) => Ok(shown),
            _ => Err(ShownError::Length),
        }
    }

    /// Decodes one and returns the bytes after it.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), ShownError> {
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_BYTES>()
            .ok_or(ShownError::Length)?;
        let (seat, fixed) = fixed.split_at(2);
        let (salt, fixed) = fixed.split_at(32);
        let (answered, fixed) = fixed.split_at(1);
        let (words, length) = fixed.split_at(WORDS_BYTES);
        let length = usize::from(length[0]);
        if length > MAX_PATH {
            return Err(ShownError::Length);
        }
        let (path, rest) = rest
            .split_at_checked(32 * length)
            .ok_or(ShownError::Length)?;
        let seat = u16::from(seat[0]) | u16::from(seat[1]) << 8;
        let words = read_words(words);
        let words = match answered[0] {
            0 if words == [0; PROJECTIONS] => None,
            1 if check_words(&words).is_ok() => Some(words),
            _ => return Err(ShownError::Words { seat }),
        };
        let mut shown = Self {
            seat,
            salt: [0; 32],
            words,
            path: path.as_chunks().0.to_vec(),
        };
        shown.salt.copy_from_slice(salt);
        Ok((shown, rest))
    }
}
