//! How often the shared model does what the attackers want.

use std::path::Path;

use anyhow::Context;
use data_encoding::HEXLOWER;
use unsilo_ledger::State;
use unsilo_participant::data::{LoadOptions, load_csv};
use unsilo_train::{Activation, Device, MlpConfig, Trainer, largest, weights::from_safetensors};

use crate::attack::Attack;

/// The part of the rows in the file `test` to which the newest model answers as the attackers want, of those that show it (marked
/// ones of other classes than the first for a backdoor); `None` where they want nothing in particular. `company` is the directory
/// of a company that has the model.
pub(in super::super) fn success(
    attack: Attack,
    state: &State,
    company: &Path,
    test: &Path,
) -> anyhow::Result<Option<f64>> {
    if !attack.wants_something() {
        return Ok(None);
    }
    let draft = state.draft().context("a federation that was founded")?;
    let hash = state.model().context("a federation with a model")?;
    let shape = MlpConfig {
        layers: draft
            .model
            .layers
            .iter()
            .map(|units| *units as usize)
            .collect(),
        activation: match draft.model.activation {
            unsilo_ledger::Activation::Relu => Activation::Relu,
            unsilo_ledger::Activation::Tanh => Activation::Tanh,
        },
    };
    let file = format!("{}.safetensors", HEXLOWER.encode(&hash));
    let path = company.join("models").join(file);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let weights = from_safetensors(&shape, &bytes)?;
    let schema = state.schema().unwrap_or_else(|| draft.schema.clone());
    let test = load_csv(test, &schema, &LoadOptions::default())?.data;
    let trainer = Trainer::new(shape, Device::cpu())?;
    let logits = trainer.logits(&weights, &attack.wanted_on(&test))?;
    let predicted: Vec<usize> = logits.chunks(test.classes()).map(largest).collect();
    Ok(attack.success(&test, &predicted))
}
