//! Feedback: that somebody said something, of which the ledger keeps the hash.

use crate::hash::{Domain, DomainHasher, Hash};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

const FEEDBACK: Domain = Domain::new("feedback");

/// What the ledger keeps of a piece of feedback. The salt keeps short texts from being guessed.
pub fn feedback_hash(text: &str, salt: &[u8; 32]) -> Hash {
    DomainHasher::new(FEEDBACK)
        .with(salt)
        .with(text.as_bytes())
        .finish()
}

impl fmt::Display for FeedbackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Problem => "problem",
            Self::Idea => "idea",
            Self::Praise => "praise",
        })
    }
}

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
