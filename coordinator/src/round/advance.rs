//! Which step is due: read off the ledger, and moved by the clock.

use unsilo_ledger::{Outcome, Phase, State, VoidReason};
use unsilo_proto::v1::{Published, Resting, step};

use super::{
    answering::Answering,
    contributing,
    effect::{Effect, Note},
    founding::Founding,
    machine::{Due, Machine},
    opening::Opening,
    publishing::Publishing,
    rating::Rating,
    seating::Seating,
};

impl Machine {
    /// Brings the step in line with the ledger.
    pub(super) fn advance(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        self.proposals.refresh(&self.joined, now_ms, ledger);
        match ledger.phase() {
            Phase::Unfounded => {
                let founding = Founding::propose(&self.draft, &self.joined);
                let effects = founding.announce();
                self.due = Due::Founding(founding);
                effects
            }
            Phase::Idle => self.between_rounds(now_ms, ledger),
            Phase::Open => match &self.due {
                Due::Contributing => contributing::due(now_ms, ledger, &mut self.due),
                Due::Closing(_) | Due::Voiding(_) => Vec::new(),
                _ => {
                    self.due = Due::Contributing;
                    let mut effects = contributing::announce(ledger);
                    effects.extend(contributing::due(now_ms, ledger, &mut self.due));
                    effects
                }
            },
            Phase::Closed => match &self.due {
                Due::Answering(_) | Due::Judging(_) | Due::Voiding(_) => Vec::new(),
                _ => {
                    let (answering, effects) = Answering::start(now_ms, ledger);
                    self.due = Due::Answering(answering);
                    effects
                }
            },
            Phase::Rating(half) => match &mut self.due {
                Due::Rating(rating) => rating.advanced(now_ms, self.timing, ledger),
                Due::Voiding(_) => Vec::new(),
                _ => {
                    let (rating, effects) = Rating::start(half, now_ms, ledger);
                    self.due = Due::Rating(rating);
                    effects
                }
            },
            Phase::Weighed => match &self.due {
                Due::Opening(_) | Due::Publishing(_) | Due::Voiding(_) => Vec::new(),
                _ => self.weighed(now_ms, ledger),
            },
        }
    }

    fn between_rounds(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let signed = self.enter_complete(now_ms, ledger);
        if !signed.is_empty() {
            return signed;
        }
        let violation = self.violations.report_if_enough(ledger);
        if !violation.is_empty() {
            return violation;
        }
        // A change of the members between rounds changes at most the draw and who may sit.
        match &mut self.due {
            Due::Seating(seating) if seating.round() == ledger.next_round() => {
                return seating.redraw(ledger);
            }
            Due::Resting { .. } | Due::Finished => return Vec::new(),
            _ => {}
        }
        let mut effects = Vec::new();
        let published = published_rounds(ledger);
        if let (Some(round), Some(model)) = (published.last(), ledger.model()) {
            effects.push(Effect::announce(step::Kind::Published(Published {
                round: *round,
                model: model.to_vec(),
            })));
        }
        let plan = ledger.draft().map_or(0, |draft| draft.training.rounds);
        if plan > 0 && published.len() as u64 >= plan {
            self.due = Due::Finished;
            effects.push(rest(true, "the federation has run all its rounds"));
            return effects;
        }
        let in_vain = rounds_in_vain(ledger);
        let settled = pause_in_vain_ms(in_vain);
        let between = if published.is_empty() {
            0
        } else {
            self.timing.pause_ms
        };
        let pause_ms = between.max(settled);
        if pause_ms == 0 {
            effects.extend(self.start_seating(now_ms, ledger));
            return effects;
        }
        self.due = Due::Resting {
            until_ms: now_ms.saturating_add(pause_ms),
        };
        effects.push(if settled > between {
            rest(
                false,
                &format!(
                    "{in_vain} rounds in a row changed nothing, since too few companies' updates were accepted and found to help: the next one \
                     begins in {} s. Either the model has learnt what these data teach it, or companies attack (`unsilo ledger explain`)",
                    pause_ms / 1000
                ),
            )
        } else {
            rest(false, "pause between rounds")
        });
        effects
    }

