//! How often an owner rated in an epoch, of the rounds in which it could.
//!
//! What a rater says counts by its last word ([`crate::EpochRow`]), and what it is paid for rating by how often it said
//! something: who rates in one round of twenty has a twentieth of the claim of who rated in all. Rounds before it was admitted
//! count for nobody: who joins late and rates from then on has its whole claim.

use crate::mechanism::q32::ONE;
use crate::rating::Ratings;
use borsh::{BorshDeserialize, BorshSerialize};

/// Of the weighed rounds of an epoch, void ones among them: in how many an owner was drawn to rate, and in how many of
/// these it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Attendance {
    /// Rounds in which it was drawn.
    pub asked: u32,
    /// Rounds of those in which it revealed ratings in anybody's favour; at most `asked`.
    pub rated: u32,
}

impl Attendance {
    /// With one more round in which it was drawn.
    #[must_use]
    pub fn after(self, rated: bool) -> Self {
        Self {
            asked: self.asked.saturating_add(1),
            rated: self.rated.saturating_add(u32::from(rated)),
        }
    }

    /// The part of those rounds in which it rated, in Q32, rounded down. 1 for who was not drawn at all: nobody asked it,
    /// and it loses nothing by that.
    pub fn part(self) -> u64 {
        let rated = u64::from(self.rated.min(self.asked));
        // At most ONE, for it is a part of `asked`.
        rated
            .saturating_mul(ONE)
            .checked_div(u64::from(self.asked))
            .unwrap_or(ONE)
    }
}

/// Whether a revealed row says anything in anybody's favour: one that does not is the same as none, for weights and pay alike.
pub(crate) fn supports_somebody(ratings: &Ratings) -> bool {
    ratings.scores.iter().any(|score| *score > 0)
        || ratings.rewards.iter().any(|reward| *reward > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_is_of_the_rounds_in_which_an_owner_was_drawn() {
        let part = |asked, rated| Attendance { asked, rated }.part();
        assert_eq!(part(20, 20), ONE);
        assert_eq!(part(20, 1), 214_748_364);
        assert_eq!(part(7, 7), ONE, "who was drawn in seven rounds of twenty");
        assert_eq!(part(20, 0), 0);
        assert_eq!(part(0, 0), ONE, "who was not drawn");
        // What no books contain.
        assert_eq!(part(1, u32::MAX), ONE);
        assert_eq!(part(u32::MAX, u32::MAX), ONE);
        let twice = Attendance::default().after(true).after(false);
        assert_eq!(twice, Attendance { asked: 2, rated: 1 });
    }

    #[test]
    fn a_row_of_zeros_or_of_blame_alone_supports_nobody() {
        let row = |scores: &[i16], rewards: &[u16]| Ratings {
            scores: scores.to_vec(),
            rewards: rewards.to_vec(),
        };
        assert!(!supports_somebody(&row(&[0, 0], &[0, 0])));
        assert!(!supports_somebody(&row(&[], &[])));
        assert!(!supports_somebody(&row(&[0, -1], &[0, 0])));
        assert!(supports_somebody(&row(&[-5, 1], &[0, 0])));
        assert!(supports_somebody(&row(&[0, 0], &[1, 0])));
    }
}
