//! The model that queries are answered with.

use std::sync::{Arc, OnceLock};

use unsilo_inference::{EncryptedModel, Model, ModelError};
use unsilo_ledger::{Activation, Hash, ModelSpec};

/// A model in memory, ready to answer.
pub(crate) struct Served {
    spec: ModelSpec,
    weights: Vec<f32>,
    /// Its hash on the ledger.
    pub(crate) hash: Hash,
    /// The round that published it; `None` for the first weights, which nobody has trained.
    pub(crate) round: Option<u64>,
    /// For encrypted queries, from the first of them on.
    encrypted: OnceLock<Result<Arc<EncryptedModel>, ModelError>>,
}

impl Served {
    /// `weights` are in the order of `unsilo_ledger::model_hash` and as many as the spec has parameters.
    pub(crate) fn new(spec: ModelSpec, weights: Vec<f32>, hash: Hash, round: Option<u64>) -> Self {
        Self {
            spec,
            weights,
            hash,
            round,
            encrypted: OnceLock::new(),
        }
    }

    /// The model for encrypted queries, made at the first call: milliseconds, for a thread that may block.
    ///
    /// # Errors
    /// [`ModelError`] if it is beyond what they take.
    pub(crate) fn encrypted(&self) -> Result<Arc<EncryptedModel>, ModelError> {
        self.encrypted.get_or_init(|| self.quantise()).clone()
    }

    fn quantise(&self) -> Result<Arc<EncryptedModel>, ModelError> {
        let size = |size: &u32| usize::try_from(*size).unwrap_or(usize::MAX);
        let sizes: Vec<usize> = self.spec.layers.iter().map(size).collect();
        Model::check(&sizes)?;
        let activation = match self.spec.activation {
            Activation::Relu => unsilo_inference::Activation::Relu,
            Activation::Tanh => unsilo_inference::Activation::Tanh,
        };
        let model = Model::new(sizes, activation, self.weights.clone())?;
        EncryptedModel::quantise(&model).map(Arc::new)
    }

    /// Logits of one row of scaled features. Shapes: `[inputs] -> [outputs]`.
    pub(crate) fn logits(&self, features: &[f32]) -> Vec<f32> {
        let mut values = features.to_vec();
        let mut rest = self.weights.as_slice();
        let last = self.spec.layers.len().saturating_sub(2);
        for (layer, (inputs, outputs)) in self.spec.shapes().enumerate() {
            let (inputs, outputs) = (inputs as usize, outputs as usize);
            let Some((matrix, after)) = rest.split_at_checked(inputs * outputs) else {
                break;
            };
            let Some((bias, after)) = after.split_at_checked(outputs) else {
                break;
            };
            rest = after;
            let mut sums = bias.to_vec();
            for (value, row) in values.iter().zip(matrix.chunks_exact(outputs)) {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += value * weight;
                }
            }
            if layer < last {
                for sum in &mut sums {
                    *sum = match self.spec.activation {
                        Activation::Relu => sum.max(0.0),
                        Activation::Tanh => sum.tanh(),
                    };
                }
            }
            values = sums;
        }
        values
    }
}

/// Probabilities from logits, computed so that no exponential overflows.
pub(crate) fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unsilo_ledger::ModelKind;

    #[test]
    fn logits_are_those_of_a_hand_calculation() {
        let spec = ModelSpec {
            kind: ModelKind::Mlp,
            layers: vec![2, 2, 1],
            activation: Activation::Relu,
        };
        // Hidden: [1·1 + 2·3 + 0.5, 1·2 + 2·(-4) + 0] = [7.5, -6 -> 0]; output: 7.5·2 + 0·9 - 1 = 14.
        let weights = vec![1.0, 2.0, 3.0, -4.0, 0.5, 0.0, 2.0, 9.0, -1.0];
        let served = Served::new(spec, weights, [0; 32], None);
        assert_eq!(served.logits(&[1.0, 2.0]), [14.0]);
        let even = softmax(&[1000.0, 1000.0]);
        assert_eq!(even, [0.5, 0.5]);
    }
}
