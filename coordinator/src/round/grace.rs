//! How long the others are waited for once enough members acted.

use super::machine::GRACE_MS;

/// The longest that members are waited for who are slower than the threshold's slowest, milliseconds.
const LONGEST_MS: u64 = 15_000;

/// A wait for those beyond the threshold: an answer more is redundancy that names liars, but nobody absent may cost
/// the round much. It is as long again as enough members took, for work that grows with the round, and at least
/// [`GRACE_MS`], at most [`LONGEST_MS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace {
    started_ms: u64,
    enough_since_ms: Option<u64>,
}

impl Grace {
    /// The members were asked at `now_ms`.
    pub(super) fn start(now_ms: u64) -> Self {
        Self {
            started_ms: now_ms,
            enough_since_ms: None,
        }
    }

    /// When the members were asked.
    pub(super) fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// As many as are needed have acted.
    pub(super) fn enough(&mut self, now_ms: u64) {
        self.enough_since_ms.get_or_insert(now_ms);
    }

    /// Whether the others had their chance.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        self.enough_since_ms.is_some_and(|since| {
            let taken = since.saturating_sub(self.started_ms);
            now_ms >= since.saturating_add(taken.clamp(GRACE_MS, LONGEST_MS))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_get_as_long_again_within_bounds() {
        for (taken, wait) in [(0, GRACE_MS), (4_000, 4_000), (600_000, LONGEST_MS)] {
            let mut grace = Grace::start(1_000);
            assert!(!grace.is_over(u64::MAX), "not before there are enough");
            grace.enough(1_000 + taken);
            grace.enough(u64::MAX);
            assert!(!grace.is_over(1_000 + taken + wait - 1));
            assert!(grace.is_over(1_000 + taken + wait));
        }
    }
}
