//! One row: from text to the cells of its features and a label.

use std::collections::BTreeMap;

use csv::StringRecord;

use unsilo_ledger::{Feature, Schema, Values};
use unsilo_proto::{Cell, CellError, is_missing, range};

use super::error::{DataError, Place};

/// Characters of a cell that an error quotes.
const QUOTED: usize = 40;

/// Where the schema's columns are in this file.
pub(super) struct RowReader<'a> {
    file: &'a str,
    schema: &'a Schema,
    /// Cell of each feature, in the schema's order.
    features: Vec<usize>,
    /// Cell of the label.
    label: usize,
    classes: BTreeMap<&'a str, u32>,
}

/// What a row turned out to be.
pub(super) enum Row {
    /// Complete; the cells are in the buffer, this is the label.
    Complete(u32),
    /// Values are missing in these features, where they may not be, and in the label or not.
    Missing(Vec<usize>),
}

impl<'a> RowReader<'a> {
    /// Finds the schema's columns in the header, which stands at `place`. Their order is free.
    pub(super) fn new(
        file: &'a str,
        schema: &'a Schema,
        place: Place,
        header: &StringRecord,
    ) -> Result<Self, DataError> {
        let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (cell, name) in header.iter().enumerate() {
            found.entry(name.trim()).or_insert((cell, 0)).1 += 1;
        }
        let named = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            columns(schema)
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
                place,
                missing,
                found,
                advice: advice(header),
            });
        }
        let duplicates = named(&|name| found.get(name).is_some_and(|(_, count)| *count > 1));
        if !duplicates.is_empty() {
            return Err(DataError::DuplicateColumns {
                file: file.to_owned(),
                place,
                duplicates,
            });
        }
        let cells: Vec<usize> = columns(schema).map(|name| found[name].0).collect();
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

    /// Reads one row; `cells` receives those of the features, in the schema's order. `place` is
    /// asked for an error only.
    pub(super) fn read(
        &self,
        record: &StringRecord,
        place: &mut dyn FnMut() -> Place,
        cells: &mut Vec<Cell>,
    ) -> Result<Row, DataError> {
        cells.clear();
        let mut missing = Vec::new();
        for (index, (&cell, feature)) in self.features.iter().zip(&self.schema.features).enumerate()
        {
            let text = record.get(cell).unwrap_or_default().trim();
            match Cell::read(feature, text) {
                Ok(cell) => cells.push(cell),
                Err(CellError::Missing) => missing.push(index),
                Err(error) => return Err(self.wrong_cell(error, text, place(), feature)),
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
                place: place(),
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
        place: Place,
        missing: &[usize],
    ) -> DataError {
        let first = missing.first();
        let (cell, column, expected) = match first {
            Some(&index) => {
                let feature = &self.schema.features[index];
                let expected = match feature.values {
                    Values::Number { .. } | Values::Measured { .. } => "a number",
                    Values::Category(_) => "a category",
                };
                (self.features[index], &feature.name, expected)
            }
            None => (self.label, &self.schema.label, "a class"),
        };
        DataError::MissingCell {
            file: self.file.to_owned(),
            place,
            column: column.clone(),
            found: quoted(record.get(cell).unwrap_or_default().trim()),
            expected,
        }
    }

    fn wrong_cell(
        &self,
        error: CellError,
        text: &str,
        place: Place,
        feature: &Feature,
    ) -> DataError {
        let (file, column, found) = (self.file.to_owned(), feature.name.clone(), quoted(text));
        match (error, &feature.values, range(feature)) {
            (CellError::NotANumber, _, Some((min, max))) => DataError::NotANumber {
                file,
                place,
                column,
                found,
                example: min + (max - min) / 2.0,
            },
            (_, Values::Category(words), _) => DataError::UnknownCategory {
                file,
                place,
                column,
                found,
                categories: words.clone(),
            },
            _ => DataError::NotFinite {
                file,
                place,
                column,
                found,
            },
        }
    }
}

/// Every column a file must have: the features in order, then the label.
pub(super) fn columns(schema: &Schema) -> impl Iterator<Item = &str> {
    let features = schema.features.iter().map(|feature| feature.name.as_str());
    features.chain(std::iter::once(schema.label.as_str()))
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
