//! What `yuma` remembers from epoch to epoch.

use crate::mechanism::epoch::{Epoch, EpochError};
use crate::mechanism::fixed::I32F32;
use crate::mechanism::fixed::vector::Matrix;
use crate::mechanism::last_weights::{LastWeights, widened};
use borsh::{BorshDeserialize, BorshSerialize};

/// The last weights, the bonds and the absences of all rows. Grows when an epoch has more rows.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    pub(super) weights: LastWeights,
    /// In 65,535ths, row by row.
    bonds: Vec<u16>,
}

impl Memory {
    /// Before the first epoch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows known.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there were no rows yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the bonds that are held in a row, as for an id that registers again.
    pub fn reset_bonds(&mut self, row: usize) {
        let count = self.len().max(1);
        for line in self.bonds.chunks_exact_mut(count) {
            if let Some(bond) = line.get_mut(row) {
                *bond = 0;
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), EpochError> {
        self.weights.check()?;
        if self.len().checked_mul(self.len()) != Some(self.bonds.len()) {
            return Err(EpochError::Memory("its parts differ in length"));
        }
        Ok(())
    }

    pub(super) fn bond_proportions(&self) -> &[u16] {
        &self.bonds
    }

    /// The memory with the weights of an epoch.
    pub(super) fn rated(&self, epoch: &Epoch<'_>) -> Self {
        Self {
            weights: self.weights.rated(epoch),
            bonds: widened(&self.bonds, self.len(), epoch.rows.len(), 0),
        }
    }

    /// The bonds as whole numbers.
    pub(super) fn bonds(&self) -> Matrix {
        let cells = self.bonds.iter();
        Matrix::new(
            self.len(),
            cells
                .map(|bond| I32F32::from_integer(i32::from(*bond)))
                .collect(),
        )
    }

    /// Stores new bonds; rows without stake have none.
    pub(super) fn keep_bonds(&mut self, bonds: &Matrix, stake: &[I32F32]) {
        self.bonds = bonds
            .rows()
            .zip(stake)
            .flat_map(|(row, stake)| {
                row.iter().map(move |bond| {
                    if *stake > I32F32::ZERO {
                        bond.to_proportion()
                    } else {
                        0
                    }
                })
            })
            .collect();
    }
}
