//! The multi-layer perceptron as a burn module, and its way to and from a flat vector.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData, activation};

use crate::config::{Activation, MlpConfig};
use crate::error::TrainError;

/// Fully connected layers; see [`MlpConfig`] for the meaning and the order of the parameters.
#[derive(Module, Debug)]
pub(crate) struct Mlp<B: Backend> {
    layers: Vec<Linear<B>>,
}

impl<B: Backend> Mlp<B> {
    /// The model that `weights` describes.
    ///
    /// Layers are built from the values themselves, never initialised and overwritten: burn's
    /// initialisation would draw from the process-wide generator. `Param::from_tensor` also turns
    /// gradients on; a tensor put into an existing parameter loses them, and burn 0.21 then trains
    /// nothing without a word.
    pub(crate) fn load(
        config: &MlpConfig,
        weights: &[f32],
        device: &B::Device,
    ) -> Result<Self, TrainError> {
        check_weights(config, weights)?;
        let mut rest = weights;
        let mut take = |length: usize| {
            let (values, after) = rest.split_at(length);
            rest = after;
            values.to_vec()
        };
        let layers = config
            .shapes()
            .map(|(inputs, outputs)| {
                let weight = TensorData::new(take(inputs * outputs), [inputs, outputs]);
                let bias = TensorData::new(take(outputs), [outputs]);
                Linear {
                    weight: Param::from_tensor(Tensor::from_data(weight, device)),
                    bias: Some(Param::from_tensor(Tensor::from_data(bias, device))),
                }
            })
            .collect();
        Ok(Self { layers })
    }

    /// The parameters as one vector, in the order [`load`](Self::load) reads.
    pub(crate) fn flatten(&self) -> Vec<f32> {
        let mut flat = Flat {
            values: Vec::with_capacity(self.num_params()),
        };
        self.visit(&mut flat);
        flat.values
    }

    /// # Shapes
    ///
    /// - `input`: `[batch, columns]`
    /// - output: `[batch, classes]`, logits
    pub(crate) fn forward(&self, input: Tensor<B, 2>, between: Activation) -> Tensor<B, 2> {
        let last = self.layers.len().saturating_sub(1);
        self.layers.iter().enumerate().fold(input, |x, (i, layer)| {
            let x = layer.forward(x);
            match between {
                _ if i == last => x,
                Activation::Relu => activation::relu(x),
                Activation::Tanh => activation::tanh(x),
            }
        })
    }
}

/// The right number of weights, all finite.
pub(crate) fn check_weights(config: &MlpConfig, weights: &[f32]) -> Result<(), TrainError> {
    let expected = config.parameters();
    if weights.len() != expected {
        return Err(TrainError::WeightCount {
            model: config.to_string(),
            expected,
            found: weights.len(),
        });
    }
    match weights.iter().position(|w| !w.is_finite()) {
        Some(index) => Err(TrainError::WeightNotFinite {
            index,
            value: weights[index],
        }),
        None => Ok(()),
    }
}

/// Appends every float parameter in field declaration order, depth first. Parameter ids are random
/// and play no part.
struct Flat {
    values: Vec<f32>,
}

impl<B: Backend> ModuleVisitor<B> for Flat {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.values.extend(param.val().into_data().iter::<f32>());
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::{Flex, FlexDevice};

    use super::*;

    fn config(layers: &[usize]) -> MlpConfig {
        MlpConfig {
            layers: layers.to_vec(),
            activation: Activation::Relu,
        }
    }

    #[test]
    fn flatten_is_the_inverse_of_load() {
        let config = config(&[5, 7, 4, 3]);
        let weights: Vec<f32> = (0..config.parameters())
            .map(|i| i as f32 * 0.5 - 20.0)
            .collect();
        let model = Mlp::<Flex>::load(&config, &weights, &FlexDevice).expect("fits");
        assert_eq!(model.flatten(), weights);
    }

    #[test]
    fn forward_has_the_documented_order_and_shape() {
        // in = 2, hidden = 2, out = 2; worked out by hand.
        let weights = [
            1.0, -1.0, // weight of input 0 to hidden 0 and 1
            2.0, 0.5, // weight of input 1
            0.5, -3.0, // hidden biases: hidden = relu([1 + 4 + .5, -1 + 1 - 3]) = [5.5, 0]
            1.0, 10.0, 100.0, 1000.0, // [2, 2]
            0.25, -0.25,
        ];
        let model = Mlp::<Flex>::load(&config(&[2, 2, 2]), &weights, &FlexDevice).expect("fits");
        let input = Tensor::from_data([[1.0f32, 2.0]], &FlexDevice);
        let output = model.forward(input, Activation::Relu);
        assert_eq!(output.dims(), [1, 2]);
        let output: Vec<f32> = output.into_data().iter::<f32>().collect();
        assert_eq!(output, [5.75, 54.75]);
    }

    #[test]
    fn wrong_weights_are_refused() {
        let config = config(&[2, 2]);
        assert!(matches!(
            Mlp::<Flex>::load(&config, &[0.0; 5], &FlexDevice),
            Err(TrainError::WeightCount {
                expected: 6,
                found: 5,
                ..
            })
        ));
        let weights = [0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0];
        assert!(matches!(
            Mlp::<Flex>::load(&config, &weights, &FlexDevice),
            Err(TrainError::WeightNotFinite { index: 2, .. })
        ));
    }
}
