//! The federation card (the ledger's draft) in the terms of the data loader, the trainer and the encryption.

use std::path::Path;

use unsilo_fhe::{Params, ParamsLiteral};
use unsilo_ledger::{Activation, Draft, Optimiser, Schema};
use unsilo_train::{MlpConfig, TrainConfig};

use crate::error::NodeError;

/// Parses a card and checks it against the id that the invitation named.
pub(crate) fn parse(bytes: &[u8], federation: &[u8; 32]) -> Result<Draft, String> {
    if bytes.len() > unsilo_ledger::draft::MAX_DRAFT_BYTES {
        return Err("the federation card is too long".to_owned());
    }
    let draft: Draft = borsh::from_slice(bytes)
        .map_err(|error| format!("the federation card cannot be read: {error}"))?;
    if draft.federation_id().0 != *federation {
        return Err("the federation card is not the one the invitation names".to_owned());
    }
    draft
        .validate()
        .map_err(|error| format!("the federation card is not valid: {error}"))?;
    Ok(draft)
}

/// Reads the card that joining kept.
pub(crate) fn read(path: &Path, federation: &[u8; 32]) -> Result<Draft, NodeError> {
    let bytes = std::fs::read(path).map_err(NodeError::io("read", path))?;
    parse(&bytes, federation).map_err(|message| NodeError::config(path, message))
}

/// The columns that a table must have; `label` if the table calls its label column otherwise.
pub(crate) fn data_schema(schema: &Schema, label: Option<&str>) -> Schema {
    let schema = schema.clone();
    match label {
        Some(label) => Schema {
            label: label.to_owned(),
            ..schema
        },
        None => schema,
    }
}

/// The model's shape.
pub(crate) fn model(draft: &Draft) -> MlpConfig {
    MlpConfig {
        layers: draft
            .model
            .layers
            .iter()
            .map(|units| *units as usize)
            .collect(),
        activation: match draft.model.activation {
            Activation::Relu => unsilo_train::Activation::Relu,
            Activation::Tanh => unsilo_train::Activation::Tanh,
        },
    }
}

/// How a round is trained, in the order of rows that `seed` fixes.
pub(crate) fn training(draft: &Draft, seed: u64) -> TrainConfig {
    let plan = &draft.training;
    TrainConfig {
        steps: plan.steps as usize,
        batch: plan.batch as usize,
        learning_rate: f64::from(plan.learning_rate_micro) / 1e6,
        optimiser: match plan.optimiser {
            Optimiser::Sgd => unsilo_train::Optimiser::Sgd,
            Optimiser::Adam => unsilo_train::Optimiser::Adam,
        },
        seed,
        ..TrainConfig::default()
    }
}

/// The encryption's parameters for the model.
pub(crate) fn params(draft: &Draft) -> Result<Params, NodeError> {
    Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: draft.model.parameters(),
    })
    .map_err(|error| NodeError::Computation(error.to_string()))
}
