//! The rows a model is trained or measured on, checked once.

use std::fmt;

/// Rows of features with one label each. Holding a value means it was checked: lengths agree,
/// every feature is finite, every label is below `classes`, and there is at least one row.
///
/// It is a company's private data: `Debug` shows sizes only.
#[derive(Clone, PartialEq)]
pub struct Dataset {
    features: Vec<f32>,
    labels: Vec<u32>,
    columns: usize,
    classes: usize,
}

/// Why rows do not make a [`Dataset`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No rows at all.
    #[error("there are no rows: at least one is needed")]
    Empty,
    /// Zero columns, or fewer than two classes.
    #[error(
        "a dataset needs at least 1 column and 2 classes, but {columns} columns and {classes} classes are given"
    )]
    Shape {
        /// Columns given.
        columns: usize,
        /// Classes given.
        classes: usize,
    },
    /// `features` does not hold exactly `rows * columns` values.
    #[error(
        "{rows} labels and {columns} columns need {rows} x {columns} features, but {found} are given"
    )]
    Length {
        /// Number of labels.
        rows: usize,
        /// Columns of a row.
        columns: usize,
        /// Number of features given.
        found: usize,
    },
    /// A NaN or infinite feature.
    #[error("row {row}, column {column} (both counted from 0) is {value}: features must be finite")]
    NotFinite {
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        column: usize,
        /// What was found.
        value: f32,
    },
    /// A label that names no class.
    #[error("row {row} (counted from 0) has label {label}, but labels run from 0 to {classes} - 1")]
    Label {
        /// Row, counted from 0.
        row: usize,
        /// The label found.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A chosen row that does not exist.
    #[error("row {row} (counted from 0) was chosen, but there are {rows} rows")]
    NoSuchRow {
        /// The row asked for.
        row: usize,
        /// How many there are.
        rows: usize,
    },
}

impl Dataset {
    /// Checks and takes rows.
    ///
    /// # Shapes
    ///
    /// - `features`: `[rows, columns]`, row-major
    /// - `labels`: `[rows]`, each below `classes`
    ///
    /// # Errors
    ///
    /// [`DatasetError`] names the first row that does not fit.
    pub fn new(
        features: Vec<f32>,
        labels: Vec<u32>,
        columns: usize,
        classes: usize,
    ) -> Result<Self, DatasetError> {
        if columns == 0 || classes < 2 {
            return Err(DatasetError::Shape { columns, classes });
        }
        if labels.is_empty() {
            return Err(DatasetError::Empty);
        }
        if labels.len().checked_mul(columns) != Some(features.len()) {
            return Err(DatasetError::Length {
                rows: labels.len(),
                columns,
                found: features.len(),
            });
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            return Err(DatasetError::NotFinite {
                row: at / columns,
                column: at % columns,
                value: features[at],
            });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(DatasetError::Label {
                row,
                label: labels[row],
                classes,
            });
        }
        Ok(Self {
            features,
            labels,
            columns,
            classes,
        })
    }

    /// The chosen rows, in the order given; a row may be chosen more than once.
    ///
    /// # Errors
    ///
    /// [`DatasetError::NoSuchRow`] for an index out of range, [`DatasetError::Empty`] for none.
    pub fn subset(&self, rows: &[usize]) -> Result<Self, DatasetError> {
        if rows.is_empty() {
            return Err(DatasetError::Empty);
        }
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(DatasetError::NoSuchRow {
                row,
                rows: self.rows(),
            });
        }
        Ok(Self {
            features: rows
                .iter()
                .flat_map(|&row| self.row(row))
                .copied()
                .collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            columns: self.columns,
            classes: self.classes,
        })
    }

    /// All features, `[rows, columns]` row-major.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// One label a row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Features a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Classes a label may name.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows of each class, `[classes]`.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The features of one row. Callers hold an index below [`rows`](Self::rows).
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.features[row * self.columns..(row + 1) * self.columns]
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("rows", &self.rows())
            .field("columns", &self.columns)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_fit_are_named() {
        assert_eq!(Dataset::new(vec![], vec![], 1, 2), Err(DatasetError::Empty));
        assert_eq!(
            Dataset::new(vec![1.0], vec![0], 1, 1),
            Err(DatasetError::Shape {
                columns: 1,
                classes: 1
            })
        );
        assert_eq!(
            Dataset::new(vec![1.0; 3], vec![0, 1], 2, 2),
            Err(DatasetError::Length {
                rows: 2,
                columns: 2,
                found: 3
            })
        );
        assert_eq!(
            Dataset::new(vec![0.0, 1.0, 2.0, f32::INFINITY], vec![0, 1], 2, 2),
            Err(DatasetError::NotFinite {
                row: 1,
                column: 1,
                value: f32::INFINITY
            })
        );
        assert_eq!(
            Dataset::new(vec![0.0; 2], vec![0, 2], 1, 2),
            Err(DatasetError::Label {
                row: 1,
                label: 2,
                classes: 2
            })
        );
    }

    #[test]
    fn a_subset_keeps_rows_with_their_labels() {
        let data = Dataset::new(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], vec![0, 1, 1], 2, 2)
            .expect("valid rows");
        let chosen = data.subset(&[2, 0]).expect("rows exist");
        assert_eq!(chosen.features(), [4.0, 5.0, 0.0, 1.0]);
        assert_eq!(chosen.labels(), [1, 0]);
        assert_eq!(data.class_counts(), [1, 2]);
        assert_eq!(
            data.subset(&[3]),
            Err(DatasetError::NoSuchRow { row: 3, rows: 3 })
        );
        assert_eq!(data.subset(&[]), Err(DatasetError::Empty));
    }

    #[test]
    fn debug_shows_no_value() {
        let data = Dataset::new(vec![0.123, 0.456], vec![0, 1], 1, 2).expect("valid rows");
        assert!(!format!("{data:?}").contains("123"));
    }
}
