//! One act, about to become visible, and what is kept of each.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use unsilo_ledger::{GuardHead, Hash, Ratings};
use zeroize::Zeroize;

/// One act, about to become visible.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// The founding entry with this hash is signed.
    Genesis(Hash),
    /// A seat is offered; its secret key is a file of its own.
    Seat(SeatRecord),
    /// A contribution leaves this machine.
    Contribution(ContributionRecord),
    /// The coordinator's receipt for it.
    Receipt {
        /// The round.
        round: u64,
        /// Canonical bytes of the signed receipt.
        receipt: Vec<u8>,
    },
    /// The close of the round over this set is cosigned.
    Cosigned {
        /// The round.
        round: u64,
        /// Hash of the set.
        contributions: Hash,
    },
    /// A checkpoint of the ledger is cosigned, so that members act on one history.
    Witnessed(WitnessRecord),
    /// Scalars of the round are answered; the answers are a file of their own.
    Answered(AnswerRecord),
    /// The judgement of the round's contributions is signed.
    Judged {
        /// The round.
        round: u64,
        /// Hash of the entry.
        entry: Hash,
    },
    /// One disputed share of the own contribution is shown.
    Appealed {
        /// The round.
        round: u64,
        /// Whose share.
        seat: u16,
    },
    /// Directions are committed for the round; they are a file of their own.
    Directions(DirectionsRecord),
    /// The sum of the round is opened.
    Opened(OpeningRecord),
    /// The round is signed as void.
    Voided {
        /// The round.
        round: u64,
    },
    /// The model of the round is signed.
    Published {
        /// The round.
        round: u64,
        /// Hash of the publishing entry.
        entry: Hash,
    },
    /// The round is over: what only it needed (the opening's bytes) is forgotten, what must be remembered stays.
    Finished {
        /// The round.
        round: u64,
    },
    /// The model of the round was evaluated and told.
    Evaluated {
        /// The round.
        round: u64,
    },
    /// The ledger holds a head of this identity's records that these records do not lead to: others were lost. They are
    /// taken to have been made, and nothing is done before the rounds that they can be about are over.
    Behind {
        /// The head on the ledger.
        head: GuardHead,
        /// The last round that is sat out.
        until: u64,
    },
    /// The row of this rater is committed to.
    Rated(RatingRecord),
    /// A person of this company signed the owners' void of the round, beside the node.
    OwnersVoid {
        /// The round.
        round: u64,
    },
}

impl Record {
    /// The round, if this is an act that a void of it excludes: a contribution, or a step towards the sum of them.
    pub(super) fn excluded_by_void(&self) -> Option<u64> {
        match self {
            Self::Cosigned { round, .. }
            | Self::Judged { round, .. }
            | Self::Published { round, .. } => Some(*round),
            Self::Contribution(made) => Some(made.round),
            Self::Answered(answer) => Some(answer.round),
            Self::Opened(opening) => Some(opening.round),
            Self::Genesis(_)
            | Self::Seat(_)
            | Self::Receipt { .. }
            | Self::Witnessed(_)
            | Self::Appealed { .. }
            | Self::Directions(_)
            | Self::Voided { .. }
            | Self::Finished { .. }
            | Self::Evaluated { .. }
            | Self::Behind { .. }
            | Self::Rated(_)
            | Self::OwnersVoid { .. } => None,
        }
    }

    /// What the chain of records is made over: the record without what is forgotten once the round is over.
    pub(super) fn chained(&self) -> Vec<u8> {
        match self {
            Self::Opened(opening) => {
                let mut bare = opening.clone();
                bare.answer.clear();
                borsh::to_vec(&Self::Opened(bare))
            }
            other => borsh::to_vec(other),
        }
        // Writing to a Vec cannot fail.
        .unwrap_or_default()
    }
}

/// A seat that was offered for a round.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SeatRecord {
    /// The round.
    pub round: u64,
    /// Hash of the model it was offered for.
    pub model: Hash,
    /// The public round key.
    pub round_key: Vec<u8>,
    /// The nonce that the offer commits to; secret until the close is cosigned.
    pub nonce: Hash,
    /// Seats of the committee as drawn.
    pub size: u64,
    /// Owners in the order of the draw, as the ledger had it at the offer.
    pub draw: Vec<u32>,
}

