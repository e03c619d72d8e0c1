//! A round ends: with a published model here, or void in `voiding`.

use super::books::Books;
use super::settling::{self, Settled};
use super::signers;
use crate::account::Pool;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::hash::Hash;
use crate::initial_weights::initial_model_hash;
use crate::judgement::Judgement;
use crate::member::OwnerId;
use crate::rejected::Rejected;
use crate::round::{Closing, CurrentRound, Opening, Outcome, RoundRecord, SumRecord, Weighing};
use crate::unit::next_unit_log2;
use std::collections::BTreeMap;

/// What is published.
pub(super) struct Claim {
    pub(super) sum: Hash,
    pub(super) key_sum: Hash,
    pub(super) model: Hash,
    pub(super) total_weight: u64,
}

/// How a round ends, and what the next one is drawn from.
pub(super) struct Ending {
    pub(super) round: u64,
    pub(super) outcome: Outcome,
    pub(super) seed: Hash,
    /// Of a published round: what its sum is checked with, and the next round's unit.
    pub(super) published: Option<Published>,
}

/// What a publication leaves for the next round.
pub(super) struct Published {
    sum: Fixed<SumRecord>,
    unit_log2: i8,
    pool: Pool,
    /// In how many rounds of the epoch each owner was accepted, this one counted.
    accepted_rounds: BTreeMap<OwnerId, u32>,
    /// If an epoch ends with this round.
    settled: Option<Settled>,
}

pub(super) fn check(
    books: &Books,
    round: u64,
    claim: &Claim,
    signed: &SignedEntry,
) -> Result<Ending, Rejected> {
    let current = books.current(round)?;
    if current.closing.is_none() {
        return Err(Rejected::RoundNotClosed { round });
    }
    if books.is_measuring() {
        return Err(Rejected::StatisticsDue);
    }
    let Some(weighing) = &current.weighing else {
        return Err(Rejected::RoundNotWeighed { round });
    };
    if let Some(reason) = weighing.void_due {
        return Err(Rejected::MustBeVoid { reason });
    }
    signers::committee(
        books,
        current,
        signed,
        Some((books.draft.coordinator, "the coordinator")),
    )?;
    let expected = current.total_weight();
    if claim.total_weight != expected {
        return Err(Rejected::WrongTotalWeight {
            expected,
            found: claim.total_weight,
        });
    }
    let had_before = claim.model == books.model
        || books
            .history
            .iter()
            .any(|record| record.model == claim.model);
    if had_before {
        return Err(Rejected::ModelRepeated);
    }
    let outcome = Outcome::Published {
        model: claim.model,
        sum: claim.sum,
        key_sum: claim.key_sum,
        total_weight: claim.total_weight,
    };
    Ok(Ending {
        round,
        outcome,
        seed: books.seed,
        published: Some(published(books, current, weighing, claim)?),
    })
}

fn published(
    books: &Books,
    current: &CurrentRound,
    weighing: &Weighing,
    claim: &Claim,
) -> Result<Published, Rejected> {
    let pool = settling::pool_after_round(books)?;
    let accepted_rounds = settling::accepted_after_round(books);
    let settled = settling::settle(books, current.opening.round, pool, &accepted_rounds)?;
    let (Some(closing), Some(judgement)) = (&current.closing, &current.judgement) else {
        let round = current.opening.round;
        return Err(Rejected::RoundNotWeighed { round });
    };
    let parameters = books.draft.model.parameters();
    let sum = SumRecord {
        opening: Opening::clone(&current.opening),
        closing: Closing::clone(closing),
        judgement: Judgement::clone(judgement),
        contributions: current
            .contributions
            .iter()
            .map(|(id, contribution)| (*id, contribution.root))
            .collect(),
        weights: weighing.weights.clone(),
        total_weight: claim.total_weight,
        sum: claim.sum,
        key_sum: claim.key_sum,
        model: claim.model,
    };
    Ok(Published {
        sum: Fixed::new(sum),
        unit_log2: next_unit_log2(parameters, books.unit_log2, weighing.median_exponent),
        pool,
        accepted_rounds,
        settled,
    })
}

impl Ending {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let ended = books.current.take();
        let record = record(&self, ended.as_ref(), books);
        for owner in ended.iter().flat_map(|round| round.owners.keys()) {
            if let Ok(index) = usize::try_from(owner.0) {
                let round = self.round;
                books.last_contributed.change(index, |last| *last = round);
            }
        }
        if let Some(ended) = &ended {
            books.last_committee = Some(ended.opening.clone());
        }
        books.push_history(record);
        books.seed = self.seed;
        books.next_round = self.round.saturating_add(1);
        let mut settled = None;
        if let Some(published) = self.published {
            books.unit_log2 = published.unit_log2;
            books.last_sum = Some(published.sum);
            books.economy.pool = published.pool;
            books.economy.accepted_rounds = published.accepted_rounds;
            settled = published.settled;
        }
        let event = match &self.outcome {
            Outcome::Published { model, .. } => {
                books.model = *model;
                books.published = books.published.saturating_add(1);
                Event::ModelPublished {
                    round: self.round,
                    model: *model,
                }
            }
            Outcome::Voided { .. } => Event::RoundVoided { round: self.round },
            Outcome::Measured { .. } => {
                books.model = initial_model_hash(&books.draft.model, &books.founders_seed);
                Event::StatisticsPublished { round: self.round }
            }
        };
        let mut events = vec![event];
        if let Some(settled) = settled {
            events.extend(settled.carry_out(books));
        }
        books.economy.pool.round_fees = 0;
        // Void before its close: the draw stays by the stakes that the last challenge came with.
        books.economy.opened_with = None;
        events.push(Event::CommitteeDrawn(books.draw()));
        events
    }
}

/// `ended` is `None` for a round that was skipped before it opened.
fn record(ending: &Ending, ended: Option<&CurrentRound>, books: &Books) -> RoundRecord {
    let count = |length: Option<usize>| u32::try_from(length.unwrap_or(0)).unwrap_or(u32::MAX);
    RoundRecord {
        round: ending.round,
        model: books.model,
        unit_log2: ended.map_or(books.unit_log2, |round| round.opening.unit_log2),
        seats: ended
            .iter()
            .flat_map(|round| &round.opening.seats)
            .map(|seat| seat.participant)
            .collect(),
        contributions: count(ended.map(|round| round.contributions.len())),
        owners: count(ended.map(|round| round.owners.len())),
        challenge: ended
            .and_then(|round| round.closing.as_ref())
            .map(|closing| closing.challenge),
        outcome: ending.outcome.clone(),
    }
}
