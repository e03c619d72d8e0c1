//! What the session reads off its own replica of the ledger. Nothing here comes from the coordinator's word alone:
//! every value follows from entries that were replayed and whose signatures were verified.

use std::collections::BTreeMap;

use unsilo_ledger::{Hash, OwnerId, ParticipantId, VoidReason};

/// The ledger at one size, seen from one participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Entries replayed.
    pub entries: u64,
    /// This participant, once it is on the ledger.
    pub me: Option<(ParticipantId, OwnerId)>,
    /// How many participants there are.
    pub participants: usize,
    /// Set once the founding entry is on the ledger.
    pub founding: Option<FoundingFacts>,
    /// Hash of the newest model.
    pub model: Hash,
    /// Number of the round under way, or of the one to be opened next. All before it are over.
    pub next_round: u64,
    /// Most seats of the next committee.
    pub size: usize,
    /// Owners asked for the next committee, in order; empty while a round is under way.
    pub draw: Vec<OwnerId>,
    /// The round under way.
    pub round: Option<RoundFacts>,
    /// The newest model that came from a round.
    pub published: Option<PublishedFacts>,
    /// Every round that ended without a model, with the reason.
    pub void: BTreeMap<u64, VoidReason>,
}

/// What the founding entry fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundingFacts {
    /// The founders' seed, from which the first weights come.
    pub seed: Hash,
    /// Everybody on the list, in its order.
    pub founders: Vec<crate::founders::Founder>,
}

/// How far the round under way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It accepts contributions.
    Open,
    /// The set is final and weighed.
    Closed,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundFacts {
    /// Its number.
    pub round: u64,
    /// How far it is.
    pub phase: Phase,
    /// Hash of the model it starts from.
    pub model: Hash,
    /// One quantisation step is 2^unit_log2.
    pub unit_log2: i8,
    /// Seats in order: the first is seat 1.
    pub seats: Vec<SeatFacts>,
    /// Members that must act, `t`.
    pub threshold: usize,
    /// When contributions end, milliseconds since 1970.
    pub contribute_by_ms: u64,
    /// When members stop cosigning the close.
    pub close_by_ms: u64,
    /// When the sum should have been opened.
    pub open_by_ms: u64,
    /// Committed contributions, ascending by participant.
    pub contributions: Vec<ContributionFacts>,
    /// The ledger's hash of that list.
    pub contributions_hash: Hash,
    /// Weights of all of them, ascending by participant; empty before the close.
    pub weights: Vec<(ParticipantId, u16)>,
    /// Fewest owners that a sum may be of: max(minimum cohort, half of the active owners).
    pub cohort: usize,
}

/// A filled seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatFacts {
    /// Who sits.
    pub participant: ParticipantId,
    /// For whom.
    pub owner: OwnerId,
    /// The key that shares are sealed to.
    pub round_key: Vec<u8>,
}

/// A committed contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContributionFacts {
    /// Whose.
    pub participant: ParticipantId,
    /// Its owner.
    pub owner: OwnerId,
    /// The root the participant signed.
    pub root: Hash,
}

/// A published model and what it was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFacts {
    /// The round.
    pub round: u64,
    /// Hash of the model the round started from.
    pub base: Hash,
    /// One quantisation step is 2^unit_log2.
    pub unit_log2: i8,
    /// Hash of the sum.
    pub sum: Hash,
    /// Hash of its opened key.
    pub key_sum: Hash,
    /// Hash of the model.
    pub model: Hash,
    /// Sum of the weights.
    pub total_weight: u64,
}

impl RoundFacts {
    /// The seat number of `participant`, from 1.
    #[must_use]
    pub fn seat_of(&self, participant: ParticipantId) -> Option<u16> {
        let at = self
            .seats
            .iter()
            .position(|seat| seat.participant == participant)?;
        u16::try_from(at + 1).ok()
    }

    /// What `participant` contributed.
    #[must_use]
    pub fn contribution_of(&self, participant: ParticipantId) -> Option<&ContributionFacts> {
        let made = &self.contributions;
        let at = made
            .binary_search_by_key(&participant, |made| made.participant)
            .ok()?;
        made.get(at)
    }

    /// The root that `participant` committed to.
    #[must_use]
    pub fn root_of(&self, participant: ParticipantId) -> Option<Hash> {
        self.contribution_of(participant).map(|made| made.root)
    }

    /// The weights as they are hashed and as they weigh shares.
    #[must_use]
    pub fn plain_weights(&self) -> Vec<(u32, u16)> {
        self.weights
            .iter()
            .map(|(id, weight)| (id.0, *weight))
            .collect()
    }
}
