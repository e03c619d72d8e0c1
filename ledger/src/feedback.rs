//! Feedback: that somebody said something, of which the ledger keeps the hash.

use borsh::{BorshDeserialize, BorshSerialize};

/// Pieces of feedback that a participant may file in an epoch.
pub const MAX_FEEDBACK_PER_EPOCH: u16 = 100;

/// What a piece of feedback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum FeedbackKind {
    /// Something does not work, or works against somebody.
    Problem,
    /// Something could be better.
    Idea,
    /// Something is good.
    Praise,
}
