//! A table while it is read, whatever format its file has: every row comes as the text of its cells.

use csv::StringRecord;
use unsilo_ledger::Schema;
use unsilo_proto::Cell;
use unsilo_train::Dataset;

use super::csv_file::{LoadOptions, LoadedData, MissingCells};
use super::error::{DataError, Place};
use super::report::Tally;
use super::row::{Row, RowReader};

/// The rows that were read so far.
pub(super) struct Table<'a> {
    file: &'a str,
    schema: &'a Schema,
    options: &'a LoadOptions,
    rows: RowReader<'a>,
    cells: Vec<Cell>,
    inputs: Vec<f32>,
    labels: Vec<u32>,
    tally: Tally,
}

impl<'a> Table<'a> {
    /// A table without rows, if its columns (named at `place`) are those of the schema and perhaps more.
    pub(super) fn new(
        file: &'a str,
        schema: &'a Schema,
        options: &'a LoadOptions,
        place: Place,
        header: &StringRecord,
    ) -> Result<Self, DataError> {
        Ok(Self {
            file,
            schema,
            options,
            rows: RowReader::new(file, schema, place, header)?,
            cells: Vec::with_capacity(schema.features.len()),
            inputs: Vec::new(),
            labels: Vec::new(),
            tally: Tally::new(schema),
        })
    }

    /// From here on, rows have the columns of `header` and no others.
    pub(super) fn narrow(&mut self, place: Place, header: &StringRecord) -> Result<(), DataError> {
        self.rows = RowReader::new(self.file, self.schema, place, header)?;
        Ok(())
    }

    /// Checks and takes one row. `place` is asked for an error only.
    pub(super) fn put(
        &mut self,
        record: &StringRecord,
        place: &mut dyn FnMut() -> Place,
    ) -> Result<(), DataError> {
        if self.tally.seen() >= self.options.max_rows {
            return Err(DataError::TooManyRows {
                file: self.file.to_owned(),
                limit: self.options.max_rows,
            });
        }
        match self.rows.read(record, place, &mut self.cells)? {
            Row::Complete(label) => {
                let cells = self.cells.iter().zip(&self.schema.features);
                for (index, (&cell, feature)) in cells.enumerate() {
                    let clipped = cell.append(feature, &mut self.inputs);
                    self.tally.cell(index, cell, clipped);
                }
                self.labels.push(label);
                self.tally.row(label);
            }
            Row::Missing(missing) if self.options.missing == MissingCells::Refuse => {
                return Err(self.rows.missing_cell(record, place(), &missing));
            }
            Row::Missing(missing) => self.tally.dropped(&missing),
        }
        Ok(())
    }

    /// The data, if there are rows of at least two classes. `header` names every column of the file.
    pub(super) fn finish(self, header: &StringRecord) -> Result<LoadedData, DataError> {
        let report = self.tally.finish(self.file, self.schema, header)?;
        let classes = self.schema.classes.len();
        let data = Dataset::new(self.inputs, self.labels, self.schema.inputs(), classes)
            .expect("every input is within 0..=1, every label was found in the schema");
        Ok(LoadedData { data, report })
    }
}
