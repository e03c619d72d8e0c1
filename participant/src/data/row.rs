//! One row: from cells to scaled features and a label.

use std::collections::BTreeMap;

use csv::StringRecord;

use super::error::DataError;
use super::schema::{DataSchema, FeatureRange};

/// What stands for "no value" besides an empty cell, in any case.
const MISSING: [&str; 6] = ["?", "na", "n/a", "null", "none", "-"];
/// Characters of a cell that an error quotes.
const QUOTED: usize = 40;

/// Where the schema's columns are in this file.
pub(super) struct RowReader<'a> {
    file: &'a str,
    schema: &'a DataSchema,
    /// Cell of each feature, in the schema's order.
    features: Vec<usize>,
    /// Cell of the label.
    label: usize,
    classes: BTreeMap<&'a str, u32>,
}

/// What a row turned out to be.
pub(super) enum Row {
    /// Complete; the values are in the buffer, this is the label.
    Complete(u32),
    /// Values are missing in these features, and in the label or not.
    Missing(Vec<usize>),
}

impl<'a> RowReader<'a> {
    /// Finds the schema's columns in the header. Their order is free.
    pub(super) fn new(
        file: &'a str,
        schema: &'a DataSchema,
        header: &StringRecord,
    ) -> Result<Self, DataError> {
        let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (cell, name) in header.iter().enumerate() {
            found.entry(name.trim()).or_insert((cell, 0)).1 += 1;
        }
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            schema
                .columns()
                .filter(|name| wanted(name))
                .map(str::to_owned)
                .collect()
        };
        let missing = named(&|name| !found.contains_key(name));
        if !missing.is_empty() {
            let found = header.iter().map(|name| quoted(name.trim())).collect();
            let file = file.to_owned();
            return Err(DataError::MissingColumns {
                file,
                missing,
                found,
                advice: advice(header),
            });
        }
        let duplicates = named(&|name| found.get(name).is_some_and(|(_, count)| *count > 1));
        if !duplicates.is_empty() {
            return Err(DataError::DuplicateColumns {
                file: file.to_owned(),
                duplicates,
            });
        }
        let cells: Vec<usize> = schema.columns().map(|name| found[name].0).collect();
        let (&label, features) = cells.split_last().unwrap_or((&0, &[]));
        let classes = schema.classes.iter().map(String::as_str).zip(0..).collect();
        Ok(Self {
            file,
            schema,
            features: features.to_vec(),
            label,
            classes,
        })
    }

    /// Reads one row; `values` receives the unscaled features, in the schema's order. `line` is
    /// asked for an error only.
    pub(super) fn read(
        &self,
        record: &StringRecord,
        line: &mut dyn FnMut() -> u64,
        values: &mut Vec<f64>,
    ) -> Result<Row, DataError> {
        values.clear();
        let mut missing = Vec::new();
        for (index, (&cell, feature)) in self.features.iter().zip(&self.schema.features).enumerate()
        {
            let text = record.get(cell).unwrap_or_default().trim();
            if is_missing(text) {
                missing.push(index);
            } else {
                values.push(self.number(text, line, feature)?);
            }
        }
        let text = record.get(self.label).unwrap_or_default().trim();
        // A class may be called "none" or "-": the schema's names come first.
        match self.classes.get(text) {
            Some(&label) if missing.is_empty() => Ok(Row::Complete(label)),
            Some(_) => Ok(Row::Missing(missing)),
            None if is_missing(text) => Ok(Row::Missing(missing)),
            None => Err(DataError::UnknownLabel {
                file: self.file.to_owned(),
                line: line(),
                column: self.schema.label.clone(),
                found: quoted(text),
                classes: self.schema.classes.clone(),
            }),
        }
    }

    /// The error for the first missing value of a row that [`read`](Self::read) found incomplete.
    pub(super) fn missing_cell(
        &self,
        record: &StringRecord,
        line: u64,
        missing: &[usize],
    ) -> DataError {
        let first = missing.first();
        let (cell, column, expected) = match first {
            Some(&index) => (
                self.features[index],
                &self.schema.features[index].name,
                "a number",
            ),
            None => (self.label, &self.schema.label, "a class"),
        };
        DataError::MissingCell {
            file: self.file.to_owned(),
            line,
            column: column.clone(),
            found: quoted(record.get(cell).unwrap_or_default().trim()),
            expected,
        }
    }

    fn number(
        &self,
        text: &str,
        line: &mut dyn FnMut() -> u64,
        feature: &FeatureRange,
    ) -> Result<f64, DataError> {
        let (file, column) = (|| self.file.to_owned(), || feature.name.clone());
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(_) => Err(DataError::NotFinite {
                file: file(),
                line: line(),
                column: column(),
                found: quoted(text),
            }),
            Err(_) => Err(DataError::NotANumber {
                file: file(),
                line: line(),
                column: column(),
                found: quoted(text),
                example: feature.min + (feature.max - feature.min) / 2.0,
            }),
        }
    }
}

fn is_missing(text: &str) -> bool {
    text.is_empty() || MISSING.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

/// The start of a cell, for a message.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// What the header looks like when columns are missing.
fn advice(header: &StringRecord) -> &'static str {
    let all: String = header.iter().collect();
    if all.contains(';') || all.contains('\t') {
        "The header looks separated by semicolons or tabs: save the file with commas"
    } else if header.iter().all(|name| name.trim().parse::<f64>().is_ok()) {
        "The first line holds numbers: it must name the columns"
    } else {
        "Add the columns, or rename those that hold them (upper and lower case count)"
    }
}
