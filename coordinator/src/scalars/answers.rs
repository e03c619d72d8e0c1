//! A member's scalar answers of a round.

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::Hash;
use unsilo_proto::SealedHashes;

use super::{Scalars, Written, decode, encode, files, read};
use crate::error::CoordinatorError;

/// What one seat answered: sealed to the other members and to raters, so opaque here.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct SeatAnswer {
    pub(crate) seat: u16,
    /// Root over its answers on the projections.
    pub(crate) sheet_root: Hash,
    /// Those answers, encrypted once.
    pub(crate) sheet: Vec<u8>,
    /// The key of the sheet, sealed to each other seat, in seat order.
    pub(crate) sheet_keys: Vec<Vec<u8>>,
    /// Answers sealed to raters, ascending by rater.
    pub(crate) directions: Vec<(u32, Vec<u8>)>,
    /// By the member's identity.
    pub(crate) signature: [u8; 64],
}

impl SeatAnswer {
    /// What the signature covers beside the root.
    pub(crate) fn hashes(&self) -> SealedHashes {
        let directions: Vec<_> = self
            .directions
            .iter()
            .map(|(rater, sealed)| (*rater, sealed.as_slice()))
            .collect();
        SealedHashes::of(&self.sheet, &self.sheet_keys, &directions)
    }

    /// The sheet's key as it is sealed to `seat`; `None` for the member's own seat, and for one that is not there.
    pub(crate) fn key_for(&self, seat: u16) -> Option<&[u8]> {
        let index = match seat.cmp(&self.seat) {
            std::cmp::Ordering::Less => usize::from(seat).checked_sub(1)?,
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => usize::from(seat).checked_sub(2)?,
        };
        self.sheet_keys.get(index).map(Vec::as_slice)
    }
}

impl Scalars {
    /// Keeps a seat's answer. A second, different one is kept beside it: the member signed both.
    pub(crate) fn keep_answer(
        &self,
        round: u64,
        answer: &SeatAnswer,
    ) -> Result<Written, CoordinatorError> {
        let path = self.file(round, "answers", &answer.seat.to_string());
        let bytes = encode(&path, answer)?;
        let written = self.write_once(&path, &bytes)?;
        if written == Written::Differs {
            self.write_once(&path.with_extension("second"), &bytes)?;
        }
        Ok(written)
    }

    /// A seat's answer.
    pub(crate) fn answer(&self, round: u64, seat: u16) -> Result<SeatAnswer, CoordinatorError> {
        let path = self.file(round, "answers", &seat.to_string());
        decode(&path, &read(&path)?)
    }

    /// Every seat whose answer is here, with the root of its sheet, ascending.
    pub(crate) fn answered(&self, round: u64) -> Result<Vec<(u16, Hash)>, CoordinatorError> {
        let mut answered = Vec::new();
        for path in files(&self.round_directory(round).join("answers"))? {
            let answer: SeatAnswer = decode(&path, &read(&path)?)?;
            answered.push((answer.seat, answer.sheet_root));
        }
        answered.sort_unstable();
        Ok(answered)
    }
}
