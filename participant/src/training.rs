//! Local training: the seam behind which a company's own training code may stand.

use std::fmt;

use unsilo_train::{Dataset, StepReport, TrainConfig, Trainer};

/// Trains for a round on a company's own rows. A node has a built-in one, [`BuiltIn`]; another is given with
/// [`crate::NodeOptions`], by a team whose training code is its own.
///
/// It is called on a thread of its own and may take long. What it gives is clipped to the federation's norm and checked by
/// the committee like any other update: this seam gives nobody a power that editing the program would not.
pub trait LocalTraining: fmt::Debug + Send + Sync {
    /// The weights after training, in the order of [`TrainingRound::weights`]: what is sent, encrypted, is the difference.
    ///
    /// `progress` is called after every step, or at least once a second; the call does not return if the node ends.
    ///
    /// # Errors
    /// Why it cannot; told, and tried again with the coordinator's next step.
    fn train(
        &self,
        round: &TrainingRound<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, String>;
}

/// What is trained in a round.
#[derive(Clone, Copy, Debug)]
pub struct TrainingRound<'a> {
    /// The round.
    pub round: u64,
    /// The model it starts from, one number a parameter.
    pub weights: &'a [f32],
    /// The company's rows, without those held out for rating.
    pub rows: &'a Dataset,
    /// The model's shape on the device that was chosen.
    pub trainer: &'a Trainer,
    /// Steps, batch and learning rate as the federation agreed on them, with this round's seed.
    pub settings: &'a TrainConfig,
}

/// Trains as the federation agreed, and sends what it has learnt.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltIn;

impl LocalTraining for BuiltIn {
    fn train(
        &self,
        round: &TrainingRound<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, String> {
        round
            .trainer
            .train(round.weights, round.rows, round.settings, progress)
            .map_err(|error| error.to_string())
    }
}
