//! Rows to share out.

use std::{fs, path::Path};

use unsilo_train::Dataset;

use crate::exit::CommandError;

/// UCI Optical Recognition of Handwritten Digits; see data/SOURCES.md.
const DIGITS: &str = include_str!("../../../data/digits.csv");
/// Bytes of a file at most.
const MAX_BYTES: u64 = 64 << 20;

/// The digits, columns scaled from 0..16 to 0..1 as in the demo.
pub(crate) fn digits() -> Result<Dataset, CommandError> {
    parse(DIGITS.as_bytes(), |column| {
        column.iter_mut().for_each(|x| *x /= 16.0)
    })
}

/// A CSV file with a head, numbers, and the label in its last column; each column is scaled to 0..1.
pub(crate) fn read(path: &Path) -> Result<Dataset, CommandError> {
    let wrong = |reason: String| CommandError::Input(format!("{}: {reason}", path.display()));
    let size = fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > MAX_BYTES {
        return Err(wrong(format!(
            "{size} bytes are more than {MAX_BYTES}: give fewer rows"
        )));
    }
    let text = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text, |column| {
        let low = column.iter().copied().fold(f32::INFINITY, f32::min);
        let high = column.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = if high > low { high - low } else { 1.0 };
        column.iter_mut().for_each(|x| *x = (*x - low) / range);
    })
    .map_err(|error| wrong(error.to_string()))
}

fn parse(text: &[u8], scale: impl Fn(&mut [f32])) -> Result<Dataset, CommandError> {
    let wrong = |line: usize, reason: &str| CommandError::Input(format!("row {line}: {reason}"));
    let mut names: Vec<String> = Vec::new();
    let mut columns: Vec<Vec<f32>> = Vec::new();
    for (line, record) in csv::Reader::from_reader(text).records().enumerate() {
        let line = line + 1;
        let record = record.map_err(|error| wrong(line, &error.to_string()))?;
        let count = record.len().saturating_sub(1);
        columns.resize(count, Vec::new());
        for (column, cell) in columns.iter_mut().zip(&record) {
            let value: f32 = cell
                .trim()
                .parse()
                .map_err(|_| wrong(line, &format!("{cell:?} is no number")))?;
            column.push(value);
        }
        names.push(record.get(count).unwrap_or_default().trim().to_owned());
    }
    columns.iter_mut().for_each(|column| scale(column));
    let mut classes = names.clone();
    classes.sort_unstable();
    classes.dedup();
    let label = |name: &String| classes.binary_search(name).unwrap_or(0) as u32;
    let labels = names.iter().map(label).collect();
    let features = (0..names.len())
        .flat_map(|row| columns.iter().map(move |column| column[row]))
        .collect();
    Dataset::new(features, labels, columns.len(), classes.len())
        .map_err(|error| CommandError::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_all_there() {
        let rows = digits().expect("digits");
        assert_eq!(
            (rows.rows(), rows.columns(), rows.classes()),
            (1_797, 64, 10)
        );
        assert!(rows.features().iter().all(|x| (0.0..=1.0).contains(x)));
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_row() {
        for (text, words) in [
            ("a,label\n", "column"),
            ("a,label\n1,x\nz,y\n", "row 2: \"z\" is no number"),
            ("a,label\n1,x\n1,2,y\n", "row 2"),
            ("a,label\n1,x\ninf,y\n", "finite"),
            ("a,label\n1,x\n2,x\n", "classes"),
            ("", "column"),
        ] {
            let error = parse(text.as_bytes(), |_| ())
                .map(|_| ())
                .expect_err(text)
                .to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
