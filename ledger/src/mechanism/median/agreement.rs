//! Steps 8 and 9: how far each rater agrees with the consensus.

use super::Memory;
use crate::mechanism::epoch::{Epoch, EpochError};
use crate::mechanism::{q32, weighted_median};

/// How far each row agrees with the consensus, as a rater. One element a row, in Q32.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreement {
    /// A before it is set against [`Agreement::reference`]: the overlap of the row's ratings and the
    /// consensus, each scaled to sum to 1 over the rows that have consensus.
    pub overlap: Vec<u64>,
    /// The upper median of the overlaps, weighted by the capped stake.
    pub reference: u64,
    /// A: the overlap as a part of the reference, at most 1.
    pub relative: Vec<u64>,
    /// A².
    pub squared: Vec<u64>,
    /// D: A² times the capped stake and the attendance, by which raters are paid.
    pub dividend_share: Vec<u64>,
}

impl Agreement {
    /// Of an epoch without consensus.
    pub(super) fn none(count: usize) -> Self {
        Self {
            overlap: vec![0; count],
            reference: 0,
            relative: vec![0; count],
            squared: vec![0; count],
            dividend_share: vec![0; count],
        }
    }

    pub(super) fn new(
        memory: &Memory,
        epoch: &Epoch<'_>,
        consensus: &[u64],
        stake_share: &[u64],
        attendance: &[u64],
    ) -> Result<Self, EpochError> {
        let overlap = overlaps(memory, epoch, consensus)?;
        let mut entries: Vec<(u64, u64)> = overlap
            .iter()
            .copied()
            .zip(stake_share.iter().copied())
            .collect();
        let reference = weighted_median::upper(&mut entries, q32::sum(stake_share)?).unwrap_or(0);
        let relative = overlap
            .iter()
            .map(|overlap| match reference {
                0 => Ok(0),
                _ => Ok(q32::divide(*overlap, reference)?.min(q32::ONE)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let squared = relative
            .iter()
            .map(|relative| q32::multiply(*relative, *relative))
            .collect::<Result<Vec<_>, _>>()?;
        let dividend_share = squared
            .iter()
            .zip(stake_share)
            .zip(attendance)
            .map(|((squared, share), attendance)| {
                q32::multiply(q32::multiply(*share, *squared)?, *attendance)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            overlap,
            reference,
            relative,
            squared,
            dividend_share,
        })
    }
}

fn overlaps(memory: &Memory, epoch: &Epoch<'_>, consensus: &[u64]) -> Result<Vec<u64>, EpochError> {
    let total = q32::sum(consensus)?;
    let of_owners = epoch.by_owner(consensus)?;
    epoch
        .rows
        .iter()
        .zip(memory.rows())
        .map(|(row, ratings)| {
            let own = of_owners.get(&row.owner).copied().unwrap_or(0);
            let consensus_sum = total.checked_sub(own).ok_or(EpochError::Overflow)?;
            // Columns with consensus, of other owners.
            let columns = || {
                ratings
                    .iter()
                    .zip(consensus)
                    .zip(epoch.rows)
                    .filter(|((_, consensus), column)| **consensus > 0 && column.owner != row.owner)
                    .map(|(pair, _)| pair)
            };
            let rating_sum = q32::sum(columns().map(|(rating, _)| rating))?;
            if rating_sum == 0 || consensus_sum == 0 {
                return Ok(0);
            }
            columns().try_fold(0_u64, |sum, (rating, consensus)| {
                let rating = q32::divide(*rating, rating_sum)?;
                let consensus = q32::divide(*consensus, consensus_sum)?;
                sum.checked_add(rating.min(consensus))
                    .ok_or(EpochError::Overflow)
            })
        })
        .collect()
}
