//! Everything one member answers to the committee in a round, under one root that it signs.
//!
//! Each contribution has a leaf of its own with a salt of its own, so the answers on one rejected contribution can be shown
//! later without a word about the others.

use super::table::{WORDS_BYTES, check_words, read_words, write_words};
use crate::{
    hash::hash,
    merkle,
    params::{MAX_PARTICIPANTS, Q},
    projection::{PROJECTIONS, Projections},
};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of one entry: participant, whether there are answers, the answers or zeros.
pub(super) const ENTRY_BYTES: usize = 4 + 1 + WORDS_BYTES;
pub(super) const SALT_SEED_BYTES: usize = 32;
/// Bytes that sealing adds to a sheet: lengths in errors are those of the sheet that was sent.
pub(super) const TAG_BYTES: usize = 16;
pub(super) const NODE: &str = "answer node";

/// One member's answers on all contributions of a round.
///
/// A sketch of every update once `t` of them are together: for the committee only, wiped when dropped, no `Debug`.
pub struct AnswerSheet {
    projections: Projections,
    pub(super) seat: u16,
    pub(super) salt_seed: Zeroizing<[u8; SALT_SEED_BYTES]>,
    pub(super) entries: Vec<Entry>,
    pub(super) leaves: Vec<[u8; 32]>,
    root: [u8; 32],
}

/// One contribution's line: the answers, unless the member's share is unusable.
pub(super) struct Entry {
    pub(super) participant: u32,
    pub(super) words: Option<[u64; PROJECTIONS]>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// Why answers were not sealed, or a sheet was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SheetError {
    /// The committee has no such seat.
    #[error("seat {seat} is not one of the committee's seats 1 to {seats}")]
    NoSuchSeat {
        /// Seat given.
        seat: u16,
        /// Seats there are.
        seats: u16,
    },
    /// The key pair is not the one this seat announced for the round.
    #[error("the key pair is not the round key of seat {seat}: was it made for another round?")]
    WrongKey {
        /// Seat given.
        seat: u16,
    },
    /// No contribution, or more than a round can have.
    #[error("a sheet answers on 1 to {MAX_PARTICIPANTS} contributions, not {contributions}")]
    Contributions {
        /// Contributions given.
        contributions: usize,
    },
    /// Participants are not strictly ascending.
    #[error("participant {participant} is not in ascending order")]
    Order {
        /// The first that is out of order.
        participant: u32,
    },
    /// Answers of another seat, round or challenge.
    #[error(
        "the answers on participant {participant} are those of another seat, round or challenge"
    )]
    OtherOrigin {
        /// Whose contribution they are about.
        participant: u32,
    },
    /// A member's key cannot be sealed to.
    #[error("nothing can be sealed to the round key of seat {seat}")]
    Seal {
        /// The member's seat.
        seat: u16,
    },
    /// The encrypted sheet has not the length for this round's contributions.
    #[error("the sheet of seat {seat} has {expected} bytes, not {actual}")]
    Length {
        /// Who answered.
        seat: u16,
        /// Bytes of a sheet in this round.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The key that was sealed to this recipient does not open.
    #[error("the key of seat {seat}'s sheet does not open for seat {recipient}")]
    KeyDoesNotOpen {
        /// Who answered.
        seat: u16,
        /// Who cannot read it.
        recipient: u16,
    },
    /// The key of the sheet was not sealed to one of the seats as it must be: that seat cannot read what this one can, so
    /// the sheet counts for nobody.
    #[error(
        "the key of seat {seat}'s sheet was not sealed to seat {recipient} as every member must seal it"
    )]
    KeySealedBadly {
        /// Who answered.
        seat: u16,
        /// To whom it was sealed badly.
        recipient: u16,
    },
    /// The sheet does not open with the key that came with it.
    #[error("the sheet of seat {seat} does not open with its key")]
    DoesNotOpen {
        /// Who answered.
        seat: u16,
    },
    /// It opens, but is not about the contributions of the round.
    #[error("the sheet of seat {seat} has participant {actual} where {expected} belongs")]
    OtherContribution {
        /// Who answered.
        seat: u16,
        /// The participant of the closed set.
        expected: u32,
        /// The participant in the sheet.
        actual: u32,
    },
    /// It opens, but holds a word that is no number mod q, or words where it says there are none.
    #[error("the sheet of seat {seat} holds no 48 numbers below {Q} for participant {participant}")]
    Words {
        /// Who answered.
        seat: u16,
        /// Whose line it is.
        participant: u32,
    },
    /// It opens, but to something else than the member signed.
    #[error("the sheet of seat {seat} is not the one under its signed root")]
    OtherRoot {
        /// Who answered.
        seat: u16,
    },
}

