//! The demo's data: real handwritten digits, split so that every company lacks some of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus, seq::SliceRandom};
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

impl DemoData {
    /// Gives a company a copy of another's rows, in another order, in place of its own: `(company, whose)`, numbers from 0.
    pub(super) fn copy(
        &mut self,
        dir: &Path,
        (company, whose): (usize, usize),
        seed: u64,
    ) -> anyhow::Result<()> {
        let from = &self.companies[whose];
        let text = fs::read_to_string(&from.file)
            .with_context(|| format!("cannot read {}", from.file.display()))?;
        let mut lines: Vec<&str> = text.lines().collect();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed ^ company as u64);
        if let Some((_, rows)) = lines.split_first_mut() {
            rows.shuffle(&mut random);
        }
        let copy = CompanyData {
            file: dir.join(format!("company-{}.csv", company + 1)),
            ..*from
        };
        fs::write(&copy.file, lines.join("\n") + "\n")
            .with_context(|| format!("cannot write {}", copy.file.display()))?;
        self.companies[company] = copy;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_same_rows_in_another_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut data = write(dir.path(), 1).expect("written");
        data.copy(dir.path(), (4, 0), 1).expect("copied");
        let lines = |number: usize| -> Vec<String> {
            let text = fs::read_to_string(&data.companies[number].file).expect("a file");
            text.lines().map(str::to_owned).collect()
        };
        let (original, mut copy) = (lines(0), lines(4));
        assert_eq!(original[0], copy[0], "the names of the columns");
        assert_ne!(original, copy);
        let mut sorted = original;
        sorted[1..].sort();
        copy[1..].sort();
        assert_eq!(sorted, copy);
        assert_eq!(data.companies[4].rows, copy.len() - 1);
        assert_eq!(data.companies[4].classes, data.companies[0].classes);
    }
}
