//! Why stake, fees and feedback are refused.

use crate::member::{OwnerId, ParticipantId};
use thiserror::Error;

/// What is wrong with a deposit or a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StakeRejected {
    /// An amount of 0.
    #[error("nothing is moved: give an amount above 0")]
    Nothing,
    /// More than the balance.
    #[error("the balance is {have}, {need} cannot be staked")]
    Balance {
        /// The balance.
        have: u64,
        /// The amount.
        need: u64,
    },
    /// More than was staked. The grant is not part of it.
    #[error("{have} of the owner's own money is staked, {need} cannot be withdrawn")]
    Stake {
        /// Staked and warming.
        have: u64,
        /// The amount.
        need: u64,
    },
    /// An entry written before another of the same owner, or entered a second time.
    #[error("the owner has moved its stake {expected} times, the entry was written after {found}")]
    OutOfOrder {
        /// By the ledger.
        expected: u64,
        /// In the entry.
        found: u64,
    },
    /// After the training plan's end, stake that a violation is held against.
    #[error("a violation is held against owner {owner}: its stake stays until the case is closed")]
    Accused {
        /// The owner.
        owner: OwnerId,
    },
}

/// What is wrong with a batch of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FeesRejected {
    /// A batch of no queries.
    #[error("a batch of no queries")]
    NoQueries,
    /// A batch that was entered already, or one before it that was not.
    #[error("{expected} queries were entered so far, the batch says {found}")]
    OutOfOrder {
        /// On the books.
        expected: u64,
        /// In the entry.
        found: u64,
    },
    /// More fees than the draft allows between two rounds.
    #[error("fees of {fees} were entered, {left} are left until the round ends")]
    TooHigh {
        /// In the entry.
        fees: u64,
        /// What may still be entered.
        left: u64,
    },
}

/// What is wrong with feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FeedbackRejected {
    /// An entry written before another of the same author, or entered a second time.
    #[error("the author has filed {expected} times, the entry was written after {found}")]
    OutOfOrder {
        /// By the ledger.
        expected: u64,
        /// In the entry.
        found: u64,
    },
    /// More than an author may file in an epoch.
    #[error("participant {participant} has filed as much as it may in this epoch")]
    TooMuch {
        /// The author.
        participant: ParticipantId,
    },
}
