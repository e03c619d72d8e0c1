//! The statistics of the federation's data: of every measured column how many values there are, their sum and the sum of their
//! squares, over all companies together. They are summed under encryption like updates, and nobody's own are ever seen.
//!
//! A value is first clipped to the range that the schema declares and mapped to 0..=[`SCALE`]; so a sum says nothing that the
//! range does not allow, and everything here is integers. From the sums follow mean and standard deviation, and from these the
//! range that the column is scaled by: mean ± [`DEVIATIONS`] standard deviations.

use crate::draft::FederationId;
use crate::hash::{Domain, DomainHasher, Hash};
use borsh::{BorshDeserialize, BorshSerialize};

const STATISTICS_ROUND: Domain = Domain::new("statistics round");

/// What the upper end of a declared range is mapped to; the lower is 0. Mean and deviation are exact for values rounded to
/// 1/65,536 of the range, so each is within 2^-17 of the range of what it is for the values themselves.
pub const SCALE: u64 = 65_536;
/// The most rows whose values a company counts.
pub const MAX_ROWS: u64 = 16_777_215;
/// The fewest values of a column that a company contributes; fewer are counted as none, because with companies that have no
/// values in it the sum would be about these few rows.
pub const MIN_VALUES: u64 = 10;
/// Digits (of four bits) of a company's count, its sum and its sum of squares: enough for [`MAX_ROWS`] values of [`SCALE`].
pub const DIGITS: [usize; 3] = [6, 10, 14];
/// Digits of a column: a model has at least so many parameters for each measured column.
pub const COLUMN_DIGITS: u64 = 30;
/// The most measured columns: their sums are one entry of the log.
pub const MAX_MEASURED: usize = 8_192;
/// A column is scaled by its mean and so many standard deviations to either side: 99.7 % of a normal distribution.
pub const DEVIATIONS: u128 = 3;
/// The narrowest range that a column is scaled by is the declared one divided by this: a column that hardly varies, or of
/// which somebody claims that, is stretched no further.
const MOST_STRETCHED: u128 = 64;

/// The sums over one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ColumnSums {
    /// Values, of all companies.
    pub count: u64,
    /// Their sum, in units of 1/[`SCALE`] of the declared range.
    pub sum: u64,
    /// The sum of their squares, in units of 1/[`SCALE`]^2.
    pub squares: u128,
}

/// What a statistics round opened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Statistics {
    /// The hash of the summed ciphertext.
    pub sum: Hash,
    /// The hash of the opened key sum.
    pub key_sum: Hash,
    /// How many contributions were summed.
    pub contributions: u64,
    /// For each measured column, in the schema's order; `None` where the opened digits are none that companies can have sent.
    pub columns: Vec<Option<ColumnSums>>,
}

/// Mean and standard deviation of a column over the whole federation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnStatistics {
    /// Values, of all companies.
    pub count: u64,
    /// In millionths.
    pub mean_micro: i64,
    /// In millionths; of the population, not of a sample.
    pub deviation_micro: u64,
    /// The value scaled to 0, in millionths.
    pub min_micro: i64,
    /// The value scaled to 1, in millionths; above `min_micro`.
    pub max_micro: i64,
}

/// Digits of each integer of a contribution: count, sum and sum of squares of each of so many columns.
pub fn digits(columns: usize) -> Vec<usize> {
    std::iter::repeat_n(DIGITS, columns).flatten().collect()
}

impl ColumnSums {
    /// From the three integers of a column as they were opened; `None` if one of them is none.
    pub fn from_integers(integers: &[Option<u128>]) -> Option<Self> {
        match integers {
            [Some(count), Some(sum), Some(squares)] => Some(Self {
                count: u64::try_from(*count).ok()?,
                sum: u64::try_from(*sum).ok()?,
                squares: *squares,
            }),
            _ => None,
        }
    }

    /// Mean and deviation of a column with this declared range, in millionths. `None` if no values have these sums: none at
    /// all, a mean outside of the range, or a variance below 0 or above what the range allows.
    pub fn statistics(&self, min_micro: i64, max_micro: i64) -> Option<ColumnStatistics> {
        let (count, sum, scale) = (
            u128::from(self.count),
            u128::from(self.sum),
            u128::from(SCALE),
        );
        let all = count.checked_mul(scale).filter(|all| *all > 0)?;
        // A value in 0..=1 is no smaller than its square.
        if sum > all || self.squares > sum.checked_mul(scale)? {
            return None;
        }
        // count^2 times the variance.
        let spread = count
            .checked_mul(self.squares)?
            .checked_sub(sum.checked_mul(sum)?)?;
        let range = u128::from(max_micro.abs_diff(min_micro));
        let above_min = range.checked_mul(sum)?.checked_div(all)?;
        let deviation = range.checked_mul(spread.isqrt())?.checked_div(all)?;
        let half = deviation
            .saturating_mul(DEVIATIONS)
            .max(range.checked_div(MOST_STRETCHED.saturating_mul(2))?)
            .max(1);
        let mean = min_micro.checked_add_unsigned(u64::try_from(above_min).ok()?)?;
        let half = u64::try_from(half).unwrap_or(u64::MAX);
        Some(ColumnStatistics {
            count: self.count,
            mean_micro: mean,
            deviation_micro: u64::try_from(deviation).unwrap_or(u64::MAX),
            min_micro: mean.saturating_sub_unsigned(half),
            max_micro: mean.saturating_add_unsigned(half),
        })
    }
}

