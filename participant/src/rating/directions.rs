//! The vectors whose products with the updates a rater asks for.

use unsilo_fhe::{DELTA, Direction, Params, direction::DirectionError};
use unsilo_train::{Dataset, StepReport, TrainConfig, TrainError, Trainer};

use super::{ASKED, residual::residual};

/// How many times the steps of a round a rater trains for its direction. One gradient alone would exclude most honest
/// participants where companies know different classes (docs/scoring.md).
pub const DIRECTION_STEPS: usize = 5;
/// Differences of published models that count as known already.
pub const HISTORY: usize = 5;

/// Why a rater has no directions in a round. It then does not rate; nothing else depends on it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectionsError {
    /// Training on the rows kept back failed.
    #[error("the rows kept back cannot be trained on: {0}")]
    Training(#[from] TrainError),
    /// The rows kept back are of one class with two rows or more, or are learnt perfectly.
    #[error("the rows kept back do not move the model: keep back rows of more classes")]
    Unmoved,
    /// All that the rows kept back ask for was in the last models already, or asked for lately.
    #[error(
        "the rows kept back ask for nothing that the last {HISTORY} models did not bring, and that was not asked for lately"
    )]
    NothingNew,
    /// A difference of published models that is of another model, or not finite.
    #[error("difference {index} of published models (0 is the oldest) is not one of this model")]
    History {
        /// Which, counted from the first of those given.
        index: usize,
    },
    /// What was asked for lately is of another model.
    #[error(
        "direction {index} of those asked for lately (0 is the oldest) is not one of this model"
    )]
    Asked {
        /// Which, counted from the first of those given.
        index: usize,
    },
    /// The encryption's parameters are of another model.
    #[error(transparent)]
    Quantisation(#[from] DirectionError),
}

/// What is not new to a rater.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// Differences of consecutive published models, the oldest first: the last [`HISTORY`] count.
    pub differences: &'a [Vec<f32>],
    /// Its own second directions at the last models, the oldest first ([`super::Asked::before`]): the last [`ASKED`] count.
    pub asked: &'a [&'a [i8]],
}

/// The directions of a rater in one round: which way its rows kept back would move the model, and, if there is a
/// history, what of that is at right angles to it and to what was asked for lately.
///
/// From the round's `weights`, [`DIRECTION_STEPS`] times the steps of the round's own `training`, same optimiser and
/// learning rate, on `held_out`; every class equally often, and without those of fewer than two rows kept back. `v` is
/// the difference, and the second direction `v°` is `v` minus its projection on the span of what is `known`. Where companies differ,
/// the model swings: what rows want of it in one round they want back in the next, and honest updates are on the right side of that in
/// every second round only. Without what was asked for lately, pay is not made of it. Each is rounded to bytes as
/// [`Direction::quantise`] does, so that all directions of one model have about the same length and their products
/// can be averaged over rounds.
///
/// One vector if there is no history, in a federation's first round: all of `v` is new. [`super::Averages::observe`] takes it so.
///
/// `progress` is called during the training, as by [`Trainer::train`]; a call that unwinds ends it.
///
/// `training.seed` must be secret and fresh: directions that others can foretell can be played to. Deterministic for given
/// arguments, as [`Trainer::train`] is.
///
/// # Errors
/// [`DirectionsError`]; never a vector that is zero or not finite.
pub fn directions(
    trainer: &Trainer,
    params: &Params,
    weights: &[f32],
    held_out: &Dataset,
    training: &TrainConfig,
    known: &Known<'_>,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Vec<Vec<i8>>, DirectionsError> {
    let is_difference =
        |one: &Vec<f32>| one.len() == weights.len() && one.iter().all(|x| x.is_finite());
    if let Some(index) = known.differences.iter().position(|one| !is_difference(one)) {
        return Err(DirectionsError::History { index });
    }
    let is_other = |one: &&[i8]| one.len() != weights.len();
    if let Some(index) = known.asked.iter().position(is_other) {
        return Err(DirectionsError::Asked { index });
    }
    let settings = TrainConfig {
        steps: training.steps.saturating_mul(DIRECTION_STEPS),
        without_rare_classes: true,
        balanced_classes: true,
        ..training.clone()
    };
    let trained = trainer.train(weights, held_out, &settings, progress)?;
    let moved: Vec<f32> = trained
        .iter()
        .zip(weights)
        .map(|(to, from)| to - from)
        .collect();
    if moved.iter().all(|&x| x == 0.0) {
        return Err(DirectionsError::Unmoved);
    }
    let mut found = vec![Direction::quantise(params, &moved)?];
    // What only looks like a move of the model is no reason for a second direction.
    let last = known.differences.iter().rev().take(HISTORY);
    if last.clone().any(|one| one.iter().any(|&x| x != 0.0)) {
        let asked = known.asked.iter().rev().take(ASKED);
        let asked: Vec<Vec<f32>> = asked
            .map(|one| one.iter().map(|&x| f32::from(x)).collect())
            .collect();
        let others = last.chain(&asked).map(Vec::as_slice);
        let new = residual(&moved, others).ok_or(DirectionsError::NothingNew)?;
        found.push(Direction::quantise(params, &new)?);
    }
    Ok(found)
}

