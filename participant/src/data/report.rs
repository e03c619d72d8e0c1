//! What a file holds, for the eyes of the company that owns it.

use std::fmt;

use csv::StringRecord;
use serde::Serialize;

use super::error::DataError;
use super::row::quoted;
use super::schema::DataSchema;
use crate::rating::ENOUGH_ROWS;

/// Columns that `Display` lists when nothing is remarkable about them.
const PLAIN_COLUMNS: usize = 8;

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
    /// Smallest value.
    pub min: f64,
    /// Mean value.
    pub mean: f64,
    /// Largest value.
    pub max: f64,
    /// The schema's range, lower and upper end.
    pub range: (f64, f64),
    /// Cells without a value; their rows are left out.
    pub missing: u64,
    /// Values outside the range, which were clipped to it.
    pub clipped: u64,
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
            let ColumnReport {
                name,
                min,
                max,
                range,
                clipped,
                ..
            } = column;
            if *clipped > 0 {
                let share = *clipped as f64 / self.rows as f64 * 100.0;
                warnings.push(format!(
                    "column {name}: {clipped} values ({share:.1} %) lie outside {} to {} (found {min} to {max}) and were clipped; check the unit",
                    range.0, range.1
                ));
            } else if min == max && self.rows > 1 {
                warnings.push(format!("column {name}: every row has the same value {min}"));
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
                min,
                mean,
                max,
                missing,
                clipped,
                ..
            } = column;
            if i >= PLAIN_COLUMNS && *missing == 0 && *clipped == 0 {
                hidden += 1;
                continue;
            }
            writeln!(
                f,
                "  {name:<16} {min:>12.4} {mean:>12.4} {max:>12.4} {missing:>9} {clipped:>9}"
            )?;
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
    min: f64,
    mean: f64,
    max: f64,
    missing: u64,
    clipped: u64,
}

impl Tally {
    pub(super) fn new(schema: &DataSchema) -> Self {
        let column = || Column {
            min: f64::INFINITY,
            mean: 0.0,
            max: f64::NEG_INFINITY,
            missing: 0,
            clipped: 0,
        };
        Self {
            classes: vec![0; schema.classes.len()],
            columns: schema.features.iter().map(|_| column()).collect(),
            rows: 0,
            dropped: 0,
        }
    }

    /// Rows read so far, left-out ones included.
    pub(super) fn seen(&self) -> u64 {
        self.rows as u64 + self.dropped
    }

    /// One value of the row that [`row`](Self::row) will end.
    pub(super) fn value(&mut self, column: usize, value: f64, clipped: bool) {
        let count = (self.rows + 1) as f64;
        let column = &mut self.columns[column];
        column.min = column.min.min(value);
        column.max = column.max.max(value);
        // A running mean: a sum of large values could overflow.
        column.mean += value / count - column.mean / count;
        column.clipped += u64::from(clipped);
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
        schema: &DataSchema,
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
        let used: std::collections::BTreeSet<&str> = schema.columns().collect();
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
                    min: column.min,
                    mean: column.mean,
                    max: column.max,
                    range: (feature.min, feature.max),
                    missing: column.missing,
                    clipped: column.clipped,
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
