//! What a row of data looks like: the label, its classes, the features and their ranges.

use crate::name::{NameError, check_name, check_names};
use crate::statistics::{ColumnStatistics, MAX_MEASURED};
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// The most features, and the most inputs that they make.
pub const MAX_FEATURES: usize = 65_536;
/// The most categories of a feature: beyond, an input for each teaches a model little from the few rows it is in.
pub const MAX_CATEGORIES: usize = 1_024;
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

/// One column, and how its cells become inputs of the model.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Feature {
    /// The column's name.
    pub name: String,
    /// What its cells hold.
    pub values: Values,
    /// Whether a cell may be empty. Then the column has one input more, which is 1 where the cell is empty, and its others
    /// are 0 there: the model learns what a missing value means (the missing-indicator method). Otherwise a row with an
    /// empty cell is no row.
    pub may_be_missing: bool,
}

/// What the cells of a column hold.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Values {
    /// Numbers, clipped to a range and scaled to 0..=1 by it: one input.
    Number {
        /// The value scaled to 0, in millionths.
        min_micro: i64,
        /// The value scaled to 1, in millionths; above `min_micro`.
        max_micro: i64,
    },
    /// One of these words: an input for each, 1 for the one that the cell holds and 0 for the others.
    Category(Vec<String>),
    /// Numbers, clipped to a declared range, and then scaled by the mean and the standard deviation that they have over the
    /// whole federation ([`crate::statistics`]): one input, 0..=1. Until the statistics are known, and where they cannot be
    /// had, the declared range scales them.
    Measured {
        /// The smallest value that is counted, in millionths.
        min_micro: i64,
        /// The largest, in millionths; above `min_micro`.
        max_micro: i64,
    },
}

impl Values {
    /// The range of numbers, in millionths; `None` for categories.
    pub fn range_micro(&self) -> Option<(i64, i64)> {
        match self {
            Self::Number {
                min_micro,
                max_micro,
            }
            | Self::Measured {
                min_micro,
                max_micro,
            } => Some((*min_micro, *max_micro)),
            Self::Category(_) => None,
        }
    }
}

impl Feature {
    /// A column of numbers, none of them missing, with its range in millionths.
    pub fn number(name: impl Into<String>, min_micro: i64, max_micro: i64) -> Self {
        Self {
            name: name.into(),
            values: Values::Number {
                min_micro,
                max_micro,
            },
            may_be_missing: false,
        }
    }

    /// Inputs of the model that the column makes.
    pub fn inputs(&self) -> usize {
        let values = match &self.values {
            Values::Number { .. } | Values::Measured { .. } => 1,
            Values::Category(words) => words.len(),
        };
        values.saturating_add(usize::from(self.may_be_missing))
    }
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
    /// Fewer than 2 categories or more than [`MAX_CATEGORIES`].
    #[error("feature {name:?} has {categories} categories: give between 2 and {MAX_CATEGORIES}")]
    Categories {
        /// The feature.
        name: String,
        /// How many there are.
        categories: usize,
    },
    /// More than [`MAX_FEATURES`] inputs.
    #[error("the features make {inputs} inputs: at most {MAX_FEATURES} are possible")]
    Inputs {
        /// How many they make.
        inputs: usize,
    },
    /// An empty range.
    #[error("feature {name:?} has an empty range: its maximum must lie above its minimum")]
    Range {
        /// The feature.
        name: String,
    },
    /// More measured columns than [`MAX_MEASURED`].
    #[error(
        "the statistics of {measured} columns are to be measured: at most {MAX_MEASURED} are possible"
    )]
    Measured {
        /// How many are to be.
        measured: usize,
    },
    /// The label is also a feature.
    #[error("column {name:?} is the label and a feature: training would read the answer off it")]
    LabelIsFeature {
        /// The column.
        name: String,
    },
}

impl Schema {
    /// Inputs of the model that the features make.
    pub fn inputs(&self) -> usize {
        let each = self.features.iter().map(Feature::inputs);
        each.fold(0, usize::saturating_add)
    }

