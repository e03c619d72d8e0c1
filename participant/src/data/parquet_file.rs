//! Reads a Parquet file by a schema: every value becomes the text that a CSV file would have, so every check is the same.

use std::{fmt::Write as _, fs::File, io::Read as _, path::Path, thread};

use csv::StringRecord;
use parquet::{
    basic::{Compression, ConvertedType, LogicalType, Type as Physical},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::DataType,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        reader::{FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
    },
    schema::types::ColumnDescriptor,
};
use thiserror::Error;
use unsilo_ledger::Schema;

use super::csv_file::{LoadOptions, LoadedData, open};
use super::error::{DataError, Place};
use super::row::{columns, quoted};
use super::table::Table;

/// Rows that are unpacked at a time: of the widest schema some tens of megabytes.
const BATCH: usize = 1024;
/// Longest text of a value, bytes: no class, no category and no number is as long.
const TEXT_BYTES: usize = 4096;
/// Largest scale of a decimal that is stored as a whole number of 64 bits.
const MAX_SCALE: i32 = 18;
/// A value and a comma: the least that a value takes in a CSV file.
const CSV_VALUE_BYTES: u64 = 2;

/// What can be wrong with a Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParquetProblem {
    /// It is damaged, or another kind of file.
    #[error("not a whole Parquet file: {reason}. Copy it or write it again")]
    Broken {
        /// The reader's words.
        reason: String,
    },
    /// Its columns or their names are encrypted.
    #[error(
        "it is encrypted, and there is no key here. Write it without encryption: nothing of the file leaves this machine"
    )]
    Encrypted,
    /// No rows.
    #[error("there are columns but no row")]
    NoRows,
    /// A column of lists, maps or groups.
    #[error(
        "column {column:?} holds lists or groups of values, expected one value a row. Write each of its values as a column of its own"
    )]
    Nested {
        /// The column.
        column: String,
    },
    /// A column of something that is neither number, flag nor text.
    #[error(
        "column {column:?} is of type {found}, expected numbers, true and false, or text. Write it as one of these, in Python for \
         example: table[{column:?}] = table[{column:?}].astype(float)"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type, as Parquet calls it.
        found: String,
    },
    /// A compression that this program does not unpack.
    #[error(
        "column {column:?} is compressed with {found}, expected snappy, gzip or none. Write it again, in Python for example: \
         pandas.read_parquet(\"old.parquet\").to_parquet(\"new.parquet\", compression=\"snappy\")"
    )]
    Compression {
        /// The column.
        column: String,
        /// The compression.
        found: String,
    },
    /// More values than a CSV file of the largest size could hold.
    #[error(
        "{rows} rows of {columns} columns are more than a CSV file of {limit} bytes could hold. Split the file, or give fewer columns"
    )]
    Unpacked {
        /// Rows of the file.
        rows: u64,
        /// Columns that are read.
        columns: usize,
        /// Largest size accepted.
        limit: u64,
    },
    /// A text that can be no class, category or number.
    #[error(
        "row {row} (the first is 1), column {column:?}: a text of {bytes} bytes, expected at most {TEXT_BYTES}"
    )]
    LongText {
        /// Row, from 1.
        row: u64,
        /// The column.
        column: String,
        /// Its length.
        bytes: usize,
    },
    /// Bytes that are no text.
    #[error(
        "row {row} (the first is 1), column {column:?}: not UTF-8 text. Write the column as text again"
    )]
    NotUtf8 {
        /// Row, from 1.
        row: u64,
        /// The column.
        column: String,
    },
}

/// Whether a file begins as a Parquet file does. A file that cannot be read does not.
pub(crate) fn is_parquet(path: &Path) -> bool {
    matches!(head(path).as_ref(), Some(b"PAR1" | b"PARE"))
}

fn head(path: &Path) -> Option<[u8; 4]> {
    let mut head = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .ok()?;
    Some(head)
}

/// The thread that reads a Parquet file. The `parquet` crate panics on some damaged files (as of 60.1): on a thread of its
/// own that ends the reading and nothing else, and a program can keep quiet about it (`std::panic::set_hook`).
pub const READER_THREAD: &str = "parquet";

