//! Local training and measuring: the company's rows, the trainer, and the model trained alone for comparison.

use sha2::{Digest, Sha256};
use unsilo_ledger::{Draft, PublicKey};
use unsilo_train::{Dataset, Device, Evaluation, StepReport, Trainer};

use crate::{
    card,
    config::Config,
    data::{LoadOptions, LoadedData, MissingCells, load_csv},
    error::NodeError,
    models::ModelStore,
    progress::{ClassEvaluation, RoundEvaluation},
};

/// Everything that trains and measures on this machine. Without `Debug`: it holds the company's rows.
pub(crate) struct Learner {
    draft: Draft,
    trainer: Trainer,
    rows: Dataset,
    evaluation: Option<Dataset>,
    baseline: bool,
    /// From the configuration; otherwise every training draws its own.
    seed: Option<u64>,
    identity: PublicKey,
}

impl Learner {
    /// Loads the rows that `config` names and checks them against the card.
    pub(crate) fn load(
        config: &Config,
        draft: &Draft,
        device: Device,
        identity: PublicKey,
    ) -> Result<Self, NodeError> {
        let rows = load(&config.data.file, config, draft)?.data;
        let evaluation = match &config.evaluation.file {
            Some(file) => Some(load(file, config, draft)?.data),
            None => None,
        };
        let trainer = Trainer::new(card::model(draft), device)
            .map_err(|error| NodeError::Computation(error.to_string()))?;
        Ok(Self {
            draft: draft.clone(),
            trainer,
            rows,
            evaluation,
            baseline: config.evaluation.baseline,
            seed: config.training.seed,
            identity,
        })
    }

    /// Trains from `weights` for one round.
    pub(crate) fn train(
        &self,
        round: u64,
        weights: &[f32],
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, NodeError> {
        let settings = card::training(&self.draft, self.seed_of("shared", round)?);
        self.trainer
            .train(weights, &self.rows, &settings, progress)
            .map_err(|error| NodeError::Computation(error.to_string()))
    }

    /// Measures the model of `round`, beside the one trained alone if that is configured.
    ///
    /// `first` gives the weights that everybody started from.
    pub(crate) fn evaluate(
        &self,
        round: u64,
        weights: &[f32],
        store: &ModelStore,
        first: impl FnOnce() -> Vec<f32>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Option<RoundEvaluation>, NodeError> {
        let Some(data) = &self.evaluation else {
            return Ok(None);
        };
        let measure = |weights: &[f32]| {
            self.trainer
                .evaluate(weights, data)
                .map_err(|error| NodeError::Computation(error.to_string()))
        };
        let shared = measure(weights)?;
        let alone = if self.baseline {
            let weights = self.train_alone(round, store, first, progress)?;
            Some(measure(&weights)?)
        } else {
            None
        };
        Ok(Some(self.beside(&shared, alone.as_ref())))
    }

    /// The model trained only here, for the same number of steps in each of the rounds up to `round`.
    fn train_alone(
        &self,
        round: u64,
        store: &ModelStore,
        first: impl FnOnce() -> Vec<f32>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, NodeError> {
        let (done, mut weights) = match store.alone()? {
            Some((done, weights)) => (done, weights),
            None => (round.saturating_sub(1), first()),
        };
        if done < round {
            let settings = card::training(&self.draft, self.seed_of("alone", round)?);
            weights = self
                .trainer
                .train(&weights, &self.rows, &settings, progress)
                .map_err(|error| NodeError::Computation(error.to_string()))?;
            store.save_alone(round, &weights)?;
        }
        Ok(weights)
    }

    fn beside(&self, shared: &Evaluation, alone: Option<&Evaluation>) -> RoundEvaluation {
        let held = self.rows.class_counts();
        let own = |evaluation: &Evaluation| {
            let (correct, total) = evaluation
                .per_class
                .iter()
                .zip(&held)
                .filter(|(_, held)| **held > 0)
                .fold((0, 0), |sum, ((correct, total), _)| {
                    (sum.0 + correct, sum.1 + total)
                });
            (total > 0).then(|| correct as f64 / total as f64)
        };
        let classes = self.draft.schema.classes.iter().zip(&held).enumerate();
        RoundEvaluation {
            shared_accuracy: shared.accuracy,
            shared_loss: shared.loss,
            alone_accuracy: alone.map(|alone| alone.accuracy),
            shared_own_classes: own(shared),
            alone_own_classes: alone.and_then(own),
            classes: classes
                .map(|(at, (class, held))| {
                    let of = |evaluation: &Evaluation| {
                        evaluation.per_class.get(at).copied().unwrap_or((0, 0))
                    };
                    let (shared_correct, rows) = of(shared);
                    ClassEvaluation {
                        class: class.clone(),
                        held: *held,
                        rows,
                        shared_correct,
                        alone_correct: alone.map(|alone| of(alone).0),
                    }
                })
                .collect(),
        }
    }

    /// The order of rows: from the configured seed, the round and the identity, or from the operating system.
    fn seed_of(&self, what: &str, round: u64) -> Result<u64, NodeError> {
        let mut bytes = [0; 8];
        match self.seed {
            None => getrandom::fill(&mut bytes).map_err(|error| {
                NodeError::Computation(format!("the operating system gave no randomness: {error}"))
            })?,
            Some(seed) => {
                let digest = Sha256::new_with_prefix(b"unsilo/v1/training seed\0")
                    .chain_update(seed.to_le_bytes())
                    .chain_update(round.to_le_bytes())
                    .chain_update(self.identity.0)
                    .chain_update(what)
                    .finalize();
                bytes.copy_from_slice(&digest[..8]);
            }
        }
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Loads a table and checks it against the card.
pub(crate) fn load(file: &str, config: &Config, draft: &Draft) -> Result<LoadedData, NodeError> {
    let schema = card::data_schema(draft, config.data.label.as_deref());
    let options = LoadOptions {
        missing: if config.data.drop_missing {
            MissingCells::DropRow
        } else {
            MissingCells::Refuse
        },
        ..LoadOptions::default()
    };
    load_csv(file.as_ref(), &schema, &options).map_err(|error| NodeError::Data {
        path: file.into(),
        message: error.to_string(),
    })
}
