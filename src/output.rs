//! What a command prints: text for people, or exactly one JSON document on standard output.

use std::io::Write;

use serde::Serialize;

/// Prints `document` as JSON if that was asked for, else the text.
pub(crate) fn print<T: Serialize>(
    json: bool,
    document: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, document)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", text())?;
    }
    out.flush()?;
    Ok(())
}

/// Rows as a table: the first row is the head; columns are as wide as their longest cell. Columns named in
/// `right` are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = widths[column];
                if right.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            let line: usize = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
            text.push_str(&"─".repeat(line));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let rows = vec![
            vec!["name".to_owned(), "rows".to_owned()],
            vec!["Äpfel".to_owned(), "7".to_owned()],
        ];
        assert_eq!(
            table(&rows, &[1]),
            "name   rows\n───────────\nÄpfel     7\n"
        );
    }
}
