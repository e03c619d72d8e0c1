//! Raters commit to their ratings of the accepted contributions, then reveal them.

use super::books::Books;
use super::settling::{keep_attendance, keep_ratings};
use super::signers;
use super::weighing::{self, Weighed};
use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::hash::Hash;
use crate::judgement::Judgement;
use crate::member::{Participant, ParticipantId};
use crate::rating::{RaterRecord, RatingStep, Ratings, commit_rating, ratings_hash};
use crate::rejected::{RatingRejected, Rejected};
use crate::round::CurrentRound;

/// A rater's new record.
pub(super) struct Rated {
    round: u64,
    participant: ParticipantId,
    record: Fixed<RaterRecord>,
}

/// A step of rating that is over, and what comes next.
pub(super) struct StepEnded {
    round: u64,
    step: RatingStep,
    /// `None` if raters now reveal.
    weighed: Option<Weighed>,
}

pub(super) fn check_commit(
    books: &Books,
    round: u64,
    participant: ParticipantId,
    commitment: Hash,
    signed: &SignedEntry,
) -> Result<Rated, Rejected> {
    let current = during(books, round, RatingStep::Commit)?;
    signers::participant(books, participant, signed)?;
    if !current.directions.contains_key(&participant) {
        return Err(RatingRejected::NoDirections { participant }.into());
    }
    if current.ratings.contains_key(&participant) {
        return Err(RatingRejected::CommittedAlready { participant }.into());
    }
    let record = RaterRecord {
        commitment,
        revealed: None,
    };
    Ok(Rated {
        round,
        participant,
        record: Fixed::new(record),
    })
}

pub(super) fn check_reveal(
    books: &Books,
    round: u64,
    participant: ParticipantId,
    ratings: Ratings,
    salt: &Hash,
    signed: &SignedEntry,
) -> Result<Rated, Rejected> {
    let current = during(books, round, RatingStep::Reveal)?;
    let rater = signers::participant(books, participant, signed)?;
    let Some(record) = current.ratings.get(&participant) else {
        return Err(RatingRejected::NotCommitted { participant }.into());
    };
    if record.revealed.is_some() {
        return Err(RatingRejected::RevealedAlready { participant }.into());
    }
    let commitment = record.commitment;
    if commit_rating(&books.federation, round, participant, &ratings, salt) != commitment {
        return Err(RatingRejected::Mismatch { participant }.into());
    }
    if let Some(judgement) = &current.judgement {
        check_ratings(books, judgement, rater, &ratings)?;
    }
    let record = RaterRecord {
        commitment,
        revealed: Some(ratings),
    };
    Ok(Rated {
        round,
        participant,
        record: Fixed::new(record),
    })
}

fn check_ratings(
    books: &Books,
    judgement: &Judgement,
    rater: &Participant,
    ratings: &Ratings,
) -> Result<(), RatingRejected> {
    let (accepted, scores, rewards) = (
        judgement.accepted.len(),
        ratings.scores.len(),
        ratings.rewards.len(),
    );
    if scores != accepted || rewards != accepted {
        return Err(RatingRejected::Length {
            accepted,
            scores,
            rewards,
        });
    }
    let rated = ratings.scores.iter().zip(&ratings.rewards);
    for ((id, _), (score, reward)) in judgement.accepted.iter().zip(rated) {
        if *score == 0 && *reward == 0 {
            continue;
        }
        if *id == rater.id {
            return Err(RatingRejected::Itself { participant: *id });
        }
        let contributor = books.members.participant(*id);
        if contributor.is_some_and(|contributor| contributor.owner == rater.owner) {
            return Err(RatingRejected::Affiliate {
                participant: rater.id,
                affiliate: *id,
            });
        }
    }
    Ok(())
}

pub(super) fn check_step_ended(
    books: &Books,
    round: u64,
    step: RatingStep,
    (rows, set): (u32, Hash),
    signed: &SignedEntry,
) -> Result<StepEnded, Rejected> {
    let current = during(books, round, step)?;
    let (on_log, expected) = ended_rows(&books.federation, current, step);
    if (rows, set) != (on_log, expected) {
        return Err(RatingRejected::OtherRows { step, rows, on_log }.into());
    }
    signers::committee(books, current, signed, None)?;
    // If nobody committed, nobody can reveal.
    let reveals = step == RatingStep::Commit && !current.ratings.is_empty();
    let weighed = match &current.judgement {
        Some(judgement) if !reveals => Some(weighing::weigh(books, current, judgement)?),
        _ => None,
    };
    Ok(StepEnded {
        round,
        step,
        weighed,
    })
}

/// How many raters committed (or revealed) so far, and the hash over them, that the end of this step must name.
pub(super) fn ended_rows(
    federation: &FederationId,
    current: &CurrentRound,
    step: RatingStep,
) -> (u32, Hash) {
    let in_step = |record: &RaterRecord| step == RatingStep::Commit || record.revealed.is_some();
    let rows: Vec<(ParticipantId, Hash)> = current
        .ratings
        .iter()
        .filter(|(_, record)| in_step(record))
        .map(|(rater, record)| (*rater, record.commitment))
        .collect();
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let set = ratings_hash(federation, current.opening.round, step, rows.into_iter());
    (count, set)
}

/// The round in progress, if it is in this step of rating.
fn during(books: &Books, round: u64, step: RatingStep) -> Result<&CurrentRound, Rejected> {
    let current = books.current(round)?;
    if current.rating_step != Some(step) {
        return Err(RatingRejected::NotNow { step }.into());
    }
    Ok(current)
}

impl Rated {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let step = match &self.record.revealed {
            None => RatingStep::Commit,
            Some(_) => RatingStep::Reveal,
        };
        if let Some(current) = &mut books.current {
            current.ratings.insert(self.participant, self.record);
        }
        vec![Event::Rated {
            round: self.round,
            participant: self.participant,
            step,
        }]
    }
}

impl StepEnded {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let mut events = vec![Event::RatingStepEnded {
            round: self.round,
            step: self.step,
        }];
        match self.weighed {
            Some(weighed) => {
                keep_ratings(books);
                keep_attendance(books);
                events.extend(weighed.carry_out(books));
            }
            None => {
                if let Some(current) = &mut books.current {
                    current.rating_step = Some(RatingStep::Reveal);
                }
            }
        }
        events
    }
}
