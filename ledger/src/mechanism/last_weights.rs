//! The weights in force, as `yuma` and `trust` keep them: a row's last ratings hold until it gives others.

use super::epoch::{Epoch, EpochError};
use super::fixed::I32F32;
use super::fixed::vector::Matrix;
use borsh::{BorshDeserialize, BorshSerialize};

/// The last weights and the absences of all rows.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LastWeights {
    /// The last weights that each row gave, row by row.
    weights: Vec<u16>,
    /// In how many epochs in a row each row was absent, up to now.
    absences: Vec<u32>,
}

impl LastWeights {
    pub(super) fn len(&self) -> usize {
        self.absences.len()
    }

    pub(super) fn check(&self) -> Result<(), EpochError> {
        if self.len().checked_mul(self.len()) != Some(self.weights.len()) {
            return Err(EpochError::Memory("its parts differ in length"));
        }
        Ok(())
    }

    /// Those with the ratings of an epoch.
    pub(super) fn rated(&self, epoch: &Epoch<'_>) -> Self {
        let count = epoch.rows.len();
        let mut weights = widened(&self.weights, self.len(), count, 0);
        let mut absences = self.absences.clone();
        absences.resize(count, 0);
        let rows = weights.chunks_exact_mut(count.max(1));
        for ((row, kept), absent) in epoch.rows.iter().zip(rows).zip(&mut absences) {
            if row.ratings.is_none() {
                *absent = absent.saturating_add(1);
                continue;
            }
            *absent = 0;
            kept.fill(0);
            if let Some((given, _)) = row.opinion(epoch.rows) {
                for (kept, given) in kept.iter_mut().zip(given) {
                    *kept = given;
                }
            }
        }
        Self { weights, absences }
    }

    /// The stakes without those of rows past the activity cut-off.
    pub(super) fn active(&self, epoch: &Epoch<'_>, stake: &[I32F32]) -> Vec<I32F32> {
        stake
            .iter()
            .zip(&self.absences)
            .map(|(stake, absences)| {
                if *absences > epoch.activity_cutoff {
                    I32F32::ZERO
                } else {
                    *stake
                }
            })
            .collect()
    }

    /// The weights of rows with stake for rows of other owners; each row sums to 1 or is 0.
    pub(super) fn normalised(&self, epoch: &Epoch<'_>, stake: &[I32F32]) -> Matrix {
        let count = epoch.rows.len();
        let rows = self.weights.chunks_exact(count.max(1));
        let cells = epoch
            .rows
            .iter()
            .zip(stake)
            .zip(rows)
            .flat_map(|((row, stake), weights)| {
                weights.iter().zip(epoch.rows).map(move |(weight, column)| {
                    if *stake > I32F32::ZERO && row.owner != column.owner {
                        I32F32::from_integer(i32::from(*weight))
                    } else {
                        I32F32::ZERO
                    }
                })
            })
            .collect();
        Matrix::new(count, cells).row_normalised()
    }
}

/// The share of each row in the stake of all.
pub(super) fn stake_shares(epoch: &Epoch<'_>) -> Vec<I32F32> {
    let total: u128 = epoch.rows.iter().fold(0, |sum, row| {
        // At most MAX_ROWS times 2^64.
        u128::saturating_add(sum, u128::from(row.stake))
    });
    epoch
        .rows
        .iter()
        .map(|row| I32F32::from_ratio(row.stake, total))
        .collect()
}

/// A square matrix of `old` columns with rows and columns of `filling` added up to `new`.
pub(super) fn widened<T: Copy>(cells: &[T], old: usize, new: usize, filling: T) -> Vec<T> {
    let missing = new.saturating_sub(old);
    let mut result: Vec<T> = cells
        .chunks_exact(old.max(1))
        .flat_map(|row| {
            row.iter()
                .copied()
                .chain(std::iter::repeat_n(filling, missing))
        })
        .collect();
    // At most MAX_ROWS squared.
    result.resize(new.saturating_mul(new), filling);
    result
}
