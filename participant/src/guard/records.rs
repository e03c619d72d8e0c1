//! The records with more than two fields.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::Hash;
use zeroize::Zeroize;

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
    /// The answer itself (it is public once given); emptied when the round is over.
    pub answer: Vec<u8>,
}
