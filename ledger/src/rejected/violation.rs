//! Why reports of violations and appeals are refused.

use crate::member::{OwnerId, ParticipantId};
use thiserror::Error;

/// What is wrong with a report or an appeal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ViolationRejected {
    /// The statements do not exclude each other, are of different rounds or of another federation.
    #[error("what is shown is no violation: both may be signed, or one signature is missing")]
    NoContradiction,
    /// A statement that the accused did not sign.
    #[error("participant {participant} did not sign both statements")]
    Signature {
        /// The accused.
        participant: ParticipantId,
    },
    /// The same offence, reported before: whether that was executed, cancelled or is open.
    #[error("this is on the books already, as case {case}")]
    ReportedAlready {
        /// The case.
        case: u64,
    },
    /// No round has had a committee yet.
    #[error("there is no committee yet that could attest it")]
    NoCommittee,
    /// An appeal against nothing.
    #[error("there is no case {case}")]
    UnknownCase {
        /// The number.
        case: u64,
    },
    /// A committee cannot cancel what is proven.
    #[error(
        "the evidence of case {case} proves it by itself: only more than half of the other owners can cancel it"
    )]
    Proven {
        /// The number.
        case: u64,
    },
    /// Nothing in the round speaks for it: who is accused gave no answer, or dealt no share that was judged bad.
    #[error(
        "participant {participant} did nothing in round {round} that the committee could attest this of"
    )]
    Unfounded {
        /// The accused.
        participant: ParticipantId,
        /// The round.
        round: u64,
    },
    /// Open cases take all that its owner has already.
    #[error("open cases take all of the stake of owner {owner} already")]
    NothingLeft {
        /// The owner.
        owner: OwnerId,
    },
    /// An appeal too late, or a second one.
    #[error("case {case} is closed")]
    CaseClosed {
        /// The number.
        case: u64,
    },
    /// The accused's owner signed its own appeal.
    #[error("owner {owner} has no say in its own case")]
    OwnCase {
        /// The owner.
        owner: OwnerId,
    },
}
