//! Deadlines are the coordinator's word: it signs whatever times it likes when it opens a round. A member holds them against
//! its own clock as well. It ends nothing early before the round has been under way for the least time that the ledger's
//! rules grant everybody, as far as this node has seen it itself. After a start it counts anew: later is safe. And it takes
//! no part in a round whose deadlines are so far away that nobody could end it once it is closed.

use unsilo_ledger::{LEAST_ANSWER_MS, LEAST_CONTRIBUTE_MS, MOST_ANSWER_MS, MOST_CONTRIBUTE_MS};
use unsilo_proto::limits;

use super::{Facts, Phase, RoundFacts, Session};

/// What is waited for, unless everybody has done its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Contributions to the open round.
    Contributions,
    /// Cosignatures under its close.
    Cosignatures,
    /// Rows that raters commit to: a third of the time between the close and the opening.
    Rows,
    /// Rows that raters reveal: another third.
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
        });
        // Another round; or a clock that was set back, by which nothing can be said to have passed.
        if seen.round != round.round || seen.open_ms > now_ms {
            *seen = Seen {
                round: round.round,
                open_ms: now_ms,
                rating_ms: None,
            };
        }
        if round.phase == Phase::Rating {
            seen.rating_ms.get_or_insert(now_ms);
        }
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