    /// The weights are fixed: the sum is opened, unless the ledger says that it must not be.
    fn weighed(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let (opening, effects) = Opening::start(self.payload, now_ms, ledger);
        let round = opening.round();
        self.due = Due::Opening(opening);
        match ledger.void_due() {
            Some(reason) => vec![Effect::Note {
                round,
                note: Note::Void(reason),
            }],
            None => effects,
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let signed = self.enter_complete(now_ms, ledger);
        if !signed.is_empty() {
            return signed;
        }
        let violation = self.violations.report_if_enough(ledger);
        if !violation.is_empty() {
            return violation;
        }
        match &mut self.due {
            Due::Resting { until_ms } if now_ms >= *until_ms => self.start_seating(now_ms, ledger),
            Due::Seating(seating) => seating.tick(now_ms, self.timing, ledger),
            Due::Contributing => contributing::due(now_ms, ledger, &mut self.due),
            Due::Closing(closing) => {
                if !closing.is_overdue(now_ms, self.timing.answer_ms, ledger) {
                    return closing.close_if_enough(now_ms, ledger);
                }
                let round = ledger.round().map_or(0, |round| round.opening.round);
                contributing::void(round, VoidReason::TooFewMembers, &mut self.due)
            }
            Due::Answering(answering) => answering.tick(now_ms, self.timing, ledger),
            Due::Judging(judging) => judging.tick(now_ms, self.timing, ledger),
            Due::Rating(rating) => rating.tick(now_ms, self.timing, ledger),
            Due::Opening(opening) if opening.is_hopeless(now_ms, self.timing.answer_ms, ledger) => {
                let round = opening.round();
                tracing::error!(
                    round,
                    "the statistics of the data could not be opened in time: the declared ranges are used, once enough members sign that"
                );
                let publishing = Publishing::without_statistics(round);
                let effects = publishing.announce();
                self.due = Due::Publishing(publishing);
                effects
            }
            Due::Opening(opening) => match ledger.void_due() {
                Some(reason) => vec![Effect::Note {
                    round: opening.round(),
                    note: Note::Void(reason),
                }],
                None => opening.tick(now_ms, ledger),
            },
            Due::Publishing(publishing) => publishing.publish_if_enough(now_ms, ledger),
            Due::Founding(founding) => founding.found_if_complete(),
            Due::Voiding(voiding) => voiding.void_if_enough(ledger),
            Due::Finished | Due::Resting { .. } => Vec::new(),
        }
    }

    fn start_seating(&mut self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let Some((seating, effects)) = Seating::start(now_ms, self.timing, ledger) else {
            return Vec::new();
        };
        self.due = Due::Seating(seating);
        effects
    }
}

/// Rounds in a row, up to now, that were trained for and judged, and whose sum must not be opened by what came of it.
fn rounds_in_vain(ledger: &State) -> u32 {
    let ended = ledger.history().map(|record| &record.outcome);
    ended.fold(0, |count: u32, outcome| match outcome {
        Outcome::Voided { reason } if reason.is_derived() => count.saturating_add(1),
        _ => 0,
    })
}

/// How long to rest after so many: one or two may be chance; after the third a second, after each further one twice as long, up
/// to ten minutes. Nothing is lost by trying, but every try costs everybody a round of training and the ledger its entries.
fn pause_in_vain_ms(rounds: u32) -> u64 {
    const MOST_MS: u64 = 600_000;
    match rounds.checked_sub(3) {
        None => 0,
        Some(further) => 1_000_u64
            .checked_shl(further.min(32))
            .unwrap_or(MOST_MS)
            .min(MOST_MS),
    }
}

/// Numbers of the rounds that gave a model, in order.
fn published_rounds(ledger: &State) -> Vec<u64> {
    ledger
        .history()
        .filter(|record| matches!(record.outcome, Outcome::Published { .. }))
        .map(|record| record.round)
        .collect()
}

fn rest(finished: bool, reason: &str) -> Effect {
    Effect::announce(step::Kind::Resting(Resting {
        finished,
        reason: reason.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_from_the_third_round_in_vain_up_to_ten_minutes() {
        let seconds = |rounds| pause_in_vain_ms(rounds) / 1000;
        assert_eq!([0, 1, 2, 3, 4, 5].map(seconds), [0, 0, 0, 1, 2, 4]);
        assert_eq!([12, 13, 40, u32::MAX].map(seconds), [512, 600, 600, 600]);
    }
}
