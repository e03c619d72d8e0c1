//! A cell of a table, and the model's inputs that it makes: the same for who trains, who answers and who asks.

use thiserror::Error;
use unsilo_ledger::{Feature, Values};

/// What stands for "no value" besides an empty cell, in any case.
const MISSING: [&str; 6] = ["?", "na", "n/a", "null", "none", "-"];

/// A cell that fits its column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// A finite number.
    Number(f64),
    /// The position of its word among the column's.
    Category(usize),
    /// No value, in a column where that may be.
    Missing,
}

/// Why a cell does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CellError {
    /// It is not a number.
    #[error("is not a number")]
    NotANumber,
    /// It is NaN, infinite, or too large for a number.
    #[error("is not a finite number")]
    NotFinite,
    /// It is none of the column's categories.
    #[error("is none of the column's categories")]
    UnknownCategory,
    /// It holds no value, and the column's may not be missing.
    #[error("stands for a missing value, which this column does not take")]
    Missing,
}

/// Whether a cell's text stands for a missing value: empty, `?`, `NA`, `N/A`, `null`, `none` or `-`.
#[must_use]
pub fn is_missing(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || MISSING.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

impl Cell {
    /// What `text` means in the column `feature`. A word of the column's comes first, so that a category may be called
    /// "none"; where a category is a number, any way to write that number is it (`1.0` for `1`).
    ///
    /// # Errors
    /// [`CellError`].
    pub fn read(feature: &Feature, text: &str) -> Result<Self, CellError> {
        let text = text.trim();
        if let Values::Category(words) = &feature.values
            && let Some(place) = place(words, text)
        {
            return Ok(Self::Category(place));
        }
        if is_missing(text) {
            return Self::missing(feature);
        }
        match (&feature.values, text.parse::<f64>()) {
            (Values::Category(_), _) => Err(CellError::UnknownCategory),
            (_, Ok(value)) => Self::number(value),
            (_, Err(_)) => Err(CellError::NotANumber),
        }
    }

    /// What the number `value` means in the column `feature`.
    ///
    /// # Errors
    /// [`CellError`].
    pub fn read_number(feature: &Feature, value: f64) -> Result<Self, CellError> {
        match &feature.values {
            Values::Number { .. } | Values::Measured { .. } => Self::number(value),
            Values::Category(words) => {
                let found = words
                    .iter()
                    .position(|word| word.parse::<f64>() == Ok(value));
                found.map(Self::Category).ok_or(CellError::UnknownCategory)
            }
        }
    }

    /// What no value means in the column `feature`.
    ///
    /// # Errors
    /// [`CellError::Missing`] if its values may not be missing.
    pub fn missing(feature: &Feature) -> Result<Self, CellError> {
        if feature.may_be_missing {
            Ok(Self::Missing)
        } else {
            Err(CellError::Missing)
        }
    }

    fn number(value: f64) -> Result<Self, CellError> {
        if value.is_finite() {
            Ok(Self::Number(value))
        } else {
            Err(CellError::NotFinite)
        }
    }

    /// Appends the column's inputs ([`Feature::inputs`] of them, each 0..=1) and says whether a number lay outside the range
    /// and was clipped to it. The cell is one that was read for this column; of another, the inputs are those of no value.
    pub fn append(self, feature: &Feature, inputs: &mut Vec<f32>) -> bool {
        let mut clipped = false;
        let first = inputs.len();
        inputs.resize(first.saturating_add(feature.inputs()), 0.0);
        let own = inputs.get_mut(first..).unwrap_or_default();
        match self {
            Self::Number(value) => {
                if let (Some((min, max)), Some(input)) = (range(feature), own.first_mut()) {
                    let within = value.clamp(min, max);
                    clipped = within != value;
                    *input = ((within - min) / (max - min)) as f32;
                }
            }
            Self::Category(place) => {
                if let Some(input) = own.get_mut(place) {
                    *input = 1.0;
                }
            }
            Self::Missing => {
                if let Some(input) = own.last_mut().filter(|_| feature.may_be_missing) {
                    *input = 1.0;
                }
            }
        }
        clipped
    }
}

/// The range of a column of numbers: the values scaled to 0 and to 1.
#[must_use]
pub fn range(feature: &Feature) -> Option<(f64, f64)> {
    let (min_micro, max_micro) = feature.values.range_micro()?;
    Some((min_micro as f64 / 1e6, max_micro as f64 / 1e6))
}

fn place(words: &[String], text: &str) -> Option<usize> {
    let exact = words.iter().position(|word| word == text);
    exact.or_else(|| {
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        words
            .iter()
            .position(|word| word.parse::<f64>() == Ok(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age() -> Feature {
        Feature::number("age", 0, 100_000_000)
    }

    fn art(may_be_missing: bool) -> Feature {
        Feature {
            name: "art".to_owned(),
            values: Values::Category(["1", "none", "b"].map(str::to_owned).to_vec()),
            may_be_missing,
        }
    }

    fn inputs(feature: &Feature, text: &str) -> Result<Vec<f32>, CellError> {
        let mut inputs = vec![9.0];
        Cell::read(feature, text)?.append(feature, &mut inputs);
        assert_eq!(inputs.remove(0), 9.0);
        Ok(inputs)
    }

    #[test]
    fn numbers_are_scaled_and_clipped_to_their_range() {
        assert_eq!(inputs(&age(), " 25 "), Ok(vec![0.25]));
        assert_eq!(inputs(&age(), "-3"), Ok(vec![0.0]));
        assert!(Cell::Number(101.0).append(&age(), &mut Vec::new()));
        assert!(!Cell::Number(100.0).append(&age(), &mut Vec::new()));
        for (text, error) in [
            ("x", CellError::NotANumber),
            ("nan", CellError::NotFinite),
            ("1e999", CellError::NotFinite),
            ("", CellError::Missing),
            ("N/A", CellError::Missing),
        ] {
            assert_eq!(inputs(&age(), text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_category_is_one_input_among_those_of_its_column() {
        assert_eq!(inputs(&art(false), "b"), Ok(vec![0.0, 0.0, 1.0]));
        assert_eq!(inputs(&art(false), "1.0"), Ok(vec![1.0, 0.0, 0.0]));
        // Its own words come before what stands for a missing value.
        assert_eq!(inputs(&art(true), "none"), Ok(vec![0.0, 1.0, 0.0, 0.0]));
        assert_eq!(inputs(&art(true), "2"), Err(CellError::UnknownCategory));
        assert_eq!(inputs(&art(true), "B"), Err(CellError::UnknownCategory));
        assert_eq!(Cell::read_number(&art(true), 1.0), Ok(Cell::Category(0)));
        assert_eq!(
            Cell::read_number(&art(true), f64::NAN),
            Err(CellError::UnknownCategory)
        );
    }

    #[test]
    fn a_missing_value_is_an_input_of_its_own_where_it_may_be() {
        let height = Feature {
            may_be_missing: true,
            ..age()
        };
        assert_eq!(inputs(&height, "50"), Ok(vec![0.5, 0.0]));
        assert_eq!(inputs(&height, "?"), Ok(vec![0.0, 1.0]));
        assert_eq!(inputs(&art(true), ""), Ok(vec![0.0, 0.0, 0.0, 1.0]));
        assert_eq!(inputs(&art(false), ""), Err(CellError::Missing));
    }
}
