//! Tables as Parquet: every column optional, no compression but the format's own dictionaries.

use std::{
    fs::File,
    io::{self, BufWriter},
    sync::Arc,
};

use parquet::{
    basic::{LogicalType, Repetition, Type as PhysicalType},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::{Type, TypePtr},
};

use super::{
    sheet::{Cell, Column, Kind, Row, Sheet},
    tables::Table,
};

/// Rows of a row group: some megabytes of the widest table are held until it is full.
const GROUP_ROWS: usize = 16_384;

/// A Parquet file being written.
pub(super) struct Parquet {
    writer: SerializedFileWriter<BufWriter<File>>,
    columns: &'static [Column],
    rows: Vec<Row>,
}

impl Parquet {
    pub(super) fn new(writer: BufWriter<File>, table: Table) -> io::Result<Self> {
        let schema = schema(table).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("unsilo ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(writer, schema, Arc::new(properties))
                .map_err(failed)?,
            columns: table.columns(),
            rows: Vec::with_capacity(GROUP_ROWS),
        })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut index = 0;
        while let Some(mut column) = group.next_column()? {
            let kind = self.columns.get(index).map(|(_, kind)| *kind);
            let cells = self.rows.iter().map(|row| row.get(index));
            write_column(&mut column, kind, cells)?;
            column.close()?;
            index += 1;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

impl Sheet for Parquet {
    fn put(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        if self.rows.len() >= GROUP_ROWS {
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<BufWriter<File>> {
        if !self.rows.is_empty() {
            self.write_group().map_err(failed)?;
        }
        self.writer.into_inner().map_err(failed)
    }
}

fn schema(table: Table) -> Result<TypePtr, ParquetError> {
    let fields = table
        .columns()
        .iter()
        .map(|(name, kind)| {
            let (physical, logical) = match kind {
                Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Whole => (PhysicalType::INT64, Some(LogicalType::integer(64, false))),
                Kind::Signed => (PhysicalType::INT64, Some(LogicalType::integer(64, true))),
                Kind::Real => (PhysicalType::DOUBLE, None),
                Kind::Flag => (PhysicalType::BOOLEAN, None),
            };
            Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()
                .map(Arc::new)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder(table.name())
        .with_fields(fields)
        .build()?;
    Ok(Arc::new(schema))
}

fn write_column<'a>(
    column: &mut SerializedColumnWriter<'_>,
    kind: Option<Kind>,
    cells: impl Iterator<Item = Option<&'a Cell>>,
) -> Result<(), ParquetError> {
    match kind {
        Some(Kind::Text) => write::<ByteArrayType>(column, cells, |cell| match cell {
            Cell::Text(text) => Some(ByteArray::from(text.as_str())),
            _ => None,
        }),
        // The bits of an unsigned number; its logical type says so.
        Some(Kind::Whole) => write::<Int64Type>(column, cells, |cell| match cell {
            Cell::Whole(value) => Some(value.cast_signed()),
            _ => None,
        }),
        Some(Kind::Signed) => write::<Int64Type>(column, cells, |cell| match cell {
            Cell::Signed(value) => Some(*value),
            _ => None,
        }),
        Some(Kind::Real) => write::<DoubleType>(column, cells, |cell| match cell {
            Cell::Real(value) => Some(*value),
            _ => None,
        }),
        Some(Kind::Flag) => write::<BoolType>(column, cells, |cell| match cell {
            Cell::Flag(value) => Some(*value),
            _ => None,
        }),
        None => Err(ParquetError::General("a column too many".to_owned())),
    }
}

fn write<'a, T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: impl Iterator<Item = Option<&'a Cell>>,
    value_of: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut values = Vec::new();
    let mut levels = Vec::new();
    for cell in cells {
        let cell = cell.unwrap_or(&Cell::Empty);
        let value = value_of(cell);
        if value.is_none() && *cell != Cell::Empty {
            return Err(ParquetError::General(format!(
                "{cell:?} is not of its column's kind"
            )));
        }
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// The disk's error as it is, so that a full disk is told as such.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        other => io::Error::other(other),
    }
}
