//! The members judge what was closed: which contributions are well-formed, and how long they are.

use super::books::Books;
use super::signers;
use super::violations::count_faults;
use super::weighing::{self, Weighed};
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::judgement::{Judgement, MAX_NORM_EXPONENT, RejectionReason};
use crate::member::ParticipantId;
use crate::rating::RatingStep;
use crate::rejected::{JudgementRejected, Rejected};
use crate::round::CurrentRound;
use std::collections::BTreeMap;

/// An accepted judgement and what comes next.
pub(super) struct Judged {
    round: u64,
    judgement: Fixed<Judgement>,
    /// `None` if raters are to be asked first.
    weighed: Option<Weighed>,
}

pub(super) fn check(
    books: &Books,
    round: u64,
    judgement: Judgement,
    signed: &SignedEntry,
) -> Result<Judged, Rejected> {
    let current = books.current(round)?;
    if current.closing.is_none() {
        return Err(Rejected::RoundNotClosed { round });
    }
    if current.judgement.is_some() {
        return Err(JudgementRejected::JudgedAlready { round }.into());
    }
    signers::committee(books, current, signed, None)?;
    check_answers(current, &judgement)?;
    check_verdicts(current, &judgement)?;
    // Raters are asked only if something could come of it.
    let asked = !current.directions.is_empty()
        && weighing::has_cohort(books, judgement.accepted.iter().map(|(id, _)| *id));
    let weighed = if asked {
        None
    } else {
        Some(weighing::weigh(books, current, &judgement)?)
    };
    Ok(Judged {
        round,
        judgement: Fixed::new(judgement),
        weighed,
    })
}

fn check_answers(current: &CurrentRound, judgement: &Judgement) -> Result<(), JudgementRejected> {
    let mut last = 0;
    for (seat, _) in &judgement.answers {
        // Ascending from 1, so no seat counts twice.
        if *seat <= last || current.seat(*seat).is_none() {
            return Err(JudgementRejected::AnswerSeat { seat: *seat });
        }
        last = *seat;
    }
    let mut last = 0;
    for seat in &judgement.erased {
        let answered = judgement
            .answers
            .binary_search_by_key(seat, |(seat, _)| *seat);
        if *seat <= last || answered.is_err() {
            return Err(JudgementRejected::ErasedSeat { seat: *seat });
        }
        last = *seat;
    }
    let have = judgement
        .answers
        .len()
        .saturating_sub(judgement.erased.len());
    let need = usize::from(current.opening.threshold);
    if have < need {
        return Err(JudgementRejected::TooFewAnswers { have, need });
    }
    Ok(())
}

/// Accepted and rejected, merged in ascending order, must be the keys of the contributions.
fn check_verdicts(current: &CurrentRound, judgement: &Judgement) -> Result<(), JudgementRejected> {
    let mut accepted = judgement.accepted.iter().peekable();
    let mut rejected = judgement.rejected.iter().peekable();
    for closed in current.contributions.keys() {
        if accepted.next_if(|(id, _)| id == closed).is_none()
            && rejected.next_if(|(id, _)| id == closed).is_none()
        {
            return Err(JudgementRejected::NotTheClosedSet {
                participant: *closed,
            });
        }
    }
    let surplus = accepted
        .next()
        .map(|(id, _)| *id)
        .or(rejected.next().map(|(id, _)| *id));
    if let Some(participant) = surplus {
        return Err(JudgementRejected::NotTheClosedSet { participant });
    }
    let too_long = |(_, exponent): &&(ParticipantId, u16)| *exponent > MAX_NORM_EXPONENT;
    if let Some((participant, exponent)) = judgement.accepted.iter().find(too_long) {
        return Err(JudgementRejected::Norm {
            participant: *participant,
            exponent: *exponent,
        });
    }
    let norms: BTreeMap<ParticipantId, u16> = judgement.accepted.iter().copied().collect();
    let position = |id: &ParticipantId| Some(current.contributions.get(id)?.position);
    for (participant, reason) in &judgement.rejected {
        if let RejectionReason::Copy { of } = reason
            && (!norms.contains_key(of) || position(of) >= position(participant))
        {
            return Err(JudgementRejected::Copy {
                participant: *participant,
                of: *of,
            });
        }
    }
    Ok(())
}

impl Judged {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let Some(current) = &mut books.current else {
            return Vec::new();
        };
        let judged = Event::ContributionsJudged {
            round: self.round,
            accepted: self.judgement.accepted.len(),
            rejected: self.judgement.rejected.len(),
        };
        let counts = self
            .judgement
            .holds_to_account(usize::from(current.opening.threshold));
        let at_fault: Vec<ParticipantId> = self
            .judgement
            .rejected
            .iter()
            .filter(|(_, reason)| counts && reason.is_fault())
            .map(|(participant, _)| *participant)
            .collect();
        current.judgement = Some(self.judgement);
        let mut events = vec![judged];
        match self.weighed {
            Some(weighed) => events.extend(weighed.carry_out(books)),
            None => {
                current.rating_step = Some(RatingStep::Commit);
                current.weighing = None;
            }
        }
        events.extend(count_faults(books, self.round, at_fault.into_iter()));
        events
    }
}
