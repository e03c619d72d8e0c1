//! A round is weighed: from the judgement and the ratings follow the weights of the sum, or that it must
//! not be opened.

use super::books::Books;
use crate::entry::VoidReason;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::judgement::Judgement;
use crate::member::{OwnerId, ParticipantId};
use crate::rating::RaterRecord;
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Weighing};
use crate::weights::{Contributor, Derivation, Row, derive};
use std::collections::{BTreeMap, BTreeSet};

/// What a round was weighed to.
pub(super) struct Weighed {
    round: u64,
    weighing: Weighing,
    derivation: Box<Derivation>,
}

/// The weights of `current`, by the ratings revealed so far.
pub(super) fn weigh(
    books: &Books,
    current: &CurrentRound,
    judgement: &Judgement,
) -> Result<Weighed, Rejected> {
    let contributors: Vec<Contributor> = judgement
        .accepted
        .iter()
        .filter_map(|(participant, norm_exponent)| {
            Some(Contributor {
                participant: *participant,
                owner: books.members.participant(*participant)?.owner,
                norm_exponent: *norm_exponent,
            })
        })
        .collect();
    let rows = rows(books, current)?;
    let derivation = derive(&contributors, &rows);
    let of_accepted: BTreeMap<ParticipantId, u16> = contributors
        .iter()
        .map(|one| one.participant)
        .zip(derivation.weights.iter().copied())
        .collect();
    let weights = current
        .contributions
        .keys()
        .map(|id| (*id, of_accepted.get(id).copied().unwrap_or(0)))
        .collect();
    let with_weight = of_accepted
        .iter()
        .filter(|(_, weight)| **weight > 0)
        .map(|(id, _)| *id);
    let void_due = if !has_cohort(books, of_accepted.keys().copied()) {
        Some(VoidReason::TooFewAccepted)
    } else if derivation.brake {
        Some(VoidReason::Brake)
    } else if !has_cohort(books, with_weight) {
        Some(VoidReason::TooFewAccepted)
    } else {
        None
    };
    Ok(Weighed {
        round: current.opening.round,
        weighing: Weighing {
            weights,
            median_exponent: derivation.median_exponent,
            void_due,
        },
        derivation: Box::new(derivation),
    })
}

/// What raters revealed so far, of those that have a say: one row an owner, its first participant's if a rater
/// came to belong to it since the draw. None count unless they hold more than half of the power of all raters drawn: else a
/// few could decide alone by keeping the others from being heard.
pub(super) fn rows<'a>(books: &Books, current: &'a CurrentRound) -> Result<Vec<Row<'a>>, Rejected> {
    let powers: BTreeMap<OwnerId, u64> = books.powers()?.into_iter().collect();
    let mut owners = BTreeSet::new();
    let row = |(participant, record): (&ParticipantId, &'a Fixed<RaterRecord>)| {
        let scores = &record.revealed.as_ref()?.scores;
        // Evicted since, or without stake: it has no say.
        let rater = books.members.participant(*participant)?;
        let power = powers
            .get(&rater.owner)
            .copied()
            .filter(|power| *power > 0)?;
        (rater.is_present && owners.insert(rater.owner)).then_some(Row {
            participant: *participant,
            owner: rater.owner,
            power,
            scores,
        })
    };
    let rows: Vec<Row<'_>> = current.ratings.iter().filter_map(row).collect();
    let drawn = current.opening.raters.iter();
    let drawn = drawn.fold(0_u64, |sum, owner| {
        sum.saturating_add(powers.get(owner).copied().unwrap_or(0))
    });
    let heard = rows
        .iter()
        .fold(0_u64, |sum, row| sum.saturating_add(row.power));
    Ok(if heard > drawn >> 1 { rows } else { Vec::new() })
}

/// Whether these belong to as many owners as a sum needs.
pub(super) fn has_cohort(books: &Books, ids: impl Iterator<Item = ParticipantId>) -> bool {
    let owners: BTreeSet<OwnerId> = ids
        .filter_map(|id| Some(books.members.participant(id)?.owner))
        .collect();
    owners.len() >= books.required_cohort()
}

impl Weighed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let weighed = Event::RoundWeighed {
            round: self.round,
            weights: self.weighing.weights.clone(),
            void_due: self.weighing.void_due,
            derivation: self.derivation,
        };
        if let Some(current) = &mut books.current {
            current.rating_step = None;
            current.weighing = Some(Fixed::new(self.weighing));
        }
        vec![weighed]
    }
}
