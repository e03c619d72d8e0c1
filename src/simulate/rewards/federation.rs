//! A federation of honest participants and colluders, settled epoch by epoch.

use unsilo_ledger::mechanism::{
    Epoch, EpochError, Mechanism, Ratings, Row, fixed::I32F32, median, trust, yuma,
};

use super::{attack::Attack, noise::Noise};

/// What can be paid in an epoch.
const EMISSION: u64 = 1_000_000_000;

/// Who is in the federation, and how well they see each other.
#[derive(Clone, Debug)]
pub(crate) struct Federation {
    /// What each participant's contributions are worth. Colluders are the last ones.
    pub(crate) utility: Vec<f64>,
    pub(crate) stake: Vec<u64>,
    /// The standard deviation of a rating, as a part of it.
    pub(crate) error: f64,
    /// The largest rating of somebody whose contributions are worth nothing; one that is worth 1 is rated 1.
    pub(crate) dust: f64,
}

impl Federation {
    /// Equal stake; the last `colluders` of `participants` are worth `utility`, the others 1.
    pub(crate) fn equal(participants: usize, colluders: usize, utility: f64) -> Self {
        let honest = participants - colluders;
        Self {
            utility: (0..participants)
                .map(|row| if row < honest { 1.0 } else { utility })
                .collect(),
            stake: vec![100; participants],
            error: 0.2,
            dust: 0.0,
        }
    }

    pub(crate) fn participants(&self) -> usize {
        self.utility.len()
    }

    /// How a participant honestly rates all others in an epoch.
    pub(crate) fn honest_row(&self, noise: &Noise, epoch: usize, rater: usize) -> Vec<f64> {
        noise
            .row(epoch, rater)
            .iter()
            .zip(&self.utility)
            .enumerate()
            .map(|(rated, (error, utility))| {
                if rated == rater {
                    0.0
                } else if *utility > 0.0 {
                    (utility * (1.0 + self.error * f64::from(error.relative))).max(0.0)
                } else {
                    self.dust * f64::from(error.absolute)
                }
            })
            .collect()
    }

    /// Plays the epochs of `noise` and adds up what everybody is paid.
    pub(crate) fn play<M: Rule>(
        &self,
        rule: &M,
        attack: &Attack,
        noise: &Noise,
    ) -> Result<Paid, EpochError> {
        let count = self.participants();
        let mut memory = M::Memory::default();
        let mut paid = Paid {
            of: vec![0; count],
            emitted: 0,
        };
        let mut consensus = vec![0.0; count];
        for epoch in 0..noise.epochs() {
            let weights: Vec<Vec<u16>> = (0..count)
                .map(|rater| weights(&attack.row(self, noise, epoch, rater, &consensus)))
                .collect();
            let rows: Vec<Row<'_>> = weights
                .iter()
                .zip(&self.stake)
                .zip(0..)
                .map(|((weights, stake), owner)| Row {
                    owner,
                    stake: *stake,
                    joined: 0,
                    ratings: Some(Ratings { weights, given: 0 }),
                })
                .collect();
            let (next, outcome) = rule.settle(
                &memory,
                &Epoch {
                    emission: EMISSION,
                    rows: &rows,
                    activity_cutoff: u32::MAX,
                },
            )?;
            memory = next;
            let (payout, _) = M::payout(&outcome);
            for (sum, payout) in paid.of.iter_mut().zip(payout) {
                *sum += payout;
            }
            paid.emitted += EMISSION;
            consensus = M::consensus(&outcome);
        }
        Ok(paid)
    }
}

/// A rating scaled so that the largest is 65,535.
fn weights(row: &[f64]) -> Vec<u16> {
    let top = row.iter().copied().fold(0.0, f64::max);
    let scale = if top > 0.0 { 65_535.0 / top } else { 0.0 };
    row.iter()
        .map(|rating| (rating * scale).round() as u16)
        .collect()
}

/// What was paid over all epochs.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    /// To each participant.
    pub(crate) of: Vec<u64>,
    /// What could have been.
    pub(crate) emitted: u64,
}

impl Paid {
    /// The part of what could have been paid that went to the last `colluders`.
    pub(crate) fn share(&self, colluders: usize) -> f64 {
        let honest = self.of.len() - colluders;
        self.of[honest..].iter().sum::<u64>() as f64 / self.emitted as f64
    }

    /// The mean part for one of the participants in `rows`.
    pub(crate) fn mean(&self, rows: std::ops::Range<usize>) -> f64 {
        let count = rows.len();
        self.of[rows].iter().sum::<u64>() as f64 / self.emitted as f64 / count as f64
    }
}

/// A mechanism whose consensus participants can read, and copy.
pub(crate) trait Rule: Mechanism + Sync {
    /// The consensus of an epoch, in any unit.
    fn consensus(outcome: &Self::Outcome) -> Vec<f64>;
}

impl Rule for median::Median {
    fn consensus(outcome: &median::Outcome) -> Vec<f64> {
        outcome
            .consensus
            .iter()
            .map(|value| *value as f64)
            .collect()
    }
}

impl Rule for yuma::Parameters {
    fn consensus(outcome: &yuma::Outcome) -> Vec<f64> {
        bits(&outcome.consensus)
    }
}

impl Rule for trust::Parameters {
    fn consensus(outcome: &trust::Outcome) -> Vec<f64> {
        // The paper's consensus says whether a row is trusted; what it is worth is its rank.
        bits(&outcome.ranks)
    }
}

fn bits(values: &[I32F32]) -> Vec<f64> {
    values.iter().map(|value| value.to_bits() as f64).collect()
}

#[cfg(test)]
mod tests {
    use unsilo_ledger::mechanism::median::Median;

    use super::*;

    #[test]
    fn the_same_seed_pays_the_same() {
        let federation = Federation::equal(8, 3, 0.5);
        let play = |seed| {
            let noise = Noise::new(seed, 5, 8);
            federation
                .play(&Median, &Attack::mix(3, 0.5), &noise)
                .expect("settled")
                .of
        };
        assert_eq!(play(1), play(1));
        assert_ne!(play(1), play(2));
    }

    #[test]
    fn honest_federations_pay_by_utility() {
        let federation = Federation::equal(10, 4, 0.5);
        let noise = Noise::new(3, 50, 10);
        let paid = federation
            .play(&Median, &Attack::none(4), &noise)
            .expect("settled");
        // .8 by utility (2 of 8), .2 by heads (4 of 10).
        assert!(
            (paid.share(4) - (0.8 * 0.25 + 0.2 * 0.4)).abs() < 0.01,
            "{}",
            paid.share(4)
        );
        assert!(paid.mean(0..6) > paid.mean(6..10));
    }

    #[test]
    fn what_is_worth_nothing_is_rated_as_dust() {
        let mut federation = Federation::equal(6, 2, 0.0);
        federation.dust = 0.05;
        let row = federation.honest_row(&Noise::new(0, 1, 6), 0, 1);
        assert_eq!(row[1], 0.0);
        assert!(row[4..].iter().all(|rating| (0.0..=0.05).contains(rating)));
        assert!(row[2] > 0.2);
        assert_eq!(weights(&[0.0, 0.5, 1.0]), [0, 32_768, 65_535]);
        assert_eq!(weights(&[0.0, 0.0]), [0, 0]);
    }
}
