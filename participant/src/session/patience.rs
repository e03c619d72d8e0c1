//! Deadlines are the coordinator's word: it signs whatever times it likes when it opens a round. A member holds them against
//! its own clock as well. It ends nothing early before the round has been under way for the least time that the ledger's
//! rules grant everybody, as far as this node has seen it itself. After a start it counts anew: later is safe. And it takes
//! no part in a round whose deadlines are so far away that nobody could end it once it is closed.

use unsilo_ledger::{
    LEAST_ANSWER_MS, LEAST_CONTRIBUTE_MS, LEAST_RATER_MS, MOST_ANSWER_MS, MOST_CONTRIBUTE_MS,
    RatingStep, are_few,
};
use unsilo_proto::limits;

use super::{Facts, Phase, RaterFacts, RoundFacts, RowState, Session};

/// What is waited for, unless everybody has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Contributions to the open round.
    Contributions,
    /// Cosignatures under its close.
    Cosignatures,
    /// Rows that raters commit to: a third of the time between the close and the opening, unless few are missing
    /// ([`Session::is_most_over`]).
    Rows,
    /// Rows that raters reveal: another third, unless few are missing.
    Reveals,
    /// The answers of the committee, up to the opening.
    Opening,
}

/// Since when this node sees the round under way, milliseconds since 1970 by its own clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    round: u64,
    open_ms: u64,
    rating_ms: Option<u64>,
    half: Option<Half>,
}

/// The half of the rating under way, as this node sees it on its own ledger.
#[derive(Clone, Copy, Debug)]
struct Half {
    step: RatingStep,
    since_ms: u64,
    /// Since when all but a few of its rows are there.
    most_ms: Option<u64>,
}

impl Half {
    /// Whether the few who are missing had their chance: as long again as the others took, and the least time.
    fn is_over(&self, now_ms: u64) -> bool {
        self.most_ms.is_some_and(|most| {
            let taken = most.saturating_sub(self.since_ms);
            now_ms >= most.saturating_add(taken)
                && now_ms >= self.since_ms.saturating_add(LEAST_RATER_MS)
        })
    }
}

/// Raters whose part in the half under way is not on the ledger. Who committed to nothing has nothing to reveal.
pub(super) fn missing_rows(round: &RoundFacts, step: RatingStep) -> usize {
    let lacks = |rater: &&RaterFacts| match step {
        RatingStep::Commit => rater.row == RowState::Missing,
        RatingStep::Reveal => rater.row == RowState::Committed,
    };
    round.directions.iter().filter(lacks).count()
}

impl Session {
    /// Takes note of what is under way now.
    pub(super) fn watch(&mut self, facts: &Facts, now_ms: u64) {
        let Some(round) = &facts.round else {
            return;
        };
        let seen = self.seen.get_or_insert(Seen {
            round: round.round,
            open_ms: now_ms,
            rating_ms: None,
            half: None,
        });
        // Another round; or a clock that was set back, by which nothing can be said to have passed.
        if seen.round != round.round || seen.open_ms > now_ms {
            *seen = Seen {
                round: round.round,
                open_ms: now_ms,
                rating_ms: None,
                half: None,
            };
        }
        if round.phase == Phase::Rating {
            seen.rating_ms.get_or_insert(now_ms);
        }
        seen.half = round.rating_step().map(|step| {
            let mut half = seen.half.filter(|half| half.step == step).unwrap_or(Half {
                step,
                since_ms: now_ms,
                most_ms: None,
            });
            if are_few(missing_rows(round, step), round.directions.len()) {
                half.most_ms.get_or_insert(now_ms);
            }
            half
        });
    }

    /// Whether all but a few rows of a half of the rating are there, and the few had their chance before its deadline.
    pub(super) fn is_most_over(&self, round: &RoundFacts, step: RatingStep, now_ms: u64) -> bool {
        self.seen
            .filter(|seen| seen.round == round.round)
            .and_then(|seen| seen.half)
            .is_some_and(|half| half.step == step && half.is_over(now_ms))
    }

    /// Whether half of the time is over that this node had for contributing when it first saw the round.
    pub(super) fn is_half_over(&self, round: &RoundFacts, now_ms: u64) -> bool {
        let seen = self.seen.filter(|seen| seen.round == round.round);
        seen.is_none_or(|seen| {
            let began_ms = self.coordinator_time(seen.open_ms);
            let half_ms = round.contribute_by_ms.saturating_sub(began_ms) / 2;
            now_ms >= seen.open_ms.saturating_add(half_ms)
        })
    }

    /// Whether nobody is waited for any more.
    pub(super) fn is_over(&self, round: &RoundFacts, wait: Wait, now_ms: u64) -> bool {
        let Some(seen) = self.seen.filter(|seen| seen.round == round.round) else {
            return false;
        };
        let third = round.open_by_ms.saturating_sub(round.close_by_ms) / 3;
        let rating = |thirds: u64| {
            let deadline = round.close_by_ms.saturating_add(thirds * third);
            (deadline, seen.rating_ms, thirds * LEAST_ANSWER_MS)
        };
        let (deadline_ms, since_ms, least_ms) = match wait {
            Wait::Contributions => (
                round.contribute_by_ms,
                Some(seen.open_ms),
                LEAST_CONTRIBUTE_MS,
            ),
            Wait::Cosignatures => (
                round.close_by_ms,
                Some(seen.open_ms),
                LEAST_CONTRIBUTE_MS + LEAST_ANSWER_MS,
            ),
            Wait::Opening => (
                round.open_by_ms,
                Some(seen.open_ms),
                LEAST_CONTRIBUTE_MS + 2 * LEAST_ANSWER_MS,
            ),
            Wait::Rows => rating(1),
            Wait::Reveals => rating(2),
        };
        // Its own time is measured on one clock: no tolerance.
        let waited = since_ms.is_some_and(|since| now_ms >= since.saturating_add(least_ms));
        waited && is_past(deadline_ms, now_ms)
    }
}

/// What is said of a round whose deadlines are farther away than any honest ones, by this machine's clock; `None` of others.
pub(super) fn too_far(round: &RoundFacts, now_ms: u64) -> Option<String> {
    let most_ms = MOST_CONTRIBUTE_MS + 2 * MOST_ANSWER_MS + limits::CLOCK_SKEW_MS;
    let left_ms = round.open_by_ms.saturating_sub(now_ms);
    (left_ms > most_ms).then(|| {
        format!(
            "round {} would end in {} days by this machine's clock, and may last {} at most: this node takes no part in it. \
             If the clock is right, the coordinator's is wrong, or it holds the round up: more than half of the owners can \
             end it (`unsilo void`)",
            round.round,
            left_ms / DAY_MS,
            most_ms / DAY_MS
        )
    })
}

const DAY_MS: u64 = 86_400_000;

/// Whether a deadline is over by this machine's clock, which may be behind the coordinator's by as much as is
/// tolerated without a warning.
pub(super) fn is_past(deadline_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_add(limits::CLOCK_SKEW_MS) >= deadline_ms
}
