//! Everything one member answers to the committee in a round, under one root that it signs.
//!
//! A sheet is encrypted once under a key that is sealed to each other seat: all who open it read the same bytes, as they
//! must hash to the root. Each contribution has a leaf of its own with a salt of its own, so the answers on one
//! rejected contribution can be shown later without a word about the others.

use super::{
    shown::ShownAnswers,
    table::{WORDS_BYTES, check_words, read_words, write_words},
};
use crate::{
    answer::ProjectionAnswers,
    committee::Committee,
    hash::hash,
    key::Entropy,
    merkle,
    params::{MAX_PARTICIPANTS, Q},
    projection::{PROJECTIONS, Projections},
    seal::{RoundKeyPair, SEAL_OVERHEAD, open_bytes, seal_bytes},
    xof::Xof,
};
use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the sheet's key, sealed to one seat.
pub const SEALED_SHEET_KEY_BYTES: usize = SEAL_OVERHEAD + 32;
/// Bytes of one entry: participant, whether there are answers, the answers or zeros.
const ENTRY_BYTES: usize = 4 + 1 + WORDS_BYTES;
const SALT_SEED_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
pub(super) const NODE: &str = "answer node";
const INFO: &[u8] = b"unsilo/v1/answer sheet key\0";

/// Bytes of the encrypted sheet of a round with so many contributions.
#[must_use]
pub fn sealed_sheet_bytes(contributions: usize) -> usize {
    SALT_SEED_BYTES + contributions * ENTRY_BYTES + TAG_BYTES
}

/// One member's answers on all contributions of a round.
///
/// A sketch of every update once `t` of them are together: for the committee only, wiped when dropped, no `Debug`.
pub struct AnswerSheet {
    projections: Projections,
    seat: u16,
    salt_seed: Zeroizing<[u8; SALT_SEED_BYTES]>,
    entries: Vec<Entry>,
    leaves: Vec<[u8; 32]>,
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

/// What a member sends: it signs `root` together with the two hashes of what it sent, outside of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSheet {
    /// Commits to every answer, the round, the challenge and the seat.
    pub root: [u8; 32],
    /// The encrypted sheet, [`sealed_sheet_bytes`].
    pub sheet: Vec<u8>,
    /// The sheet's key for each other seat, ascending, [`SEALED_SHEET_KEY_BYTES`] each.
    pub keys: Vec<(u16, Vec<u8>)>,
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
    /// Puts a member's answers together and seals them to the committee's other seats.
    ///
    /// 1. *Private input*: the answers in ascending order of participants; the entropy, used up. With the same entropy
    ///    and answers the result is the same to the bit, so a member that records its entropy repeats itself after a crash.
    /// 2. *Public input*: the round's projections, committee and the member's seat.
    /// 3. *Public output*: the sealed sheet. *Private output*: the sheet, as the others will read it.
    ///
    /// # Errors
    /// [`SheetError`] if the answers are not one ascending list of this seat's, or a key cannot be sealed to.
    pub fn seal(
        projections: &Projections,
        committee: &Committee,
        seat: u16,
        answers: Vec<ProjectionAnswers>,
        entropy: Entropy,
    ) -> Result<(Self, SealedSheet), SheetError> {
        check_seat(committee, seat)?;
        let own = |answers: &&ProjectionAnswers| {
            answers
                .origin
                .is_none_or(|origin| origin == (seat, *projections))
        };
        if let Some(other) = answers.iter().find(|answers| !own(answers)) {
            return Err(SheetError::OtherOrigin {
                participant: other.participant,
            });
        }
        let entries = answers
            .iter()
            .map(|answers| Entry {
                participant: answers.participant,
                words: answers.words,
            })
            .collect();
        let mut secrets = Xof::new(
            "answer sheet",
            &[
                entropy.bytes(),
                &projections.to_bytes(),
                &seat.to_le_bytes(),
            ],
        );
        let mut salt_seed = Zeroizing::new([0; SALT_SEED_BYTES]);
        secrets.fill(&mut salt_seed[..]);
        let sheet = Self::new(projections, seat, salt_seed, entries)?;

        // Should the same entropy ever come with other answers, the root and so the key differ.
        let mut secrets = Xof::new("answer sheet key", &[entropy.bytes(), &sheet.root]);
        let (mut key, mut seed) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        secrets.fill(&mut key[..]);
        let plaintext = sheet.to_bytes();
        let payload = Payload {
            msg: &plaintext,
            aad: &sheet.root,
        };
        let encrypted = cipher(&key)
            .encrypt(&Nonce::default(), payload)
            .map_err(|_| SheetError::Seal { seat })?;
        let mut keys = Vec::new();
        for (recipient, member) in (1..).zip(committee.members()) {
            secrets.fill(&mut seed[..]);
            if recipient != seat {
                let aad = sheet.associated_data(recipient);
                let sealed = seal_bytes(member, &info(projections), &aad, &seed, &key[..])
                    .map_err(|_| SheetError::Seal { seat: recipient })?;
                keys.push((recipient, sealed));
            }
        }
        let sealed = SealedSheet {
            root: sheet.root,
            sheet: encrypted,
            keys,
        };
        Ok((sheet, sealed))
    }