/// The deviation of an update's product with `direction` divided by its norm, as [`super::Averages::observe`] divides it, where
/// the update points in a random direction: the scale of the encryption times the direction's length by the root of the
/// parameters.
pub fn chance_product(direction: &[i8]) -> f64 {
    let squares: f64 = direction.iter().map(|v| f64::from(*v).powi(2)).sum();
    DELTA as f64 * (squares / direction.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use unsilo_fhe::{ParamsLiteral, direction::max_squared_norm};
    use unsilo_train::{Activation, Device, MlpConfig, SeededRandom};

    use super::*;

    fn model() -> MlpConfig {
        MlpConfig {
            layers: vec![4, 16, 3],
            activation: Activation::Relu,
        }
    }

    fn params() -> Params {
        Params::new(&ParamsLiteral {
            profile: "default".to_owned(),
            parameters: model().parameters() as u64,
        })
        .expect("parameters")
    }

    /// Rows whose class is their largest column, of these classes.
    fn rows(labels: &[u32]) -> Dataset {
        let mut random = SeededRandom::new(5);
        let mut features = Vec::new();
        for &label in labels {
            for column in 0..4 {
                let wobble = random.below(100) as f32 / 250.0;
                features.push(if column == label {
                    0.6 + wobble
                } else {
                    wobble
                });
            }
        }
        Dataset::new(features, labels.to_vec(), 4, 3).expect("valid rows")
    }

    fn ask(held_out: &Dataset, history: &[Vec<f32>]) -> Result<Vec<Vec<i8>>, DirectionsError> {
        ask_again(held_out, history, &[])
    }

    fn ask_again(
        held_out: &Dataset,
        differences: &[Vec<f32>],
        asked: &[&[i8]],
    ) -> Result<Vec<Vec<i8>>, DirectionsError> {
        let trainer = Trainer::new(model(), Device::cpu()).expect("valid sizes");
        let training = TrainConfig {
            steps: 4,
            ..TrainConfig::default()
        };
        let weights = model().initial_weights(3);
        directions(
            &trainer,
            &params(),
            &weights,
            held_out,
            &training,
            &Known { differences, asked },
            &mut |_| {},
        )
    }

    fn cosine(x: &[i8], y: &[f32]) -> f64 {
        let (mut product, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for (&x, &y) in x.iter().zip(y) {
            let (x, y) = (f64::from(x), f64::from(y));
            product += x * y;
            xx += x * x;
            yy += y * y;
        }
        product / (xx * yy).sqrt()
    }

    #[test]
    fn a_first_round_has_one_direction_and_later_ones_a_second_at_right_angles_to_the_last_models()
    {
        let held_out = rows(&[0, 1, 2].repeat(20));
        let first = ask(&held_out, &[]).expect("a direction");
        assert_eq!(first.len(), 1);
        let mut random = SeededRandom::new(1);
        let old: Vec<Vec<f32>> = (0..HISTORY)
            .map(|_| {
                first[0]
                    .iter()
                    .map(|&v| f32::from(v) + random.below(21) as f32 - 10.0)
                    .collect()
            })
            .collect();
        let both = ask(&held_out, &old).expect("directions");
        assert_eq!((both.len(), &both[0]), (2, &first[0]));
        for one in &old {
            assert!(cosine(&both[0], one) > 0.5);
            // Rounding to bytes leaves a few hundredths.
            assert!(
                cosine(&both[1], one).abs() < 0.05,
                "{}",
                cosine(&both[1], one)
            );
        }
        for direction in &both {
            let squared: u64 = direction
                .iter()
                .map(|&x| u64::from(x.unsigned_abs()).pow(2))
                .sum();
            assert!(squared <= max_squared_norm(&params()));
        }
    }

    #[test]
    fn only_the_last_five_models_are_known_already() {
        let held_out = rows(&[0, 1, 2].repeat(20));
        let first = ask(&held_out, &[]).expect("a direction");
        let known: Vec<f32> = first[0].iter().map(|&v| f32::from(v)).collect();
        let mut history = vec![known.clone()];
        for place in 0..HISTORY {
            let mut other = vec![0.0; known.len()];
            other[place] = 1.0;
            history.push(other);
        }
        let second = |history: &[Vec<f32>]| ask(&held_out, history).expect("directions").remove(1);
        assert!(cosine(&second(&history), &known) > 0.9);
        assert!(cosine(&second(&history[..HISTORY]), &known).abs() < 0.05);
    }

    #[test]
    fn what_was_asked_for_at_the_last_two_models_is_not_new() {
        let held_out = rows(&[0, 1, 2].repeat(20));
        let mut random = SeededRandom::new(4);
        let mut noisy = |of: &[i8]| -> Vec<i8> {
            let near = of
                .iter()
                .map(|&v| i32::from(v) + random.below(31) as i32 - 15);
            near.map(|v| v.clamp(-127, 127) as i8).collect()
        };
        let history = vec![
            (0..model().parameters())
                .map(|at| (at % 5) as f32)
                .collect(),
        ];
        let second = |asked: &[&[i8]]| {
            let both = ask_again(&held_out, &history, asked).expect("directions");
            let [_, second] = both.try_into().expect("two");
            second
        };
        let plain: Vec<i8> = second(&[]);
        let float = |of: &[i8]| -> Vec<f32> { of.iter().map(|&v| v.into()).collect() };
        let (older, newer, oldest) = (noisy(&plain), noisy(&plain), noisy(&plain));
        for asked in [&oldest, &older, &newer] {
            assert!(cosine(&plain, &float(asked)) > 0.5);
        }
        let left = second(&[&oldest, &older, &newer]);
        assert_eq!(left, second(&[&older, &newer]), "the last two count");
        for known in [&older, &newer] {
            assert!(cosine(&left, &float(known)).abs() < 0.05);
        }
        assert!(cosine(&left, &float(&oldest)).abs() > 0.05);
        // In a first round there is nothing that it could be new beside.
        assert_eq!(ask_again(&held_out, &[], &[&newer]).expect("one").len(), 1);
        assert_eq!(
            ask_again(&held_out, &history, &[&newer, &newer[1..]]),
            Err(DirectionsError::Asked { index: 1 })
        );
    }

    #[test]
    fn what_cannot_move_the_model_or_brings_nothing_new_is_said_and_not_asked() {
        assert_eq!(
            ask(&rows(&[1, 1, 1, 2]), &[]),
            Err(DirectionsError::Unmoved)
        );
        assert_eq!(
            ask(&rows(&[0, 1, 2]), &[]),
            Err(DirectionsError::Training(TrainError::OnlyRareClasses {
                rows: 3
            }))
        );
        let held_out = rows(&[0, 1, 2].repeat(20));
        let trainer = Trainer::new(model(), Device::cpu()).expect("valid sizes");
        let settings = TrainConfig {
            steps: 4 * DIRECTION_STEPS,
            without_rare_classes: true,
            balanced_classes: true,
            ..TrainConfig::default()
        };
        let weights = model().initial_weights(3);
        let trained = trainer
            .train(&weights, &held_out, &settings, &mut |_| {})
            .expect("trains");
        let moved: Vec<f32> = trained
            .iter()
            .zip(&weights)
            .map(|(to, from)| 3.0 * (to - from))
            .collect();
        assert_eq!(
            ask(&held_out, std::slice::from_ref(&moved)),
            Err(DirectionsError::NothingNew)
        );
        // A model that stood still is no history.
        assert_eq!(
            ask(&held_out, &[vec![0.0; moved.len()]])
                .expect("one")
                .len(),
            1
        );
    }

    #[test]
    fn products_of_updates_in_random_directions_are_as_large_as_is_said() {
        let direction: Vec<i8> = (0..2_000).map(|at| (at % 21) as i8 - 10).collect();
        let mut random = SeededRandom::new(2);
        let squares = (0..500).map(|_| {
            let update: Vec<f64> = direction
                .iter()
                .map(|_| random.below(2_001) as f64 - 1_000.0)
                .collect();
            let norm = update.iter().map(|u| u * u).sum::<f64>().sqrt();
            let pairs = update.iter().zip(&direction);
            let product: f64 = pairs.map(|(u, v)| u * f64::from(*v)).sum();
            (DELTA as f64 * product / norm).powi(2)
        });
        let deviation = (squares.sum::<f64>() / 500.0).sqrt();
        assert!((deviation / chance_product(&direction) - 1.0).abs() < 0.1);
        assert_eq!(chance_product(&[]), 0.0);
    }

    #[test]
    fn a_history_of_another_model_is_refused() {
        let held_out = rows(&[0, 1, 2].repeat(20));
        let good = vec![0.5; model().parameters()];
        let mut infinite = good.clone();
        infinite[3] = f32::INFINITY;
        for bad in [vec![], vec![1.0; 3], infinite] {
            assert_eq!(
                ask(&held_out, &[good.clone(), bad]),
                Err(DirectionsError::History { index: 1 })
            );
        }
    }
}
