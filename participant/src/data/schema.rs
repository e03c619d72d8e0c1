//! Which columns a file must have, and how their values are scaled.

use std::collections::BTreeSet;

use thiserror::Error;

/// The columns of a federation's tables, in the order of the model's inputs and outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSchema {
    /// The column that holds the class.
    pub label: String,
    /// The values it takes; a row's label is the position in this list.
    pub classes: Vec<String>,
    /// The columns a model sees, in the order of its inputs.
    pub features: Vec<FeatureRange>,
}

/// One column with the range that is scaled to 0..=1. Values outside are clipped.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRange {
    /// The column's name in the header.
    pub name: String,
    /// The value scaled to 0.
    pub min: f64,
    /// The value scaled to 1; above `min`.
    pub max: f64,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// No feature columns.
    #[error("the schema names no feature: at least one is needed")]
    NoFeatures,
    /// Fewer than two classes.
    #[error("the schema names {found} classes: at least 2 are needed")]
    TooFewClasses {
        /// Classes named.
        found: usize,
    },
    /// A name that is empty or has spaces around it, which no trimmed cell can equal.
    #[error("the schema's {what} {name:?} is empty or has spaces around it")]
    Name {
        /// `"label"`, `"class"` or `"feature"`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The same column or class twice.
    #[error("the schema names {what} {name:?} twice")]
    Twice {
        /// `"column"` or `"class"`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A range that is empty or not finite.
    #[error(
        "the schema's feature {name:?} has the range {min} to {max}: both must be finite, and the second larger"
    )]
    Range {
        /// The feature.
        name: String,
        /// Lower end.
        min: f64,
        /// Upper end.
        max: f64,
    },
}

impl DataSchema {
    /// Checks names and ranges.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] names the first thing wrong.
    pub fn check(&self) -> Result<(), SchemaError> {
        if self.features.is_empty() {
            return Err(SchemaError::NoFeatures);
        }
        if self.classes.len() < 2 {
            return Err(SchemaError::TooFewClasses {
                found: self.classes.len(),
            });
        }
        check_names("class", "class", self.classes.iter())?;
        check_names("label", "column", std::iter::once(&self.label))?;
        check_names(
            "feature",
            "column",
            self.features.iter().map(|feature| &feature.name),
        )?;
        if self
            .features
            .iter()
            .any(|feature| feature.name == self.label)
        {
            return Err(SchemaError::Twice {
                what: "column",
                name: self.label.clone(),
            });
        }
        for FeatureRange { name, min, max } in &self.features {
            // The width must be finite too: the whole of f64 has none.
            if !(min < max && (max - min).is_finite()) {
                return Err(SchemaError::Range {
                    name: name.clone(),
                    min: *min,
                    max: *max,
                });
            }
        }
        Ok(())
    }

    /// Every column a file must have: the features in order, then the label.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let features = self.features.iter().map(|feature| feature.name.as_str());
        features.chain(std::iter::once(self.label.as_str()))
    }
}

impl FeatureRange {
    /// `value` scaled to 0..=1, and whether it had to be clipped for that.
    pub(super) fn scale(&self, value: f64) -> (f32, bool) {
        let clipped = value.clamp(self.min, self.max);
        (
            ((clipped - self.min) / (self.max - self.min)) as f32,
            clipped != value,
        )
    }
}

/// Names that can be found in a file and are different from each other.
fn check_names<'a>(
    what: &'static str,
    twice: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), SchemaError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.trim() != name {
            return Err(SchemaError::Name {
                what,
                name: name.clone(),
            });
        }
        if !seen.insert(name) {
            return Err(SchemaError::Twice {
                what: twice,
                name: name.clone(),
            });
        }
    }
    Ok(())
}
