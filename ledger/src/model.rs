//! What is trained: the model's shape, and the hash that names its weights.

use crate::hash::{Domain, DomainHasher, Hash};
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

const MODEL: Domain = Domain::new("model");

/// The fewest parameters a model may have: 32 for each direction that a round can open
/// (48 projections and two directions of each of four raters).
pub const MIN_PARAMETERS: u64 = 1_792;
/// The most parameters a model may have, 2^27.
pub const MAX_PARAMETERS: u64 = 134_217_728;
/// The widest layer, 2^20 units.
pub const MAX_WIDTH: u32 = 1_048_576;
/// The most layers, counting the input.
pub const MAX_LAYERS: usize = 32;

/// The family of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum ModelKind {
    /// Fully connected layers with an activation between them.
    Mlp,
}

/// The function between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

/// The shape of the model that a federation trains.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ModelSpec {
    /// The family.
    pub kind: ModelKind,
    /// Units per layer: inputs, hidden layers, outputs.
    pub layers: Vec<u32>,
    /// Between any two layers, not after the last.
    pub activation: Activation,
}

/// Why a model is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// Fewer than an input and an output, or more than [`MAX_LAYERS`].
    #[error("the model has {layers} layers: give between 2 (inputs, outputs) and {MAX_LAYERS}")]
    Layers {
        /// How many there are.
        layers: usize,
    },
    /// A layer of no units, or wider than [`MAX_WIDTH`].
    #[error("layer {layer} has {units} units: give between 1 and {MAX_WIDTH}")]
    Width {
        /// From 0, the input.
        layer: usize,
        /// Its units.
        units: u32,
    },
    /// Fewer than [`MIN_PARAMETERS`].
    #[error(
        "the model has {parameters} parameters; with fewer than {MIN_PARAMETERS} the checks on encrypted \
         updates would reveal them: widen a layer"
    )]
    TooSmall {
        /// How many it has.
        parameters: u64,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("the model has more than {MAX_PARAMETERS} parameters: narrow a layer")]
    TooLarge,
}

impl ModelSpec {
    /// The number of weights and biases; saturates far above [`MAX_PARAMETERS`].
    pub fn parameters(&self) -> u64 {
        self.shapes().fold(0, |sum, (inputs, outputs)| {
            let weights = u64::from(inputs).saturating_mul(u64::from(outputs));
            sum.saturating_add(weights)
                .saturating_add(u64::from(outputs))
        })
    }

    /// `(inputs, outputs)` of each connection between two layers, in order.
    pub fn shapes(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.layers
            .iter()
            .copied()
            .zip(self.layers.iter().copied().skip(1))
    }

    /// Units of the first layer; 0 if there is none.
    pub fn inputs(&self) -> u32 {
        self.layers.first().copied().unwrap_or(0)
    }

    /// Units of the last layer; 0 if there is none.
    pub fn outputs(&self) -> u32 {
        self.layers.last().copied().unwrap_or(0)
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        let layers = self.layers.len();
        if !(2..=MAX_LAYERS).contains(&layers) {
            return Err(ModelError::Layers { layers });
        }
        for (layer, &units) in self.layers.iter().enumerate() {
            if units == 0 || units > MAX_WIDTH {
                return Err(ModelError::Width { layer, units });
            }
        }
        match self.parameters() {
            parameters if parameters < MIN_PARAMETERS => Err(ModelError::TooSmall { parameters }),
            parameters if parameters > MAX_PARAMETERS => Err(ModelError::TooLarge),
            _ => Ok(()),
        }
    }
}

/// The hash of a model: its shape and its weights as little-endian f32 bytes, in the order of layers,
/// each its weights `[inputs, outputs]` row-major, then its biases `[outputs]`.
///
/// The caller makes sure that `weights` holds `4 * spec.parameters()` bytes.
pub fn model_hash(spec: &ModelSpec, weights: &[u8]) -> Hash {
    let mut hasher = ModelHasher::new(spec);
    hasher.update(weights);
    hasher.finish()
}

/// [`model_hash`] for weights that arrive in pieces.
pub struct ModelHasher(DomainHasher);

impl ModelHasher {
    /// A model of shape `spec` with no weights yet.
    pub fn new(spec: &ModelSpec) -> Self {
        let mut hasher = DomainHasher::new(MODEL);
        // Kind, activation and widths determine the number of bytes that follow, so nothing is ambiguous.
        hasher.update(&[match spec.kind {
            ModelKind::Mlp => 0,
        }]);
        hasher.update(&[match spec.activation {
            Activation::Relu => 0,
            Activation::Tanh => 1,
        }]);
        let layers = u32::try_from(spec.layers.len()).unwrap_or(u32::MAX);
        hasher.update(&layers.to_le_bytes());
        for units in &spec.layers {
            hasher.update(&units.to_le_bytes());
        }
        Self(hasher)
    }

    /// The next bytes of the weights.
    pub fn update(&mut self, weights: &[u8]) {
        self.0.update(weights);
    }

    /// The hash of all that was fed.
    pub fn finish(self) -> Hash {
        self.0.finish()
    }
}