    fn new(
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

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

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
            salt: salt(&self.salt_seed, participant),
            words: self.entries[index].words,
            path: merkle::path(NODE, &self.leaves, index),
        })
    }

    /// `salt seed (32)`, then for each contribution `participant (4) || answered (1) || 48 words of 6 bytes`.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Vec::with_capacity(SALT_SEED_BYTES + self.entries.len() * ENTRY_BYTES);
        bytes.extend(&self.salt_seed[..]);
        for entry in &self.entries {
            entry.write(&mut bytes);
        }
        Zeroizing::new(bytes)
    }

    /// `federation (32) || round (8) || seat (2) || recipient (2) || root (32)`.
    fn associated_data(&self, recipient: u16) -> [u8; 76] {
        associated_data(&self.projections, self.seat, recipient, &self.root)
    }
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

/// One sealed sheet as a recipient has it.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedSheet<'a> {
    /// Who answered.
    pub seat: u16,
    /// The root that the member signed.
    pub root: &'a [u8; 32],
    /// The encrypted sheet.
    pub sheet: &'a [u8],
    /// The sheet's key, sealed to the recipient.
    pub key: &'a [u8],
}

impl ReceivedSheet<'_> {
    /// Opens the sheet that another seat answered with; `participants` is the closed set, ascending.
    ///
    /// The caller has checked the member's signature on the root.
    ///
    /// # Errors
    /// [`SheetError`]: `NoSuchSeat` and `WrongKey` are the recipient's own; the others are the answering member's (or whoever
    /// carried the bytes), and may differ between recipients: such a member counts as one that did not answer.
    pub fn open(
        &self,
        projections: &Projections,
        committee: &Committee,
        recipient: u16,
        keys: &RoundKeyPair,
        participants: &[u32],
    ) -> Result<AnswerSheet, SheetError> {
        let seat = self.seat;
        check_seat(committee, seat)?;
        check_seat(committee, recipient)?;
        if committee.member(recipient) != Some(keys.public()) {
            return Err(SheetError::WrongKey { seat: recipient });
        }
        let expected = sealed_sheet_bytes(participants.len());
        if self.sheet.len() != expected {
            return Err(SheetError::Length {
                seat,
                expected,
                actual: self.sheet.len(),
            });
        }
        let aad = associated_data(projections, seat, recipient, self.root);
        let key = open_bytes(keys, &info(projections), &aad, self.key)
            .ok()
            .and_then(|key| <[u8; 32]>::try_from(&key[..]).ok())
            .map(Zeroizing::new)
            .ok_or(SheetError::KeyDoesNotOpen { seat, recipient })?;
        let payload = Payload {
            msg: self.sheet,
            aad: self.root,
        };
        let plaintext = cipher(&key)
            .decrypt(&Nonce::default(), payload)
            .map(Zeroizing::new)
            .map_err(|_| SheetError::DoesNotOpen { seat })?;
        let sheet = decode(projections, seat, &plaintext, participants)?;
        match sheet.root == *self.root {
            true => Ok(sheet),
            false => Err(SheetError::OtherRoot { seat }),
        }
    }
}

/// Decodes the plaintext of a sheet about exactly these participants.
fn decode(
    projections: &Projections,
    seat: u16,
    plaintext: &[u8],
    participants: &[u32],
) -> Result<AnswerSheet, SheetError> {
    let wrong_length = SheetError::Length {
        seat,
        expected: sealed_sheet_bytes(participants.len()),
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
    AnswerSheet::new(projections, seat, Zeroizing::new(*salt_seed), entries)
}

fn check_seat(committee: &Committee, seat: u16) -> Result<(), SheetError> {
    match committee.member(seat) {
        Some(_) => Ok(()),
        None => Err(SheetError::NoSuchSeat {
            seat,
            seats: committee.seats(),
        }),
    }
}

/// The key is used for one sheet only, so the nonce is constant.
fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(*key))
}

fn info(projections: &Projections) -> Vec<u8> {
    [INFO, &projections.context().model, projections.challenge()].concat()
}

