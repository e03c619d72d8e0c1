//! The model in the clear: what is quantised, and what answers are compared with.

use crate::params::{MAX_NEURONS, MAX_OUTPUTS, MAX_WIDTH};

/// The function between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The value at `x`. Both functions are monotone and change by at most as much as `x` does.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
        }
    }
}

/// Why a model is not evaluated under encryption.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Layer sizes out of range.
    #[error(
        "layers {0:?}: encrypted queries take 1 to {MAX_WIDTH} features and units a layer, at most {MAX_NEURONS} hidden \
         units in all and 1 to {MAX_OUTPUTS} outputs"
    )]
    Layers(Vec<usize>),
    /// Not as many weights as the layers have.
    #[error("{found} weights, the layers have {expected}")]
    Weights {
        /// Weights given.
        found: usize,
        /// Weights of the layers.
        expected: usize,
    },
    /// A weight that is no number, or larger than 10^6 in size.
    #[error("weight {0} is not a number between -10^6 and 10^6")]
    Weight(usize),
    /// A linear model with too many features times outputs for the answer's size.
    #[error(
        "a linear model of {features} features and {outputs} outputs does not fit {polynomials} polynomials of an answer"
    )]
    TooWide {
        /// Features.
        features: usize,
        /// Outputs.
        outputs: usize,
        /// Polynomials that an answer may have.
        polynomials: usize,
    },
    /// Rounded so coarsely that noise would change answers.
    #[error("the weights of a layer are so unequal that they cannot be told from noise")]
    Noise,
}

/// A multi-layer perceptron; without hidden layers, a linear model.
///
/// Weights are in the order of the ledger's model hash: layer by layer the matrix `[inputs, outputs]` row-major, then the
/// bias `[outputs]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    sizes: Vec<usize>,
    activation: Activation,
    weights: Vec<f32>,
}

impl Model {
    /// That layers of these sizes are within the limits.
    ///
    /// # Errors
    /// [`ModelError::Layers`] if not.
    pub fn check(sizes: &[usize]) -> Result<(), ModelError> {
        let inside = match sizes {
            [inputs @ .., last] if !inputs.is_empty() => {
                inputs.iter().all(|size| (1..=MAX_WIDTH).contains(size))
                    && (1..=MAX_OUTPUTS).contains(last)
                    && inputs[1..].iter().sum::<usize>() <= MAX_NEURONS
            }
            _ => false,
        };
        match inside {
            true => Ok(()),
            false => Err(ModelError::Layers(sizes.to_vec())),
        }
    }

    /// Features must come scaled to `0..=1`, as participants scale what they train with.
    ///
    /// # Errors
    /// [`ModelError`] beyond the limits of encrypted queries.
    pub fn new(
        sizes: Vec<usize>,
        activation: Activation,
        weights: Vec<f32>,
    ) -> Result<Self, ModelError> {
        Self::check(&sizes)?;
        let expected = sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        if weights.len() != expected {
            return Err(ModelError::Weights {
                found: weights.len(),
                expected,
            });
        }
        let inside = -1e6..=1e6;
        if let Some(index) = weights.iter().position(|weight| !inside.contains(weight)) {
            return Err(ModelError::Weight(index));
        }
        Ok(Self {
            sizes,
            activation,
            weights,
        })
    }

    /// Units per layer: features, hidden layers, outputs.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The function between layers.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Layer by layer: inputs, outputs, matrix, bias.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (usize, usize, &[f32], &[f32])> {
        let mut rest = self.weights.as_slice();
        self.sizes.windows(2).map(move |pair| {
            let (matrix, after) = rest.split_at(pair[0] * pair[1]);
            let (bias, after) = after.split_at(pair[1]);
            rest = after;
            (pair[0], pair[1], matrix, bias)
        })
    }

    /// Logits of one row of scaled features, in the clear. Shapes: `[features] -> [outputs]`.
    pub fn logits(&self, features: &[f32]) -> Vec<f64> {
        let mut values: Vec<f64> = features.iter().map(|value| f64::from(*value)).collect();
        let last = self.sizes.len() - 2;
        for (index, (_, outputs, matrix, bias)) in self.layers().enumerate() {
            let mut sums: Vec<f64> = bias.iter().map(|value| f64::from(*value)).collect();
            for (value, row) in values.iter().zip(matrix.chunks_exact(outputs)) {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += value * f64::from(*weight);
                }
            }
            if index < last {
                for sum in &mut sums {
                    *sum = self.activation.at(*sum);
                }
            }
            values = sums;
        }
        values
    }
}

/// The index of the largest value; the first of equals.
pub fn argmax(values: &[f64]) -> usize {
    values
        .iter()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (index, value)| {
            if *value > best.1 {
                (index, *value)
            } else {
                best
            }
        })
        .0
}
