//! The models that are asked, trained here on four fifths of the digits, so that their answers mean something.

use anyhow::Context;
use unsilo_inference::Model;
use unsilo_train::{Activation, Dataset, DeviceChoice, MlpConfig, TrainConfig, Trainer, select};

/// UCI Optical Recognition of Handwritten Digits; see data/SOURCES.md.
const DIGITS: &str = include_str!("../../../../data/digits.csv");
/// The largest value of a pixel: all are scaled by it.
const BRIGHTEST: f32 = 16.0;
/// Every so many rows one is for testing.
const TEST_EVERY: usize = 5;
/// Inputs of the model that tells odd digits from even ones: the pixels that vary most.
const FEW_PIXELS: usize = 30;
const STEPS: usize = 2000;

/// A trained model and the rows that it has not seen, with their classes.
pub(super) struct Trained {
    pub(super) name: &'static str,
    pub(super) task: &'static str,
    pub(super) model: Model,
    pub(super) test: Vec<(Vec<f32>, usize)>,
}

/// Scaled pixels and classes.
type Rows = Vec<(Vec<f32>, usize)>;

/// A linear model and two with a hidden layer.
pub(super) fn trained() -> anyhow::Result<[Trained; 3]> {
    let rows = digits()?;
    let pixels = most_varied(&rows);
    let parity: Rows = rows
        .iter()
        .map(|(row, label)| (pixels.iter().map(|pixel| row[*pixel]).collect(), label % 2))
        .collect();
    Ok([
        train("64-10", "which digit", &rows, &[64, 10])?,
        train("30-16-2", "odd or even", &parity, &[FEW_PIXELS, 16, 2])?,
        train("64-32-10", "which digit", &rows, &[64, 32, 10])?,
    ])
}

fn digits() -> anyhow::Result<Rows> {
    DIGITS
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line
                .split(',')
                .map(|cell| cell.parse::<u8>().context("a digit's value is no number"))
                .collect::<anyhow::Result<Vec<u8>>>()?;
            let label = cells.pop().context("a digit without a label")?;
            let row = cells.into_iter().map(|cell| f32::from(cell) / BRIGHTEST);
            Ok((row.collect(), label.into()))
        })
        .collect()
}

/// The pixels of the largest variance, in their order.
fn most_varied(rows: &Rows) -> Vec<usize> {
    let count = rows.len() as f32;
    let columns = rows.first().map_or(0, |(row, _)| row.len());
    let variance = |column: usize| {
        let values = rows.iter().map(|(row, _)| row[column]);
        let mean = values.clone().sum::<f32>() / count;
        values.map(|value| (value - mean).powi(2)).sum::<f32>()
    };
    let mut ranked: Vec<(f32, usize)> = (0..columns).map(|c| (variance(c), c)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut pixels: Vec<usize> = ranked.iter().take(FEW_PIXELS).map(|(_, c)| *c).collect();
    pixels.sort_unstable();
    pixels
}

fn train(
    name: &'static str,
    task: &'static str,
    rows: &Rows,
    layers: &[usize],
) -> anyhow::Result<Trained> {
    let of = |test: bool| {
        let chosen = rows.iter().enumerate();
        chosen.filter(move |(row, _)| (row % TEST_EVERY == 0) == test)
    };
    let features = of(false).flat_map(|(_, (row, _))| row.iter().copied());
    let labels = of(false)
        .map(|(_, (_, label))| u32::try_from(*label))
        .collect::<Result<_, _>>()?;
    let classes = layers.last().copied().context("no layer")?;
    let data = Dataset::new(features.collect(), labels, layers[0], classes)?;
    let config = MlpConfig {
        layers: layers.to_vec(),
        activation: Activation::Relu,
    };
    let first = config.initial_weights(1);
    let device = select(DeviceChoice::Cpu)?;
    let settings = TrainConfig {
        steps: STEPS,
        ..TrainConfig::default()
    };
    let weights = Trainer::new(config, device)?.train(&first, &data, &settings, &mut |_| {})?;
    Ok(Trained {
        name,
        task,
        model: Model::new(layers.to_vec(), unsilo_inference::Activation::Relu, weights)?,
        test: of(true).map(|(_, row)| row.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_have_learnt_their_tasks() {
        for model in trained().expect("trained") {
            let right = model.test.iter().filter(|(row, label)| {
                unsilo_inference::argmax(&model.model.logits(row)) == *label
            });
            let share = right.count() as f64 / model.test.len() as f64;
            assert!(share > 0.9, "{}: {share}", model.name);
            assert_eq!(model.test.len(), 360);
        }
    }
}
