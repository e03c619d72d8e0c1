//! The company's side of the federation's statistics: what it contributes to them, and how its rows stand to them.

use std::fmt;

use unsilo_ledger::{
    ColumnStatistics, Feature, Schema,
    statistics::{DIGITS, MAX_ROWS, MIN_VALUES, SCALE},
};
use unsilo_train::Dataset;
use zeroize::Zeroize;

use crate::data::{ColumnValues, DataReport};

/// Count, sum and sum of squares of each measured column of this company's rows: what nobody else may see. Wiped when dropped;
/// `Debug` shows no number.
pub(crate) struct OwnSums(Vec<[u64; 3]>);

impl OwnSums {
    /// Of rows that are scaled by the declared ranges. At most [`MAX_ROWS`] rows are counted, the first; a column with fewer
    /// than [`MIN_VALUES`] values counts none.
    pub(crate) fn of(schema: &Schema, rows: &Dataset) -> Self {
        let counted = rows.rows().min(MAX_ROWS as usize);
        let rows = || rows.features().chunks_exact(rows.columns()).take(counted);
        let mut first = 0;
        let mut sums = Vec::new();
        for feature in &schema.features {
            let (value, missing) = (first, first + 1);
            first += feature.inputs();
            if !matches!(feature.values, unsilo_ledger::Values::Measured { .. }) {
                continue;
            }
            let there = rows().filter(|row| !(feature.may_be_missing && row[missing] > 0.0));
            let mut of = [0_u64; 3];
            for row in there {
                let scaled = (f64::from(row[value]) * SCALE as f64).round() as u64;
                // At most 2^24 values of at most 2^32.
                of = [of[0] + 1, of[1] + scaled, of[2] + scaled * scaled];
            }
            sums.push(if of[0] < MIN_VALUES { [0; 3] } else { of });
        }
        Self(sums)
    }

    /// The integers of the contribution, each with its digits.
    pub(crate) fn integers(&self) -> Vec<(u64, usize)> {
        let columns = self.0.iter();
        columns
            .flat_map(|column| column.iter().copied().zip(DIGITS))
            .collect()
    }
}

impl fmt::Debug for OwnSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnSums({} columns)", self.0.len())
    }
}

impl Drop for OwnSums {
    fn drop(&mut self) {
        for column in &mut self.0 {
            column.zeroize();
        }
    }
}

/// A measured column: what the federation found, and how this company's own values stand to it. For its own eyes.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalisedColumn {
    /// Its name.
    pub name: String,
    /// What the federation found; `None` if nothing could be had, and the declared range scales it.
    pub statistics: Option<ColumnStatistics>,
    /// Mean of this company's own values; `None` if it has none.
    pub own_mean: Option<f64>,
    /// Share of its own values that lie outside of what the column is scaled to, and are clipped.
    pub clipped: f64,
}

impl NormalisedColumn {
    /// By how many of the federation's standard deviations this company's mean is off the federation's.
    #[must_use]
    pub fn drift(&self) -> Option<f64> {
        let statistics = self.statistics.filter(|found| found.deviation_micro > 0)?;
        let mean = statistics.mean_micro as f64 / 1e6;
        Some((self.own_mean? - mean) / (statistics.deviation_micro as f64 / 1e6))
    }
}

/// How rows that were scaled by the statistics stand to them.
pub(crate) fn compare(
    schema: &Schema,
    statistics: &[Option<ColumnStatistics>],
    report: &DataReport,
) -> Vec<NormalisedColumn> {
    let column = |(feature, statistics): (&Feature, &Option<ColumnStatistics>)| {
        let found = report.columns.iter().find(|one| one.name == feature.name);
        let (own_mean, clipped) = match found.map(|one| (&one.values, one.missing)) {
            Some((ColumnValues::Number { mean, clipped, .. }, missing)) => {
                let values = (report.rows as u64).saturating_sub(missing).max(1);
                (Some(*mean), *clipped as f64 / values as f64)
            }
            _ => (None, 0.0),
        };
        NormalisedColumn {
            name: feature.name.clone(),
            statistics: *statistics,
            own_mean,
            clipped,
        }
    };
    let measured = schema.measured().map(|(feature, _)| feature);
    measured.zip(statistics).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use unsilo_ledger::Values;

    fn schema() -> Schema {
        let measured = |name: &str, may_be_missing| Feature {
            values: Values::Measured {
                min_micro: 0,
                max_micro: 100_000_000,
            },
            may_be_missing,
            ..Feature::number(name, 0, 1)
        };
        Schema {
            label: "label".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            features: vec![
                measured("age", false),
                Feature::number("declared", 0, 1_000_000),
                measured("height", true),
            ],
        }
    }

    fn rows(rows: &[[f32; 4]]) -> Dataset {
        Dataset::new(rows.concat(), vec![0; rows.len()], 4, 2).expect("rows")
    }

    #[test]
    fn the_values_that_are_there_are_counted_summed_and_squared() {
        let mut table = vec![[0.25, 0.9, 0.5, 0.0]; 10];
        table.extend([[1.0, 0.9, 0.0, 1.0]; 2]);
        let (quarter, half, one) = (SCALE / 4, SCALE / 2, SCALE);
        let sums = OwnSums::of(&schema(), &rows(&table));
        assert_eq!(
            sums.0,
            [
                [
                    12,
                    10 * quarter + 2 * one,
                    10 * quarter * quarter + 2 * one * one
                ],
                [10, 10 * half, 10 * half * half],
            ]
        );
        let integers = sums.integers();
        assert_eq!(integers.len(), 6);
        assert_eq!(integers[3], (10, DIGITS[0]));
        assert!(!format!("{sums:?}").contains(&SCALE.to_string()));
    }

    #[test]
    fn a_column_with_few_values_counts_none() {
        let mut table = vec![[0.25, 0.9, 0.5, 0.0]; 9];
        table.extend([[1.0, 0.9, 0.0, 1.0]; 3]);
        let sums = OwnSums::of(&schema(), &rows(&table));
        assert_eq!(sums.0[0][0], 12);
        assert_eq!(sums.0[1], [0; 3]);
    }
}
