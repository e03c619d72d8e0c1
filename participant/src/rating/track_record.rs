//! What a rater remembers of how much one contributor's updates helped.
//!
//! Two memories, for neither will do alone (measured: docs/scoring.md). A short one forgets what a contributor was worth as soon
//! as the model has learnt what it can: local training then pulls every company's way around a model that suits all, honest
//! updates sum to about nothing, and so those of the others must on average point away from a rater's own. A long one
//! lets who was honest for twenty rounds attack for another twenty. So the long one counts, and the short one where it has
//! something to say: while the model still learns. Then it is also asked of each contributor that it helps not much less than is
//! usual, for who sends a little honest work with much of its own beside it is not to be told from honest by the sign alone.

use borsh::{BorshDeserialize, BorshSerialize};

/// How much the newest round moves the long memory: half of it is of the last 23 rounds.
const LONG: f64 = 0.03;
/// The same of the short one: half of it is of the last three rounds.
const SHORT: f64 = 0.2;
/// The same of the spread around the short one.
const SPREAD: f64 = 0.1;
/// Standard errors that the short memory is given before it counts against a contributor.
const DOUBT: f64 = 2.0;
/// The part of what is usual that a contributor must help by while the model still learns. Of the rules measured (0, .25, .3, .33,
/// .4) the least that keeps four of ten whose updates are .15 honest work at .03 of the weight where companies are alike;
/// above it honest companies with few rows or classes of their own lose their place (docs/scoring.md).
const ENOUGH: f64 = 0.33;
/// Contributors that a rater must know to say what is usual. With three, a hospital of four is soon below a third of what is left
/// of them; then no three weigh anything, and nothing moves any more (two of a hundred such federations on real rows).
const ENOUGH_TO_COMPARE: usize = 4;
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

/// a_ij of these contributors, in their order: all that the rater knows, but itself and its owner's.
///
/// The long memory; but while more than half of them helped lately, by their short memories, the model still learns, and then at
/// most the short memory and two standard errors by the spread that is usual among them, for who is erratic shall not be
/// given more for it; and, among [`ENOUGH_TO_COMPARE`] or more, 0 for who helps by less than [`ENOUGH`] of what is usual. "Usual" is the median, the lower one of two.
/// Of attackers, however hard they push, only their number enters.
pub(super) fn scores(of: &[&TrackRecord]) -> Vec<f64> {
    let helping = of.iter().filter(|one| one.recent > 0.0).count();
    if 2 * helping <= of.len() {
        return of.iter().map(|one| one.long).collect();
    }
    let usual_spread = median(of.iter().map(|one| one.spread));
    // The variance of an exponential average is that of its terms times r / (2 - r).
    let slack = DOUBT * (usual_spread * SHORT / (2.0 - SHORT)).sqrt();
    let scores = of.iter().map(|one| one.long.min(one.recent + slack));
    let mut scores: Vec<f64> = scores.collect();
    if of.len() < ENOUGH_TO_COMPARE {
        return scores;
    }
    let enough = ENOUGH * median(scores.iter().copied().filter(|score| *score > 0.0));
    for score in &mut scores {
        if (0.0..enough).contains(score) {
            *score = 0.0;
        }
    }
    scores
}

/// The lower median; 0 of nothing.
fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(0.0)
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
        assert!(record.recent < 0.0 && scores(&[&record; 3])[0] > 0.1);
        // One that goes on helping does not change that.
        let helps = of(&[0.3; 43]);
        assert!(scores(&[&record, &record, &helps])[0] > 0.1);
    }

    #[test]
    fn who_helped_for_twenty_rounds_and_then_harms_beside_others_that_help_loses_it_in_a_few() {
        let honest = of(&[0.3, 0.25, 0.35, 0.3].repeat(5));
        let mut record = of(&[0.3; 20]);
        let mut rounds = 0;
        while scores(&[&honest, &honest, &record])[2] > 0.0 {
            record = record.after(-0.3, 0.0);
            rounds += 1;
        }
        assert!((2..=5).contains(&rounds), "{rounds}");
        // However hard it pushes, the others' help is seen, and what they have.
        let harder = record.after(-1e9, 0.0);
        let scored = scores(&[&honest, &honest, &harder]);
        assert!(scored[2] < 0.0);
        assert_eq!(scored[..2], scores(&[&honest, &honest, &record])[..2]);
    }

    #[test]
    fn where_no_more_than_half_help_lately_only_the_long_memory_counts() {
        let helped = {
            let mut rounds = vec![0.3; 20];
            rounds.extend([-0.3; 10]);
            of(&rounds)
        };
        let (helps, harms) = (of(&[0.3; 20]), of(&[-0.1; 20]));
        assert_eq!(scores(&[]), Vec::<f64>::new());
        assert!(helped.recent < 0.0 && scores(&[&helps, &helped])[1] == helped.long);
        // One that helps much does not make up for two that do not.
        let much = of(&[1e9; 20]);
        assert_eq!(scores(&[&much, &helped, &harms])[1], helped.long);
        assert!(scores(&[&helps, &helps, &helped])[2] <= 0.0);
    }

    #[test]
    fn who_is_erratic_is_given_no_more_than_others() {
        let steady = of(&[0.3, 0.25].repeat(10));
        let erratic = of(&[0.3, -0.3].repeat(10));
        assert!(scores(&[&steady, &steady, &erratic])[2] < 0.05);
        assert_eq!(scores(&[&steady, &steady, &steady, &erratic])[3], 0.0);
    }

    #[test]
    fn who_helps_by_less_than_a_third_of_what_is_usual_counts_for_nothing_while_the_model_learns() {
        let part = |part: f64| of(&[part * 0.3; 20]);
        let (usual, less, little, harms) = (part(1.0), part(0.34), part(0.32), part(-0.5));
        let all = [&usual, &usual, &usual, &less, &little, &harms];
        let scored = scores(&all);
        assert_eq!((scored[3], scored[4]), (less.long, 0.0));
        // What harms stays what it is: the ledger's median counts it.
        assert_eq!(scored[5], harms.long);
        // Where as many harm as help, nobody knows what is usual.
        assert_eq!(scores(&[&usual, &little, &harms, &harms])[1], little.long);
        // And of three nobody knows either.
        assert_eq!(scores(&[&usual, &usual, &little])[2], little.long);
        // Few that help very much do not make the others worth nothing.
        let much = part(100.0);
        assert_eq!(
            scores(&[&usual, &usual, &usual, &much, &much])[0],
            usual.long
        );
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
