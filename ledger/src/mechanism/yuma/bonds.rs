//! Bonds: what raters hold of those they rated early, and the dividends that come of it.

use super::{LiquidAlpha, Parameters};
use crate::mechanism::fixed::I32F32;
use crate::mechanism::fixed::vector::{Matrix, normalised};

/// The rate at which all bonds move without liquid alpha.
fn rate(parameters: &Parameters) -> I32F32 {
    let kept = I32F32::from_ratio(
        parameters.bonds_moving_average_ppm.into(),
        u128::from(1_000_000_u32),
    );
    I32F32::ONE.saturating_sub(kept)
}

fn averaged(new: &Matrix, old: &Matrix, rate: I32F32) -> Matrix {
    let keep = I32F32::ONE.saturating_sub(rate);
    new.zip(old, |new, old| {
        rate.saturating_mul(new)
            .saturating_add(keep.saturating_mul(old))
    })
}

/// Version 2. `old` has the stored bonds as whole numbers. Returns the bonds to store, as fractions of the
/// largest in their column, and the dividends.
pub(super) fn shares(
    parameters: &Parameters,
    weights: &Matrix,
    old: Matrix,
    active_stake: &[I32F32],
    incentive: &[I32F32],
) -> (Matrix, Vec<I32F32>) {
    let old = old.column_normalised();
    let new = weights
        .by_row(active_stake, I32F32::saturating_mul)
        .column_normalised();
    let bonds = averaged(&new, &old, rate(parameters)).column_normalised();
    let dividends = normalised(&bonds.weighted_row_sums(incentive));
    (bonds.column_max_upscaled(), dividends)
}

/// Version 3. `old` has the stored bonds as whole numbers. Returns the bonds to store, as fractions, and the
/// dividends.
pub(super) fn relative(
    parameters: &Parameters,
    weights: &Matrix,
    old: Matrix,
    active_stake: &[I32F32],
    incentive: &[I32F32],
    consensus: &[I32F32],
) -> (Matrix, Vec<I32F32>) {
    let top = I32F32::from_integer(i32::from(u16::MAX));
    let old = old.zip(&old, |bond, _| bond.divide(top));
    let some_consensus = consensus.iter().any(|consensus| *consensus != I32F32::ZERO);
    let bonds = match parameters.liquid_alpha {
        Some(alpha) if some_consensus => {
            weights.averaged(&old, &alpha.rates(weights, &old, consensus))
        }
        _ => averaged(weights, &old, rate(parameters)),
    };
    let held = bonds.column_normalised().weighted_row_sums(incentive);
    let dividends: Vec<I32F32> = held
        .iter()
        .zip(active_stake)
        .map(|(held, stake)| held.saturating_mul(*stake))
        .collect();
    (bonds, normalised(&dividends))
}

impl LiquidAlpha {
    /// A rate for each bond: by how far the weight is above consensus when the bond grows, by how far the bond
    /// is above the weight when it shrinks.
    fn rates(self, weights: &Matrix, bonds: &Matrix, consensus: &[I32F32]) -> Matrix {
        let cells = weights
            .rows()
            .zip(bonds.rows())
            .flat_map(|(weights, bonds)| weights.iter().zip(bonds).zip(consensus))
            .map(|((weight, bond), consensus)| {
                self.rate(if weight >= bond {
                    weight.saturating_sub(*consensus)
                } else {
                    bond.saturating_sub(*weight)
                })
            })
            .collect();
        Matrix::new(consensus.len(), cells)
    }

    fn rate(self, distance: I32F32) -> I32F32 {
        let distance = distance.clamp(I32F32::ZERO, I32F32::ONE);
        let low = I32F32::from_proportion(self.low);
        let high = I32F32::from_proportion(self.high);
        let steepness =
            I32F32::from_integer(i32::from(self.steepness)).divide(I32F32::from_integer(-100));
        let exponent = steepness.saturating_mul(distance.saturating_sub(I32F32::HALF));
        let sigmoid = I32F32::ONE.divide(I32F32::ONE.saturating_add(exponent.exp()));
        low.saturating_add(sigmoid.saturating_mul(high.saturating_sub(low)))
            .clamp(low, high.max(low))
    }
}
