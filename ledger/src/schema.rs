//! What a row of data looks like: the label, its classes, the features and their ranges.

use crate::name::{NameError, check_name, check_names};
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// The most features.
pub const MAX_FEATURES: usize = 65_536;
/// The most classes.
pub const MAX_CLASSES: usize = 4_096;

/// The columns that every participant's data must have.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Schema {
    /// The column that holds the class.
    pub label: String,
    /// The values it takes, in the order of the model's outputs.
    pub classes: Vec<String>,
    /// The other columns, in the order of the model's inputs.
    pub features: Vec<Feature>,
}

/// One column. Its values are clipped to the range and scaled to 0..=1 by it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// The value scaled to 0, in millionths.
    pub min_micro: i64,
    /// The value scaled to 1, in millionths; above `min_micro`.
    pub max_micro: i64,
}

/// Why a schema is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// A name of the label, a class or a feature.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Fewer than 2 classes or more than [`MAX_CLASSES`].
    #[error("the schema has {classes} classes: give between 2 and {MAX_CLASSES}")]
    Classes {
        /// How many there are.
        classes: usize,
    },
    /// No feature, or more than [`MAX_FEATURES`].
    #[error("the schema has {features} features: give between 1 and {MAX_FEATURES}")]
    Features {
        /// How many there are.
        features: usize,
    },
    /// An empty range.
    #[error("feature {name:?} has an empty range: its maximum must lie above its minimum")]
    Range {
        /// The feature.
        name: String,
    },
    /// The label is also a feature.
    #[error("column {name:?} is the label and a feature: training would read the answer off it")]
    LabelIsFeature {
        /// The column.
        name: String,
    },
}

impl Schema {
    /// Checks every limit.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn validate(&self) -> Result<(), SchemaError> {
        let (classes, features) = (self.classes.len(), self.features.len());
        if !(2..=MAX_CLASSES).contains(&classes) {
            return Err(SchemaError::Classes { classes });
        }
        if !(1..=MAX_FEATURES).contains(&features) {
            return Err(SchemaError::Features { features });
        }
        check_name("label", &self.label)?;
        check_names("class", self.classes.iter().map(String::as_str))?;
        check_names(
            "feature",
            self.features.iter().map(|feature| feature.name.as_str()),
        )?;
        for feature in &self.features {
            if feature.min_micro >= feature.max_micro {
                return Err(SchemaError::Range {
                    name: feature.name.clone(),
                });
            }
            if feature.name == self.label {
                return Err(SchemaError::LabelIsFeature {
                    name: feature.name.clone(),
                });
            }
        }
        Ok(())
    }
}