/// What stands for the model that a statistics round starts from: there is none, and no round on a model can be taken for it.
pub(crate) fn statistics_base(federation: &FederationId) -> Hash {
    DomainHasher::new(STATISTICS_ROUND)
        .with(&federation.0)
        .finish()
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    reason = "the same in floating point, of a few small numbers"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLION: i64 = 1_000_000;

    fn sums(values: &[u64]) -> ColumnSums {
        ColumnSums {
            count: values.len() as u64,
            sum: values.iter().sum(),
            squares: values.iter().map(|value| u128::from(*value).pow(2)).sum(),
        }
    }

    proptest! {
        #[test]
        fn mean_and_deviation_are_those_of_the_values(
            values in prop::collection::vec(0.0_f64..=1.0, 1..200),
            min in -1_000_i64..1_000,
            width in 1_i64..10_000,
        ) {
            let (low, range) = (min as f64, width as f64);
            let scaled: Vec<u64> = values.iter().map(|value| (value * SCALE as f64).round() as u64).collect();
            let found = sums(&scaled)
                .statistics(min * MILLION, (min + width) * MILLION)
                .expect("values have these sums");
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            // 2^-17 of the range for rounding the values, and a millionth for rounding the results.
            let bound = range * 2_f64.powi(-17) + 2e-6;
            prop_assert!((found.mean_micro as f64 / 1e6 - (low + range * mean)).abs() <= bound);
            prop_assert!((found.deviation_micro as f64 / 1e6 - range * variance.sqrt()).abs() <= bound * 2.0);
            prop_assert!(found.min_micro < found.mean_micro && found.mean_micro < found.max_micro);
        }

        #[test]
        fn no_sums_make_a_range_that_is_empty_or_far_narrower_than_the_declared_one(
            count: u64, sum: u64, squares: u128, min: i64, max: i64,
        ) {
            prop_assume!(min < max);
            if let Some(found) = (ColumnSums { count, sum, squares }).statistics(min, max) {
                prop_assert!(found.min_micro < found.max_micro);
                prop_assert!((min..=max).contains(&found.mean_micro));
                prop_assert!(u128::from(found.deviation_micro) <= u128::from(max.abs_diff(min)) / 2 + 1);
            }
        }
    }

    #[test]
    fn sums_that_no_values_have_are_none() {
        let of = |count, sum, squares| {
            (ColumnSums {
                count,
                sum,
                squares,
            })
            .statistics(0, MILLION)
            .is_some()
        };
        let one = u128::from(SCALE) * u128::from(SCALE);
        assert!(of(2, SCALE, one), "0 and 1");
        assert!(of(2, SCALE, one / 2), "twice a half");
        assert!(!of(0, 0, 0), "no values");
        assert!(!of(0, SCALE, one));
        assert!(!of(2, 2 * SCALE + 1, 2 * one), "a mean above the range");
        assert!(!of(2, SCALE, one / 2 - 1), "a variance below 0");
        assert!(
            !of(2, SCALE, one + 1),
            "a variance above what the range allows"
        );
        assert!(!of(u64::MAX, u64::MAX, u128::MAX));
    }

    #[test]
    fn a_column_that_does_not_vary_is_stretched_no_more_than_64_times() {
        let found = sums(&[SCALE / 2; 12])
            .statistics(0, 64 * MILLION)
            .expect("values");
        assert_eq!((found.mean_micro, found.deviation_micro), (32 * MILLION, 0));
        assert_eq!(found.max_micro - found.min_micro, MILLION);
    }

    #[test]
    fn the_digits_hold_what_a_company_counts_at_most() {
        let [count, sum, squares] = DIGITS.map(|digits| 1_u128 << (4 * digits));
        assert!(u128::from(MAX_ROWS) < count);
        assert!(u128::from(MAX_ROWS * SCALE) < sum);
        assert!(u128::from(MAX_ROWS) * u128::from(SCALE).pow(2) < squares);
        assert_eq!(DIGITS.iter().sum::<usize>() as u64, COLUMN_DIGITS);
    }
}
