//! What can be wrong with a file of rows.

use std::fmt;

use thiserror::Error;

use unsilo_ledger::schema::SchemaError;

use super::idx_file::IdxError;
use super::parquet_file::ParquetProblem;

/// Where in a file something is, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file; the header is line 1.
    Line(u64),
    /// Row of a file that has no lines.
    Row(u64),
    /// The names of its columns, in such a file.
    Columns,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row} (the first is 1)"),
            Self::Columns => f.write_str("names of the columns"),
        }
    }
}

/// Why a file gives no dataset. Nothing of it is kept.
///
/// Lines are counted from 1, the header being line 1, as editors and spreadsheets count them.
/// Messages quote at most 40 characters of a cell.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The schema itself cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The file cannot be opened or read.
    #[error("{file}: cannot be read: {reason}. Check the path and who may read it")]
    Unreadable {
        /// The path.
        file: String,
        /// The operating system's words.
        reason: String,
    },
    /// An IDX file that cannot be used.
    #[error("{file}: {problem}")]
    Idx {
        /// The path.
        file: String,
        /// What is wrong.
        problem: IdxError,
    },
    /// A Parquet file that cannot be used.
    #[error("{file}: {problem}")]
    Parquet {
        /// The path.
        file: String,
        /// What is wrong.
        problem: ParquetProblem,
    },
    /// More bytes than allowed.
    #[error("{file}: larger than {limit} bytes. Split the file, or give fewer columns")]
    TooLarge {
        /// The path.
        file: String,
        /// Largest size accepted.
        limit: u64,
    },
    /// More rows than allowed.
    #[error("{file}: more than {limit} rows. Use a sample of them")]
    TooManyRows {
        /// The path.
        file: String,
        /// Most rows accepted.
        limit: u64,
    },
    /// Bytes that are no text.
    #[error("{file}, line {line}, column {column}: not UTF-8 text. Save the file as CSV in UTF-8")]
    NotUtf8 {
        /// The path.
        file: String,
        /// Line of the row.
        line: u64,
        /// Name of the column, or its number.
        column: String,
    },
    /// Not even a header.
    #[error("{file}: the file is empty. The first line must name the columns")]
    Empty {
        /// The path.
        file: String,
    },
    /// A header and nothing else.
    #[error("{file}: there is a header but no row below it")]
    HeaderOnly {
        /// The path.
        file: String,
    },
    /// Columns of the schema that the file lacks.
    #[error(
        "{file}, {place}: missing columns {}; the file has {}. {advice}",
        names(missing),
        names(found)
    )]
    MissingColumns {
        /// The path.
        file: String,
        /// Where the columns are named.
        place: Place,
        /// All that are missing.
        missing: Vec<String>,
        /// All that the file has.
        found: Vec<String>,
        /// What to do, from how the header looks.
        advice: &'static str,
    },
    /// A column of the schema that the file has more than once.
    #[error(
        "{file}, {place}: columns {} occur more than once. Remove or rename all but one",
        names(duplicates)
    )]
    DuplicateColumns {
        /// The path.
        file: String,
        /// Where the columns are named.
        place: Place,
        /// The columns.
        duplicates: Vec<String>,
    },
    /// A row with too few or too many cells.
    #[error(
        "{file}, line {line}: {found} cells, but the header names {expected} columns. Look for a missing or stray comma or quote"
    )]
    Ragged {
        /// The path.
        file: String,
        /// Line of the row.
        line: u64,
        /// Cells of the row.
        found: u64,
        /// Columns of the header.
        expected: u64,
    },
    /// A cell that is not a number.
    #[error(
        "{file}, {place}, column {column}: found {found:?}, expected a number such as {example} (with a decimal point). Correct the cell or remove the row"
    )]
    NotANumber {
        /// The path.
        file: String,
        /// Which row.
        place: Place,
        /// Name of the column.
        column: String,
        /// The cell.
        found: String,
        /// A number the column could hold.
        example: f64,
    },
    /// A cell that is NaN, infinite, or too large for a number.
    #[error(
        "{file}, {place}, column {column}: found {found:?}, expected a finite number. Correct the cell or remove the row"
    )]
    NotFinite {
        /// The path.
        file: String,
        /// Which row.
        place: Place,
        /// Name of the column.
        column: String,
        /// The cell.
        found: String,
    },
    /// A cell with another word than the column's categories.
    #[error(
        "{file}, {place}, column {column}: found {found:?}, expected one of the federation's categories {}. Correct the cell or remove the row",
        names(categories)
    )]
    UnknownCategory {
        /// The path.
        file: String,
        /// Which row.
        place: Place,
        /// Name of the column.
        column: String,
        /// The cell.
        found: String,
        /// The categories of the schema.
        categories: Vec<String>,
    },
    /// A cell without a value.
    #[error(
        "{file}, {place}, column {column}: found {found:?}, which stands for a missing value, expected {expected}. Fill it in, remove the row, or have rows with missing values left out"
    )]
    MissingCell {
        /// The path.
        file: String,
        /// Which row.
        place: Place,
        /// Name of the column.
        column: String,
        /// The cell: empty or a mark such as `NA`.
        found: String,
        /// `"a number"`, `"a category"` or `"a class"`.
        expected: &'static str,
    },
    /// A label that the schema does not have.
    #[error(
        "{file}, {place}, column {column}: found {found:?}, expected one of the federation's classes {}. Correct the cell or remove the row",
        names(classes)
    )]
    UnknownLabel {
        /// The path.
        file: String,
        /// Which row.
        place: Place,
        /// Name of the label column.
        column: String,
        /// The cell.
        found: String,
        /// The classes of the schema.
        classes: Vec<String>,
    },
    /// Every row was left out for a missing value.
    #[error("{file}: all {dropped} rows have missing values. Fill some in")]
    NothingLeft {
        /// The path.
        file: String,
        /// Rows left out.
        dropped: u64,
    },
    /// Rows of a single class teach nothing.
    #[error(
        "{file}: all {rows} rows have class {class:?} in column {column}, expected at least two classes. Check that this is the label column, and add rows of others"
    )]
    OneClass {
        /// The path.
        file: String,
        /// Name of the label column.
        column: String,
        /// The class.
        class: String,
        /// Rows.
        rows: usize,
    },
}

/// A list for a sentence: quoted, at most 12 of them.
fn names(list: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> = list
        .iter()
        .take(SHOWN)
        .map(|name| format!("{name:?}"))
        .collect();
    if list.len() > SHOWN {
        text.push(format!("and {} more", list.len() - SHOWN));
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.join(", ")
    }
}
