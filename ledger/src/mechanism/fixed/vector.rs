//! Functions of vectors and matrices of [`I32F32`], as the chain that runs `yuma` has them.

use super::I32F32;

/// A square matrix, row by row in one vector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Matrix {
    columns: usize,
    cells: Vec<I32F32>,
}

impl Matrix {
    /// The matrix whose rows follow each other in `cells`; a last, incomplete row is dropped.
    pub fn new(columns: usize, mut cells: Vec<I32F32>) -> Self {
        let rest = cells.len().checked_rem(columns).unwrap_or(cells.len());
        cells.truncate(cells.len().saturating_sub(rest));
        Self { columns, cells }
    }

    /// All cells, row by row.
    pub fn cells(&self) -> &[I32F32] {
        &self.cells
    }

    /// The rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &[I32F32]> {
        self.cells.chunks_exact(self.columns.max(1))
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [I32F32]> {
        self.cells.chunks_exact_mut(self.columns.max(1))
    }

    /// Each cell with that of another matrix of the same shape.
    #[must_use]
    pub fn zip(&self, other: &Self, combine: impl Fn(I32F32, I32F32) -> I32F32) -> Self {
        let cells = self.cells.iter().zip(&other.cells);
        Self {
            columns: self.columns,
            cells: cells.map(|(a, b)| combine(*a, *b)).collect(),
        }
    }

    /// Each row combined with an element of `of_row`.
    #[must_use]
    pub fn by_row(&self, of_row: &[I32F32], combine: impl Fn(I32F32, I32F32) -> I32F32) -> Self {
        let mut result = self.clone();
        for (row, value) in result.rows_mut().zip(of_row) {
            row.iter_mut()
                .for_each(|cell| *cell = combine(*cell, *value));
        }
        result
    }

    /// Each column combined with an element of `of_column`.
    #[must_use]
    pub fn by_column(
        &self,
        of_column: &[I32F32],
        combine: impl Fn(I32F32, I32F32) -> I32F32,
    ) -> Self {
        let mut result = self.clone();
        for row in result.rows_mut() {
            for (cell, value) in row.iter_mut().zip(of_column) {
                *cell = combine(*cell, *value);
            }
        }
        result
    }

    /// The sum of each row.
    pub fn row_sums(&self) -> Vec<I32F32> {
        self.rows().map(|row| row.iter().copied().sum()).collect()
    }

    /// The sum of each column.
    pub fn column_sums(&self) -> Vec<I32F32> {
        self.fold_columns(I32F32::saturating_add)
    }

    fn fold_columns(&self, combine: impl Fn(I32F32, I32F32) -> I32F32) -> Vec<I32F32> {
        let mut result = vec![I32F32::ZERO; self.columns];
        for row in self.rows() {
            for (value, cell) in result.iter_mut().zip(row) {
                *value = combine(*value, *cell);
            }
        }
        result
    }

    /// Each row divided by its sum, where that is above 0.
    #[must_use]
    pub fn row_normalised(&self) -> Self {
        self.by_row(&self.row_sums(), |cell, sum| {
            if sum > I32F32::ZERO {
                cell.divide(sum)
            } else {
                cell
            }
        })
    }

    /// Each column divided by its sum, where that is not 0.
    #[must_use]
    pub fn column_normalised(&self) -> Self {
        self.by_column(&self.column_sums(), divide_unless_zero)
    }

    /// Each column divided by its largest cell, where that is not 0.
    #[must_use]
    pub fn column_max_upscaled(&self) -> Self {
        self.by_column(&self.fold_columns(Ord::max), divide_unless_zero)
    }

    /// Values above the threshold of their column lowered to it.
    #[must_use]
    pub fn clipped(&self, thresholds: &[I32F32]) -> Self {
        self.by_column(thresholds, Ord::min)
    }

    /// `sum_i vector_i · cell_ij`, one element a column; every product is rounded.
    pub fn weighted_column_sums(&self, vector: &[I32F32]) -> Vec<I32F32> {
        self.by_row(vector, I32F32::saturating_mul).column_sums()
    }

    /// `sum_j vector_j · cell_ij`, one element a row; every product is rounded.
    pub fn weighted_row_sums(&self, vector: &[I32F32]) -> Vec<I32F32> {
        self.by_column(vector, I32F32::saturating_mul).row_sums()
    }

