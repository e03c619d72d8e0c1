//! Weights as a [safetensors](https://github.com/huggingface/safetensors) file.
//!
//! Layer `i` (from 0) is two little-endian f32 tensors: `layers.<i>.weight` of shape `[in, out]`
//! and `layers.<i>.bias` of shape `[out]`. PyTorch's `nn.Linear` keeps the transpose, `[out, in]`.
//! The file's metadata names the activation. The same weights always give the same bytes.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use crate::config::{ConfigError, MlpConfig};
use crate::error::TrainError;
use crate::mlp::check_weights;

/// Metadata key of the activation's name.
const ACTIVATION: &str = "activation";
/// What a file may hold beyond the weights themselves.
const MAX_HEADER: usize = 1 << 20;

/// Why a safetensors file is not the model's weights.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The model's sizes cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights to write do not fit the model.
    #[error(transparent)]
    Weights(#[from] TrainError),
    /// Far larger than the model.
    #[error("the file has {found} bytes, but {model} needs no more than {limit}")]
    TooLarge {
        /// The model.
        model: String,
        /// Size of the file.
        found: usize,
        /// Largest size accepted.
        limit: usize,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("the file is not a readable safetensors file: {reason}")]
    Format {
        /// The parser's words.
        reason: String,
    },
    /// Tensors are missing or left over.
    #[error("the file does not hold {model}: missing tensors [{}], unknown tensors [{}]", missing.join(", "), unknown.join(", "))]
    Names {
        /// The model.
        model: String,
        /// Names the model needs and the file lacks.
        missing: Vec<String>,
        /// Names in the file that the model does not have (at most 8 are listed).
        unknown: Vec<String>,
    },
    /// A tensor of another shape.
    #[error(
        "tensor {name} has shape {found:?}, but {model} needs {expected:?} (weights are [in, out]; PyTorch keeps the transpose)"
    )]
    Shape {
        /// The model.
        model: String,
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape of the model.
        expected: Vec<usize>,
    },
    /// A tensor of another number type.
    #[error("tensor {name} holds {found}, but F32 is needed: convert it before")]
    Dtype {
        /// Name of the tensor.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// A NaN or infinite weight.
    #[error("tensor {name}, value {index} is {value}: weights must be finite")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Position in the tensor, row-major.
        index: usize,
        /// What was found.
        value: f32,
    },
    /// The file was written for another activation.
    #[error("the file was written for activation {found:?}, but the model uses {expected}")]
    Activation {
        /// Name in the file.
        found: String,
        /// The model's.
        expected: String,
    },
}

/// The file of `weights` (flat, in the order of [`MlpConfig`]).
///
/// # Errors
///
/// Sizes that cannot be used, or weights that are too many, too few or not finite.
pub fn to_safetensors(config: &MlpConfig, weights: &[f32]) -> Result<Vec<u8>, WeightsError> {
    config.check()?;
    check_weights(config, weights)?;
    let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut rest = bytes.as_slice();
    let mut views = Vec::new();
    for (name, shape) in tensors(config) {
        let (data, after) = rest.split_at(4 * shape.iter().product::<usize>());
        rest = after;
        views.push((
            name,
            TensorView::new(Dtype::F32, shape, data).map_err(format)?,
        ));
    }
    // One key only: the order of several would change from run to run.
    let metadata = HashMap::from([(ACTIVATION.to_owned(), config.activation.to_string())]);
    serialize(views, Some(metadata)).map_err(format)
}

/// The weights in `file`, flat in the order of [`MlpConfig`].
///
/// # Errors
///
/// Anything but exactly the model's tensors, each F32, of the right shape and finite; or metadata
/// that names another activation. Files without that metadata are accepted.
pub fn from_safetensors(config: &MlpConfig, file: &[u8]) -> Result<Vec<f32>, WeightsError> {
    config.check()?;
    let model = config.to_string();
    let limit = 4 * config.parameters() + MAX_HEADER;
    if file.len() > limit {
        return Err(WeightsError::TooLarge {
            model,
            found: file.len(),
            limit,
        });
    }
    let (_, header) = SafeTensors::read_metadata(file).map_err(format)?;
    if let Some(found) = header
        .metadata()
        .as_ref()
        .and_then(|pairs| pairs.get(ACTIVATION))
    {
        let expected = config.activation.to_string();
        if *found != expected {
            return Err(WeightsError::Activation {
                found: found.clone(),
                expected,
            });
        }
    }
    let file = SafeTensors::deserialize(file).map_err(format)?;
    let mut found: BTreeMap<&str, TensorView<'_>> = file.iter().collect();

    let mut weights = Vec::with_capacity(config.parameters());
    let mut missing = Vec::new();
    for (name, expected) in tensors(config) {
        match found.remove(name.as_str()) {
            Some(tensor) => append(&mut weights, &model, &name, expected, &tensor)?,
            None => missing.push(name),
        }
    }
    if !missing.is_empty() || !found.is_empty() {
        let unknown = found.into_keys().take(8).map(str::to_owned).collect();
        return Err(WeightsError::Names {
            model,
            missing,
            unknown,
        });
    }
    Ok(weights)
}

/// Checks one tensor and appends its values.
fn append(
    weights: &mut Vec<f32>,
    model: &str,
    name: &str,
    expected: Vec<usize>,
    tensor: &TensorView<'_>,
) -> Result<(), WeightsError> {
    let name = name.to_owned();
    if tensor.dtype() != Dtype::F32 {
        return Err(WeightsError::Dtype {
            name,
            found: format!("{:?}", tensor.dtype()),
        });
    }
    if tensor.shape() != expected {
        let (model, found) = (model.to_owned(), tensor.shape().to_vec());
        return Err(WeightsError::Shape {
            model,
            name,
            found,
            expected,
        });
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    for (index, &bytes) in values.iter().enumerate() {
        let value = f32::from_le_bytes(bytes);
        if !value.is_finite() {
            return Err(WeightsError::NotFinite { name, index, value });
        }
        weights.push(value);
    }
    Ok(())
}

/// Name and shape of every tensor, in flat order.
fn tensors(config: &MlpConfig) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
    config
        .shapes()
        .enumerate()
        .flat_map(|(i, (inputs, outputs))| {
            [
                (format!("layers.{i}.weight"), vec![inputs, outputs]),
                (format!("layers.{i}.bias"), vec![outputs]),
            ]
        })
}

fn format(error: safetensors::SafeTensorError) -> WeightsError {
    WeightsError::Format {
        reason: error.to_string(),
    }
}
