//! A round ends: with a published model here, or void in `voiding`.

use super::books::Books;
use super::signers;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::Hash;
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Outcome, RoundRecord};

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
    signers::committee(
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
    })
}

impl Ending {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let ended = books.current.take();
        let record = record(&self, ended.as_ref(), books.model);
        for owner in ended.iter().flat_map(|round| round.owners.keys()) {
            books.last_contributed.insert(*owner, self.round);
        }
        books.push_history(record);
        books.seed = self.seed;
        books.next_round = self.round.saturating_add(1);
        let event = match self.outcome {
            Outcome::Published { model, .. } => {
                books.model = model;
                books.published = books.published.saturating_add(1);
                Event::ModelPublished {
                    round: self.round,
                    model,
                }
            }
            Outcome::Voided { .. } => Event::RoundVoided { round: self.round },
        };
        vec![event, Event::CommitteeDrawn(books.draw())]
    }
}

/// `ended` is `None` for a round that was skipped before it opened.
fn record(ending: &Ending, ended: Option<&CurrentRound>, model: Hash) -> RoundRecord {
    let count = |length: Option<usize>| u32::try_from(length.unwrap_or(0)).unwrap_or(u32::MAX);
    RoundRecord {
        round: ending.round,
        model,
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
        outcome: ending.outcome,
    }
}
