//! What every mechanism is given: the rows of an epoch, checked once.

use std::collections::BTreeMap;

/// Rows an epoch may have: the size the rule is measured at (see `benches/mechanism.rs`).
pub const MAX_ROWS: usize = 4_096;

/// An epoch to settle.
#[derive(Clone, Copy, Debug)]
pub struct Epoch<'a> {
    /// What can be paid out, in the federation's unit.
    pub emission: u64,
    /// One row for each participant, always in the same order; new ones at the end. The ledger passes one
    /// row for each owner.
    pub rows: &'a [Row<'a>],
    /// A row that was absent in more than this many epochs in a row has no power until it rates again.
    pub activity_cutoff: u32,
}

/// A participant as rater and as rated.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The legal entity. Rows of one owner do not count for each other.
    pub owner: u64,
    /// Its stake.
    pub stake: u64,
    /// When it joined, on the clock of [`Ratings::given`] (the ledger counts rounds).
    pub joined: u64,
    /// How it rates the others; `None` if it revealed nothing.
    pub ratings: Option<Ratings<'a>>,
}

/// Ratings that a participant revealed.
#[derive(Clone, Copy, Debug)]
pub struct Ratings<'a> {
    /// One weight for each row. Only their ratios count. Weights for affiliates and for itself count as 0.
    pub weights: &'a [u16],
    /// When they were given. Weights for those that joined later count as 0.
    pub given: u64,
}

/// Why an epoch cannot be settled. The memory is as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EpochError {
    /// Too many rows.
    #[error("{rows} rows in an epoch: at most {MAX_ROWS} are allowed")]
    TooManyRows {
        /// How many there are.
        rows: usize,
    },
    /// A row rates more or fewer participants than there are.
    #[error("row {row} has {found} weights, and there are {expected} rows")]
    WeightCount {
        /// Which row.
        row: usize,
        /// Its weights.
        found: usize,
        /// The rows.
        expected: usize,
    },
    /// There is not one attendance for each row.
    #[error("{found} attendances are given for {expected} rows")]
    Attendance {
        /// How many.
        found: usize,
        /// The rows.
        expected: usize,
    },
    /// Fewer rows than the memory knows. Participants that left keep their row, with stake 0.
    #[error("an epoch of {found} rows follows one of {expected}: rows are never taken away")]
    RowsMissing {
        /// The rows given.
        found: usize,
        /// The rows in the memory.
        expected: usize,
    },
    /// The memory contradicts itself: it was not made by this mechanism.
    #[error("the memory of the mechanism contradicts itself: {0}")]
    Memory(&'static str),
    /// A parameter is out of its range.
    #[error("{name} is {value}: it must be {allowed}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: i128,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A number does not fit. Sound input within [`MAX_ROWS`] cannot cause it.
    #[error("a number of the epoch does not fit its integer")]
    Overflow,
}

impl<'a> Epoch<'a> {
    /// Checks the sizes; returns the number of rows.
    pub(super) fn check(&self, known: usize) -> Result<usize, EpochError> {
        let rows = self.rows.len();
        if rows > MAX_ROWS {
            return Err(EpochError::TooManyRows { rows });
        }
        if rows < known {
            return Err(EpochError::RowsMissing {
                found: rows,
                expected: known,
            });
        }
        for (index, row) in self.rows.iter().enumerate() {
            if let Some(ratings) = row.ratings
                && ratings.weights.len() != rows
            {
                return Err(EpochError::WeightCount {
                    row: index,
                    found: ratings.weights.len(),
                    expected: rows,
                });
            }
        }
        Ok(rows)
    }

    /// Sums of `values`, one a row, over the rows of each owner.
    pub(super) fn by_owner(&self, values: &[u64]) -> Result<BTreeMap<u64, u64>, EpochError> {
        let mut sums = BTreeMap::new();
        for (row, value) in self.rows.iter().zip(values) {
            let sum: &mut u64 = sums.entry(row.owner).or_default();
            *sum = sum.checked_add(*value).ok_or(EpochError::Overflow)?;
        }
        Ok(sums)
    }
}

impl<'a> Row<'a> {
    /// What this row says about the others, in their order, and the sum of it; `None` if it says nothing,
    /// which is being absent.
    pub(super) fn opinion(
        &self,
        others: &'a [Row<'a>],
    ) -> Option<(impl Iterator<Item = u16> + use<'a>, u64)> {
        let ratings = self.ratings?;
        let owner = self.owner;
        let weights = move || {
            ratings
                .weights
                .iter()
                .zip(others)
                .map(move |(weight, other)| {
                    let counts = other.owner != owner && other.joined <= ratings.given;
                    if counts { *weight } else { 0 }
                })
        };
        // At most MAX_ROWS times 2^16.
        let total = weights().fold(0_u64, |sum, weight| sum.saturating_add(u64::from(weight)));
        (total > 0).then(|| (weights(), total))
    }
}
