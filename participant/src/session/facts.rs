//! What the session reads off its own replica of the ledger. Nothing here comes from the coordinator's word alone:
//! every value follows from entries that were replayed and whose signatures were verified.

use std::{collections::BTreeMap, sync::Arc};

use unsilo_ledger::{
    Domain, DomainHasher, Entry, GuardHead, Hash, OwnerId, ParticipantId, PublicKey, RatingStep,
    RejectionReason, ReplayedPublication, SignedCheckpoint, Statistics, VoidReason,
};

use super::job::Sitting;
#[cfg(doc)]
use crate::rater::RECENT_DIFFERENCES;

const CLAIM: Domain = Domain::new("claimed publication");

/// The ledger at one size, seen from one participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Entries replayed.
    pub entries: u64,
    /// The coordinator's checkpoint over them, which the replica was held against.
    pub checkpoint: Option<SignedCheckpoint>,
    /// The last head of this participant's guard records that the ledger holds.
    pub guard_head: Option<GuardHead>,
    /// This participant, once it is on the ledger.
    pub me: Option<(ParticipantId, OwnerId)>,
    /// How many participants there are.
    pub participants: usize,
    /// Set once the founding entry is on the ledger.
    pub founding: Option<FoundingFacts>,
    /// Hash of the newest model.
    pub model: Hash,
    /// Whether the round under way, or the next one, measures the data: `model` then stands for none.
    pub measuring: bool,
    /// The models that the newest one came from, the latest first: at most [`RECENT_DIFFERENCES`].
    pub earlier_models: Vec<Hash>,
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
    /// The newest publication that this replica replayed, and the checkpoint that it derived there.
    pub replayed: Option<ReplayedPublication>,
    /// Size and Merkle root on this replica of the newest publication that this identity cosigned; `None` if there is
    /// none, or the replica does not hold that part of the log.
    pub cosigned: Option<(u64, Hash)>,
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
    /// The set is final; members answer scalars and judge it.
    Closed,
    /// It is judged; raters commit and reveal their rows.
    Rating,
    /// The weights are known, and the sum may be opened unless the round is to be void.
    Weighed,
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
    /// Who may commit directions, if it is open.
    pub raters: Vec<ParticipantId>,
    /// Committed directions, ascending by participant.
    pub directions: Vec<RaterFacts>,
    /// The ledger's hash of both lists.
    pub contributions_hash: Hash,
    /// The challenge seed; `None` before the close.
    pub challenge: Option<Hash>,
    /// The members' judgement; `None` before it is signed.
    pub judged: Option<JudgedFacts>,
    /// The entry that ends the step of rating under way over exactly the rows on the ledger; `None` if none is.
    pub rating_end: Option<Entry>,
    /// Weights of all contributions, ascending by participant; empty before they are known.
    pub weights: Vec<(ParticipantId, u16)>,
    /// Why the ledger's rules want the round to be void, once that follows from the judgement.
    pub void_due: Option<VoidReason>,
    /// Whether so many rounds in a row were void that its committee's word does not end it: it lasts until it is complete,
    /// or more than half of the owners end it.
    pub owners_void: bool,
    /// Fewest owners that a sum may be of: max(minimum cohort, half of the active owners).
    pub cohort: usize,
}

/// The directions of one rater.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaterFacts {
    /// Whose.
    pub participant: ParticipantId,
    /// Its owner.
    pub owner: OwnerId,
    /// The key that answers are sealed to.
    pub round_key: Vec<u8>,
    /// Hash of each direction.
    pub directions: Vec<Hash>,
    /// Whether its row is committed, and revealed.
    pub row: RowState,
}

/// How far a rater's row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowState {
    /// Nothing yet.
    Missing,
    /// Its hash is on the ledger.
    Committed,
    /// The row is.
    Revealed,
}

/// What at least `t` members found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedFacts {
    /// Seats whose answers it was made from, ascending, each with the root of its sheet.
    pub answers: Vec<(u16, Hash)>,
    /// Hash of the table of projections that it was made from.
    pub projections: Hash,
    /// Contributions that may be summed, ascending, each with the exponent of its norm.
    pub accepted: Vec<(ParticipantId, u16)>,
    /// Contributions that may not, ascending, and why.
    pub rejected: Vec<(ParticipantId, RejectionReason)>,
    /// Seats whose answers were set aside, ascending.
    pub erased: Vec<u16>,
}

