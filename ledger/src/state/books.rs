//! The books themselves: all that the state holds once the federation exists.

use super::members::Members;
use super::{Transition, Trust, admission, closing, contribution, opening, publication, voiding};
use crate::close::contributions_hash;
use crate::committee::{candidates_for, half_of, minimum_cohort, size_for, threshold_for};
use crate::committee_draw::CommitteeDraw;
use crate::draft::{Draft, FederationId};
use crate::draw::draw;
use crate::entry::{Entry, signed::SignedEntry};
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::member::OwnerId;
use crate::rejected::Rejected;
use crate::round::{CurrentRound, RoundRecord};
use borsh::BorshSerialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const STATE: Domain = Domain::new("state root");
const HISTORY: Domain = Domain::new("round history");

/// In how many past rounds an owner must have been seen to count as active.
const ACTIVE_ROUNDS: u64 = 3;

/// Large parts are behind `Arc`s: a batch of entries is tried on a clone before it is stored.
#[derive(Clone, Debug)]
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
    pub(super) history: Vec<Arc<RoundRecord>>,
    /// Rolling hash of `history`, so that the root does not cost more every round.
    pub(super) history_digest: Hash,
    /// How many rounds were published.
    pub(super) published: u64,
}

impl Books {
    pub(super) fn transition(
        &self,
        signed: &SignedEntry,
        trust: Trust,
    ) -> Result<Transition, Rejected> {
        match &signed.entry {
            Entry::FederationCreated { .. } => Err(Rejected::AlreadyFounded),
            Entry::ParticipantAdmitted { name, key, owner } => {
                admission::check(self, name, key, *owner, signed).map(Transition::Admit)
            }
            Entry::RoundOpened {
                round,
                model,
                unit_log2,
                seats,
                contribute_by_ms,
                close_by_ms,
                open_by_ms,
            } => {
                let proposal = opening::Proposal {
                    round: *round,
                    model: *model,
                    unit_log2: *unit_log2,
                    seats,
                    deadlines_ms: [*contribute_by_ms, *close_by_ms, *open_by_ms],
                };
                opening::check(self, &proposal, signed, trust).map(Transition::Open)
            }
            Entry::ContributionCommitted {
                round,
                participant,
                root,
                bytes,
            } => contribution::check(self, *round, *participant, *root, *bytes, signed)
                .map(Transition::Contribute),
            Entry::RoundClosed {
                round,
                contributions,
                cosignatures,
            } => closing::check(self, *round, contributions, cosignatures, signed, trust)
                .map(Transition::Close),
            Entry::ModelPublished {
                round,
                sum,
                key_sum,
                model,
                total_weight,
            } => {
                let claim = publication::Claim {
                    sum: *sum,
                    key_sum: *key_sum,
                    model: *model,
                    total_weight: *total_weight,
                };
                publication::check(self, *round, &claim, signed).map(Transition::End)
            }
            Entry::RoundVoided {
                round,
                reason,
                authority,
            } => voiding::check(self, *round, *reason, *authority, signed).map(Transition::End),
        }
    }

    pub(super) fn carry_out(&mut self, transition: Transition) -> Vec<Event> {
        match transition {
            // Only the very first entry founds, and then there are no books to call this on.
            Transition::Found(_) => Vec::new(),
            Transition::Admit(admission) => admission.carry_out(self),
            Transition::Open(round) => opening::carry_out(self, round),
            Transition::Contribute(committed) => committed.carry_out(self),
            Transition::Close(closed) => closing::carry_out(self, closed),
            Transition::End(ending) => ending.carry_out(self),
        }
    }

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
        // Equal stakes in this part; once stake can differ, capped power takes its place here.
        let candidates: Vec<(OwnerId, u64)> = self
            .members
            .owners()
            .map(|owner| (owner.id, owner.stake))
            .collect();
        let size = size_for(candidates.len());
        let owners = draw(&self.seed, &candidates, candidates_for(size));
        CommitteeDraw {
            round: self.next_round,
            size,
            threshold: threshold_for(size),
            owners,
        }
    }

    pub(super) fn contributions_hash(&self, round: &CurrentRound) -> Hash {
        let roots = round
            .contributions
            .iter()
            .map(|(participant, contribution)| (*participant, contribution.root));
        contributions_hash(&self.federation, round.opening.round, roots)
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
        seen || admitted_round.saturating_add(ACTIVE_ROUNDS) > round
    }

    pub(super) fn push_history(&mut self, record: RoundRecord) {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = record.serialize(&mut bytes);
        self.history_digest = DomainHasher::new(HISTORY)
            .with(&self.history_digest)
            .with(&bytes)
            .finish();
        self.history.push(Arc::new(record));
    }

    pub(super) fn root(&self) -> Hash {
        let current = self.current.as_ref().map(|round| {
            (
                &*round.opening,
                &round.contributions,
                &round.owners,
                round.closing.as_deref(),
            )
        });
        let identity = (
            &self.federation,
            &self.genesis,
            &self.founders_seed,
            self.members.digest(),
        );
        let training = (&self.seed, &self.model, self.next_round, self.published);
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = (
            identity,
            training,
            current,
            &self.last_contributed,
            &self.history_digest,
        )
            .serialize(&mut bytes);
        DomainHasher::new(STATE).with(&bytes).finish()
    }
}