/// Reads a Parquet file. Columns may stand in any order; those that the schema does not name are reported and not unpacked.
/// Numbers, decimals of up to 18 digits, flags (`true`, `false`) and text are read; null is a missing value. Each value means
/// what its text would mean in a CSV file.
///
/// # Errors
/// [`DataError`] for the first thing wrong in the file.
pub fn load_parquet(
    path: &Path,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<LoadedData, DataError> {
    let gave_up = |reason: String| DataError::Parquet {
        file: path.display().to_string(),
        problem: ParquetProblem::Broken { reason },
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new()
            .name(READER_THREAD.to_owned())
            .spawn_scoped(scope, || read(path, schema, options))
            .map_err(|error| gave_up(error.to_string()))?;
        let panicked = |_| gave_up("its pages do not fit each other".to_owned());
        reader.join().map_err(panicked)?
    })
}

fn read(path: &Path, schema: &Schema, options: &LoadOptions) -> Result<LoadedData, DataError> {
    schema.validate()?;
    let (name, file) = open(path, options)?;
    let wrong = |problem| DataError::Parquet {
        file: name.clone(),
        problem,
    };
    if head(path).as_ref() == Some(b"PARE") {
        return Err(wrong(ParquetProblem::Encrypted));
    }
    let file_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let reader = SerializedFileReader::new(file).map_err(|error| wrong(broken(&error)))?;
    let header = header(reader.metadata());
    let mut table = Table::new(&name, schema, options, Place::Columns, &header)?;
    // Only the schema's columns are unpacked, in its order.
    let used: Vec<usize> = columns(schema)
        .filter_map(|column| header.iter().position(|name| name.trim() == column))
        .collect();
    let own: StringRecord = used
        .iter()
        .filter_map(|&column| header.get(column))
        .collect();
    table.narrow(Place::Columns, &own)?;
    let mut own = used
        .iter()
        .map(|&column| Column::new(reader.metadata(), column, file_bytes))
        .collect::<Result<Vec<Column>, ParquetProblem>>()
        .map_err(wrong)?;
    let rows = rows(reader.metadata()).map_err(wrong)?;
    if rows > options.max_rows {
        let (file, limit) = (name, options.max_rows);
        return Err(DataError::TooManyRows { file, limit });
    }
    let values = rows.saturating_mul(own.len() as u64);
    if values.saturating_mul(CSV_VALUE_BYTES) > options.max_bytes {
        return Err(wrong(ParquetProblem::Unpacked {
            rows,
            columns: own.len(),
            limit: options.max_bytes,
        }));
    }
    let mut before = 0;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group);
        let group = group.map_err(|error| wrong(broken(&error)))?;
        read_group(&*group, &mut own, &mut table, &mut before, &wrong)?;
    }
    table.finish(&header)
}

/// Reads the rows of one group behind `before` others.
fn read_group(
    group: &dyn RowGroupReader,
    columns: &mut [Column],
    table: &mut Table<'_>,
    before: &mut u64,
    wrong: &dyn Fn(ParquetProblem) -> DataError,
) -> Result<(), DataError> {
    let mut readers = columns
        .iter()
        .map(|column| group.get_column_reader(column.leaf))
        .collect::<Result<Vec<ColumnReader>, ParquetError>>()
        .map_err(|error| wrong(broken(&error)))?;
    let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
    let mut record = StringRecord::new();
    while left > 0 {
        let rows = left.min(BATCH);
        for (column, reader) in columns.iter_mut().zip(&mut readers) {
            column.unpack(reader, rows, *before).map_err(wrong)?;
        }
        for row in 0..rows {
            record.clear();
            for column in &*columns {
                record.push_field(column.texts.get(row));
            }
            *before += 1;
            let number = *before;
            table.put(&record, &mut || Place::Row(number))?;
        }
        left -= rows;
    }
    Ok(())
}

/// A column's values must lie within the file: the reader takes that for granted, and panics on less than nothing.
fn check_place(chunk: &ColumnChunkMetaData, file_bytes: u64) -> Result<(), ParquetProblem> {
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or(chunk.data_page_offset());
    let [start, first, length] = [start, chunk.data_page_offset(), chunk.compressed_size()]
        .map(|bytes| u64::try_from(bytes).ok());
    let end = start
        .zip(length)
        .and_then(|(start, length)| start.checked_add(length));
    if first.is_none() || end.is_none_or(|end| end > file_bytes) {
        return Err(ParquetProblem::Broken {
            reason: "a column does not lie within the file".to_owned(),
        });
    }
    Ok(())
}

