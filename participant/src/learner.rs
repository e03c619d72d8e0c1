//! Local training and measuring: the company's rows, the trainer, and the model trained alone for comparison.
//!
//! Rows that are held out for rating are trained on by nobody - but by the model trained alone, which takes them all: a
//! company without a federation has nobody to rate, and the comparison is with the best that it could do.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use unsilo_ledger::{Draft, PublicKey, Schema};
use unsilo_train::{Dataset, Evaluation, StepReport, Trainer};

use crate::{
    card,
    config::Config,
    data::{
        DataError, DataReport, Divided, IdxError, LoadOptions, LoadedData, MissingCells, hold_out,
        is_idx, is_parquet, load_csv, load_idx, load_parquet,
    },
    error::NodeError,
    models::ModelStore,
    normalisation::OwnSums,
    progress::{ClassEvaluation, RoundEvaluation},
    training::{LocalTraining, TrainingRound},
};

/// Everything that trains and measures on this machine. Without `Debug`: it holds the company's rows.
pub(crate) struct Learner {
    draft: Draft,
    trainer: Trainer,
    rows: Dataset,
    /// What the model trained alone is trained on, if there is to be one.
    alone: Option<Dataset>,
    evaluation: Option<Dataset>,
    seeds: Seeds,
    training: Arc<dyn LocalTraining>,
    /// What this company contributes to the statistics round, as long as that is to come.
    own_sums: Option<OwnSums>,
    /// How its rows stand to the statistics of the federation, if it has some.
    report: DataReport,
}

/// The randomness of trainings: from the configured seed, or drawn anew each time.
#[derive(Clone, Copy)]
pub(crate) struct Seeds {
    /// From the configuration.
    configured: Option<u64>,
    identity: PublicKey,
}

impl Learner {
    /// Loads the rows that `config` names, checks them against the card and scales them by `schema`, which is the card's or
    /// what the statistics of the federation made of it. Holds out what `held_out_seed` draws of them, if that is given, and
    /// returns what the company asks by.
    pub(crate) fn load(
        config: &Config,
        (draft, schema): (&Draft, &Schema),
        trainer: Trainer,
        seeds: Seeds,
        held_out_seed: Option<u64>,
        training: Arc<dyn LocalTraining>,
    ) -> Result<(Self, Option<Dataset>), NodeError> {
        let LoadedData { data: all, report } = load_own(config, schema)?;
        let measures = schema.measured().next().is_some();
        let own_sums = measures.then(|| OwnSums::of(schema, &all));
        let divided = match held_out_seed {
            Some(seed) => divide(&all, config, seed)?,
            None => None,
        };
        let alone = config.evaluation.baseline.then(|| all.clone());
        let (rows, rating) = match divided {
            Some(divided) => {
                let rating = divided
                    .rating_rows()
                    .map_err(|error| NodeError::Computation(error.to_string()))?;
                (divided.train, Some(rating))
            }
            None => (all, None),
        };
        let evaluation = load_evaluation(config, schema)?.map(|loaded| loaded.data);
        let learner = Self {
            draft: draft.clone(),
            trainer,
            rows,
            alone,
            evaluation,
            seeds,
            training,
            own_sums,
            report,
        };
        Ok((learner, rating))
    }

    /// What this company contributes to the statistics round; `None` once its rows are scaled by the statistics.
    pub(crate) fn own_sums(&self) -> Option<&OwnSums> {
        self.own_sums.as_ref()
    }

    /// What was found in the rows when they were loaded.
    pub(crate) fn report(&self) -> &DataReport {
        &self.report
    }

