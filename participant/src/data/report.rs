//! What a file holds, for the eyes of the company that owns it.

use std::fmt;

use csv::StringRecord;
use serde::Serialize;

use unsilo_ledger::{Schema, Values};
use unsilo_proto::{Cell, range};

use super::error::DataError;
use super::row::{columns, quoted};
use crate::rating::{ENOUGH_ROWS, FEW_ROWS, asks_by_all_rows};

/// Columns that `Display` lists when nothing is remarkable about them.
const PLAIN_COLUMNS: usize = 8;
/// Categories that `Display` lists of a column.
const CATEGORIES: usize = 6;

/// What was found in a file. All numbers are of the rows kept, before scaling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataReport {
    /// The path.
    pub file: String,
    /// Rows kept.
    pub rows: usize,
    /// Rows left out for missing values.
    pub dropped_rows: u64,
    /// Rows of each class, in the schema's order.
    pub classes: Vec<ClassCount>,
    /// The features, in the schema's order.
    pub columns: Vec<ColumnReport>,
    /// Columns of the file that the schema does not name and training does not use.
    pub extra_columns: Vec<String>,
    /// How many of the rows are held out from training to rate the others' contributions with: 0 if this company rates
    /// nobody, absent for rows that are not trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
}

/// Rows of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// Its rows.
    pub rows: usize,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// The column.
    pub name: String,
    /// Cells without a value; their rows are left out, unless values of this column may be missing.
    pub missing: u64,
    /// What the others hold.
    #[serde(flatten)]
    pub values: ColumnValues,
}

/// The values of a feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ColumnValues {
    /// Numbers.
    Number {
        /// Smallest value.
        min: f64,
        /// Mean value.
        mean: f64,
        /// Largest value.
        max: f64,
        /// The schema's range, lower and upper end.
        range: (f64, f64),
        /// Values outside the range, which were clipped to it.
        clipped: u64,
    },
    /// Categories.
    Category {
        /// Rows of each, in the schema's order.
        categories: Vec<CategoryCount>,
    },
    /// Every value is missing.
    Nothing,
}

/// Rows of one category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CategoryCount {
    /// The category.
    pub category: String,
    /// Its rows.
    pub rows: u64,
}

impl DataReport {
    /// What deserves a look before training, in sentences; none where all is well.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.dropped_rows > 0 {
            warnings.push(format!(
                "{} rows with missing values were left out",
                self.dropped_rows
            ));
        }
        for column in &self.columns {
            let name = &column.name;
            match &column.values {
                ColumnValues::Number {
                    min,
                    max,
                    range,
                    clipped: clipped @ 1..,
                    ..
                } => {
                    let share = *clipped as f64 / self.rows as f64 * 100.0;
                    warnings.push(format!(
                        "column {name}: {clipped} values ({share:.1} %) lie outside {} to {} (found {min} to {max}) and were clipped; check the unit",
                        range.0, range.1
                    ));
                }
                ColumnValues::Number { min, max, .. } if min == max && self.rows > 1 => {
                    warnings.push(format!("column {name}: every row has the same value {min}"));
                }
                ColumnValues::Category { categories } if self.rows > 1 => {
                    let mut found = categories.iter().filter(|count| count.rows > 0);
                    if let (Some(only), None) = (found.next(), found.next()) {
                        let word = &only.category;
                        warnings.push(format!(
                            "column {name}: every row has the same value {word}"
                        ));
                    }
                }
                ColumnValues::Nothing => {
                    warnings.push(format!("column {name}: every value is missing"))
                }
                _ => {}
            }
        }
        let absent: Vec<&str> = self
            .classes
            .iter()
            .filter(|class| class.rows == 0)
            .map(|class| class.class.as_str())
            .collect();
        if !absent.is_empty() {
            warnings.push(format!("no rows of {}", absent.join(", ")));
        }
        match self.held_out {
            Some(0) => warnings.push(
                "no rows are held out: this company rates nobody, so it has no say in the weights and no part of what raters are paid"
                    .to_owned(),
            ),
            Some(rows) if asks_by_all_rows(rows) => warnings.push(format!(
                "only {rows} rows are held out, half of all: with fewer than {FEW_ROWS} this company rates the others by all its \
                 rows, those that it trains on too; its ratings may be outvoted all the same"
            )),
            Some(rows) if rows < ENOUGH_ROWS => warnings.push(format!(
                "only {rows} rows are held out for rating, half of all: ratings from fewer than {ENOUGH_ROWS} rows are \
                 shaky and may be outvoted; to train on them instead, set rating.enabled to false"
            )),
            _ => {}
        }
        warnings
    }
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra = self.extra_columns.len();
        writeln!(
            f,
            "{}: {} rows, {} columns used, {extra} not",
            self.file,
            self.rows,
            self.columns.len()
        )?;
        if let Some(held_out @ 1..) = self.held_out {
            writeln!(
                f,
                "of these, {held_out} are held out to rate the others' contributions with, {} are trained on",
                self.rows - held_out
            )?;
        }
        writeln!(f, "classes:")?;
        for ClassCount { class, rows } in &self.classes {
            writeln!(
                f,
                "  {class:<16} {rows:>10}  {:>5.1} %",
                *rows as f64 / self.rows as f64 * 100.0
            )?;
        }
        writeln!(
            f,
            "columns:           {:>12} {:>12} {:>12} {:>9} {:>9}",
            "min", "mean", "max", "missing", "clipped"
        )?;
        let mut hidden = 0;
        for (i, column) in self.columns.iter().enumerate() {
            let ColumnReport {
                name,
                missing,
                values,
            } = column;
            let plain = match values {
                ColumnValues::Number { clipped, .. } => *clipped == 0,
                ColumnValues::Category { .. } => true,
                ColumnValues::Nothing => false,
            };
            if i >= PLAIN_COLUMNS && *missing == 0 && plain {
                hidden += 1;
                continue;
            }
            match values {
                ColumnValues::Number {
                    min,
                    mean,
                    max,
                    clipped,
                    ..
                } => writeln!(
                    f,
                    "  {name:<16} {min:>12.4} {mean:>12.4} {max:>12.4} {missing:>9} {clipped:>9}"
                )?,
                ColumnValues::Category { categories } => {
                    let shown = categories.iter().take(CATEGORIES);
                    let mut shown: Vec<String> = shown
                        .map(|count| format!("{} {}", quoted(&count.category), count.rows))
                        .collect();
                    if let more @ 1.. = categories.len().saturating_sub(CATEGORIES) {
                        shown.push(format!("{more} more"));
                    }
                    writeln!(f, "  {name:<16} {:<38} {missing:>9}", shown.join(", "))?;
                }
                ColumnValues::Nothing => {
                    writeln!(f, "  {name:<16} {:<38} {missing:>9}", "nothing")?;
                }
            }
        }
        if hidden > 0 {
            writeln!(f, "  ... and {hidden} more, all complete and in range")?;
        }
        if extra > 0 {
            writeln!(f, "not used: {}", self.extra_columns.join(", "))?;
        }
        for warning in self.warnings() {
            writeln!(f, "note: {warning}")?;
        }
        Ok(())
    }
}

