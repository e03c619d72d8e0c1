//! A company's rows: from a file to a checked dataset, and the ways to split one.
//!
//! [`load_csv`] and [`load_parquet`] read a table, [`load_idx`] images, by the federation's [`unsilo_ledger::Schema`] and gives rows of a model's inputs with a
//! [`DataReport`], or a [`DataError`] that names the line, the column, what was found there and
//! what to do about it. Errors and reports quote the company's data: they are for its own eyes and
//! are never sent.

mod csv_file;
mod error;
mod held_out;
mod idx_file;
mod line;
mod parquet_file;
mod report;
mod row;
mod split;
mod table;

pub use csv_file::{
    LoadOptions, LoadedData, MAX_BYTES, MAX_ROWS, MissingCells, load_csv, read_csv,
};
pub use error::{DataError, Place};
pub use held_out::{Divided, hold_out};
pub(crate) use idx_file::is_idx;
pub use idx_file::{IdxError, load_idx};
pub(crate) use parquet_file::is_parquet;
pub use parquet_file::{ParquetProblem, READER_THREAD, load_parquet};
pub use report::{CategoryCount, ClassCount, ColumnReport, ColumnValues, DataReport};
pub use split::{Holdout, SplitError, THIN10_COMPANIES, Thin10, stratified_holdout, thin10};

#[cfg(test)]
mod tests;
