//! Which record may follow which.

use std::collections::BTreeMap;

use unsilo_fhe::{PROJECTIONS, direction::MAX_OPENED};

use super::{
    AnswerRecord, ContributionRecord, Duty, GuardConflict, Guards, OpeningRecord, Record,
    WitnessRecord,
};

impl Guards {
    /// Whether `record` may follow those before it: `true` if it is new, `false` if it is one of them.
    ///
    /// # Errors
    /// [`GuardConflict`] if it contradicts an earlier one.
    pub fn check(&self, record: &Record) -> Result<bool, GuardConflict> {
        if let Some(round) = record.excluded_by_void() {
            self.not_void(round)?;
        }
        match record {
            Record::Genesis(hash) => match self.genesis {
                Some(signed) if signed != *hash => Err(GuardConflict::Genesis),
                signed => Ok(signed.is_none()),
            },
            Record::Seat(seat) => {
                self.not_over(seat.round, GuardConflict::Seat)?;
                once(&self.seats, &seat.round, seat, GuardConflict::Seat)
            }
            Record::Contribution(made) => self.check_contribution(made),
            Record::Receipt { round, receipt } => {
                if !self.contributions.contains_key(round) {
                    return Err(GuardConflict::Unfounded(*round));
                }
                Ok(self.receipts.get(round) != Some(receipt))
            }
            Record::Cosigned {
                round,
                contributions,
            } => once(
                &self.cosigned,
                round,
                contributions,
                GuardConflict::Cosigned,
            ),
            Record::Witnessed(vouched) if vouched.duty == Duty::Published => {
                self.check_vouched(vouched)
            }
            Record::Witnessed(witnessed) => {
                let key = (witnessed.round, witnessed.duty);
                self.not_over(witnessed.round, GuardConflict::Witnessed)?;
                let new = once(&self.witnessed, &key, witnessed, |(round, _)| {
                    GuardConflict::Witnessed(round)
                })?;
                if new
                    && self
                        .vouched
                        .is_some_and(|last| !may_follow(&last, witnessed))
                {
                    return Err(GuardConflict::Witnessed(witnessed.round));
                }
                Ok(new)
            }
            Record::Answered(answer) => self.check_answer(answer),
            Record::Judged { round, entry } => {
                self.not_over(*round, GuardConflict::Judged)?;
                once(&self.judged, round, entry, GuardConflict::Judged)
            }
            Record::Appealed { round, seat } => {
                if !self.contributions.contains_key(round) {
                    return Err(GuardConflict::Unfounded(*round));
                }
                once(&self.appealed, round, seat, GuardConflict::Appealed)
            }
            Record::Directions(made) => {
                self.not_over(made.round, GuardConflict::Directions)?;
                once(
                    &self.directions,
                    &made.round,
                    made,
                    GuardConflict::Directions,
                )
            }
            Record::Rated(rated) => {
                self.not_over(rated.round, GuardConflict::Rated)?;
                once(&self.ratings, &rated.round, rated, GuardConflict::Rated)
            }
            Record::Opened(opening) => self.check_opening(opening),
            Record::Voided { round } => {
                if self.opened.contains_key(round) {
                    return Err(GuardConflict::VoidOrOpened(*round));
                }
                Ok(!self.voided.contains(round))
            }
            Record::Published { round, entry } => {
                once(&self.published, round, entry, GuardConflict::Published)
            }
            // Whether the opening allowed it was said when it was signed: here it has happened.
            Record::OwnersVoid { round } => Ok(!self.voided.contains(round)),
            Record::Finished { round } => Ok(!self.finished.contains(round)),
            Record::Evaluated { round } => Ok(self.evaluated < Some(*round)),
            Record::Behind { head, .. } => Ok(!self.leads_to(head)),
        }
    }

    /// Adds `record`; says whether it is new.
    ///
    /// # Errors
    /// As [`Guards::check`]; nothing changes then.
    pub fn admit(&mut self, record: &Record) -> Result<bool, GuardConflict> {
        let new = self.check(record)?;
        if new {
            self.chain.link(record);
            self.apply(record);
        }
        Ok(new)
    }

    fn apply(&mut self, record: &Record) {
        let head = self.chain.head();
        match record {
            Record::Genesis(hash) => self.genesis = Some(*hash),
            Record::Seat(seat) => {
                self.seats.insert(seat.round, seat.clone());
                self.seat_heads.insert(seat.round, head);
            }
            Record::Contribution(made) => {
                self.contributions.insert(made.round, made.clone());
            }
            Record::Receipt { round, receipt } => {
                self.receipts.insert(*round, receipt.clone());
            }
            Record::Cosigned {
                round,
                contributions,
            } => {
                self.cosigned.insert(*round, *contributions);
                self.cosigned_heads.insert(*round, head);
            }
            Record::Witnessed(vouched) if vouched.duty == Duty::Published => {
                self.vouched = Some(*vouched);
            }
            Record::Witnessed(witnessed) => {
                self.witnessed
                    .insert((witnessed.round, witnessed.duty), *witnessed);
            }
            Record::Answered(answer) => {
                self.answered.insert(answer.round, answer.clone());
            }
            Record::Judged { round, entry } => {
                self.judged.insert(*round, *entry);
            }
            Record::Appealed { round, seat } => {
                self.appealed.insert(*round, *seat);
            }
            Record::Directions(made) => {
                self.directions.insert(made.round, made.clone());
            }
            Record::Rated(rated) => {
                self.ratings.insert(rated.round, rated.clone());
            }
            Record::Opened(opening) => {
                self.opened.insert(opening.round, opening.clone());
            }
            Record::Voided { round } | Record::OwnersVoid { round } => {
                self.voided.insert(*round);
            }
            Record::Published { round, entry } => {
                self.published.insert(*round, *entry);
            }
            Record::Finished { round } => self.finish(*round),
            Record::Evaluated { round } => self.evaluated = Some(*round),
            Record::Behind { until, .. } => self.sits_out = self.sits_out.max(Some(*until)),
        }
    }

