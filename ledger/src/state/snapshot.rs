//! The whole state as bytes, for those who join late and rest on a cosigned root instead of every entry.

use super::State;
use super::books::Books;
use crate::hash::Hash;
use borsh::BorshSerialize;
use thiserror::Error;

/// What a snapshot of the state starts with.
const VERSION: &[u8; 17] = b"unsilo/v1/state\0\x02";
/// The largest snapshot of a state that is read, 1 GiB: of 8,000 participants the state has a tenth of that.
pub const MAX_STATE_BYTES: usize = 1024 * 1024 * 1024;

/// Why bytes are not the state that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateSnapshotError {
    /// Longer than [`MAX_STATE_BYTES`].
    #[error("the state has {bytes} bytes, at most {MAX_STATE_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Of another version.
    #[error("the state was written by another version: update the older program")]
    Version,
    /// Not the encoding of a state, or not its only one.
    #[error("the state is malformed: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// A part of it that its root covers by a hash does not have that hash.
    #[error("the state contradicts itself: {part}")]
    Inconsistent {
        /// Which part.
        part: &'static str,
    },
    /// It has another root than the one that was signed.
    #[error("the state is not the one that was signed")]
    OtherRoot,
}

impl State {
    /// The whole state as bytes, one encoding for each state.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_vec();
        // Writing to a Vec cannot fail.
        let _ = self.books.serialize(&mut bytes);
        bytes
    }

    /// Reads what [`State::to_snapshot`] wrote, if it is the state with this root. Nothing in it is believed
    /// for any other reason; where the root covers a hash only, the hash is computed again.
    ///
    /// # Errors
    /// See [`StateSnapshotError`].
    pub fn from_snapshot(bytes: &[u8], root: &Hash) -> Result<Self, StateSnapshotError> {
        if bytes.len() > MAX_STATE_BYTES {
            return Err(StateSnapshotError::TooLong { bytes: bytes.len() });
        }
        let body = bytes
            .strip_prefix(VERSION)
            .ok_or(StateSnapshotError::Version)?;
        let books: Option<Books> =
            borsh::from_slice(body).map_err(|error| StateSnapshotError::Malformed {
                reason: error.to_string(),
            })?;
        if let Some(part) = books.as_ref().and_then(Books::contradiction) {
            return Err(StateSnapshotError::Inconsistent { part });
        }
        let state = Self { books };
        if state.root() != *root {
            return Err(StateSnapshotError::OtherRoot);
        }
        if state.to_snapshot() != bytes {
            return Err(StateSnapshotError::Malformed {
                reason: "not the canonical encoding".to_owned(),
            });
        }
        Ok(state)
    }
}

impl Books {
    /// A part that is not what its stored hash says. Every value that goes into the root by a hash which is
    /// kept, not computed (rolling hashes), must be checked here; [`crate::Fixed`] and the members compute
    /// theirs when they are read.
    fn contradiction(&self) -> Option<&'static str> {
        if self.draft.federation_id() != self.federation {
            return Some("the draft is of another federation");
        }
        if self.history_digest != Self::digest_of_history(&self.history) {
            return Some("the history is not the one hashed");
        }
        let round = self.current.as_ref()?;
        let contributions = super::contribution::digest_of(&round.contributions);
        (Some(round.contributions_digest) != contributions)
            .then_some("the contributions are not those hashed")
    }
}
