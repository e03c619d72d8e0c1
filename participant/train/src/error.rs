//! What can go wrong while a model is trained or measured.

use crate::config::ConfigError;

/// Why training or evaluation gave no result. The weights passed in are never changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model's sizes cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The flat vector has the wrong length for the model.
    #[error("{model} has {expected} parameters, but {found} weights are given")]
    WeightCount {
        /// The model, as [`MlpConfig`](crate::MlpConfig) shows itself.
        model: String,
        /// Parameters of the model.
        expected: usize,
        /// Length of the vector.
        found: usize,
    },
    /// A NaN or infinite weight was passed in.
    #[error("weight {index} is {value}: the weights given are not those of a usable model")]
    WeightNotFinite {
        /// Position in the flat vector.
        index: usize,
        /// What was found.
        value: f32,
    },
    /// The data does not fit the model's input and output.
    #[error(
        "the model takes {model_columns} columns and tells {model_classes} classes apart, but the \
         data has {columns} columns and {classes} classes"
    )]
    DataShape {
        /// Input size of the model.
        model_columns: usize,
        /// Output size of the model.
        model_classes: usize,
        /// Columns of the data.
        columns: usize,
        /// Classes of the data.
        classes: usize,
    },
    /// Rows passed to [`logits`](crate::Trainer::logits) are not whole rows of finite values.
    #[error("rows of {columns} finite values are needed: {problem}")]
    Rows {
        /// Input size of the model.
        columns: usize,
        /// What is wrong, in words.
        problem: String,
    },
    /// A setting out of its range.
    #[error("{setting} is {found}, but it must be {expected}")]
    Setting {
        /// Field of [`TrainConfig`](crate::TrainConfig).
        setting: &'static str,
        /// What was given.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// Training without rare classes, on rows that are all of rare classes.
    #[error(
        "none of the classes has two rows among the {rows} given: there is nothing to train without rare classes"
    )]
    OnlyRareClasses {
        /// Rows given.
        rows: usize,
    },
    /// Loss or weights became NaN or infinite.
    #[error(
        "training diverged at step {step} of {of}: the {what} became NaN or infinite; nothing was \
         kept. Use a smaller learning rate (it was {learning_rate}), or check the data's ranges"
    )]
    Diverged {
        /// Step, counted from 1.
        step: usize,
        /// Steps asked for.
        of: usize,
        /// `"loss"` or `"weights"`.
        what: &'static str,
        /// Learning rate of the run.
        learning_rate: f64,
    },
    /// The GPU backend gave up (out of memory, driver error).
    #[error("the {device} failed: {reason}. Choose device cpu, or free the GPU's memory")]
    Backend {
        /// Which device.
        device: String,
        /// The backend's own words.
        reason: String,
    },
}
