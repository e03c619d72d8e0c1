//! A round in the books: in progress, and when it is over.

use crate::close::DirectionCommitment;
use crate::entry::VoidReason;
use crate::fixed::Fixed;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::judgement::Judgement;
use crate::member::{OwnerId, ParticipantId};
use crate::rating::{RaterRecord, RatingStep};
use crate::statistics::Statistics;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Where the federation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No genesis yet.
    Unfounded,
    /// No round in progress; the next one may be opened.
    Idle,
    /// A round accepts contributions.
    Open,
    /// A round is closed; its contributions are yet to be judged.
    Closed,
    /// A round is judged; its raters commit to ratings, or reveal them.
    Rating(RatingStep),
    /// A round is weighed; its sum may be opened, unless [`crate::State::void_due`] says why not.
    Weighed,
}

/// What was fixed when a round opened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
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
    /// The owners of which one participant each may rate the contributions, ascending.
    pub raters: Vec<OwnerId>,
}

/// A member on its seat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Contribution {
    /// The root over all that was sent.
    pub root: Hash,
    /// How many bytes were sent.
    pub bytes: u64,
    /// Which contribution of the round it is, from 0, in the order of the log.
    pub position: u32,
}

/// What was fixed when a round closed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Closing {
    /// [`crate::close::contributions_hash`] of the round.
    pub contributions: Hash,
    /// The challenge seed.
    pub challenge: Hash,
    /// The seats that cosigned, ascending, from 1.
    pub cosigners: Vec<u16>,
    /// How many owners a sum of the round needs.
    pub cohort: u32,
}

/// What follows from the judgement and the ratings of a round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Weighing {
    /// The weight of every closed contribution in the sum, in ascending order of participants; 0 if it is
    /// not part of it, rejected ones included.
    pub weights: Vec<(ParticipantId, u16)>,
    /// e_B, the exponent of the median norm in steps.
    pub median_exponent: u16,
    /// Why the sum must not be opened: the round must be void for that reason.
    pub void_due: Option<VoidReason>,
}

/// The round in progress.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CurrentRound {
    /// Fixed at open.
    pub opening: Fixed<Opening>,
    /// Committed so far.
    pub contributions: BTreeMap<ParticipantId, Contribution>,
    /// The owners of those.
    pub owners: BTreeMap<OwnerId, u32>,
    /// Rolling hash over the contributions in the order of the log.
    pub(crate) contributions_digest: Hash,
    /// The raters' directions, committed so far.
    pub directions: BTreeMap<ParticipantId, Fixed<DirectionCommitment>>,
    /// Fixed at close; `None` while open.
    pub closing: Option<Fixed<Closing>>,
    /// The members' verdicts; `None` before.
    pub judgement: Option<Fixed<Judgement>>,
    /// What raters committed to and revealed so far.
    pub ratings: BTreeMap<ParticipantId, Fixed<RaterRecord>>,
    /// The step of rating under way; `None` before the judgement and after the weighing.
    pub rating_step: Option<RatingStep>,
    /// The weights; `None` before.
    pub weighing: Option<Fixed<Weighing>>,
}

impl Opening {
    /// Who sits in this seat, from 1.
    pub fn seat(&self, seat: u16) -> Option<&SeatedMember> {
        self.seats.get(usize::from(seat).checked_sub(1)?)
    }
}

impl CurrentRound {
    /// How far it is.
    pub fn phase(&self) -> Phase {
        match (self.rating_step, &self.closing, &self.judgement) {
            (Some(step), _, _) => Phase::Rating(step),
            (None, None, _) => Phase::Open,
            (None, Some(_), None) => Phase::Closed,
            (None, Some(_), Some(_)) => Phase::Weighed,
        }
    }

    /// The member on seat number `seat`, from 1.
    pub fn seat(&self, seat: u16) -> Option<&SeatedMember> {
        self.opening.seat(seat)
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

    /// The sum of the weights; 0 before the weighing.
    pub fn total_weight(&self) -> u64 {
        let weights = self.weighing.iter().flat_map(|weighing| &weighing.weights);
        weights.fold(0, |sum, (_, weight)| sum.saturating_add(u64::from(*weight)))
    }
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
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
    /// It was the statistics round.
    Measured {
        /// What was opened; `None` if nothing could be.
        statistics: Option<Statistics>,
    },
}

impl Outcome {
    /// Why it is void, if it is.
    pub fn void(&self) -> Option<VoidReason> {
        match self {
            Self::Published { .. } | Self::Measured { .. } => None,
            Self::Voided { reason } => Some(*reason),
        }
    }
}

/// A round that is over.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundRecord {
    /// Its number.
    pub round: u64,
    /// The hash of the model that it started from.
    pub model: Hash,
    /// The float value of one of its quantisation steps is 2^unit_log2.
    pub unit_log2: i8,
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

/// What the sum of a published round is checked with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SumRecord {
    /// The round: its model before, its unit, its committee.
    pub opening: Opening,
    /// Its challenge.
    pub closing: Closing,
    /// The hash of the table of projected ciphertexts and the norms.
    pub judgement: Judgement,
    /// Every closed contribution's root, ascending.
    pub contributions: Vec<(ParticipantId, Hash)>,
    /// The weight of each, in the same order.
    pub weights: Vec<(ParticipantId, u16)>,
    /// The sum of the weights.
    pub total_weight: u64,
    /// The hash of the summed ciphertext.
    pub sum: Hash,
    /// The hash of the opened key sum.
    pub key_sum: Hash,
    /// The hash of the new model.
    pub model: Hash,
}