    /// Trains from `weights` for one round.
    pub(crate) fn train(
        &self,
        round: u64,
        weights: &[f32],
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, NodeError> {
        let settings = card::training(&self.draft, self.seeds.of("shared", round)?);
        let trained = self.training.train(
            &TrainingRound {
                round,
                weights,
                rows: &self.rows,
                trainer: &self.trainer,
                settings: &settings,
            },
            progress,
        );
        let trained = trained.map_err(NodeError::Computation)?;
        if trained.len() != weights.len() || !trained.iter().all(|weight| weight.is_finite()) {
            return Err(NodeError::Computation(format!(
                "round {round}: training gave {} weights of a model of {}, or some that are not finite: nothing is sent",
                trained.len(),
                weights.len()
            )));
        }
        Ok(trained)
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
        let alone = match &self.alone {
            Some(rows) => {
                let weights = self.train_alone(round, rows, store, first, progress)?;
                Some(measure(&weights)?)
            }
            None => None,
        };
        Ok(Some(self.beside(&shared, alone.as_ref())))
    }

    /// The model trained only here, for the same number of steps in each of the rounds up to `round`.
    fn train_alone(
        &self,
        round: u64,
        rows: &Dataset,
        store: &ModelStore,
        first: impl FnOnce() -> Vec<f32>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, NodeError> {
        let (done, mut weights) = match store.alone()? {
            Some((done, weights)) => (done, weights),
            None => (round.saturating_sub(1), first()),
        };
        if done < round {
            let settings = card::training(&self.draft, self.seeds.of("alone", round)?);
            weights = self
                .trainer
                .train(&weights, rows, &settings, progress)
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
}

impl Seeds {
    /// Those of the node with this identity; `configured` is from its configuration.
    pub(crate) fn new(configured: Option<u64>, identity: PublicKey) -> Self {
        Self {
            configured,
            identity,
        }
    }

    /// The seed of one training: from the configured one, the round and the identity, or from the operating system.
    pub(crate) fn of(&self, what: &str, round: u64) -> Result<u64, NodeError> {
        let mut bytes = [0; 8];
        match self.configured {
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

/// Which of `rows` are trained on and which are held out for rating; `None` if none can be.
pub(crate) fn divide(
    rows: &Dataset,
    config: &Config,
    seed: u64,
) -> Result<Option<Divided>, NodeError> {
    hold_out(rows, config.rating.held_out, seed).map_err(|error| NodeError::Data {
        path: config.data.file.clone().into(),
        message: format!("rows cannot be held out: {error}"),
    })
}

/// Loads the rows to train on and checks them against the columns.
pub(crate) fn load_own(config: &Config, schema: &Schema) -> Result<LoadedData, NodeError> {
    let data = &config.data;
    load((&data.file, data.labels.as_deref()), config, schema)
}

/// Loads the rows to measure on, if there are some.
pub(crate) fn load_evaluation(
    config: &Config,
    schema: &Schema,
) -> Result<Option<LoadedData>, NodeError> {
    let evaluation = &config.evaluation;
    let Some(file) = &evaluation.file else {
        return Ok(None);
    };
    load((file, evaluation.labels.as_deref()), config, schema).map(Some)
}

/// Loads a table, or images and their labels.
fn load(
    (file, labels): (&str, Option<&str>),
    config: &Config,
    schema: &Schema,
) -> Result<LoadedData, NodeError> {
    let schema = card::data_schema(schema, config.data.label.as_deref());
    let options = LoadOptions {
        missing: if config.data.drop_missing {
            MissingCells::DropRow
        } else {
            MissingCells::Refuse
        },
        ..LoadOptions::default()
    };
    let loaded = match labels {
        Some(labels) => load_idx(file.as_ref(), labels.as_ref(), &schema, &options),
        None if is_idx(file.as_ref()) => Err(DataError::Idx {
            file: file.to_owned(),
            problem: IdxError::NoLabels,
        }),
        None if is_parquet(file.as_ref()) => load_parquet(file.as_ref(), &schema, &options),
        None => load_csv(file.as_ref(), &schema, &options),
    };
    loaded.map_err(|error| NodeError::Data {
        path: file.into(),
        message: error.to_string(),
    })
}
