//! Reads a CSV file by a schema.

use std::fs::File;
use std::io::{self, Read, Seek, Take};
use std::path::Path;

use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};
use unsilo_ledger::Schema;
use unsilo_train::Dataset;

use super::error::{DataError, Place};
use super::line::line_at;
use super::report::DataReport;
use super::row::quoted;
use super::table::Table;

/// Largest file accepted by default: 4 GiB.
pub const MAX_BYTES: u64 = 4 << 30;
/// Most rows accepted by default: 50 million.
pub const MAX_ROWS: u64 = 50_000_000;

/// What to do with a row in which a value is missing ([`unsilo_proto::is_missing`]) that may not be: the label's, or one
/// of a column whose values the schema does not let be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MissingCells {
    /// Refuse the file and name the cell.
    #[default]
    Refuse,
    /// Leave the row out and count it in the report.
    DropRow,
}

/// Settings of the loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// What a missing value means.
    pub missing: MissingCells,
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// Most rows, left-out ones included.
    pub max_rows: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            missing: MissingCells::Refuse,
            max_bytes: MAX_BYTES,
            max_rows: MAX_ROWS,
        }
    }
}

/// A file that passed every check.
#[derive(Clone, Debug)]
pub struct LoadedData {
    /// Scaled and clipped rows in the order of the file, ready for training.
    pub data: Dataset,
    /// What was found.
    pub report: DataReport,
}

/// Reads a CSV file: UTF-8, comma-separated, quoted where needed, the first line naming the
/// columns. Columns may stand in any order; those the schema does not name are reported.
/// Each feature becomes the model's inputs as [`unsilo_proto::Cell`] says.
///
/// # Errors
///
/// [`DataError`] for the first thing wrong in the file.
pub fn load_csv(
    path: &Path,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<LoadedData, DataError> {
    let (name, file) = open(path, options)?;
    read_csv(&name, file, schema, options)
}

/// Opens a file that is not too large, and gives its path for messages.
pub(super) fn open(path: &Path, options: &LoadOptions) -> Result<(String, File), DataError> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| DataError::Unreadable {
        file: path.display().to_string(),
        reason: error.to_string(),
    };
    // Before it is opened: opening a named pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    if metadata.len() > options.max_bytes {
        return Err(DataError::TooLarge {
            file: name,
            limit: options.max_bytes,
        });
    }
    let file = File::open(path).map_err(unreadable)?;
    Ok((name, file))
}

/// [`load_csv`] from any reader, from its start; `name` stands for the path in errors and in the
/// report. The reader is read once, and once more for the line number of an error.
///
/// # Errors
///
/// As [`load_csv`].
pub fn read_csv(
    name: &str,
    reader: impl Read + Seek,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<LoadedData, DataError> {
    schema.validate()?;
    // One byte more than allowed shows that there is more, whatever the size said before.
    let limited = reader.take(options.max_bytes.saturating_add(1));
    let mut csv = ReaderBuilder::new()
        .buffer_capacity(1 << 16)
        .from_reader(limited);
    let mut result = read_rows(name, &mut csv, schema, options);
    if csv.get_ref().limit() == 0 {
        let (file, limit) = (name.to_owned(), options.max_bytes);
        result = Err(DataError::TooLarge { file, limit });
    }
    result
}

fn read_rows<R: Read + Seek>(
    name: &str,
    csv: &mut Reader<Take<R>>,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<LoadedData, DataError> {
    let header = match csv.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(broken(name, None, csv, error)),
    };
    if header.len() <= 1 && header.iter().all(|column| column.trim().is_empty()) {
        return Err(DataError::Empty {
            file: name.to_owned(),
        });
    }
    let mut table = Table::new(name, schema, options, Place::Line(1), &header)?;
    let mut record = StringRecord::new();
    loop {
        match csv.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(broken(name, Some(&header), csv, error)),
        }
        let mut place = || Place::Line(line_of(csv, record.position()));
        table.put(&record, &mut place)?;
    }
    table.finish(&header)
}

/// An error of the CSV reader, in our words. `header` is absent while it is itself being read.
fn broken<R: Read + Seek>(
    name: &str,
    header: Option<&StringRecord>,
    csv: &mut Reader<Take<R>>,
    error: csv::Error,
) -> DataError {
    let file = name.to_owned();
    match error.kind() {
        ErrorKind::Utf8 { pos, err } => {
            let number = || format!("number {}", err.field() + 1);
            let column = header
                .and_then(|header| header.get(err.field()))
                .map_or_else(number, |column| quoted(column.trim()));
            let line = line_of(csv, pos.as_ref());
            DataError::NotUtf8 { file, line, column }
        }
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => DataError::Ragged {
            file,
            line: line_of(csv, pos.as_ref()),
            found: *len,
            expected: *expected_len,
        },
        _ => DataError::Unreadable {
            file,
            reason: error.to_string(),
        },
    }
}

/// The line a record starts on. It moves the reader: for errors only, which end the reading.
fn line_of<R: Read + Seek>(csv: &mut Reader<Take<R>>, position: Option<&Position>) -> u64 {
    let Some(position) = position else { return 1 };
    line_at(csv.get_mut().get_mut(), position.byte()).unwrap_or_else(|_| position.line())
}