    /// The declared ranges, in millionths, of the columns whose statistics the federation measures, in order.
    pub fn measured(&self) -> impl Iterator<Item = (&Feature, (i64, i64))> {
        self.features
            .iter()
            .filter_map(|feature| match feature.values {
                Values::Measured {
                    min_micro,
                    max_micro,
                } => Some((feature, (min_micro, max_micro))),
                Values::Number { .. } | Values::Category(_) => None,
            })
    }

    /// The schema by which rows become inputs once the statistics are known: a measured column is one of numbers with the
    /// range that its statistics give, or with the declared one where there are none.
    pub(crate) fn scaled_by(&self, columns: &[Option<ColumnStatistics>]) -> Self {
        let mut scaled = self.clone();
        let mut columns = columns.iter();
        for feature in &mut scaled.features {
            if let Values::Measured {
                min_micro,
                max_micro,
            } = feature.values
            {
                let found = columns.next().copied().flatten();
                let range = found.map(|found| (found.min_micro, found.max_micro));
                let (min_micro, max_micro) = range.unwrap_or((min_micro, max_micro));
                feature.values = Values::Number {
                    min_micro,
                    max_micro,
                };
            }
        }
        scaled
    }

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
            let name = || feature.name.clone();
            match &feature.values {
                Values::Number {
                    min_micro,
                    max_micro,
                }
                | Values::Measured {
                    min_micro,
                    max_micro,
                } if min_micro >= max_micro => return Err(SchemaError::Range { name: name() }),
                Values::Number { .. } | Values::Measured { .. } => {}
                Values::Category(words) => {
                    let categories = words.len();
                    if !(2..=MAX_CATEGORIES).contains(&categories) {
                        return Err(SchemaError::Categories {
                            name: name(),
                            categories,
                        });
                    }
                    check_names("category", words.iter().map(String::as_str))?;
                }
            }
            if feature.name == self.label {
                return Err(SchemaError::LabelIsFeature { name: name() });
            }
        }
        let measured = self.measured().count();
        if measured > MAX_MEASURED {
            return Err(SchemaError::Measured { measured });
        }
        let inputs = self.inputs();
        if inputs > MAX_FEATURES {
            return Err(SchemaError::Inputs { inputs });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(features: Vec<Feature>) -> Schema {
        Schema {
            label: "label".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            features,
        }
    }

    fn category(name: &str, words: &[&str], may_be_missing: bool) -> Feature {
        Feature {
            name: name.to_owned(),
            values: Values::Category(words.iter().map(|&word| word.to_owned()).collect()),
            may_be_missing,
        }
    }

    #[test]
    fn columns_make_one_input_or_one_a_category_and_one_for_missing() {
        let number = Feature::number("age", 0, 1);
        let or_missing = Feature {
            may_be_missing: true,
            ..Feature::number("height", 0, 1)
        };
        let schema = schema(vec![
            number,
            or_missing,
            category("sex", &["f", "m"], false),
            category("art", &["a", "b", "c"], true),
        ]);
        assert_eq!(schema.validate(), Ok(()));
        assert_eq!(schema.inputs(), 1 + 2 + 2 + 4);
    }

    #[test]
    fn categories_are_at_least_two_and_differ() {
        let refused = |words: &[&str]| schema(vec![category("art", words, false)]).validate();
        assert!(matches!(
            refused(&["a"]),
            Err(SchemaError::Categories { categories: 1, .. })
        ));
        assert!(matches!(refused(&["a", "a"]), Err(SchemaError::Name(_))));
        assert!(matches!(refused(&["a", ""]), Err(SchemaError::Name(_))));
        let many: Vec<String> = (0..=MAX_CATEGORIES).map(|word| word.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(matches!(
            refused(&many),
            Err(SchemaError::Categories { .. })
        ));
        let most: Vec<&str> = many.iter().skip(1).copied().collect();
        let columns = (0..65).map(|column| category(&format!("c{column}"), &most, true));
        assert!(matches!(
            schema(columns.collect()).validate(),
            Err(SchemaError::Inputs { inputs: 66_625 })
        ));
    }
}
