//! The demo's data: real handwritten digits, split so that every company lacks some of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use unsilo_participant::data::thin10;

/// UCI Optical Recognition of Handwritten Digits; see data/SOURCES.md.
const DIGITS: &str = include_str!("../../../data/digits.csv");
/// What is trained on them.
pub(super) const MODEL: &str = include_str!("../../../data/digits.model.toml");

/// The companies of the demo.
pub(super) const COMPANIES: [&str; 5] = [
    "Aster Labs",
    "Birch Post",
    "Cedar Bank",
    "Dahlia Health",
    "Elm Courier",
];

/// One company's rows on disk, and what they are.
pub(super) struct CompanyData {
    pub(super) file: PathBuf,
    pub(super) rows: usize,
    /// Rows of each digit.
    pub(super) classes: [usize; 10],
}

/// Files of the demo.
pub(super) struct DemoData {
    pub(super) companies: Vec<CompanyData>,
    /// Rows that nobody trains on.
    pub(super) test: PathBuf,
    pub(super) test_rows: usize,
}

/// Writes each company's rows and the common test rows under `dir`.
pub(super) fn write(dir: &Path, seed: u64) -> anyhow::Result<DemoData> {
    let mut lines = DIGITS.lines();
    let header = lines.next().context("the digits have no header")?;
    let rows: Vec<&str> = lines.collect();
    let labels = rows
        .iter()
        .map(|row| {
            let label = row.rsplit(',').next().unwrap_or_default();
            label.parse().context("a digit without a label")
        })
        .collect::<anyhow::Result<Vec<u32>>>()?;
    let split = thin10(&labels, seed)?;
    let save = |name: &str, indices: &[usize]| -> anyhow::Result<PathBuf> {
        let path = dir.join(name);
        let mut text = String::from(header);
        for &index in indices {
            text.push('\n');
            text.push_str(rows[index]);
        }
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    };
    let mut companies = Vec::new();
    for (number, indices) in split.companies.iter().enumerate() {
        let mut classes = [0; 10];
        for &index in indices {
            classes[labels[index] as usize] += 1;
        }
        companies.push(CompanyData {
            file: save(&format!("company-{}.csv", number + 1), indices)?,
            rows: indices.len(),
            classes,
        });
    }
    Ok(DemoData {
        companies,
        test: save("test.csv", &split.test)?,
        test_rows: split.test.len(),
    })
}
