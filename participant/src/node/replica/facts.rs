//! What the session reads off the books.

use std::sync::Arc;

use unsilo_ledger::{
    CurrentRound, Hash, Judgement, Outcome, OwnerId, ParticipantId, PublicKey, SeatedMember, State,
    SumRecord,
};

use crate::{
    founders::Founder,
    rater::RECENT_DIFFERENCES,
    session::{
        ContributionFacts, Facts, FoundingFacts, JudgedFacts, Phase, PublishedFacts, RaterFacts,
        RoundFacts, RowState, SeatFacts, SumFacts,
    },
};

/// The ledger at one size, seen from the identity `me`; without what only the log says.
pub(super) fn facts(state: &State, entries: u64, me: &PublicKey) -> Facts {
    let draw = state.draw();
    let me = state
        .participant_by_key(me)
        .map(|participant| (participant.id, participant.owner));
    Facts {
        entries,
        checkpoint: None,
        guard_head: me.and_then(|(id, _)| state.guard_head(id)),
        me,
        participants: state.participants().count(),
        founding: state.founders_seed().map(|seed| FoundingFacts {
            seed,
            founders: founders(state),
        }),
        model: state.model().unwrap_or_default(),
        measuring: state.is_measuring(),
        earlier_models: earlier_models(state),
        next_round: state
            .round()
            .map_or(state.next_round(), |round| round.opening.round),
        size: draw.as_ref().map_or(0, |draw| draw.size),
        draw: draw.map(|draw| draw.owners).unwrap_or_default(),
        round: state.round().map(|round| current(state, round)),
        published: state
            .last_sum()
            .map(|sum| published(sum, me.map(|(id, _)| id))),
        void: state
            .history()
            .filter_map(|record| match record.outcome {
                Outcome::Voided { reason } => Some((record.round, reason)),
                Outcome::Published { .. } | Outcome::Measured { .. } => None,
            })
            .collect(),
        replayed: None,
        cosigned: None,
    }
}

/// What each of the last published rounds started from, the latest first.
fn earlier_models(state: &State) -> Vec<Hash> {
    let published = state
        .history()
        .rev()
        .filter(|record| matches!(record.outcome, Outcome::Published { .. }));
    published
        .take(RECENT_DIFFERENCES)
        .map(|record| record.model)
        .collect()
}

/// Those who founded it, with the keys that they signed the genesis with: what people agreed on stays true when one of
/// them has another key, or is gone.
fn founders(state: &State) -> Vec<Founder> {
    let invited = state
        .draft()
        .map(|draft| draft.founders.len())
        .unwrap_or_default();
    state
        .all_participants()
        .take(invited)
        .map(|participant| Founder {
            name: participant.name.clone(),
            key: *participant.former_keys.first().unwrap_or(&participant.key),
        })
        .collect()
}

fn current(state: &State, round: &CurrentRound) -> RoundFacts {
    let owner = |id| state.participant(id).map(|participant| participant.owner);
    let opening = &round.opening;
    RoundFacts {
        round: opening.round,
        phase: match round.phase() {
            unsilo_ledger::Phase::Closed => Phase::Closed,
            unsilo_ledger::Phase::Rating(_) => Phase::Rating,
            unsilo_ledger::Phase::Weighed => Phase::Weighed,
            // A round under way is in no other phase.
            _ => Phase::Open,
        },
        model: opening.model,
        unit_log2: opening.unit_log2,
        seats: seats(&opening.seats, owner),
        threshold: usize::from(opening.threshold),
        contribute_by_ms: opening.contribute_by_ms,
        close_by_ms: opening.close_by_ms,
        open_by_ms: opening.open_by_ms,
        contributions: round
            .contributions
            .iter()
            .filter_map(|(participant, made)| {
                Some(ContributionFacts {
                    participant: *participant,
                    owner: owner(*participant)?,
                    key: state.participant(*participant)?.key,
                    root: made.root,
                    position: made.position,
                })
            })
            .collect(),
        raters: state.drawn_raters(),
        directions: raters(round, owner),
        contributions_hash: state.contributions_hash().unwrap_or_default(),
        challenge: round.closing.as_ref().map(|closing| closing.challenge),
        judged: round.judgement.as_deref().map(judged),
        rating_end: state.rating_step_end(),
        weights: state.weights().unwrap_or_default().to_vec(),
        void_due: state.void_due(),
        owners_void: !state.committee_may_void(),
        cohort: state.required_cohort(),
    }
}

fn seats(
    seats: &[SeatedMember],
    owner: impl Fn(ParticipantId) -> Option<OwnerId>,
) -> Vec<SeatFacts> {
    seats
        .iter()
        .filter_map(|seat| {
            Some(SeatFacts {
                participant: seat.participant,
                owner: owner(seat.participant)?,
                key: seat.key,
                round_key: seat.round_key.clone(),
            })
        })
        .collect()
}

fn raters(
    round: &CurrentRound,
    owner: impl Fn(ParticipantId) -> Option<OwnerId>,
) -> Vec<RaterFacts> {
    round
        .directions
        .iter()
        .filter_map(|(participant, committed)| {
            let row = match round.ratings.get(participant) {
                None => RowState::Missing,
                Some(record) if record.revealed.is_none() => RowState::Committed,
                Some(_) => RowState::Revealed,
            };
            Some(RaterFacts {
                participant: *participant,
                owner: owner(*participant)?,
                round_key: committed.round_key.clone(),
                directions: committed.directions.clone(),
                row,
            })
        })
        .collect()
}

fn judged(judgement: &Judgement) -> JudgedFacts {
    JudgedFacts {
        answers: judgement.answers.clone(),
        projections: judgement.projections,
        accepted: judgement.accepted.clone(),
        rejected: judgement.rejected.clone(),
        erased: judgement.erased.clone(),
    }
}

fn published(sum: &SumRecord, me: Option<ParticipantId>) -> PublishedFacts {
    let weight = |id| {
        let at = sum.weights.binary_search_by_key(&id, |(of, _)| *of).ok()?;
        sum.weights.get(at).map(|(_, weight)| *weight)
    };
    PublishedFacts {
        round: sum.opening.round,
        base: sum.opening.model,
        unit_log2: sum.opening.unit_log2,
        sum: sum.sum,
        key_sum: sum.key_sum,
        model: sum.model,
        total_weight: sum.total_weight,
        statistics: None,
        own: me.filter(|me| sum.contributions.iter().any(|(id, _)| id == me)),
        proof: Arc::new(SumFacts {
            challenge: sum.closing.challenge,
            projections: sum.judgement.projections,
            threshold: usize::from(sum.opening.threshold),
            seats: sum.opening.seats.len(),
            contributions: sum
                .contributions
                .iter()
                .map(|(id, root)| (*id, *root, weight(*id).unwrap_or(0)))
                .collect(),
        }),
    }
}
