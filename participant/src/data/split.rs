//! Splits of a table, as lists of row numbers: the same seed always gives the same split.

use thiserror::Error;
use unsilo_train::SeededRandom;

/// Companies of the [`thin10`] split.
pub const THIN10_COMPANIES: usize = 5;
/// Classes of the [`thin10`] split.
const THIN10_CLASSES: usize = 10;
/// Rows of a class that a company has only a taste of.
const THIN10_FEW: usize = 10;
/// Share of every class that is kept for the common test set.
const THIN10_TEST: f64 = 0.2;

/// Why rows cannot be split as asked.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A share that is none.
    #[error("the share held out is {found}, but it must lie between 0 and 1")]
    Fraction {
        /// What was given.
        found: f64,
    },
    /// Not the ten classes of the demo split.
    #[error(
        "row {row} (counted from 0) has label {label}, but the thin10 split is of ten classes, 0 to 9"
    )]
    Label {
        /// The row.
        row: usize,
        /// Its label.
        label: u32,
    },
    /// A class with too few rows for every company that needs some.
    #[error("class {class} has {found} rows, but the thin10 split needs at least {needed} of each")]
    TooFewRows {
        /// The class.
        class: usize,
        /// Its rows.
        found: usize,
        /// Rows needed.
        needed: usize,
    },
}

/// Two disjoint lists of rows, each ascending, that hold every row together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdout {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows kept back.
    pub held_out: Vec<usize>,
}

/// The demo's split: five companies that each miss classes, and one test set for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thin10 {
    /// Rows of each company, ascending.
    pub companies: [Vec<usize>; THIN10_COMPANIES],
    /// Rows of the common test set, ascending; no company has any of them.
    pub test: Vec<usize>,
}

/// Keeps back `fraction` of every class, chosen at random by `seed`.
///
/// Each class gives `fraction` of its rows, rounded. A class of at least two rows never gives all
/// of them, and gives at least one unless `fraction` is 0; a class of one row gives none.
///
/// # Errors
///
/// [`SplitError::Fraction`] unless `0 <= fraction < 1`.
pub fn stratified_holdout(labels: &[u32], fraction: f64, seed: u64) -> Result<Holdout, SplitError> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(SplitError::Fraction { found: fraction });
    }
    let mut random = SeededRandom::new(seed);
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for mut rows in rows_by_class(labels) {
        random.shuffle(&mut rows);
        let rounded = (fraction * rows.len() as f64).round() as usize;
        let least = usize::from(fraction > 0.0 && rows.len() > 1);
        let count = rounded.max(least).min(rows.len().saturating_sub(1));
        train.extend_from_slice(&rows[count..]);
        held_out.extend_from_slice(&rows[..count]);
    }
    train.sort_unstable();
    held_out.sort_unstable();
    Ok(Holdout { train, held_out })
}

/// Five companies with ten classes, so that each alone knows too little and together they know all.
///
/// For company `k` of 5 and class `c` let `o = (c - 2k) mod 10`: the company has **no** rows of the
/// class for `o` 0 to 2, **ten** for 3 to 5, and for 6 to 9 an even share of what is left. Every
/// class is so shared by exactly two companies. First a fifth of every class is kept back as the
/// common test set.
///
/// # Errors
///
/// Labels beyond 9, or a class with too few rows.
pub fn thin10(labels: &[u32], seed: u64) -> Result<Thin10, SplitError> {
    if let Some(row) = labels
        .iter()
        .position(|&label| label as usize >= THIN10_CLASSES)
    {
        return Err(SplitError::Label {
            row,
            label: labels[row],
        });
    }
    let Holdout { train, held_out } = stratified_holdout(labels, THIN10_TEST, seed)?;
    let mut classes = vec![Vec::new(); THIN10_CLASSES];
    for row in train {
        classes[labels[row] as usize].push(row);
    }
    // Another sequence than the one that chose the test set.
    let mut random = SeededRandom::new(!seed);
    let mut companies: [Vec<usize>; THIN10_COMPANIES] = Default::default();
    for (class, mut rows) in classes.into_iter().enumerate() {
        random.shuffle(&mut rows);
        let (few, many): (Vec<usize>, Vec<usize>) = (0..THIN10_COMPANIES)
            .filter(|&company| offset(company, class) > 2)
            .partition(|&company| offset(company, class) < 6);
        // A company that shares the rest never has less than one that has a taste.
        let needed = THIN10_FEW * (few.len() + many.len());
        if rows.len() < needed {
            return Err(SplitError::TooFewRows {
                class,
                found: labels
                    .iter()
                    .filter(|&&label| label as usize == class)
                    .count(),
                needed: (needed as f64 / (1.0 - THIN10_TEST)).ceil() as usize + 1,
            });
        }
        let (tastes, rest) = rows.split_at(THIN10_FEW * few.len());
        for (&company, rows) in few.iter().zip(tastes.chunks(THIN10_FEW)) {
            companies[company].extend_from_slice(rows);
        }
        for (i, &row) in rest.iter().enumerate() {
            companies[many[i % many.len()]].push(row);
        }
    }
    for rows in &mut companies {
        rows.sort_unstable();
    }
    Ok(Thin10 {
        companies,
        test: held_out,
    })
}

