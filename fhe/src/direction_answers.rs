//! A member's answers to one validator: sealed to it alone, so that nobody else learns a score.

use crate::{
    answer::{AnswerError, answer_direction},
    direction::DirectionKey,
    hash::{hash, hasher},
    key::Entropy,
    params::{MAX_PARTICIPANTS, Q},
    projection::Projections,
    seal::{RoundKeyPair, RoundPublicKey, SEAL_OVERHEAD, open_bytes, seal_bytes},
    share::KeyShare,
    xof::Xof,
};
use sha2::Digest;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Directions that one validator may commit to in a round.
pub const DIRECTIONS_PER_VALIDATOR: usize = 2;

const INFO: &[u8] = b"unsilo/v1/direction answers\0";

/// What one validator asked in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The round and its challenge.
    pub projections: &'a Projections,
    /// The validator's number in the federation.
    pub validator: u32,
    /// The committed hashes ([`crate::direction_hash`]) of its directions, by index: one or two.
    pub directions: &'a [[u8; 32]],
}

/// One member's answers on one validator's directions: for each contribution a number mod q for each direction.
///
/// For the validator only: wiped when dropped, no `Debug`, no `Clone`.
pub struct DirectionAnswers {
    seat: u16,
    /// Ascending by participant.
    rows: Vec<(u32, Vec<u64>)>,
}

impl Drop for DirectionAnswers {
    fn drop(&mut self) {
        for (_, words) in &mut self.rows {
            words.zeroize();
        }
    }
}

/// Why sealed answers were not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DirectionAnswersError {
    /// Too short for a sealed message, longer than answers on all contributions, or not a whole number of rows.
    #[error("{actual} bytes are no sealed answers of seat {seat} on {directions} directions")]
    Length {
        /// Who answered.
        seat: u16,
        /// Directions asked.
        directions: usize,
        /// Bytes given.
        actual: usize,
    },
    /// Not sealed to this validator for this question and seat, or altered.
    #[error("the answers of seat {seat} to validator {validator} do not open")]
    DoesNotOpen {
        /// Who answered.
        seat: u16,
        /// Who asked.
        validator: u32,
    },
    /// Participants are not strictly ascending.
    #[error("in the answers of seat {seat} participant {participant} is not in ascending order")]
    Order {
        /// Who answered.
        seat: u16,
        /// The first that is out of order.
        participant: u32,
    },
    /// A word that is no number mod q.
    #[error("seat {seat} answers {value} on participant {participant}, not below the modulus {Q}")]
    Word {
        /// Who answered.
        seat: u16,
        /// Whose contribution.
        participant: u32,
        /// The word.
        value: u64,
    },
    /// Nothing can be sealed to the validator's key.
    #[error("nothing can be sealed to the round key of validator {validator}")]
    Seal {
        /// Who asked.
        validator: u32,
    },
}

impl Question<'_> {
    /// `model || challenge || directions`: whatever the answers depend on that the associated data does not name.
    fn info(&self) -> Vec<u8> {
        let directions = hash("directions", &[self.directions.as_flattened()]);
        let model = &self.projections.context().model;
        [INFO, model, self.projections.challenge(), &directions].concat()
    }

    /// `federation (32) || round (8) || validator (4) || seat (2)`.
    fn associated_data(&self, seat: u16) -> [u8; 46] {
        let mut bytes = [0; 46];
        bytes[..40].copy_from_slice(&self.projections.to_bytes()[..40]);
        bytes[40..44].copy_from_slice(&self.validator.to_le_bytes());
        bytes[44..].copy_from_slice(&seat.to_le_bytes());
        bytes
    }

    fn row_bytes(&self) -> usize {
        4 + 6 * self.directions.len()
    }
}

