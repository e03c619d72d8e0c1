//! A table on its way into a file: columns with types, and rows of cells.

use std::{
    fs::File,
    io::{self, BufWriter},
};

/// What a column holds. Every cell may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// UTF-8.
    Text,
    /// Unsigned, 64 bits.
    Whole,
    /// Signed, 64 bits.
    Signed,
    /// A fraction, 64-bit floating point.
    Real,
    /// Yes or no.
    Flag,
}

/// A column's name and kind.
pub(super) type Column = (&'static str, Kind);

/// A value, of its column's kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Whole(u64),
    Signed(i64),
    Real(f64),
    Flag(bool),
}

/// A cell for each column.
pub(super) type Row = Vec<Cell>;

/// A file that takes rows.
pub(super) trait Sheet {
    /// Writes a row, which has a cell for each column.
    fn put(&mut self, row: &Row) -> io::Result<()>;

    /// Writes what is left; the caller flushes the writer and syncs the file.
    fn finish(self: Box<Self>) -> io::Result<BufWriter<File>>;
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<u16> for Cell {
    fn from(value: u16) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<i16> for Cell {
    fn from(value: i16) -> Self {
        Self::Signed(value.into())
    }
}

impl From<i8> for Cell {
    fn from(value: i8) -> Self {
        Self::Signed(value.into())
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
