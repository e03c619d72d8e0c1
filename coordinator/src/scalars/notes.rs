//! What the round machine decided about a closed round.

use std::io::ErrorKind;

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::{Hash, VoidReason};

use super::{Scalars, decode, encode};
use crate::{error::CoordinatorError, round::Note};

/// Decisions that members may have been told of and that the ledger does not hold yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Notes {
    /// The seats whose answers are judged, with the roots of their sheets.
    pub(crate) judged: Option<Vec<(u16, Hash)>>,
    /// The round is to be void.
    pub(crate) void: Option<VoidReason>,
}

impl Scalars {
    /// The notes of a round; empty if there are none.
    pub(crate) fn notes(&self, round: u64) -> Result<Notes, CoordinatorError> {
        let path = self.round_directory(round).join("notes");
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Notes::default()),
            bytes => decode(&path, &bytes.map_err(CoordinatorError::io("read", &path))?),
        }
    }

    /// Adds a decision to the notes of a round. What was decided before stays.
    pub(crate) fn note(&self, round: u64, note: &Note) -> Result<(), CoordinatorError> {
        let mut notes = self.notes(round)?;
        match note {
            Note::Judged(seats) => {
                notes.judged.get_or_insert_with(|| seats.clone());
            }
            Note::Void(reason) => {
                notes.void.get_or_insert(*reason);
            }
        }
        let path = self.round_directory(round).join("notes");
        self.replace(&path, &encode(&path, &notes)?)
    }
}
