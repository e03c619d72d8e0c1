//! The head of a participant's chain of guard records: how far its memory of what it signed reaches.

use crate::hash::Hash;
use borsh::{BorshDeserialize, BorshSerialize};

/// How many guard records a participant has written, and the hash over their chain.
///
/// A guard record is what a participant writes durably before it signs something it may sign only once.
/// It puts the head into every seat it takes and every close it cosigns, so the ledger knows how much a
/// member remembers: one whose guard store is older (a restored backup) cannot take part, for it may
/// have forgotten an answer it gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GuardHead {
    /// How many records the chain has.
    pub records: u64,
    /// The hash over the chain; zeros for an empty one. How it is computed is the participant's affair.
    pub digest: Hash,
}

impl GuardHead {
    /// Whether a store at this head can be the continuation of one at `earlier`: the same, or longer.
    pub fn continues(&self, earlier: &Self) -> bool {
        self.records > earlier.records || self == earlier
    }
}