impl AnswerSheet {
    /// Orders nothing and repairs nothing: the entries are one ascending list.
    pub(super) fn new(
        projections: &Projections,
        seat: u16,
        salt_seed: Zeroizing<[u8; SALT_SEED_BYTES]>,
        entries: Vec<Entry>,
    ) -> Result<Self, SheetError> {
        let contributions = entries.len();
        if entries.is_empty() || contributions as u64 > MAX_PARTICIPANTS {
            return Err(SheetError::Contributions { contributions });
        }
        for pair in entries.windows(2) {
            if pair[0].participant >= pair[1].participant {
                return Err(SheetError::Order {
                    participant: pair[1].participant,
                });
            }
        }
        let leaf = |entry: &Entry| leaf(&salt(&salt_seed, entry.participant), entry);
        let leaves: Vec<_> = entries.iter().map(leaf).collect();
        let root = sheet_root(
            projections,
            seat,
            contributions,
            &merkle::root(NODE, &leaves),
        );
        Ok(Self {
            projections: *projections,
            seat,
            salt_seed,
            entries,
            leaves,
            root,
        })
    }

    /// Who answered.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.seat
    }

    /// What the member signed.
    #[must_use]
    pub fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// The round's projections it answers on.
    #[must_use]
    pub fn projections(&self) -> &Projections {
        &self.projections
    }

    /// `salt seed (32)`, then for each contribution `participant (4) || answered (1) || 48 words of 6 bytes`.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Vec::with_capacity(SALT_SEED_BYTES + self.entries.len() * ENTRY_BYTES);
        bytes.extend(&self.salt_seed[..]);
        for entry in &self.entries {
            entry.write(&mut bytes);
        }
        Zeroizing::new(bytes)
    }

    /// Decodes the plaintext of a sheet about exactly these participants.
    pub(super) fn from_bytes(
        projections: &Projections,
        seat: u16,
        plaintext: &[u8],
        participants: &[u32],
    ) -> Result<Self, SheetError> {
        let wrong_length = SheetError::Length {
            seat,
            expected: plaintext_bytes(participants.len()) + TAG_BYTES,
            actual: plaintext.len() + TAG_BYTES,
        };
        let (salt_seed, rest) = plaintext.split_first_chunk().ok_or(wrong_length)?;
        let (lines, []) = rest.as_chunks() else {
            return Err(wrong_length);
        };
        if lines.len() != participants.len() {
            return Err(wrong_length);
        }
        let mut entries = Vec::with_capacity(lines.len());
        for (line, &expected) in lines.iter().zip(participants) {
            let (actual, entry) = Entry::read(line);
            if actual != expected {
                return Err(SheetError::OtherContribution {
                    seat,
                    expected,
                    actual,
                });
            }
            entries.push(entry.ok_or(SheetError::Words {
                seat,
                participant: expected,
            })?);
        }
        Self::new(projections, seat, Zeroizing::new(*salt_seed), entries)
    }
}

/// Bytes of the plaintext of a sheet on so many contributions.
pub(super) fn plaintext_bytes(contributions: usize) -> usize {
    SALT_SEED_BYTES + contributions * ENTRY_BYTES
}

impl Entry {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.participant.to_le_bytes());
        bytes.push(self.words.is_some().into());
        write_words(&self.words.unwrap_or([0; PROJECTIONS]), bytes);
    }

    /// Decodes one entry; `None` if the words are not below q, or not zero where there are none.
    fn read(bytes: &[u8; ENTRY_BYTES]) -> (u32, Option<Self>) {
        let (head, words) = bytes.split_at(5);
        let participant = head[..4]
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let words = read_words(words);
        let words = match head[4] {
            0 if words == [0; PROJECTIONS] => Some(None),
            1 if check_words(&words).is_ok() => Some(Some(words)),
            _ => None,
        };
        (participant, words.map(|words| Self { participant, words }))
    }
}

/// The salt of one contribution's leaf: shown with the leaf, it says nothing about the other salts.
pub(super) fn salt(seed: &[u8; SALT_SEED_BYTES], participant: u32) -> [u8; 32] {
    hash("answer salt", &[seed, &participant.to_le_bytes()])
}

/// The leaf of one contribution.
pub(super) fn leaf(salt: &[u8; 32], entry: &Entry) -> [u8; 32] {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ENTRY_BYTES));
    entry.write(&mut bytes);
    hash("answer leaf", &[salt, &bytes])
}

/// The root that a member signs.
pub(super) fn sheet_root(
    projections: &Projections,
    seat: u16,
    contributions: usize,
    tree: &[u8; 32],
) -> [u8; 32] {
    hash(
        "answer sheet",
        &[
            &projections.to_bytes(),
            &(projections.params().parameters() as u64).to_le_bytes(),
            &seat.to_le_bytes(),
            &(contributions as u32).to_le_bytes(),
            tree,
        ],
    )
}