    /// Rounds never come again: what is refused for a finished one need not be remembered.
    fn finish(&mut self, round: u64) {
        if let Some(opening) = self.opened.get_mut(&round) {
            opening.answer.clear();
        }
        self.seats.remove(&round);
        self.seat_heads.remove(&round);
        self.cosigned_heads.remove(&round);
        self.witnessed.retain(|(of, _), _| *of != round);
        self.answered.remove(&round);
        self.judged.remove(&round);
        self.directions.remove(&round);
        self.ratings.remove(&round);
        self.receipts.remove(&round);
        self.finished.insert(round);
    }

    /// Publications are cosigned in order, each once. What is forgotten when a round is over cannot contradict them:
    /// it is about smaller sizes than the newest.
    fn check_vouched(&self, vouched: &WitnessRecord) -> Result<bool, GuardConflict> {
        if self.vouched.as_ref() == Some(vouched) {
            return Ok(false);
        }
        let continues = self
            .vouched
            .is_none_or(|last| last.round < vouched.round && last.size < vouched.size);
        let agrees = self
            .witnessed
            .values()
            .all(|other| other.size != vouched.size || same_history(other, vouched));
        if continues && agrees {
            Ok(true)
        } else {
            Err(GuardConflict::Witnessed(vouched.round))
        }
    }

    /// One contribution to a model, unless the record itself names every earlier round as void. Whether they are is on the
    /// ledger, which is not looked at here; but nothing gets past this by not having looked.
    fn check_contribution(&self, made: &ContributionRecord) -> Result<bool, GuardConflict> {
        let conflict = GuardConflict::Contribution;
        let new = once(&self.contributions, &made.round, made, conflict)?;
        let counts = |earlier: &&ContributionRecord| {
            earlier.model == made.model
                && earlier.round != made.round
                && !made.voided.contains(&earlier.round)
        };
        match self.contributions.values().find(counts) {
            Some(_) if new => Err(conflict(made.round)),
            _ => Ok(new),
        }
    }

    fn check_answer(&self, answer: &AnswerRecord) -> Result<bool, GuardConflict> {
        let round = answer.round;
        // Its shares are erased: an answer now could only be an invented one.
        self.not_over(round, GuardConflict::Answered)?;
        let ascending = answer
            .directions
            .is_sorted_by(|before, after| before < after);
        let opened = PROJECTIONS + answer.directions.len();
        if !ascending || opened > usize::from(answer.limit).min(MAX_OPENED) {
            return Err(GuardConflict::TooManyDirections(round));
        }
        once(&self.answered, &round, answer, GuardConflict::Answered)
    }

    fn check_opening(&self, opening: &OpeningRecord) -> Result<bool, GuardConflict> {
        let round = opening.round;
        if !opening.is_whole() {
            return Err(GuardConflict::Opened(round));
        }
        if !self.opened.contains_key(&round) {
            self.not_over(round, GuardConflict::Opened)?;
        }
        once(&self.opened, &round, opening, GuardConflict::Opened)
    }

    fn not_void(&self, round: u64) -> Result<(), GuardConflict> {
        if self.voided.contains(&round) {
            return Err(GuardConflict::VoidOrOpened(round));
        }
        Ok(())
    }

    fn not_over(
        &self,
        round: u64,
        conflict: fn(u64) -> GuardConflict,
    ) -> Result<(), GuardConflict> {
        if self.finished.contains(&round) {
            return Err(conflict(round));
        }
        Ok(())
    }
}

/// Whether a checkpoint may be cosigned after the newest publication that was: nothing smaller, and not another one of
/// its size.
fn may_follow(last: &WitnessRecord, next: &WitnessRecord) -> bool {
    last.size < next.size || (last.size == next.size && same_history(last, next))
}

fn same_history(one: &WitnessRecord, other: &WitnessRecord) -> bool {
    (one.root, one.state_root) == (other.root, other.state_root)
}

/// Whether the value is new; one that is there must be the same.
fn once<K: Copy + Ord, T: PartialEq>(
    map: &BTreeMap<K, T>,
    key: &K,
    value: &T,
    conflict: impl Fn(K) -> GuardConflict,
) -> Result<bool, GuardConflict> {
    match map.get(key) {
        Some(known) if known != value => Err(conflict(*key)),
        known => Ok(known.is_none()),
    }
}
