//! The books themselves: all that the state holds once the federation exists.

use super::conduct::Conduct;
use super::economy::Economy;
use super::members::Members;
use super::shelf::Shelf;
use crate::account::Account;
use crate::close::contributions_hash;
use crate::committee::{candidates_for, half_of, minimum_cohort, size_for, threshold_for};
use crate::committee_draw::CommitteeDraw;
use crate::draft::{Draft, FederationId};
use crate::draw::draw;
use crate::fixed::Fixed;
use crate::guard_head::GuardHead;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::judgement::Judgement;
use crate::mechanism::power::capped_power;
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Opening, RoundRecord, SumRecord};
use borsh::{BorshDeserialize, BorshSerialize};
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
    /// The last round that each owner contributed to, by owner; 0 for none.
    pub(super) last_contributed: Shelf<u64>,
    /// By participant.
    pub(super) conduct: Shelf<Conduct>,
    /// Accounts, the pool, ratings and cases.
    pub(super) economy: Economy,
    /// The committee of the last round that ended, if it had one.
    pub(super) last_committee: Option<Fixed<Opening>>,
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

    /// Committee and judgement of the round in progress, or of the one published last.
    pub(super) fn judged(&self, round: u64) -> Option<(&Opening, &Judgement)> {
        let current = self.current.as_ref();
        let under_way =
            current.and_then(|current| Some((&*current.opening, &**current.judgement.as_ref()?)));
        let last = self
            .last_sum
            .as_ref()
            .map(|sum| (&sum.opening, &sum.judgement));
        let mut judged = under_way.into_iter().chain(last);
        judged.find(|(opening, _)| opening.round == round)
    }

    pub(super) fn draw(&self) -> CommitteeDraw {
        let candidates = self.powers_to_draw_by();
        // Who has no power is never drawn, so no seat waits for it.
        let size = size_for(candidates.iter().filter(|(_, power)| *power > 0).count());
        let owners = draw(&self.seed, &candidates, candidates_for(size));
        CommitteeDraw {
            round: self.next_round,
            size,
            threshold: threshold_for(size),
            owners,
        }
    }

    /// What an owner's power comes from.
    pub(super) fn stake(&self, owner: OwnerId) -> u64 {
        self.economy.account(owner).map_or(0, Account::stake)
    }

    /// The owners that are present and what their power comes from, in order of owners.
    pub(super) fn stakes(&self) -> Vec<(OwnerId, u64)> {
        let owners = self.members.present_owners();
        owners
            .map(|owner| (owner.id, self.stake(owner.id)))
            .collect()
    }

    /// The capped power of the owners that are present now.
    pub(super) fn powers(&self) -> Result<Vec<(OwnerId, u64)>, Rejected> {
        capped(&self.stakes())
    }

    /// The capped power by which the next committee and the next raters are drawn.
    pub(super) fn powers_to_draw_by(&self) -> Vec<(OwnerId, u64)> {
        // Only more owners than there can be would have no powers.
        capped(&self.economy.drawn_by).unwrap_or_default()
    }

    /// A round opens: the draw by the seed that its close will give is by the stakes of now.
    pub(super) fn fix_stakes_of_next_seed(&mut self) {
        self.economy.opened_with = Some(Fixed::new(self.stakes()));
    }

    /// The next draw is by a new challenge, and by the stakes of before anybody knew any of it.
    pub(super) fn draw_by_challenge(&mut self, challenge: Hash) {
        self.seed = challenge;
        if let Some(opened_with) = self.economy.opened_with.take() {
            self.economy.drawn_by = opened_with;
        }
    }

    /// The first round that somebody who joins now could contribute to.
    pub(super) fn first_round(&self) -> u64 {
        match &self.current {
            Some(current) if current.closing.is_none() => current.opening.round,
            _ => self.next_round,
        }
    }

    /// The committee of the round in progress, or else of the last one.
    pub(super) fn committee(&self) -> Option<&Opening> {
        match &self.current {
            Some(current) => Some(&current.opening),
            None => self.last_committee.as_deref(),
        }
    }

    /// How many rounds ended on somebody's word since a model was published.
    pub(super) fn voids_in_a_row(&self) -> usize {
        let since = self
            .history
            .iter()
            .rev()
            .map_while(|ended| ended.outcome.void());
        since.filter(|reason| !reason.is_derived()).count()
    }

    /// Whether all rounds of the training plan have been published.
    pub(super) fn training_ended(&self) -> bool {
        let rounds = self.draft.training.rounds;
        rounds != 0 && self.published >= rounds
    }

    pub(super) fn conduct(&self, participant: ParticipantId) -> Option<&Conduct> {
        self.conduct.get(usize::try_from(participant.0).ok()?)
    }

    pub(super) fn change_conduct(
        &mut self,
        participant: ParticipantId,
        change: impl FnOnce(&mut Conduct),
    ) {
        if let Ok(index) = usize::try_from(participant.0) {
            self.conduct.change(index, change);
        }
    }

    /// Remembers how far guard records reach.
    pub(super) fn keep_guards(&mut self, guards: Vec<(ParticipantId, GuardHead)>) {
        for (participant, guard) in guards {
            self.change_conduct(participant, |conduct| conduct.guard = Some(guard));
        }
    }

    /// Whether a participant's guard records continue those it had when it last acted.
    pub(super) fn check_guard(
        &self,
        participant: ParticipantId,
        found: &GuardHead,
    ) -> Result<(), Rejected> {
        match self.conduct(participant).and_then(|conduct| conduct.guard) {
            Some(last) if !found.continues(&last) => Err(Rejected::GuardBehind {
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
            Ok(0) | Err(_) => minimum_cohort(self.members.count_present_owners()),
            Ok(fixed) => fixed,
        }
    }

    /// How many owners a sum needs: of the round in progress, as of its close, so that nobody can join or
    /// leave a closed round into being void; else as of now.
    pub(super) fn required_cohort(&self) -> usize {
        let closing = self
            .current
            .as_ref()
            .and_then(|round| round.closing.as_ref());
        if let Some(closing) = closing {
            return usize::try_from(closing.cohort).unwrap_or(usize::MAX);
        }
        let round = self
            .current
            .as_ref()
            .map_or(self.next_round, |current| current.opening.round);
        let active = self
            .members
            .present_owners()
            .filter(|owner| self.is_active(owner.id, owner.admitted_round, round));
        self.minimum_cohort().max(half_of(active.count()))
    }

    /// Whether an owner contributed in one of the last three rounds before `round` (void or not, so
    /// that a federation that shrank can go on), or has not been there for so long.
    fn is_active(&self, owner: OwnerId, admitted_round: u64, round: u64) -> bool {
        let last = usize::try_from(owner.0)
            .ok()
            .and_then(|index| self.last_contributed.get(index).copied())
            .unwrap_or(0);
        let seen = last > 0 && last.saturating_add(ACTIVE_ROUNDS) >= round;
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
            self.last_contributed.digest(),
            self.conduct.digest(),
            self.economy.digest(),
            self.last_committee.as_ref().map(Fixed::digest),
            &self.history_digest,
        )
            .serialize(&mut bytes);
        DomainHasher::new(STATE).with(&bytes).finish()
    }
}

fn capped(stakes: &[(OwnerId, u64)]) -> Result<Vec<(OwnerId, u64)>, Rejected> {
    let amounts: Vec<u64> = stakes.iter().map(|(_, stake)| *stake).collect();
    let powers = capped_power(&amounts).map_err(|_| Rejected::Overflow)?;
    Ok(stakes.iter().map(|(owner, _)| *owner).zip(powers).collect())
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
