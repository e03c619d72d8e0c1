//! A company's rows: from a CSV file to a checked dataset, and the ways to split one.
//!
//! [`load_csv`] reads a file by the federation's [`DataSchema`] and gives scaled rows with a
//! [`DataReport`], or a [`DataError`] that names the line, the column, what was found there and
//! what to do about it. Errors and reports quote the company's data: they are for its own eyes and
//! are never sent.

mod csv_file;
mod error;
mod held_out;
mod line;
mod report;
mod row;
mod schema;
mod split;

pub use csv_file::{
    LoadOptions, LoadedData, MAX_BYTES, MAX_ROWS, MissingCells, load_csv, read_csv,
};
pub use error::DataError;
pub use held_out::{Divided, hold_out};
pub use report::{ClassCount, ColumnReport, DataReport};
pub use schema::{DataSchema, FeatureRange, SchemaError};
pub use split::{Holdout, SplitError, THIN10_COMPANIES, Thin10, stratified_holdout, thin10};

#[cfg(test)]
mod tests;
