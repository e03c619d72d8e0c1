//! The books themselves: all that the state holds once the federation exists.

use super::members::Members;
use crate::close::contributions_hash;
use crate::committee::{candidates_for, half_of, minimum_cohort, size_for, threshold_for};
use crate::committee_draw::CommitteeDraw;
use crate::draft::{Draft, FederationId};
use crate::draw::draw;
use crate::fixed::Fixed;
use crate::guard_head::GuardHead;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::mechanism::power::capped_power;
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::Rejected;
use crate::round::{CurrentRound, RoundRecord, SumRecord};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const STATE: Domain = Domain::new("state root");
const ROUND: Domain = Domain::new("round in progress");
const HISTORY: Domain = Domain::new("round history");

/// In how many past rounds an owner must have been seen to count as active.
const ACTIVE_ROUNDS: u64 = 3;

/// Large parts are behind `Arc`s: a batch of entries is tried on a clone before it is stored.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Books {
    pub(super) federation: FederationId,
    pub(super) draft: Arc<Draft>,
    pub(super) genesis: Hash,
    pub(super) founders_seed: Hash,
    pub(super) members: Arc<Members>,
    /// The last challenge seed, or what stands for it: the founders' seed, or H(last, voided round).
    pub(super) seed: Hash,
    /// The current model.
    pub(super) model: Hash,
    pub(super) next_round: u64,
    pub(super) current: Option<CurrentRound>,
    /// The last round that each owner contributed to; those that never did are absent.
    pub(super) last_contributed: BTreeMap<OwnerId, u64>,
    /// How far each participant's guard records reached when it last sat or cosigned.
    pub(super) guard_heads: BTreeMap<ParticipantId, GuardHead>,
    /// The next round's unit.
    pub(super) unit_log2: i8,
    /// What the sum of the newest published round is checked with.
    pub(super) last_sum: Option<Fixed<SumRecord>>,
    pub(super) history: Arc<Vec<RoundRecord>>,
    /// Rolling hash of `history`, so that the root does not cost more every round.
    pub(super) history_digest: Hash,
    /// How many rounds were published.
    pub(super) published: u64,
}

impl Books {
    /// The round in progress, if the entry is about it.
    pub(super) fn current(&self, round: u64) -> Result<&CurrentRound, Rejected> {
        let current = self.current.as_ref().ok_or(Rejected::NoOpenRound)?;
        let expected = current.opening.round;
        if round != expected {
            return Err(Rejected::WrongRound {
                expected,
                found: round,
            });
        }
        Ok(current)
    }

    pub(super) fn draw(&self) -> CommitteeDraw {
        // Only more owners than there can be would have no powers.
        let candidates = self.powers().unwrap_or_default();
        let size = size_for(candidates.len());
        let owners = draw(&self.seed, &candidates, candidates_for(size));
        CommitteeDraw {
            round: self.next_round,
            size,
            threshold: threshold_for(size),
            owners,
        }
    }

    /// Every owner's capped power, in order of owners.
    pub(super) fn powers(&self) -> Result<Vec<(OwnerId, u64)>, Rejected> {
        let stakes: Vec<u64> = self.members.owners().map(|owner| owner.stake).collect();
        let powers = capped_power(&stakes).map_err(|_| Rejected::Overflow)?;
        Ok(self
            .members
            .owners()
            .map(|owner| owner.id)
            .zip(powers)
            .collect())
    }

    /// Whether a participant's guard records continue those it had when it last acted.
    pub(super) fn check_guard(
        &self,
        participant: ParticipantId,
        found: &GuardHead,
    ) -> Result<(), Rejected> {
        match self.guard_heads.get(&participant) {
            Some(last) if !found.continues(last) => Err(Rejected::GuardBehind {
                participant,
                last: last.records,
                found: found.records,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn contributions_hash(&self, round: &CurrentRound) -> Hash {
        let roots = round
            .contributions
            .iter()
            .map(|(participant, contribution)| (*participant, contribution.root));
        let directions = round
            .directions
            .iter()
            .map(|(rater, fixed)| (*rater, &**fixed));
        contributions_hash(&self.federation, round.opening.round, roots, directions)
    }

    pub(super) fn minimum_cohort(&self) -> usize {
        match usize::try_from(self.draft.min_cohort) {
            Ok(0) | Err(_) => minimum_cohort(self.members.owners().len()),
            Ok(fixed) => fixed,
        }
    }

    pub(super) fn required_cohort(&self) -> usize {
        let round = self
            .current
            .as_ref()
            .map_or(self.next_round, |current| current.opening.round);
        let active = self
            .members
            .owners()
            .filter(|owner| self.is_active(owner.id, owner.admitted_round, round));
        self.minimum_cohort().max(half_of(active.count()))
    }

    /// Whether an owner contributed in one of the last three rounds before `round` (void or not, so
    /// that a federation that shrank can go on), or has not been there for so long.
    fn is_active(&self, owner: OwnerId, admitted_round: u64, round: u64) -> bool {
        let seen = self
            .last_contributed
            .get(&owner)
            .is_some_and(|last| last.saturating_add(ACTIVE_ROUNDS) >= round);
        let is_new =
            admitted_round <= round && admitted_round.saturating_add(ACTIVE_ROUNDS) > round;
        seen || is_new
    }

    pub(super) fn push_history(&mut self, record: RoundRecord) {
        self.history_digest = next_history(&self.history_digest, &record);
        Arc::make_mut(&mut self.history).push(record);
    }

    /// [`Books::history_digest`] of these rounds.
    pub(super) fn digest_of_history(history: &[RoundRecord]) -> Hash {
        history
            .iter()
            .fold([0; 32], |last, record| next_history(&last, record))
    }

    pub(super) fn root(&self) -> Hash {
        let current = self.current.as_ref().map(root_of_round);
        let identity = (
            &self.federation,
            &self.genesis,
            &self.founders_seed,
            self.members.digest(),
        );
        let training = (
            &self.seed,
            &self.model,
            self.next_round,
            self.published,
            self.unit_log2,
            self.last_sum.as_ref().map(Fixed::digest),
        );
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = (
            identity,
            training,
            current,
            &self.last_contributed,
            &self.guard_heads,
            &self.history_digest,
        )
            .serialize(&mut bytes);
        DomainHasher::new(STATE).with(&bytes).finish()
    }
}

fn next_history(last: &Hash, record: &RoundRecord) -> Hash {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = record.serialize(&mut bytes);
    DomainHasher::new(HISTORY).with(last).with(&bytes).finish()
}

/// The hash of a round in progress: of what is fixed by its digest, so that it costs little per entry.
fn root_of_round(round: &CurrentRound) -> Hash {
    let mut bytes = Vec::new();
    let directions: Vec<_> = round
        .directions
        .iter()
        .map(|(rater, fixed)| (rater, fixed.digest()))
        .collect();
    let ratings: Vec<_> = round
        .ratings
        .iter()
        .map(|(rater, fixed)| (rater, fixed.digest()))
        .collect();
    let fixed = (
        round.opening.digest(),
        round.closing.as_ref().map(Fixed::digest),
        round.judgement.as_ref().map(Fixed::digest),
        round.weighing.as_ref().map(Fixed::digest),
    );
    // The owners follow from the contributions, but for changes of owners since.
    let contributions = (&round.contributions_digest, &round.owners);
    // Writing to a Vec cannot fail.
    let _ = (fixed, contributions, directions, round.rating_step, ratings).serialize(&mut bytes);
    DomainHasher::new(ROUND).with(&bytes).finish()
}
