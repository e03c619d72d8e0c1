//! The company's rows in memory, and what trains, measures and rates with them: loaded by the declared ranges first, and again
//! by the statistics of the federation as soon as this node's ledger holds them.

use std::sync::{Arc, PoisonError};

use unsilo_fhe::Params;
use unsilo_ledger::{Draft, Schema, State};
use unsilo_train::Trainer;

use super::Shared;
use crate::{
    card,
    config::Config,
    directory::Directory,
    error::NodeError,
    learner::{Learner, Seeds},
    normalisation::{NormalisedColumn, compare},
    progress::Progress,
    rater::Rater,
    training::LocalTraining,
    validator::Validator,
};

/// What is loaded from the rows.
pub(super) struct Local {
    pub(super) learner: Learner,
    pub(super) rater: Option<Arc<dyn Rater>>,
    /// How the rows stand to the statistics; `None` if they are not scaled by any.
    normalised: Option<Vec<NormalisedColumn>>,
}

/// What loading them takes beside the ledger, to load them again.
pub(super) struct Loader {
    pub(super) trainer: Trainer,
    pub(super) seeds: Seeds,
    /// By which rows are held out; `None` if this node has no rater of its own.
    pub(super) held_out_seed: Option<u64>,
    pub(super) training: Arc<dyn LocalTraining>,
    /// Instead of the built-in one.
    pub(super) rater: Option<Arc<dyn Rater>>,
}

impl Loader {
    /// Loads the rows as this state of the ledger has them scaled.
    pub(super) fn load(
        &self,
        config: &Config,
        directory: &Directory,
        (draft, params): (&Draft, Params),
        state: &State,
    ) -> Result<Local, NodeError> {
        let schema: Schema = state.schema().unwrap_or_else(|| draft.schema.clone());
        let (learner, rating_rows) = Learner::load(
            config,
            (draft, &schema),
            self.trainer.clone(),
            self.seeds,
            self.held_out_seed,
            self.training.clone(),
        )?;
        let validator = rating_rows.map(|rows| -> Arc<dyn Rater> {
            Arc::new(Validator {
                trainer: self.trainer.clone(),
                training: card::training(draft, 0),
                params,
                rows,
                seeds: self.seeds,
                averages: directory.averages(),
                asked: directory.asked(),
            })
        });
        let normalised = state
            .statistics()
            .map(|_| compare(&draft.schema, &state.column_statistics(), learner.report()));
        Ok(Local {
            learner,
            rater: self.rater.clone().or(validator),
            normalised,
        })
    }
}

impl Local {
    /// That the rows are scaled by the statistics, if they are.
    pub(super) fn told(&self) -> Option<Progress> {
        let columns = self.normalised.clone()?;
        Some(Progress::Normalised { columns })
    }
}

impl Shared {
    /// The rows as they are scaled now.
    pub(super) fn local(&self) -> Arc<Local> {
        self.local
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Loads the rows again if this state of the ledger has the statistics and they are not scaled by them yet.
    pub(super) fn normalise(&self, state: &State) -> Result<Option<Progress>, NodeError> {
        if state.statistics().is_none() || self.local().normalised.is_some() {
            return Ok(None);
        }
        let of = (&self.draft, self.params);
        let local = self
            .loader
            .load(&self.config, &self.directory, of, state)
            .map(Arc::new)?;
        let told = local.told();
        *self.local.write().unwrap_or_else(PoisonError::into_inner) = local;
        Ok(told)
    }
}
