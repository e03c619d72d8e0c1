//! The line a row starts on, as an editor counts.

use std::io::{self, Read, Seek, SeekFrom};

/// The line (from 1) of the first byte at or after `offset` that ends no line.
///
/// The CSV reader has a line count of its own, but it is one behind after a Windows line end and
/// does not count the blank lines it skips before a row. So the bytes are counted again; this
/// happens once, for an error. A line ends with LF, CR LF or a lone CR.
pub(super) fn line_at(reader: &mut (impl Read + Seek), offset: u64) -> io::Result<u64> {
    reader.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 1 << 16];
    let (mut line, mut at, mut after_cr) = (1, 0, false);
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return Ok(line),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for &byte in &buffer[..length] {
            let ends_line = byte == b'\r' || byte == b'\n';
            if at >= offset && !ends_line {
                return Ok(line);
            }
            line += u64::from(ends_line && !(byte == b'\n' && after_cr));
            after_cr = byte == b'\r';
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::line_at;

    #[test]
    fn lines_of_every_kind_are_counted() {
        let text = Cursor::new(b"a\n\nb\r\n\r\nc\rd\r\re");
        let line = |offset| line_at(&mut text.clone(), offset).expect("in memory");
        assert_eq!((line(0), line(3), line(8), line(10)), (1, 3, 5, 6));
        // From anywhere between two rows it is the line of the next.
        assert_eq!((line(1), line(5), line(11)), (3, 5, 8));
    }
}