/// `(class - 2 company) mod 10`.
fn offset(company: usize, class: usize) -> usize {
    (class + THIN10_CLASSES - 2 * company) % THIN10_CLASSES
}

/// The rows of each class that occurs, classes and rows ascending.
fn rows_by_class(labels: &[u32]) -> Vec<Vec<usize>> {
    let mut classes = std::collections::BTreeMap::<u32, Vec<usize>>::new();
    for (row, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(row);
    }
    classes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(labels: &[u32], rows: &[usize]) -> [usize; 10] {
        let mut counts = [0; 10];
        for &row in rows {
            counts[labels[row] as usize] += 1;
        }
        counts
    }

    #[test]
    fn a_holdout_takes_its_share_of_every_class() {
        // 50, 9, 2 and 1 rows of classes 0 to 3.
        let sizes = [50, 9, 2, 1];
        let labels: Vec<u32> = (0..4)
            .flat_map(|class| vec![class as u32; sizes[class]])
            .collect();
        let split = stratified_holdout(&labels, 0.15, 4).expect("a share");
        assert_eq!(counts(&labels, &split.held_out)[..4], [8, 1, 1, 0]);
        let mut all = [split.train.clone(), split.held_out.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        assert_eq!(
            split,
            stratified_holdout(&labels, 0.15, 4).expect("a share")
        );
        assert_ne!(
            split,
            stratified_holdout(&labels, 0.15, 5).expect("a share")
        );

        let most = stratified_holdout(&labels, 0.99, 4).expect("a share");
        assert_eq!(counts(&labels, &most.train)[..4], [1, 1, 1, 1]);
        assert!(
            stratified_holdout(&labels, 0.0, 4)
                .expect("a share")
                .held_out
                .is_empty()
        );
        for found in [1.0, -0.1, f64::NAN] {
            assert!(stratified_holdout(&labels, found, 4).is_err());
        }
    }

    #[test]
    fn thin10_gives_each_company_its_classes() {
        let labels: Vec<u32> = (0..2_000).map(|row| row % 10).collect();
        let split = thin10(&labels, 1).expect("enough rows");
        assert_eq!(counts(&labels, &split.test), [40; 10]);
        // 160 rows of a class remain; even classes have one taste (10 + 75 + 75), odd ones two.
        let expected = |k: usize, c: usize| match ((c + 10 - 2 * k) % 10, c % 2) {
            (0..=2, _) => 0,
            (3..=5, _) => 10,
            (_, 0) => 75,
            _ => 70,
        };
        for (k, rows) in split.companies.iter().enumerate() {
            assert_eq!(
                counts(&labels, rows),
                std::array::from_fn(|c| expected(k, c))
            );
        }
        let mut all = [split.companies.concat(), split.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..2_000).collect::<Vec<_>>());
        assert_eq!(split, thin10(&labels, 1).expect("enough rows"));
        assert_ne!(split, thin10(&labels, 2).expect("enough rows"));
    }

    #[test]
    fn thin10_refuses_other_tables() {
        let labels: Vec<u32> = (0..2_000).map(|row| row % 11).collect();
        assert_eq!(
            thin10(&labels, 1),
            Err(SplitError::Label { row: 10, label: 10 })
        );
        let labels: Vec<u32> = (0..300).map(|row| row % 10).collect();
        assert!(matches!(
            thin10(&labels, 1),
            Err(SplitError::TooFewRows { found: 30, .. })
        ));
    }
}
