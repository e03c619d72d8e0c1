//! What a rater remembers of how much one contributor's updates helped.
//!
//! Two memories, for neither will do alone (measured: docs/scoring.md). A short one forgets what a contributor was worth as soon
//! as the model has learnt what it can: local training then pulls every company's way around a model that suits all, honest
//! updates sum to about nothing, and so those of the others must on average point away from a rater's own. A long one
//! lets who was honest for twenty rounds attack for another twenty. So the long one counts, and the short one where it has
//! something to say.

use borsh::{BorshDeserialize, BorshSerialize};

/// How much the newest round moves the long memory: half of it is of the last 23 rounds.
const LONG: f64 = 0.03;
/// The same of the short one: half of it is of the last three rounds.
const SHORT: f64 = 0.2;
/// The same of the spread around the short one.
const SPREAD: f64 = 0.1;
/// Standard errors that the short memory is given before it counts against a contributor.
const DOUBT: f64 = 2.0;
/// Deviations of an update in a random direction that the long memory must be above to be told from chance.
const SIGNIFICANT: f64 = 2.0;

/// Moving averages over the rounds of a contributor's a: its product with the rater's direction by the norm of the update.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct TrackRecord {
    /// The long memory. Starts with the first round's value: where few rows are learnt from in few rounds, the first tells most.
    long: f64,
    /// The short one.
    recent: f64,
    /// Mean square of what rounds were off the short one.
    spread: f64,
    /// What the square of `long` would be of updates in random directions.
    chance: f64,
}

impl TrackRecord {
    /// Of a contributor that is new. `chance` is the deviation of a round's product with an update in a random direction.
    pub(super) fn new(product: f64, chance: f64) -> Self {
        Self {
            long: product,
            recent: product,
            // Of how much it varies nothing is known but its size.
            spread: product.powi(2),
            chance: chance.powi(2),
        }
    }

    /// With one round more.
    pub(super) fn after(self, product: f64, chance: f64) -> Self {
        let moved = |old: f64, new: f64, rate: f64| (1.0 - rate) * old + rate * new;
        Self {
            long: moved(self.long, product, LONG),
            recent: moved(self.recent, product, SHORT),
            spread: moved(self.spread, (product - self.recent).powi(2), SPREAD),
            // The variance of a weighted sum of independent numbers.
            chance: (1.0 - LONG).powi(2) * self.chance + LONG.powi(2) * chance.powi(2),
        }
    }

    /// a_ij. `slack` is what [`slack`] says of all contributors together.
    pub(super) fn score(&self, slack: Option<f64>) -> f64 {
        slack.map_or(self.long, |slack| self.long.min(self.recent + slack))
    }

    /// Whether it helps more than updates in random directions would.
    pub(super) fn is_above_chance(&self) -> bool {
        self.long > SIGNIFICANT * self.chance.sqrt()
    }

    /// Whether these are averages at all.
    pub(super) fn is_sound(&self) -> bool {
        let numbers = [self.long, self.recent, self.spread, self.chance];
        numbers.iter().all(|number| number.is_finite()) && self.spread >= 0.0 && self.chance >= 0.0
    }
}

/// What the short memory is given before it counts against anybody: two standard errors, by the spread that is usual among
/// these contributors, for who is erratic shall not be given more for it. `None` if it does not count: the model no
/// longer learns unless more than half of them helped lately. Of attackers, however hard they push, only their number enters.
pub(super) fn slack(of: &[&TrackRecord]) -> Option<f64> {
    let helping = of.iter().filter(|one| one.recent > 0.0).count();
    let mut spreads: Vec<f64> = of.iter().map(|one| one.spread).collect();
    spreads.sort_unstable_by(f64::total_cmp);
    let usual = spreads.get(spreads.len().saturating_sub(1) / 2)?;
    // The variance of an exponential average is that of its terms times r / (2 - r).
    let standard_error = (usual * SHORT / (2.0 - SHORT)).sqrt();
    (2 * helping > of.len()).then_some(DOUBT * standard_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rounds: &[f64]) -> TrackRecord {
        let (first, later) = rounds.split_first().expect("a round");
        later
            .iter()
            .fold(TrackRecord::new(*first, 0.0), |record, product| {
                record.after(*product, 0.0)
            })
    }

    #[test]
    fn who_helped_and_then_brings_nothing_keeps_its_name_for_long() {
        let mut rounds = vec![0.4; 3];
        // Around nothing, as where all has been learnt.
        rounds.extend([0.05, -0.05].repeat(20));
        let record = of(&rounds);
        assert!(record.score(slack(&[&record; 3])) > 0.0 && record.score(None) > 0.1);
    }

    #[test]
    fn who_helped_for_twenty_rounds_and_then_harms_beside_others_that_help_loses_it_in_a_few() {
        let honest = of(&[0.3, 0.25, 0.35, 0.3].repeat(5));
        let mut record = of(&[0.3; 20]);
        let mut rounds = 0;
        while record.score(slack(&[&honest, &honest, &record])) > 0.0 {
            record = record.after(-0.3, 0.0);
            rounds += 1;
        }
        assert!((3..=5).contains(&rounds), "{rounds}");
        // However hard it pushes, the others' help is seen.
        let record = record.after(-1e9, 0.0);
        assert!(slack(&[&honest, &honest, &record]).is_some());
    }

    #[test]
    fn where_no_more_than_half_help_lately_only_the_long_memory_counts() {
        let (helps, harms) = (of(&[0.3; 20]), of(&[-0.1; 20]));
        assert_eq!(slack(&[&helps, &harms]), None);
        assert_eq!(slack(&[]), None);
        // One that helps much does not make up for two that do not.
        assert_eq!(slack(&[&of(&[1e9; 20]), &harms, &harms]), None);
        assert!(slack(&[&helps, &helps, &harms]).is_some());
    }

    #[test]
    fn who_is_erratic_is_given_no_more_than_others() {
        let steady = of(&[0.3, 0.25].repeat(10));
        let erratic = of(&[0.3, -0.3].repeat(10));
        let slack = slack(&[&steady, &steady, &erratic]);
        assert!(erratic.score(slack) < 0.05, "{slack:?}");
    }

    #[test]
    fn chance_shrinks_with_the_rounds_it_is_averaged_over() {
        let mut record = TrackRecord::new(1.5, 1.0);
        assert!(!record.is_above_chance());
        for _ in 0..20 {
            record = record.after(1.5, 1.0);
        }
        assert!(record.is_above_chance());
    }
}