/// A filled seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatFacts {
    /// Who sits.
    pub participant: ParticipantId,
    /// For whom.
    pub owner: OwnerId,
    /// Its ledger identity.
    pub key: PublicKey,
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
    /// Its ledger identity.
    pub key: PublicKey,
    /// The root the participant signed.
    pub root: Hash,
    /// Which contribution of the round it is, from 0, in the order of the log.
    pub position: u32,
}

/// A published model and what it was computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Of the statistics round: what it is claimed to have opened. `model` then stands for none.
    pub statistics: Option<Statistics>,
    /// This participant, if it contributed to the round.
    pub own: Option<ParticipantId>,
    /// What the sum is verified with.
    pub proof: Arc<SumFacts>,
}

impl PublishedFacts {
    /// What is claimed, all of it: which sum, which key and which model, from which model on. What was recomputed for one
    /// claim says nothing about another, even of the same model.
    #[must_use]
    pub fn claim(&self) -> Hash {
        DomainHasher::new(CLAIM)
            .with(&self.round.to_le_bytes())
            .with(&self.base)
            .with(&self.unit_log2.to_le_bytes())
            .with(&self.sum)
            .with(&self.key_sum)
            .with(&self.model)
            .with(&self.total_weight.to_le_bytes())
            .finish()
    }
}

/// What a weighted sum is verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SumFacts {
    /// The challenge seed, from which the projections come.
    pub challenge: Hash,
    /// Hash of the table of projections that was judged.
    pub projections: Hash,
    /// Members that had to act.
    pub threshold: usize,
    /// Round keys in seat order: a root covers as many shares.
    pub seats: usize,
    /// Every closed contribution: participant, root, weight; ascending.
    pub contributions: Vec<(ParticipantId, Hash, u16)>,
}

impl RoundFacts {
    /// The step of rating that is under way.
    #[must_use]
    pub fn rating_step(&self) -> Option<RatingStep> {
        match self.rating_end {
            Some(Entry::RatingStepEnded { step, .. }) => Some(step),
            _ => None,
        }
    }

    /// How far `participant`'s row is, if it committed to directions.
    #[must_use]
    pub fn row_of(&self, participant: ParticipantId) -> Option<RowState> {
        let mut raters = self.directions.iter();
        raters
            .find(|rater| rater.participant == participant)
            .map(|rater| rater.row)
    }

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

    /// The owner of a contributor or member of the round.
    #[must_use]
    pub fn owner_of(&self, participant: ParticipantId) -> Option<OwnerId> {
        let seat = self
            .seats
            .iter()
            .find(|seat| seat.participant == participant);
        let made = self.contribution_of(participant).map(|made| made.owner);
        made.or_else(|| seat.map(|seat| seat.owner))
    }

    /// The root that `participant` committed to.
    #[must_use]
    pub fn root_of(&self, participant: ParticipantId) -> Option<Hash> {
        self.contribution_of(participant).map(|made| made.root)
    }

    /// The identity of the member on `seat`, from 1.
    #[must_use]
    pub fn key_of(&self, seat: u16) -> Option<PublicKey> {
        let at = usize::from(seat).checked_sub(1)?;
        self.seats.get(at).map(|seat| seat.key)
    }

    /// What the member on `seat` works with.
    #[must_use]
    pub fn sitting(&self, seat: u16) -> Sitting {
        Sitting {
            round: self.round,
            model: self.model,
            seat,
            round_keys: self.round_keys(),
            threshold: self.threshold,
        }
    }

    /// Round keys in seat order.
    #[must_use]
    pub fn round_keys(&self) -> Vec<Vec<u8>> {
        self.seats
            .iter()
            .map(|seat| seat.round_key.clone())
            .collect()
    }

    /// What its sum is verified with, once it is weighed.
    #[must_use]
    pub fn sum_facts(&self) -> Option<SumFacts> {
        let weights: BTreeMap<_, _> = self.weights.iter().copied().collect();
        Some(SumFacts {
            challenge: self.challenge?,
            projections: self.judged.as_ref()?.projections,
            threshold: self.threshold,
            seats: self.seats.len(),
            contributions: self
                .contributions
                .iter()
                .map(|made| {
                    let weight = weights.get(&made.participant).copied();
                    (made.participant, made.root, weight.unwrap_or(0))
                })
                .collect(),
        })
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
