//! Who may rate the contributions of a round, and how many directions that takes.

use crate::draw::draw_in;
use crate::hash::{Domain, Hash};
use crate::member::OwnerId;

const RATERS: Domain = Domain::new("rater draw");

/// The most directions a rater commits to: its own, and the same without what recent models explain.
pub const DIRECTIONS_PER_RATER: usize = 2;
/// Distinct directions that a round may open whatever the model's size; more would weaken every key
/// (encryption.md: 139.8 bits at 128).
const MAX_OPENED: u64 = 128;
/// Of these, the projections of the norm check.
const PROJECTIONS: u64 = 48;
/// Parameters that a model must have for each direction opened.
const PARAMETERS_PER_DIRECTION: u64 = 32;

/// V: how many raters' directions a round may open on a model of `parameters`,
/// `min(128, floor(parameters / 32)) - 48`.
pub fn max_directions(parameters: u64) -> usize {
    let opened = parameters
        .checked_div(PARAMETERS_PER_DIRECTION)
        .unwrap_or(0)
        .min(MAX_OPENED);
    usize::try_from(opened.saturating_sub(PROJECTIONS)).unwrap_or(0)
}

/// How many owners may rate in a round: two directions each fit into [`max_directions`].
pub fn max_raters(parameters: u64) -> usize {
    max_directions(parameters)
        .checked_div(DIRECTIONS_PER_RATER)
        .unwrap_or(0)
}

/// The owners that may rate, ascending: all of `owners` (each with its power) if they fit; else as many as
/// fit, drawn by power from `seed`, the challenge of the round before.
pub fn raters(parameters: u64, seed: &Hash, owners: &[(OwnerId, u64)]) -> Vec<OwnerId> {
    let places = max_raters(parameters);
    if owners.len() <= places {
        return owners.iter().map(|(owner, _)| *owner).collect();
    }
    let mut drawn = draw_in(RATERS, seed, owners, places);
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_directions_fit_as_the_design_says() {
        let cases = [
            (1_791, 7),
            (1_792, 8),
            (2_410, 27),
            (4_095, 79),
            (4_096, 80),
            (u64::MAX, 80),
        ];
        for (parameters, directions) in cases {
            assert_eq!(
                max_directions(parameters),
                directions,
                "{parameters} parameters"
            );
        }
        assert_eq!(
            (max_raters(1_792), max_raters(2_410), max_raters(4_096)),
            (4, 13, 40)
        );
        assert_eq!(max_directions(0), 0);
    }

    #[test]
    fn all_rate_where_they_fit_and_else_those_drawn() {
        let owners: Vec<(OwnerId, u64)> = (0..50).map(|id| (OwnerId(id), 7)).collect();
        let thirteen: Vec<_> = owners.iter().copied().take(13).collect();
        assert_eq!(raters(2_410, &[1; 32], &thirteen).len(), 13);
        let drawn = raters(2_410, &[1; 32], &owners);
        assert_eq!(drawn.len(), 13);
        assert!(drawn.is_sorted_by(|a, b| a < b));
        assert_ne!(drawn, raters(2_410, &[2; 32], &owners), "the seed decides");
    }

    #[test]
    fn owners_without_power_are_not_drawn() {
        let owners: Vec<(OwnerId, u64)> = (0..20)
            .map(|id| (OwnerId(id), u64::from(id >= 10)))
            .collect();
        let drawn = raters(2_410, &[3; 32], &owners);
        assert_eq!(drawn, (10..20).map(OwnerId).collect::<Vec<_>>());
    }
}
