//! The mean update, added to the model.

use crate::{decrypt::WeightedSum, encode::step_size};
use thiserror::Error;

/// Why a model was not updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The sum is of another model.
    #[error("the model has {model} parameters, the sum {sum}")]
    Length {
        /// Parameters of the model.
        model: usize,
        /// Values of the sum.
        sum: usize,
    },
    /// A sum of no weight has no mean.
    #[error("the sum has no weight: there is no mean to apply")]
    NoWeight,
    /// A parameter would overflow.
    #[error("parameter {index} would no longer be a finite number")]
    NotFinite {
        /// The parameter.
        index: usize,
    },
}

/// Adds the weighted mean of the updates to the model: `model_i += values_i / total_weight · 2^unit_log2`.
///
/// Computed in f64 (one division, one exact scaling, one addition), rounded to f32 once: the same bits on every machine.
///
/// # Errors
/// [`ApplyError`]; the model is then unchanged.
pub fn apply_mean(model: &mut [f32], sum: &WeightedSum, unit_log2: i8) -> Result<(), ApplyError> {
    if model.len() != sum.values.len() {
        return Err(ApplyError::Length {
            model: model.len(),
            sum: sum.values.len(),
        });
    }
    if sum.total_weight == 0 {
        return Err(ApplyError::NoWeight);
    }
    // Values are below 2^38 and weights below 2^21: exact in f64.
    let unit = step_size(unit_log2);
    let weight = sum.total_weight as f64;
    let updated = |old: f32, value: i64| (f64::from(old) + value as f64 / weight * unit) as f32;
    let pairs = || model.iter().zip(&sum.values);
    if let Some(index) = pairs().position(|(&old, &value)| !updated(old, value).is_finite()) {
        return Err(ApplyError::NotFinite { index });
    }
    for (parameter, &value) in model.iter_mut().zip(&sum.values) {
        *parameter = updated(*parameter, value);
    }
    Ok(())
}
