//! Tables as CSV: RFC 4180, UTF-8, a header, an empty field for an empty cell.

use std::{
    fs::File,
    io::{self, BufWriter},
};

use super::sheet::{Cell, Column, Row, Sheet};

/// What a text must not begin with in a file that a spreadsheet opens: it would be run as a formula. The signs that
/// OWASP names, those of them that East Asian keyboards have, and the white space that spreadsheets skip before one.
const FORMULA_SIGNS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A CSV file being written.
pub(super) struct Csv {
    writer: csv::Writer<BufWriter<File>>,
}

impl Csv {
    /// With the header.
    pub(super) fn new(writer: BufWriter<File>, columns: &[Column]) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(writer);
        writer
            .write_record(columns.iter().map(|(name, _)| *name))
            .map_err(io::Error::from)?;
        Ok(Self { writer })
    }
}

impl Sheet for Csv {
    fn put(&mut self, row: &Row) -> io::Result<()> {
        self.writer
            .write_record(row.iter().map(field))
            .map_err(io::Error::from)
    }

    fn finish(self: Box<Self>) -> io::Result<BufWriter<File>> {
        self.writer
            .into_inner()
            .map_err(|error| io::Error::new(error.error().kind(), error.error().to_string()))
    }
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => harmless(text),
        Cell::Whole(value) => value.to_string(),
        Cell::Signed(value) => value.to_string(),
        // The shortest that reads back to the same bits.
        Cell::Real(value) => value.to_string(),
        Cell::Flag(value) => value.to_string(),
    }
}

/// The text, with a ' in front if a spreadsheet could take it for a formula: spreadsheets then show it as it is.
fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA_SIGNS) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t=1", "\r=1"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        for text in ["", "Aster", "'=1", "a=b", "1-2", "é"] {
            assert_eq!(harmless(text), text);
        }
    }

    #[test]
    fn numbers_are_no_text() {
        assert_eq!(field(&Cell::Signed(-5)), "-5");
        assert_eq!(field(&Cell::Real(-0.5)), "-0.5");
        assert_eq!(field(&Cell::Whole(u64::MAX)), u64::MAX.to_string());
        assert_eq!(field(&Cell::Empty), "");
    }
}
