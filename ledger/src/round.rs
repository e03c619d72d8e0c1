//! A round in the books: in progress, and when it is over.

use crate::entry::VoidReason;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::member::{OwnerId, ParticipantId};
use borsh::BorshSerialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the federation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No genesis yet.
    Unfounded,
    /// No round in progress; the next one may be opened.
    Idle,
    /// A round accepts contributions.
    Open,
    /// A round is closed and its sum not published.
    Closed,
}

/// What was fixed when a round opened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Opening {
    /// The round's number, from 1.
    pub round: u64,
    /// The hash of the model that it starts from.
    pub model: Hash,
    /// The float value of one quantisation step is 2^unit_log2.
    pub unit_log2: i8,
    /// The filled seats in order: seat number `s` is at position `s - 1`.
    pub seats: Vec<SeatedMember>,
    /// How many members must act, `t` of the drawn size. The threshold of the key shares too.
    pub threshold: u16,
    /// When contributions end, in milliseconds since 1970.
    pub contribute_by_ms: u64,
    /// When members stop cosigning the close.
    pub close_by_ms: u64,
    /// When the sum should have been opened.
    pub open_by_ms: u64,
}

/// A member on its seat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct SeatedMember {
    /// Who.
    pub participant: ParticipantId,
    /// Its ledger identity.
    pub key: PublicKey,
    /// The key that shares are sealed to in this round.
    pub round_key: Vec<u8>,
    /// See [`crate::commit_nonce`].
    pub nonce_commitment: Hash,
}

/// A committed contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Contribution {
    /// The root over all that was sent.
    pub root: Hash,
    /// How many bytes were sent.
    pub bytes: u64,
}

/// What was fixed when a round closed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Closing {
    /// [`crate::close::contributions_hash`] of the round.
    pub contributions: Hash,
    /// The challenge seed.
    pub challenge: Hash,
    /// The seats that cosigned, ascending, from 1.
    pub cosigners: Vec<u16>,
    /// The weights of the sum, in ascending order of participants.
    pub weights: Vec<(ParticipantId, u16)>,
}

/// The round in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentRound {
    /// Fixed at open.
    pub opening: Arc<Opening>,
    /// Committed so far.
    pub contributions: BTreeMap<ParticipantId, Contribution>,
    /// The owners of those.
    pub owners: BTreeMap<OwnerId, u32>,
    /// Fixed at close; `None` while open.
    pub closing: Option<Arc<Closing>>,
}

impl CurrentRound {
    /// The member on seat number `seat`, from 1.
    pub fn seat(&self, seat: u16) -> Option<&SeatedMember> {
        self.opening.seats.get(usize::from(seat).checked_sub(1)?)
    }

    /// The seat number of `participant`, from 1.
    pub fn seat_of(&self, participant: ParticipantId) -> Option<u16> {
        let at = self
            .opening
            .seats
            .iter()
            .position(|seat| seat.participant == participant)?;
        u16::try_from(at.checked_add(1)?).ok()
    }

    /// The sum of the weights; 0 before the close.
    pub fn total_weight(&self) -> u64 {
        let weights = self.closing.iter().flat_map(|closing| &closing.weights);
        weights.fold(0, |sum, (_, weight)| sum.saturating_add(u64::from(*weight)))
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
#[borsh(use_discriminant = false)]
pub enum Outcome {
    /// With a new model.
    Published {
        /// The hash of the new model.
        model: Hash,
        /// The hash of the summed ciphertext.
        sum: Hash,
        /// The hash of the opened key sum.
        key_sum: Hash,
        /// The sum of the weights.
        total_weight: u64,
    },
    /// Without one.
    Voided {
        /// Why.
        reason: VoidReason,
    },
}

/// A round that is over.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct RoundRecord {
    /// Its number.
    pub round: u64,
    /// The hash of the model that it started from.
    pub model: Hash,
    /// Who sat, in order of seats; empty if the round was skipped before it opened.
    pub seats: Vec<ParticipantId>,
    /// How many contributed.
    pub contributions: u32,
    /// How many owners contributed.
    pub owners: u32,
    /// The challenge seed, if it closed.
    pub challenge: Option<Hash>,
    /// How it ended.
    pub outcome: Outcome,
}
