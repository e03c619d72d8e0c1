//! What the committee found about the contributions of a closed round.

use crate::hash::Hash;
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};

/// The largest norm exponent, 2^24 steps: an accepted contribution has at most sqrt(132 / 48) = 1.66 times
/// the largest clip norm, 2^23 steps (encryption.md, step 4).
pub const MAX_NORM_EXPONENT: u16 = 192;

/// Why a closed contribution is not part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum RejectionReason {
    /// A member's answer lies off the polynomial of the others: its share or its answer is wrong. An
    /// appeal on that one share tells which.
    BadPair {
        /// The member's seat; the lowest, if there are several such members.
        seat: u16,
    },
    /// The answers contradict each other in more places than can be located. Nobody's fault that could
    /// be shown.
    Undecodable,
    /// A projection lies outside of its range: the ciphertext wraps around, is noise, or does not fit the
    /// shares of its key.
    OutOfRange,
    /// The projections say that the update is longer than it may be.
    TooLong,
    /// A near-duplicate of an earlier contribution, which counts.
    Copy {
        /// Whose it is a copy of: accepted, and committed earlier.
        of: ParticipantId,
    },
}

impl RejectionReason {
    /// Whether the contributor alone can have caused it, if the answers are sure ([`Judgement::holds_to_account`]). Then such
    /// rejections are counted, and too many are a violation ([`crate::Incentive::rejected_contributions`]).
    pub fn is_fault(self) -> bool {
        matches!(self, Self::OutOfRange | Self::TooLong)
    }

    /// The reason as a phrase.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::BadPair { .. } => "a key share that does not fit the others",
            Self::Undecodable => "answers that do not decode",
            Self::OutOfRange => "not a well-formed update",
            Self::TooLong => "longer than an update may be",
            Self::Copy { .. } => "a copy of an earlier contribution",
        }
    }
}

/// The verdicts on the contributions of a round: [`crate::Entry::ContributionsJudged`], checked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Judgement {
    /// The seats that answered, ascending, with the root of each one's sheet of answers.
    pub answers: Vec<(u16, Hash)>,
    /// The hash of the table of projected ciphertexts that the answers belong to.
    pub projections: Hash,
    /// Accepted, ascending, each with the exponent `e` of its norm estimate: 2^(e/8) steps, rounded up.
    pub accepted: Vec<(ParticipantId, u16)>,
    /// Rejected, ascending.
    pub rejected: Vec<(ParticipantId, RejectionReason)>,
    /// Seats whose answers were set aside for the whole round, ascending.
    pub erased: Vec<u16>,
}

/// Answers beyond the threshold that must count before a contributor is held to account for a rejection.
const SPARE_ANSWERS: usize = 2;

/// Whether so many answers, of which `erased` are set aside, leave two beyond the threshold. With `t` answers any values fit
/// together, so one liar turns an honest update into garbage that nobody can tell from a dealer's; with `t + 1` two who
/// collude do. Where this is not so a contribution is left out without blame: no fault is counted, and no answers are shown,
/// which would be the sketch of an honest update.
pub fn could_spare_two(answers: usize, erased: usize, threshold: usize) -> bool {
    answers.saturating_sub(erased) >= threshold.saturating_add(SPARE_ANSWERS)
}

impl Judgement {
    /// Whether a rejection that is a fault ([`RejectionReason::is_fault`]) counts against its contributor:
    /// [`could_spare_two`] of its answers.
    pub fn holds_to_account(&self, threshold: usize) -> bool {
        could_spare_two(self.answers.len(), self.erased.len(), threshold)
    }
}