/// The names of the columns, as the first line of a CSV file has them.
fn header(metadata: &ParquetMetaData) -> StringRecord {
    let root = metadata.file_metadata().schema_descr().root_schema();
    root.get_fields().iter().map(|field| field.name()).collect()
}

/// The rows of all groups.
fn rows(metadata: &ParquetMetaData) -> Result<u64, ParquetProblem> {
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        let own = u64::try_from(group.num_rows()).map_err(|_| ParquetProblem::Broken {
            reason: "a group has less than no rows".to_owned(),
        })?;
        rows = rows.saturating_add(own);
    }
    if rows == 0 {
        return Err(ParquetProblem::NoRows);
    }
    Ok(rows)
}

fn broken(error: &ParquetError) -> ParquetProblem {
    ParquetProblem::Broken {
        reason: error.to_string(),
    }
}

/// How the values of a column are written as text.
#[derive(Clone, Copy)]
enum Form {
    /// As the type says: a number, `true` or `false`, or text.
    Plain,
    /// Whole numbers without a sign.
    Unsigned,
    /// Whole numbers with so many digits behind the point.
    Decimal(usize),
}

/// A column that is read.
struct Column {
    name: String,
    /// Its number among the columns that hold values.
    leaf: usize,
    form: Form,
    /// Its values of the rows at hand.
    texts: Texts,
}

impl Column {
    /// The column at place `root` of the header, if its values can be read and lie within the file.
    fn new(
        metadata: &ParquetMetaData,
        root: usize,
        file_bytes: u64,
    ) -> Result<Self, ParquetProblem> {
        let schema = metadata.file_metadata().schema_descr();
        let field = schema.root_schema().get_fields().get(root);
        let name = field.map(|field| quoted(field.name())).unwrap_or_default();
        let leaf = (0..schema.num_columns()).find(|&leaf| schema.get_column_root_idx(leaf) == root);
        let leaf = leaf.filter(|&leaf| {
            let column = schema.column(leaf);
            column.path().parts().len() == 1 && column.max_rep_level() == 0
        });
        let Some(leaf) = leaf else {
            return Err(ParquetProblem::Nested { column: name });
        };
        let described = schema.column(leaf);
        let Some(form) = form(&described) else {
            return Err(ParquetProblem::Type {
                column: name,
                found: type_of(&described),
            });
        };
        let chunks = metadata.row_groups().iter().map(|group| group.column(leaf));
        for chunk in chunks {
            check_place(chunk, file_bytes)?;
            match chunk.compression() {
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => {}
                other => {
                    return Err(ParquetProblem::Compression {
                        column: name,
                        found: other.to_string().to_ascii_lowercase(),
                    });
                }
            }
        }
        Ok(Self {
            name,
            leaf,
            form,
            texts: Texts::default(),
        })
    }

    /// Unpacks the next `rows` values, of which the first is of the row behind `before` others.
    fn unpack(
        &mut self,
        reader: &mut ColumnReader,
        rows: usize,
        before: u64,
    ) -> Result<(), ParquetProblem> {
        let form = self.form;
        let whole = |signed: i64, unsigned: u64, text: &mut String| match form {
            Form::Plain => shown(&signed, text),
            Form::Unsigned => shown(&unsigned, text),
            Form::Decimal(scale) => decimal(signed, scale, text),
        };
        match reader {
            ColumnReader::BoolColumnReader(reader) => self.fill(reader, rows, before, shown),
            ColumnReader::Int32ColumnReader(reader) => {
                self.fill(reader, rows, before, |value, text| {
                    whole(i64::from(*value), u64::from(value.cast_unsigned()), text)
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                self.fill(reader, rows, before, |value, text| {
                    whole(*value, value.cast_unsigned(), text)
                })
            }
            ColumnReader::FloatColumnReader(reader) => self.fill(reader, rows, before, shown),
            ColumnReader::DoubleColumnReader(reader) => self.fill(reader, rows, before, shown),
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.fill(reader, rows, before, |value, text| {
                    let bytes = value.data();
                    if bytes.len() > TEXT_BYTES {
                        return Err(Unfit::Long(bytes.len()));
                    }
                    text.push_str(std::str::from_utf8(bytes).map_err(|_| Unfit::NotUtf8)?);
                    Ok(())
                })
            }
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                Err(ParquetProblem::Type {
                    column: self.name.clone(),
                    found: "of another kind in the rows than in the head".to_owned(),
                })
            }
        }
    }

