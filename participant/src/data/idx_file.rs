//! Reads images and their labels from two IDX files, the form of MNIST and its successors: a head with type and sizes, then
//! the values, one byte each.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    ops::RangeInclusive,
    path::Path,
};

use csv::StringRecord;
use thiserror::Error;
use unsilo_ledger::{Schema, Values};
use unsilo_proto::Cell;
use unsilo_train::Dataset;

use super::csv_file::{LoadOptions, LoadedData, open};
use super::error::DataError;
use super::report::Tally;

/// The types of values that there are: from unsigned bytes to floats of 64 bits.
const TYPES: RangeInclusive<u8> = 0x08..=0x0e;
/// The type that is read: unsigned bytes.
const BYTES: u8 = 0x08;
/// The most dimensions of a file: items, and of each depth, height, width and colours.
const DIMENSIONS: u8 = 5;

/// What can be wrong with an IDX file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdxError {
    /// It begins otherwise.
    #[error(
        "not an IDX file: it begins with {found:02x?}, expected 00 00 08 and the number of dimensions. Unpack a .gz file first"
    )]
    Head {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// Values that are not unsigned bytes.
    #[error("an IDX file of values of type {found:#04x}: only unsigned bytes (0x08) are read")]
    Type {
        /// The type's number.
        found: u8,
    },
    /// Labels in the place of images, or the other way round.
    #[error(
        "{dimensions} dimensions, expected {expected}. Is it the file of the images and the other that of the labels?"
    )]
    Dimensions {
        /// Of the file.
        dimensions: u8,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// It ends before its last value, or goes on behind it.
    #[error("{items} items of {each} bytes are announced, but the file {}. Copy it again", ends(.longer))]
    Length {
        /// Items that the head announces.
        items: u32,
        /// Bytes of each.
        each: usize,
        /// Whether there is more than announced.
        longer: bool,
    },
    /// Images of another size than the federation's.
    #[error("images of {found} values, the federation's have {expected}")]
    Size {
        /// Values of an image here.
        found: usize,
        /// Features of the schema.
        expected: usize,
    },
    /// A federation whose columns are no pixels.
    #[error(
        "the federation's column {column:?} has categories: images are numbers. Give a CSV file"
    )]
    Category {
        /// The column.
        column: String,
    },
    /// Another number of labels than of images.
    #[error("{labels} labels for {images} images: are the two files of one set?")]
    Unpaired {
        /// Labels.
        labels: u32,
        /// Images.
        images: u32,
    },
    /// A label that is no class.
    #[error("label {label} of image {image} (counted from 0) is none of the federation's classes {}", classes.join(", "))]
    Label {
        /// Which image.
        image: u32,
        /// Its label.
        label: u8,
        /// The federation's classes.
        classes: Vec<String>,
    },
    /// Images without labels.
    #[error(
        "an IDX file of images: give the file of their labels too (--labels, or data.labels in participant.toml)"
    )]
    NoLabels,
}

fn ends(longer: &bool) -> &'static str {
    if *longer {
        "goes on behind them"
    } else {
        "ends before"
    }
}

/// Whether a file begins as an IDX file does. A file that cannot be read does not.
pub(crate) fn is_idx(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[..2] == [0, 0] && TYPES.contains(&head[2])
}

