//! Companies of the demo that do not train as agreed. What they send is encrypted, checked, rated and weighed by the same
//! code as everybody's: only their training is replaced, behind the seam that every company may use.

use clap::ValueEnum;
use serde::Serialize;
use unsilo_participant::{BuiltIn, LocalTraining, TrainingRound};
use unsilo_train::{Dataset, SeededRandom, StepReport};

/// How many times as long as an honest update a boosted or inflated one is.
const BOOST: f32 = 10.0;

/// What malicious companies send instead of their update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Attack {
    /// An update trained on rows whose classes are turned round: the first is called the last.
    LabelFlip,
    /// The honest update with the opposite sign.
    SignFlip,
    /// Ten times the opposite of the honest update.
    Boost,
    /// Ten times the honest update: not to harm, but to count for more than is due.
    Inflate,
    /// Random numbers, together as long as the honest update.
    Noise,
    /// Nothing: an update of zeros.
    Zero,
}

impl Attack {
    /// What is sent, for people.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::LabelFlip => "what wrong labels teach",
            Self::SignFlip => "the opposite of what was learnt",
            Self::Boost => "ten times the opposite of what was learnt",
            Self::Inflate => "ten times what was learnt",
            Self::Noise => "noise",
            Self::Zero => "zeros",
        }
    }
}

/// Trains as the attack wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malicious(pub(super) Attack);

impl LocalTraining for Malicious {
    fn train(
        &self,
        round: &TrainingRound<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, String> {
        let Self(attack) = self;
        match attack {
            Attack::LabelFlip => {
                let rows = flipped(round.rows)?;
                let flipped = TrainingRound {
                    rows: &rows,
                    ..*round
                };
                BuiltIn.train(&flipped, progress)
            }
            Attack::Zero => Ok(round.weights.to_vec()),
            Attack::SignFlip => moved(round, progress, |update| {
                update.iter_mut().for_each(|x| *x = -*x);
            }),
            Attack::Boost => moved(round, progress, |update| {
                update.iter_mut().for_each(|x| *x *= -BOOST);
            }),
            Attack::Inflate => moved(round, progress, |update| {
                update.iter_mut().for_each(|x| *x *= BOOST);
            }),
            Attack::Noise => {
                let seed = round.settings.seed;
                moved(round, progress, |update| scatter(update, seed))
            }
        }
    }
}

/// The rows with class `c` of `n` called `n - 1 - c`.
fn flipped(rows: &Dataset) -> Result<Dataset, String> {
    let classes = rows.classes();
    let last = u32::try_from(classes - 1).unwrap_or(u32::MAX);
    let labels = rows.labels().iter().map(|label| last - label).collect();
    Dataset::new(rows.features().to_vec(), labels, rows.columns(), classes)
        .map_err(|error| error.to_string())
}

/// The honest update, changed.
fn moved(
    round: &TrainingRound<'_>,
    progress: &mut dyn FnMut(StepReport),
    change: impl FnOnce(&mut [f32]),
) -> Result<Vec<f32>, String> {
    let mut update = BuiltIn.train(round, progress)?;
    for (after, before) in update.iter_mut().zip(round.weights) {
        *after -= before;
    }
    change(&mut update);
    for (update, before) in update.iter_mut().zip(round.weights) {
        *update += before;
    }
    Ok(update)
}

/// Replaces the update by a direction drawn at random (normal numbers, Box and Muller 1958) of the same length.
fn scatter(update: &mut [f32], seed: u64) {
    let norm = |values: &[f32]| {
        let squares = values.iter().map(|x| f64::from(*x).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let length = norm(update);
    let mut random = SeededRandom::new(seed);
    let mut unit = || ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    for x in update.iter_mut() {
        let (radius, angle) = (unit(), unit());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        *x = normal as f32;
    }
    let scale = (length / norm(update).max(f64::MIN_POSITIVE)) as f32;
    update.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_as_long_as_the_update_and_points_elsewhere() {
        let update: Vec<f32> = (0..5_000).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut noise = update.clone();
        scatter(&mut noise, 3);
        let product = |x: &[f32], y: &[f32]| -> f64 {
            let pairs = x.iter().zip(y);
            pairs.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let (own, other) = (product(&update, &update), product(&noise, &noise));
        assert!((other / own - 1.0).abs() < 1e-4, "{other} for {own}");
        assert!((product(&update, &noise) / own).abs() < 0.06);
    }

    #[test]
    fn flipped_rows_keep_their_features_and_turn_their_classes_round() {
        let rows = Dataset::new(vec![1.0, 2.0, 3.0], vec![0, 1, 2], 1, 3).expect("rows");
        let flipped = flipped(&rows).expect("rows");
        assert_eq!(flipped.features(), rows.features());
        assert_eq!(flipped.labels(), [2, 1, 0]);
    }
}