fn associated_data(
    projections: &Projections,
    seat: u16,
    recipient: u16,
    root: &[u8; 32],
) -> [u8; 76] {
    let mut bytes = [0; 76];
    bytes[..40].copy_from_slice(&projections.to_bytes()[..40]);
    bytes[40..42].copy_from_slice(&seat.to_le_bytes());
    bytes[42..44].copy_from_slice(&recipient.to_le_bytes());
    bytes[44..].copy_from_slice(root);
    bytes
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

#[cfg(test)]
mod tests {
    //! What only a member that does not follow the protocol can send: a well-sealed sheet with the wrong content.

    use super::*;
    use crate::{Params, ParamsLiteral, RoundContext};

    const KEY: [u8; 32] = [9; 32];

    struct Round {
        projections: Projections,
        keys: Vec<RoundKeyPair>,
        committee: Committee,
    }

    fn round() -> Round {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters: 10,
        };
        let context = RoundContext {
            federation: [1; 32],
            round: 2,
            model: [3; 32],
        };
        let params = Params::new(&literal).expect("valid");
        let keys: Vec<_> = (1..=3)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("a key"))
            .collect();
        let members = keys.iter().map(|keys| keys.public().clone()).collect();
        Round {
            projections: Projections::new(&params, &context, [4; 32]),
            keys,
            committee: Committee::new(members, 3).expect("valid"),
        }
    }

    fn sheet(projections: &Projections) -> AnswerSheet {
        let entry = |participant, words| Entry { participant, words };
        let entries = vec![entry(5, Some([7; PROJECTIONS])), entry(6, None)];
        AnswerSheet::new(projections, 1, Zeroizing::new([8; 32]), entries).expect("valid")
    }

    /// Seat 2 opens a sheet with this plaintext under this root.
    fn opened(round: &Round, plaintext: &[u8], root: &[u8; 32]) -> Result<AnswerSheet, SheetError> {
        let payload = Payload {
            msg: plaintext,
            aad: root,
        };
        let encrypted = cipher(&KEY)
            .encrypt(&Nonce::default(), payload)
            .expect("encrypts");
        let aad = associated_data(&round.projections, 1, 2, root);
        let (info, to) = (info(&round.projections), round.keys[1].public());
        let key = seal_bytes(to, &info, &aad, &[1; 32], &KEY).expect("seals");
        let received = ReceivedSheet {
            seat: 1,
            root,
            sheet: &encrypted,
            key: &key,
        };
        received.open(
            &round.projections,
            &round.committee,
            2,
            &round.keys[1],
            &[5, 6],
        )
    }

    #[test]
    fn a_sheet_with_another_content_than_its_root_does_not_open() {
        let round = round();
        let sheet = sheet(&round.projections);
        let plaintext = sheet.to_bytes();
        assert_eq!(
            opened(&round, &plaintext, &sheet.root).map(|s| s.root),
            Ok(sheet.root)
        );
        // The salt, an answer, and the claim that there is none.
        let first = SALT_SEED_BYTES;
        for place in [0, first + 5, first + 4 + 1 + WORDS_BYTES - 6] {
            let mut altered = plaintext.to_vec();
            altered[place] ^= 1;
            let error = SheetError::OtherRoot { seat: 1 };
            assert_eq!(opened(&round, &altered, &sheet.root).err(), Some(error));
        }
        let complaint = [
            &plaintext[..first + 4],
            &[0; 1 + WORDS_BYTES],
            &plaintext[first + ENTRY_BYTES..],
        ];
        let error = SheetError::OtherRoot { seat: 1 };
        assert_eq!(
            opened(&round, &complaint.concat(), &sheet.root).err(),
            Some(error)
        );
    }

    #[test]
    fn a_sheet_that_is_not_about_the_closed_set_or_holds_no_numbers_does_not_open() {
        let round = round();
        let sheet = sheet(&round.projections);
        let plaintext = sheet.to_bytes();
        let error_at = |place: usize, byte: u8| {
            let mut altered = plaintext.to_vec();
            altered[place] = byte;
            opened(&round, &altered, &sheet.root).err()
        };
        let (first, second) = (SALT_SEED_BYTES, SALT_SEED_BYTES + ENTRY_BYTES);
        assert_eq!(
            error_at(first, 4),
            Some(SheetError::OtherContribution {
                seat: 1,
                expected: 5,
                actual: 4
            })
        );
        let words = |participant| {
            Some(SheetError::Words {
                seat: 1,
                participant,
            })
        };
        assert_eq!(error_at(first + 4, 2), words(5), "neither answered nor not");
        assert_eq!(
            error_at(first + 4, 0),
            words(5),
            "words where it says there are none"
        );
        assert_eq!(
            error_at(second + 5, 1),
            words(6),
            "words where it says there are none"
        );
        let mut large = plaintext.to_vec();
        large[first + 5..][..6].fill(0xFF);
        assert_eq!(opened(&round, &large, &sheet.root).err(), words(5));
        for length in [0, 31, plaintext.len() - 1, plaintext.len() + ENTRY_BYTES] {
            let mut altered = plaintext.to_vec();
            altered.resize(length, 0);
            let result = opened(&round, &altered, &sheet.root);
            assert!(matches!(result, Err(SheetError::Length { seat: 1, .. })));
        }
    }
}