impl DirectionAnswers {
    /// A member's answers on the shares it has, for all directions of one validator.
    ///
    /// 1. *Private input*: shares of one seat, in ascending order of participants.
    /// 2. *Public input*: the validator's `A_v`, by index.
    /// 3. *Private output*, for the validator.
    ///
    /// The caller has checked that each `A_v` has the hash that was committed before the close and that no more are answered
    /// than [`crate::max_opened`] allows, and has left out contributions of the validator's own owner.
    ///
    /// # Errors
    /// [`AnswerError`] if the shares are not of one seat and this round, in order, or the directions are not those asked.
    pub fn new(
        question: &Question<'_>,
        keys: &[DirectionKey],
        shares: &[&KeyShare],
    ) -> Result<Self, AnswerError> {
        let hashes = (0..).zip(keys).map(|(index, key)| {
            crate::direction_hash(
                question.projections.context(),
                question.validator,
                index,
                key,
            )
        });
        if !(1..=DIRECTIONS_PER_VALIDATOR).contains(&keys.len())
            || !hashes.eq(question.directions.iter().copied())
        {
            return Err(AnswerError::OtherDirections {
                validator: question.validator,
            });
        }
        let seat = shares.first().map_or(0, |share| share.seat());
        let mut rows = Vec::with_capacity(shares.len());
        let mut last = None;
        for share in shares {
            let participant = share.participant();
            if share.slot().context != *question.projections.context() {
                return Err(AnswerError::OtherRound { participant });
            }
            if share.seat() != seat || last.replace(participant) >= Some(participant) {
                return Err(AnswerError::Order { participant });
            }
            let words = keys.iter().map(|key| answer_direction(share, key));
            rows.push((participant, words.collect()));
        }
        Ok(Self { seat, rows })
    }

    /// The seat that answered.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.seat
    }

    /// Participants, ascending, with a number mod q for each direction.
    #[must_use]
    pub fn rows(&self) -> &[(u32, Vec<u64>)] {
        &self.rows
    }

    /// Seals the answers to the key that the validator committed with its directions. The entropy is used up; the same
    /// entropy gives the same bytes for the same answers.
    ///
    /// # Errors
    /// [`DirectionAnswersError::Seal`] if the key cannot be sealed to.
    pub fn seal(
        &self,
        question: &Question<'_>,
        validator: &RoundPublicKey,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, DirectionAnswersError> {
        let mut plaintext =
            Zeroizing::new(Vec::with_capacity(self.rows.len() * question.row_bytes()));
        for (participant, words) in &self.rows {
            plaintext.extend(participant.to_le_bytes());
            for word in words {
                plaintext.extend(&word.to_le_bytes()[..6]);
            }
        }
        let (info, aad) = (question.info(), question.associated_data(self.seat));
        // The content is hashed in: other answers are never sealed with the same randomness.
        let content: [u8; 32] = hasher("direction answers")
            .chain_update(entropy.bytes())
            .chain_update(aad)
            .chain_update(&info)
            .chain_update(&plaintext[..])
            .finalize()
            .into();
        let mut seed = Zeroizing::new([0; 32]);
        Xof::new("direction answers seal", &[&content]).fill(&mut seed[..]);
        seal_bytes(validator, &info, &aad, &seed, &plaintext).map_err(|_| {
            DirectionAnswersError::Seal {
                validator: question.validator,
            }
        })
    }

    /// Opens what a seat sealed to this validator.
    ///
    /// # Errors
    /// [`DirectionAnswersError`]: such a seat counts as one that did not answer.
    pub fn open(
        question: &Question<'_>,
        seat: u16,
        keys: &RoundKeyPair,
        sealed: &[u8],
    ) -> Result<Self, DirectionAnswersError> {
        let directions = question.directions.len();
        let length = || DirectionAnswersError::Length {
            seat,
            directions,
            actual: sealed.len(),
        };
        let row_bytes = question.row_bytes();
        let content = sealed.len().checked_sub(SEAL_OVERHEAD).ok_or_else(length)?;
        if content % row_bytes != 0
            || (content / row_bytes) as u64 > MAX_PARTICIPANTS
            || !(1..=DIRECTIONS_PER_VALIDATOR).contains(&directions)
        {
            return Err(length());
        }
        let plaintext = open_bytes(
            keys,
            &question.info(),
            &question.associated_data(seat),
            sealed,
        )
        .map_err(|_| DirectionAnswersError::DoesNotOpen {
            seat,
            validator: question.validator,
        })?;
        let mut answers = Self {
            seat,
            rows: Vec::with_capacity(plaintext.len() / row_bytes),
        };
        for row in plaintext.chunks_exact(row_bytes) {
            let (head, words) = row.split_at(4);
            let participant = little_endian(head) as u32;
            if answers
                .rows
                .last()
                .is_some_and(|&(last, _)| last >= participant)
            {
                return Err(DirectionAnswersError::Order { seat, participant });
            }
            let words: Vec<u64> = words.chunks_exact(6).map(little_endian).collect();
            if let Some(&value) = words.iter().find(|&&word| word >= Q) {
                return Err(DirectionAnswersError::Word {
                    seat,
                    participant,
                    value,
                });
            }
            answers.rows.push((participant, words));
        }
        Ok(answers)
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}