impl fmt::Debug for SeatRecord {
    /// Without the nonce.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeatRecord")
            .field("round", &self.round)
            .field("draw", &self.draw)
            .finish_non_exhaustive()
    }
}

impl Drop for SeatRecord {
    fn drop(&mut self) {
        self.nonce.zeroize();
    }
}

/// A contribution that left, or is about to leave, this machine.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ContributionRecord {
    /// The round.
    pub round: u64,
    /// Hash of the model the update starts from.
    pub model: Hash,
    /// The contribution root that this identity signs.
    pub root: Hash,
    /// Bytes of the ciphertext.
    pub bytes: u64,
    /// Earlier rounds in which this identity contributed to the same model, ascending: the ledger held them as void when
    /// this was made, or it would not have been.
    pub voided: Vec<u64>,
}

/// What a checkpoint is cosigned for: one cosignature for each of them in a round.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
#[borsh(use_discriminant = false)]
pub enum Duty {
    /// The scalars are answered on it.
    Answering,
    /// The contributions are judged on it.
    Judging,
    /// The sum is opened on it.
    Opening,
    /// It publishes the model: a checkpoint that every participant cosigns, seated or not, for those who join late.
    Published,
}

/// A checkpoint that is cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WitnessRecord {
    /// The round.
    pub round: u64,
    /// What for.
    pub duty: Duty,
    /// Entries in the log.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
    /// Hash of the books after them.
    pub state_root: Hash,
    /// This machine's clock, seconds since 1970: part of what is signed.
    pub timestamp_s: u64,
}

/// The scalars that are answered in a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AnswerRecord {
    /// The round.
    pub round: u64,
    /// The seat, from 1.
    pub seat: u16,
    /// Hash of the closed set with its roots and committed directions.
    pub contributions: Hash,
    /// The challenge seed, from which the projections come: they are answered in any case.
    pub challenge: Hash,
    /// Most vectors that may be opened in one round with this model, projections included.
    pub limit: u16,
    /// Hashes of the directions that are answered beside them; ascending, each once.
    pub directions: Vec<Hash>,
    /// Root over the answers on the projections.
    pub sheet_root: Hash,
    /// Hash of the bytes that are sent, which are kept until the round is over.
    pub sent: Hash,
}

/// The directions committed for a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DirectionsRecord {
    /// The round.
    pub round: u64,
    /// The public key that answers are sealed to.
    pub round_key: Vec<u8>,
    /// Hash of each direction.
    pub directions: Vec<Hash>,
}

/// A rater's row, which nobody else knows before it is revealed.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RatingRecord {
    /// The round.
    pub round: u64,
    /// What is said about the accepted contributions.
    pub row: Ratings,
    /// 32 random bytes that hide the row in its commitment.
    pub salt: Hash,
}

impl fmt::Debug for RatingRecord {
    /// Without the row and the salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RatingRecord")
            .field("round", &self.round)
            .finish_non_exhaustive()
    }
}

/// The one answer of a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OpeningRecord {
    /// The round.
    pub round: u64,
    /// The seat, from 1.
    pub seat: u16,
    /// Hash of the set and weights.
    pub digest: Hash,
    /// Hash of the closed set with its roots.
    pub contributions: Hash,
    /// Hash of the answer.
    pub answer_hash: Hash,
    /// The answer itself (it is public once given); emptied when the round is over.
    pub answer: Vec<u8>,
}

impl OpeningRecord {
    /// The record of `answer`.
    #[must_use]
    pub fn new(round: u64, seat: u16, digest: Hash, contributions: Hash, answer: Vec<u8>) -> Self {
        Self {
            round,
            seat,
            digest,
            contributions,
            answer_hash: Self::hash(&answer),
            answer,
        }
    }

    /// Whether the answer, unless it is forgotten, is the one that the hash is of.
    pub(super) fn is_whole(&self) -> bool {
        self.answer.is_empty() || Self::hash(&self.answer) == self.answer_hash
    }

    fn hash(answer: &[u8]) -> Hash {
        Sha256::digest(answer).into()
    }
}
