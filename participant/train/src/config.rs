//! What is trained: the kind and sizes of a model, and the order of its parameters in a flat vector.

use std::fmt;

use crate::random::SeededRandom;

/// Most layer sizes a model may name (input, hidden layers and output together).
pub const MAX_LAYERS: usize = 32;
/// Most parameters a model may have: 100 million, 400 MB as f32.
pub const MAX_PARAMETERS: usize = 100_000_000;

/// The function between two layers. There is none after the last: a model gives logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        })
    }
}

/// A multi-layer perceptron: fully connected layers with one activation between them.
///
/// # Order of the parameters
///
/// Everywhere in this crate a model is one `&[f32]` in this order (burn's field declaration order,
/// depth first): for each layer from the input to the output, the weight `[in, out]` row-major
/// (entry `i * out + o` joins input `i` to output `o`), then the bias `[out]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpConfig {
    /// Sizes from the input (columns) to the output (classes), for example `[64, 64, 10]`.
    pub layers: Vec<usize>,
    /// The function between layers.
    pub activation: Activation,
}

/// Why an [`MlpConfig`] cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Fewer than an input and an output, or more than [`MAX_LAYERS`].
    #[error(
        "a model needs 2 to {MAX_LAYERS} layer sizes (input, hidden .., output), but {found} are given"
    )]
    LayerCount {
        /// How many sizes were given.
        found: usize,
    },
    /// A layer of size 0.
    #[error(
        "layer size {index} (counted from 0, the input) is 0: every layer needs at least one unit"
    )]
    EmptyLayer {
        /// Which size, counted from 0.
        index: usize,
    },
    /// A classifier of fewer than two classes.
    #[error(
        "the last layer size is the number of classes and must be at least 2, but it is {found}"
    )]
    OneClass {
        /// The last size.
        found: usize,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("the model would have more than {MAX_PARAMETERS} parameters: use smaller layers")]
    TooLarge,
}

impl MlpConfig {
    /// Checks the sizes against the limits of this crate.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first size that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(2..=MAX_LAYERS).contains(&self.layers.len()) {
            return Err(ConfigError::LayerCount {
                found: self.layers.len(),
            });
        }
        if let Some(index) = self.layers.iter().position(|&size| size == 0) {
            return Err(ConfigError::EmptyLayer { index });
        }
        if self.classes() < 2 {
            return Err(ConfigError::OneClass {
                found: self.classes(),
            });
        }
        self.layers
            .windows(2)
            .try_fold(0usize, |sum, pair| {
                pair[0]
                    .checked_mul(pair[1])?
                    .checked_add(pair[1])?
                    .checked_add(sum)
            })
            .filter(|&parameters| parameters <= MAX_PARAMETERS)
            .map(|_| ())
            .ok_or(ConfigError::TooLarge)
    }

    /// Length of the flat vector. Meaningful after [`check`](Self::check); saturates otherwise.
    pub fn parameters(&self) -> usize {
        self.shapes()
            .map(|(inputs, outputs)| inputs.saturating_mul(outputs).saturating_add(outputs))
            .fold(0, usize::saturating_add)
    }

    /// Columns a row of input has; 0 where no layer is named.
    pub fn columns(&self) -> usize {
        self.layers.first().copied().unwrap_or(0)
    }

    /// Classes the output tells apart; 0 where no layer is named.
    pub fn classes(&self) -> usize {
        self.layers.last().copied().unwrap_or(0)
    }

    /// Initial weights for use outside a federation (a federation derives its own from its
    /// founding entry): uniform in `±sqrt(6 / inputs)` (He et al. 2015), biases 0.
    pub fn initial_weights(&self, seed: u64) -> Vec<f32> {
        let mut random = SeededRandom::new(seed);
        let mut weights = Vec::with_capacity(self.parameters());
        for (inputs, outputs) in self.shapes() {
            let limit = (6.0 / inputs as f64).sqrt();
            weights.extend((0..inputs * outputs).map(|_| random.symmetric(limit)));
            weights.resize(weights.len() + outputs, 0.0);
        }
        weights
    }

    /// `(inputs, outputs)` of each layer, in order.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.layers.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// The largest layer, which bounds the memory of one row's forward pass.
    pub(crate) fn widest(&self) -> usize {
        self.layers.iter().copied().max().unwrap_or(0)
    }
}

impl fmt::Display for MlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mlp ")?;
        for (i, size) in self.layers.iter().enumerate() {
            if i > 0 {
                f.write_str("-")?;
            }
            write!(f, "{size}")?;
        }
        write!(f, " {}", self.activation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mlp(layers: &[usize]) -> MlpConfig {
        MlpConfig {
            layers: layers.to_vec(),
            activation: Activation::Relu,
        }
    }

    #[test]
    fn sizes_are_counted_and_shown() {
        let config = mlp(&[64, 64, 10]);
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.parameters(), 64 * 64 + 64 + 64 * 10 + 10);
        assert_eq!((config.columns(), config.classes()), (64, 10));
        assert_eq!(config.to_string(), "mlp 64-64-10 relu");
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert_eq!(mlp(&[]).check(), Err(ConfigError::LayerCount { found: 0 }));
        assert_eq!(mlp(&[3]).check(), Err(ConfigError::LayerCount { found: 1 }));
        assert_eq!(
            mlp(&[3; 33]).check(),
            Err(ConfigError::LayerCount { found: 33 })
        );
        assert_eq!(
            mlp(&[3, 0, 2]).check(),
            Err(ConfigError::EmptyLayer { index: 1 })
        );
        assert_eq!(
            mlp(&[3, 1]).check(),
            Err(ConfigError::OneClass { found: 1 })
        );
        assert_eq!(mlp(&[100_000, 1_000]).check(), Err(ConfigError::TooLarge));
        assert_eq!(
            mlp(&[usize::MAX, usize::MAX]).check(),
            Err(ConfigError::TooLarge)
        );
        assert_eq!(mlp(&[usize::MAX, usize::MAX]).parameters(), usize::MAX);
    }

    #[test]
    fn initial_weights_lie_in_their_range_and_repeat() {
        let config = mlp(&[24, 5, 2]);
        let weights = config.initial_weights(3);
        assert_eq!(weights.len(), config.parameters());
        assert!(weights[..24 * 5].iter().all(|w| w.abs() <= 0.5));
        assert!(weights[24 * 5..24 * 5 + 5].iter().all(|&b| b == 0.0));
        assert_eq!(weights, config.initial_weights(3));
        assert_ne!(weights, config.initial_weights(4));
    }
}
