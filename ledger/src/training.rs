//! How a participant trains in one round: the same plan for everybody.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// The most local steps in a round.
pub const MAX_STEPS: u32 = 1_000_000;
/// The largest batch, in rows.
pub const MAX_BATCH: u32 = 65_536;
/// The largest learning rate, in millionths (10).
pub const MAX_LEARNING_RATE_MICRO: u32 = 10_000_000;

/// The rule that turns gradients into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum Optimiser {
    /// Plain stochastic gradient descent.
    Sgd,
    /// Adam with its usual constants.
    Adam,
}

/// The local training of a round, and how many rounds there will be.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TrainingPlan {
    /// Local steps in a round.
    pub steps: u32,
    /// Rows in a step.
    pub batch: u32,
    /// The learning rate, in millionths.
    pub learning_rate_micro: u32,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// Published rounds after which training ends; 0 for no end.
    pub rounds: u64,
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the training plan's {field} is {value}: give between 1 and {max}")]
pub struct TrainingPlanError {
    /// The field out of range.
    pub field: &'static str,
    /// Its value.
    pub value: u32,
    /// The largest value allowed.
    pub max: u32,
}

impl TrainingPlan {
    /// Checks every limit.
    ///
    /// # Errors
    /// The first field out of its range.
    pub fn validate(&self) -> Result<(), TrainingPlanError> {
        let fields = [
            ("steps", self.steps, MAX_STEPS),
            ("batch", self.batch, MAX_BATCH),
            (
                "learning_rate_micro",
                self.learning_rate_micro,
                MAX_LEARNING_RATE_MICRO,
            ),
        ];
        for (field, value, max) in fields {
            if value == 0 || value > max {
                return Err(TrainingPlanError { field, value, max });
            }
        }
        Ok(())
    }
}