/// Counts while rows are read.
pub(super) struct Tally {
    classes: Vec<usize>,
    columns: Vec<Column>,
    rows: usize,
    dropped: u64,
}

struct Column {
    /// Numbers, and what they came to.
    numbers: u64,
    min: f64,
    mean: f64,
    max: f64,
    clipped: u64,
    /// Rows of each category.
    categories: Vec<u64>,
    missing: u64,
}

impl Tally {
    pub(super) fn new(schema: &Schema) -> Self {
        let column = |values: &Values| Column {
            numbers: 0,
            min: f64::INFINITY,
            mean: 0.0,
            max: f64::NEG_INFINITY,
            clipped: 0,
            categories: match values {
                Values::Number { .. } | Values::Measured { .. } => Vec::new(),
                Values::Category(words) => vec![0; words.len()],
            },
            missing: 0,
        };
        Self {
            classes: vec![0; schema.classes.len()],
            columns: schema
                .features
                .iter()
                .map(|feature| column(&feature.values))
                .collect(),
            rows: 0,
            dropped: 0,
        }
    }

    /// Rows read so far, left-out ones included.
    pub(super) fn seen(&self) -> u64 {
        self.rows as u64 + self.dropped
    }

    /// One cell of the row that [`row`](Self::row) will end.
    pub(super) fn cell(&mut self, column: usize, cell: Cell, clipped: bool) {
        let column = &mut self.columns[column];
        match cell {
            Cell::Number(value) => {
                column.numbers += 1;
                let count = column.numbers as f64;
                column.min = column.min.min(value);
                column.max = column.max.max(value);
                // A running mean: a sum of large values could overflow.
                column.mean += value / count - column.mean / count;
                column.clipped += u64::from(clipped);
            }
            Cell::Category(place) => column.categories[place] += 1,
            Cell::Missing => column.missing += 1,
        }
    }

    /// A complete row.
    pub(super) fn row(&mut self, label: u32) {
        self.classes[label as usize] += 1;
        self.rows += 1;
    }

    /// A row left out; `missing` are its features without a value.
    pub(super) fn dropped(&mut self, missing: &[usize]) {
        self.dropped += 1;
        for &column in missing {
            self.columns[column].missing += 1;
        }
    }

    /// The report, if there are rows of at least two classes.
    pub(super) fn finish(
        self,
        name: &str,
        schema: &Schema,
        header: &StringRecord,
    ) -> Result<DataReport, DataError> {
        let file = name.to_owned();
        match (self.rows, self.dropped) {
            (0, 0) => return Err(DataError::HeaderOnly { file }),
            (0, dropped) => return Err(DataError::NothingLeft { file, dropped }),
            _ => {}
        }
        if let Some(class) = self.classes.iter().position(|&rows| rows == self.rows) {
            return Err(DataError::OneClass {
                file,
                column: schema.label.clone(),
                class: schema.classes[class].clone(),
                rows: self.rows,
            });
        }
        let classes = schema.classes.iter().cloned().zip(self.classes);
        let columns = schema.features.iter().zip(self.columns);
        let used: std::collections::BTreeSet<&str> = self::columns(schema).collect();
        Ok(DataReport {
            file,
            rows: self.rows,
            dropped_rows: self.dropped,
            classes: classes
                .map(|(class, rows)| ClassCount { class, rows })
                .collect(),
            columns: columns
                .map(|(feature, column)| ColumnReport {
                    name: feature.name.clone(),
                    missing: column.missing,
                    values: match (&feature.values, range(feature)) {
                        (Values::Category(words), _)
                            if column.categories.iter().any(|rows| *rows > 0) =>
                        {
                            let counts = words.iter().cloned().zip(column.categories);
                            ColumnValues::Category {
                                categories: counts
                                    .map(|(category, rows)| CategoryCount { category, rows })
                                    .collect(),
                            }
                        }
                        (_, Some(range)) if column.numbers > 0 => ColumnValues::Number {
                            min: column.min,
                            mean: column.mean,
                            max: column.max,
                            range,
                            clipped: column.clipped,
                        },
                        _ => ColumnValues::Nothing,
                    },
                })
                .collect(),
            extra_columns: header
                .iter()
                .map(str::trim)
                .filter(|name| !used.contains(name))
                .map(quoted)
                .collect(),
            held_out: None,
        })
    }
}