    fn fill<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        before: u64,
        mut write: impl FnMut(&T::T, &mut String) -> Result<(), Unfit>,
    ) -> Result<(), ParquetProblem> {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let read = reader.read_records(rows, Some(&mut levels), None, &mut values);
        let (found, _, _) = read.map_err(|error| broken(&error))?;
        let short = || ParquetProblem::Broken {
            reason: format!(
                "column {:?} has fewer values than there are rows",
                self.name
            ),
        };
        if found != rows {
            return Err(short());
        }
        self.texts.clear();
        let mut values = values.iter();
        for row in 0..rows {
            // Levels are there for a column whose values may be null only: 0 is null.
            if levels.get(row).is_none_or(|level| *level > 0) {
                let value = values.next().ok_or_else(short)?;
                let (row, column) = (before + row as u64 + 1, self.name.clone());
                write(value, &mut self.texts.text).map_err(|unfit| match unfit {
                    Unfit::Long(bytes) => ParquetProblem::LongText { row, column, bytes },
                    Unfit::NotUtf8 => ParquetProblem::NotUtf8 { row, column },
                })?;
            }
            self.texts.end();
        }
        Ok(())
    }
}

/// Why a value has no text.
enum Unfit {
    Long(usize),
    NotUtf8,
}

/// How the column's values are written, if they can be.
fn form(column: &ColumnDescriptor) -> Option<Form> {
    use ConvertedType as Of;
    let plain = match column.logical_type_ref() {
        // A column in which everything is null has no type of its own.
        None | Some(LogicalType::Unknown) => true,
        Some(_) => column.converted_type() != Of::NONE,
    };
    match (column.physical_type(), column.converted_type()) {
        _ if !plain => None,
        (Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE, Of::NONE)
        | (Physical::INT32, Of::NONE | Of::INT_8 | Of::INT_16 | Of::INT_32)
        | (Physical::INT64, Of::NONE | Of::INT_64)
        | (Physical::BYTE_ARRAY, Of::UTF8 | Of::ENUM) => Some(Form::Plain),
        (Physical::INT32, Of::UINT_8 | Of::UINT_16 | Of::UINT_32)
        | (Physical::INT64, Of::UINT_64) => Some(Form::Unsigned),
        (Physical::INT32 | Physical::INT64, Of::DECIMAL) => {
            let scale = Some(column.type_scale()).filter(|scale| (0..=MAX_SCALE).contains(scale));
            Some(Form::Decimal(usize::try_from(scale?).ok()?))
        }
        _ => None,
    }
}

/// The column's type in Parquet's words.
fn type_of(column: &ColumnDescriptor) -> String {
    let physical = column.physical_type();
    match (column.converted_type(), column.logical_type_ref()) {
        (ConvertedType::NONE, Some(logical)) => {
            let words = format!("{logical:?}");
            let name = words.split([' ', '(', '{']).next().unwrap_or_default();
            format!("{} ({physical})", name.to_ascii_uppercase())
        }
        (ConvertedType::NONE, None) => physical.to_string(),
        (converted, _) => format!("{converted} ({physical})"),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of several writers, of which some fail"
)]
fn shown(value: &impl std::fmt::Display, text: &mut String) -> Result<(), Unfit> {
    // Shortest digits that read back as the same number. Writing to a String cannot fail.
    let _ = write!(text, "{value}");
    Ok(())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of several writers, of which some fail"
)]
fn decimal(value: i64, scale: usize, text: &mut String) -> Result<(), Unfit> {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    if value < 0 {
        text.push('-');
    }
    text.push_str(whole);
    if scale > 0 {
        text.push('.');
        text.push_str(part);
    }
    Ok(())
}

/// The texts of a batch of values, one after another.
#[derive(Default)]
struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    /// That of row `row` of the batch; empty if there is none.
    fn get(&self, row: usize) -> &str {
        let end = self.ends.get(row).copied().unwrap_or_default();
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before));
        let text = self.text.get(start.copied().unwrap_or_default()..end);
        text.unwrap_or_default()
    }
}