/// Reads images and labels. The pixels of an image are the schema's features in order, row by row; a label is the class of
/// that name. Each pixel is scaled by its column's range.
///
/// # Errors
/// [`DataError`] for the first thing wrong in the files.
pub fn load_idx(
    images: &Path,
    labels: &Path,
    schema: &Schema,
    options: &LoadOptions,
) -> Result<LoadedData, DataError> {
    schema.validate()?;
    let mut pixels = Items::open(images, options, Holds::Images)?;
    let mut numbers = Items::open(labels, options, Holds::Labels)?;
    let (count, features) = (pixels.items, schema.features.len());
    if numbers.items != count {
        let (labels, images) = (numbers.items, count);
        return Err(numbers.wrong(IdxError::Unpaired { labels, images }));
    }
    if pixels.each != features {
        let (found, expected) = (pixels.each, features);
        return Err(pixels.wrong(IdxError::Size { found, expected }));
    }
    let categories = schema
        .features
        .iter()
        .find(|feature| matches!(feature.values, Values::Category(_)));
    if let Some(feature) = categories {
        let column = feature.name.clone();
        return Err(pixels.wrong(IdxError::Category { column }));
    }
    if u64::from(count) > options.max_rows {
        let (file, limit) = (pixels.name, options.max_rows);
        return Err(DataError::TooManyRows { file, limit });
    }
    let mut inputs = Vec::new();
    let mut classes = Vec::new();
    let mut tally = Tally::new(schema);
    let (mut image, mut label) = (vec![0; pixels.each], [0]);
    for number in 0..count {
        pixels.next(&mut image)?;
        numbers.next(&mut label)?;
        for (index, (&pixel, feature)) in image.iter().zip(&schema.features).enumerate() {
            let cell = Cell::Number(f64::from(pixel));
            let clipped = cell.append(feature, &mut inputs);
            tally.cell(index, cell, clipped);
        }
        let name = label[0].to_string();
        let class = (0..)
            .zip(&schema.classes)
            .find(|(_, class)| **class == name);
        let Some((class, _)) = class else {
            return Err(numbers.wrong(IdxError::Label {
                image: number,
                label: label[0],
                classes: schema.classes.clone(),
            }));
        };
        classes.push(class);
        tally.row(class);
    }
    pixels.end()?;
    numbers.end()?;
    let report = tally.finish(&pixels.name, schema, &StringRecord::new())?;
    let data = Dataset::new(inputs, classes, schema.inputs(), schema.classes.len())
        .expect("every input is within 0..=1, every label was found in the schema");
    Ok(LoadedData { data, report })
}

/// What a file is to hold.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Images,
    Labels,
}

/// An IDX file that is being read.
struct Items {
    name: String,
    file: BufReader<File>,
    items: u32,
    each: usize,
}

impl Items {
    fn open(path: &Path, options: &LoadOptions, holds: Holds) -> Result<Self, DataError> {
        let (name, file) = open(path, options)?;
        let mut items = Self {
            name,
            file: BufReader::new(file),
            items: 0,
            each: 1,
        };
        let head: [u8; 4] = items.bytes()?;
        let [0, 0, kind, dimensions] = head else {
            return Err(items.wrong(IdxError::Head { found: head }));
        };
        if kind != BYTES {
            return Err(items.wrong(if TYPES.contains(&kind) {
                IdxError::Type { found: kind }
            } else {
                IdxError::Head { found: head }
            }));
        }
        let (fits, expected) = match holds {
            Holds::Images => ((2..=DIMENSIONS).contains(&dimensions), "2 to 5 for images"),
            Holds::Labels => (dimensions == 1, "1 for labels"),
        };
        if !fits {
            return Err(items.wrong(IdxError::Dimensions {
                dimensions,
                expected,
            }));
        }
        items.items = u32::from_be_bytes(items.bytes()?);
        for _ in 1..dimensions {
            let length = u32::from_be_bytes(items.bytes()?);
            items.each = items.each.saturating_mul(length as usize);
        }
        Ok(items)
    }

    fn bytes(&mut self) -> Result<[u8; 4], DataError> {
        let mut bytes = [0; 4];
        self.next(&mut bytes)?;
        Ok(bytes)
    }

    fn next(&mut self, item: &mut [u8]) -> Result<(), DataError> {
        match self.file.read_exact(item) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(self.wrong(self.length(false)))
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Nothing may follow.
    fn end(&mut self) -> Result<(), DataError> {
        match self.file.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.wrong(self.length(true))),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    fn length(&self, longer: bool) -> IdxError {
        IdxError::Length {
            items: self.items,
            each: self.each,
            longer,
        }
    }

    fn wrong(&self, problem: IdxError) -> DataError {
        let file = self.name.clone();
        DataError::Idx { file, problem }
    }

    fn unreadable(&self, error: &std::io::Error) -> DataError {
        DataError::Unreadable {
            file: self.name.clone(),
            reason: error.to_string(),
        }
    }
}
