//! Trained models to ask: a plain SGD of its own, so that the tests need no file and no other crate of ours.

use std::path::Path;

use unsilo_inference::{Activation, Model, argmax};

/// Rows of scaled features with their labels.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) features: Vec<Vec<f32>>,
    pub(crate) labels: Vec<usize>,
    pub(crate) classes: usize,
}

impl Rows {
    /// Every fifth row for testing, the others for training.
    pub(crate) fn split(&self) -> (Rows, Rows) {
        let part = |keep: &dyn Fn(usize) -> bool| Rows {
            features: pick(&self.features, keep),
            labels: pick(&self.labels, keep),
            classes: self.classes,
        };
        (part(&|row| row % 5 != 0), part(&|row| row % 5 == 0))
    }

    /// Share of the rows whose class `of` gives.
    pub(crate) fn accuracy(&self, of: impl Fn(&[f32]) -> usize) -> f64 {
        let right = self
            .features
            .iter()
            .zip(&self.labels)
            .filter(|(features, label)| of(features) == **label)
            .count();
        right as f64 / self.labels.len() as f64
    }
}

fn pick<T: Clone>(all: &[T], keep: &dyn Fn(usize) -> bool) -> Vec<T> {
    all.iter()
        .enumerate()
        .filter(|(row, _)| keep(*row))
        .map(|(_, item)| item.clone())
        .collect()
}

/// `data/digits.csv`, scaled by its range 0..16.
pub(crate) fn digits() -> Rows {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/digits.csv");
    let text = std::fs::read_to_string(path).expect("data/digits.csv is in the repository");
    let mut rows = Rows {
        features: Vec::new(),
        labels: Vec::new(),
        classes: 10,
    };
    for line in text.lines().skip(1) {
        let mut cells: Vec<f32> = line
            .split(',')
            .map(|cell| cell.parse().expect("a number"))
            .collect();
        rows.labels.push(cells.pop().expect("a label") as usize);
        rows.features
            .push(cells.into_iter().map(|cell| cell / 16.0).collect());
    }
    rows
}

/// The four hospitals of the UCI heart disease data, rows without missing values, columns scaled by their extremes.
/// `None` unless the environment variable `UNSILO_HEART` names the folder: the data may not be redistributed.
pub(crate) fn heart() -> Option<Rows> {
    let folder = std::env::var_os("UNSILO_HEART")?;
    let mut features: Vec<Vec<f32>> = Vec::new();
    let mut labels = Vec::new();
    for hospital in ["cleveland", "hungarian", "switzerland", "va"] {
        let path = Path::new(&folder).join(format!("processed.{hospital}.data"));
        let text = std::fs::read_to_string(&path).expect("the folder holds the four files");
        for line in text.lines() {
            // The last columns before the label are missing in most hospitals: 0 where they are.
            let mut cells: Vec<f32> = line
                .split(',')
                .map(|cell| cell.trim().parse().unwrap_or(0.0))
                .collect();
            labels.push(usize::from(cells.pop().expect("a label") > 0.0));
            features.push(cells);
        }
    }
    for column in 0..features.first()?.len() {
        let values = features.iter().map(|row| row[column]);
        let (low, high) = (
            values.clone().fold(f32::INFINITY, f32::min),
            values.fold(f32::NEG_INFINITY, f32::max),
        );
        for row in &mut features {
            row[column] = (row[column] - low) / (high - low).max(f32::MIN_POSITIVE);
        }
    }
    Some(Rows {
        features,
        labels,
        classes: 2,
    })
}

/// Numbers in 0..1 from a linear congruence (Knuth's MMIX).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Random weights of the usual size, for shapes and speed.
pub(crate) fn untrained(sizes: &[usize], activation: Activation, seed: u64) -> Model {
    let mut numbers = Numbers(seed);
    let mut weights = Vec::new();
    for pair in sizes.windows(2) {
        let bound = (6.0 / pair[0] as f64).sqrt();
        weights.extend(
            (0..(pair[0] + 1) * pair[1]).map(|_| ((2.0 * numbers.next() - 1.0) * bound) as f32),
        );
    }
    Model::new(sizes.to_vec(), activation, weights).expect("within the limits")
}

/// Plain stochastic gradient descent on the cross entropy, one row a step.
pub(crate) fn train(
    rows: &Rows,
    hidden: &[usize],
    activation: Activation,
    epochs: usize,
    rate: f64,
) -> Model {
    let mut sizes = vec![rows.features[0].len()];
    sizes.extend(hidden);
    sizes.push(rows.classes);
    let mut numbers = Numbers(7);
    // Per layer: matrix [inputs][outputs], bias [outputs].
    let mut layers: Vec<(Vec<f64>, Vec<f64>)> = sizes
        .windows(2)
        .map(|pair| {
            let bound = (3.0 / pair[0] as f64).sqrt();
            let matrix = (0..pair[0] * pair[1])
                .map(|_| (2.0 * numbers.next() - 1.0) * bound)
                .collect();
            (matrix, vec![0.0; pair[1]])
        })
        .collect();
    for epoch in 0..epochs {
        let rate = rate / (1.0 + 2.0 * epoch as f64 / epochs as f64);
        for _ in 0..rows.labels.len() {
            let row = (numbers.next() * rows.labels.len() as f64) as usize;
            let mut values = vec![
                rows.features[row]
                    .iter()
                    .map(|value| f64::from(*value))
                    .collect::<Vec<f64>>(),
            ];
            for (index, (matrix, bias)) in layers.iter().enumerate() {
                let mut sums = bias.clone();
                for (value, weights) in values[index].iter().zip(matrix.chunks_exact(sums.len())) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += value * weight;
                    }
                }
                if index + 1 < layers.len() {
                    for sum in &mut sums {
                        *sum = activation.at(*sum);
                    }
                }
                values.push(sums);
            }
            let logits = values.pop().expect("logits");
            let largest = logits.iter().copied().fold(f64::MIN, f64::max);
            let powers: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let total: f64 = powers.iter().sum();
            let mut slope: Vec<f64> = powers.iter().map(|power| power / total).collect();
            slope[rows.labels[row]] -= 1.0;
            for (index, (matrix, bias)) in layers.iter_mut().enumerate().rev() {
                let inputs = &values[index];
                let mut before = vec![0.0; inputs.len()];
                for ((value, weights), before) in inputs
                    .iter()
                    .zip(matrix.chunks_exact_mut(slope.len()))
                    .zip(&mut before)
                {
                    for (weight, slope) in weights.iter_mut().zip(&slope) {
                        *before += *weight * slope;
                        *weight -= rate * slope * value;
                    }
                    *before *= match activation {
                        Activation::Relu => f64::from(u8::from(*value > 0.0)),
                        Activation::Tanh => 1.0 - value * value,
                    };
                }
                for (bias, slope) in bias.iter_mut().zip(&slope) {
                    *bias -= rate * slope;
                }
                slope = before;
            }
        }
    }
    let weights = layers
        .into_iter()
        .flat_map(|(matrix, bias)| matrix.into_iter().chain(bias))
        .map(|weight| weight as f32)
        .collect();
    Model::new(sizes, activation, weights).expect("within the limits")
}

/// The class that the model in the clear gives.
pub(crate) fn class(model: &Model, features: &[f32]) -> usize {
    argmax(&model.logits(features))
}
