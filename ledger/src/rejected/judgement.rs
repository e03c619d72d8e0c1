//! Why verdicts about contributions are refused.

use crate::member::ParticipantId;
use thiserror::Error;

/// What is wrong with a [`crate::Entry::ContributionsJudged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JudgementRejected {
    /// A second judgement of a round.
    #[error("round {round} is judged already")]
    JudgedAlready {
        /// The round.
        round: u64,
    },
    /// Answers not in ascending order of seats, a seat twice, or no such seat.
    #[error("answer of seat {seat}: no such seat, or not in ascending order")]
    AnswerSeat {
        /// From 1.
        seat: u16,
    },
    /// Erased seats not in ascending order, or one that did not answer.
    #[error("seat {seat} cannot be erased: it did not answer, or is not in ascending order")]
    ErasedSeat {
        /// From 1.
        seat: u16,
    },
    /// Too few answers are left to decode anything.
    #[error("{have} answers are not erased, {need} are needed to decode")]
    TooFewAnswers {
        /// Answers that count.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// The accepted and the rejected, each in ascending order, are not together the closed set.
    #[error("the verdicts are not about exactly the closed contributions, first at {participant}")]
    NotTheClosedSet {
        /// The first that is judged twice, not at all, out of order, or was not closed.
        participant: ParticipantId,
    },
    /// A norm no accepted contribution can have.
    #[error(
        "the norm of participant {participant} is 2^({exponent}/8) steps, longer than can be accepted"
    )]
    Norm {
        /// Whose contribution.
        participant: ParticipantId,
        /// What the entry says.
        exponent: u16,
    },
    /// A copy of something that is not accepted, or was not committed earlier.
    #[error(
        "participant {participant} cannot have copied {of}: not accepted, or not committed earlier"
    )]
    Copy {
        /// Whose contribution.
        participant: ParticipantId,
        /// Of whose it is said to be a copy.
        of: ParticipantId,
    },
}