    /// Averages with old values: `(1 - rate_ij) · old_ij + rate_ij · self_ij`, from 0 to 1. Shapes must be equal.
    #[must_use]
    pub fn averaged(&self, old: &Self, rates: &Self) -> Self {
        let kept = old.zip(rates, |old, rate| {
            I32F32::ONE.saturating_sub(rate).saturating_mul(old)
        });
        let added = self.zip(rates, |new, rate| {
            rate.saturating_mul(new).max(I32F32::ZERO)
        });
        kept.zip(&added, |kept, added| {
            kept.saturating_add(added).min(I32F32::ONE)
        })
    }

    /// The weighted median of each column: see [`weighted_median`]. Rows without stake do not count; the stake of
    /// the others is scaled to sum to 1, and the `minority` is what is left of it above `majority`.
    pub fn weighted_medians(&self, stake: &[I32F32], majority: I32F32) -> Vec<I32F32> {
        let staked = |stake: &I32F32| *stake > I32F32::ZERO;
        let weights = normalised(&stake.iter().copied().filter(staked).collect::<Vec<_>>());
        let total: I32F32 = weights.iter().copied().sum();
        let minority = total.saturating_sub(majority);
        let rows: Vec<&[I32F32]> = self
            .rows()
            .zip(stake)
            .filter(|(_, stake)| staked(stake))
            .map(|(row, _)| row)
            .collect();
        let mut entries = Vec::with_capacity(rows.len());
        (0..self.columns)
            .map(|column| {
                entries.clear();
                let cells = rows.iter().filter_map(|row| row.get(column));
                entries.extend(cells.copied().zip(weights.iter().copied()));
                weighted_median(&mut entries, minority)
            })
            .collect()
    }
}

fn divide_unless_zero(cell: I32F32, divisor: I32F32) -> I32F32 {
    if divisor == I32F32::ZERO {
        cell
    } else {
        cell.divide(divisor)
    }
}

/// The smallest score at which the stake of it and smaller ones passes `minority`; the largest score if none
/// does, 0 if there is none. Sorts `entries`, pairs of score and stake.
pub fn weighted_median(entries: &mut [(I32F32, I32F32)], minority: I32F32) -> I32F32 {
    entries.sort_unstable();
    let mut running = I32F32::ZERO;
    let mut last = I32F32::ZERO;
    for (score, stake) in entries {
        running = running.saturating_add(*stake);
        last = *score;
        if running > minority {
            break;
        }
    }
    last
}

/// The values divided by their sum; as they are if it is 0.
pub fn normalised(values: &[I32F32]) -> Vec<I32F32> {
    normalised_by(values, values.iter().copied().sum())
}

/// The values divided by `sum`; as they are if it is 0.
pub fn normalised_by(values: &[I32F32], sum: I32F32) -> Vec<I32F32> {
    values
        .iter()
        .map(|value| divide_unless_zero(*value, sum))
        .collect()
}

/// `x_i / y_i`, 0 where `y_i` is 0.
pub fn quotients(x: &[I32F32], y: &[I32F32]) -> Vec<I32F32> {
    x.iter().zip(y).map(|(x, y)| x.divide(*y)).collect()
}

/// Which values are among the `count` largest; of equal ones the later come first.
pub fn largest(values: &[I32F32], count: usize) -> Vec<bool> {
    let mut order: Vec<(I32F32, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut result = vec![true; values.len()];
    for (_, index) in order.iter().take(values.len().saturating_sub(count)) {
        if let Some(cell) = result.get_mut(*index) {
            *cell = false;
        }
    }
    result
}

/// Values from 0 up scaled so that the largest is 65,535, rounded to whole numbers; all 0 if that is 0.
pub fn max_upscaled(values: &[I32F32]) -> Vec<u16> {
    let top = values.iter().copied().max().unwrap_or_default();
    // Above 32,768 the product with 65,535 would not fit: the chain divides first.
    let divide_first = top > I32F32::from_integer(32_768);
    values
        .iter()
        .map(|value| {
            if top == I32F32::ZERO {
                value.saturating_mul(I32F32::U16_MAX).to_u16()
            } else if divide_first {
                value
                    .saturating_mul(I32F32::U16_MAX.divide(top))
                    .round_to_u16()
            } else {
                value
                    .saturating_mul(I32F32::U16_MAX)
                    .divide(top)
                    .round_to_u16()
            }
        })
        .collect()
}

/// Whether no weight, as a part of their sum, is above `limit / 65,535`.
pub fn is_max_limited(weights: &[u16], limit: u16) -> bool {
    let weights: Vec<I32F32> = weights
        .iter()
        .map(|weight| I32F32::from_integer(i32::from(*weight)))
        .collect();
    let limit = I32F32::from_proportion(limit);
    normalised(&weights).iter().all(|part| *part <= limit)
}
