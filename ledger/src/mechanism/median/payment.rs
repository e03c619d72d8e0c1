//! Steps 10 and 11: who is paid for contributing, for rating, and for what only some value.

use super::{Memory, NICHE_SHARE, RATER_SHARE};
use crate::mechanism::epoch::{Epoch, EpochError};
use crate::mechanism::q32::{self, ONE};
use crate::mechanism::split::largest_remainder;

/// The three parts of a payout, one element a row, in the federation's unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payment {
    /// For what the row's contributions are worth by consensus.
    pub contributor: Vec<u64>,
    /// For rating like the consensus.
    pub rater: Vec<u64>,
    /// From raters that value the row far above consensus.
    pub niche: Vec<u64>,
    /// What each row may spend, as a rater, on what it values far above consensus.
    pub niche_budget: Vec<u64>,
    /// What of it it spends.
    pub niche_spent: Vec<u64>,
}

impl Payment {
    pub(super) fn new(
        memory: &Memory,
        epoch: &Epoch<'_>,
        paid: u64,
        consensus: &[u64],
        dividend_share: &[u64],
    ) -> Result<Self, EpochError> {
        let rater = largest_remainder(q32::multiply(paid, RATER_SHARE)?, dividend_share)?;
        let niche_budget = largest_remainder(q32::multiply(paid, NICHE_SHARE)?, dividend_share)?;
        let mut niche = vec![0_u64; epoch.rows.len()];
        let mut niche_spent = Vec::with_capacity(epoch.rows.len());
        let raters = epoch.rows.iter().zip(memory.rows()).zip(&niche_budget);
        for ((row, ratings), budget) in raters {
            let excess: Vec<u64> = ratings
                .iter()
                .zip(consensus)
                .zip(epoch.rows)
                .map(|((rating, consensus), column)| {
                    if column.owner == row.owner {
                        0
                    } else {
                        excess(*rating, *consensus)
                    }
                })
                .collect();
            let spent = q32::multiply(*budget, q32::sum(&excess)?.min(ONE))?;
            niche_spent.push(spent);
            if spent == 0 {
                continue;
            }
            for (sum, part) in niche.iter_mut().zip(largest_remainder(spent, &excess)?) {
                *sum = sum.checked_add(part).ok_or(EpochError::Overflow)?;
            }
        }
        // Everything that was not given to raters or niches, whatever the reason.
        let left = paid
            .checked_sub(q32::sum(&rater)?)
            .and_then(|left| left.checked_sub(q32::sum(&niche).ok()?))
            .ok_or(EpochError::Overflow)?;
        Ok(Self {
            contributor: largest_remainder(left, consensus)?,
            rater,
            niche,
            niche_budget,
            niche_spent,
        })
    }

    /// What each row is paid in all.
    pub(super) fn sums(&self) -> Result<Vec<u64>, EpochError> {
        self.contributor
            .iter()
            .zip(&self.rater)
            .zip(&self.niche)
            .map(|((contributor, rater), niche)| {
                contributor
                    .checked_add(*rater)
                    .and_then(|sum| sum.checked_add(*niche))
                    .ok_or(EpochError::Overflow)
            })
            .collect()
    }
}

/// X: how far a rating is above consensus, where that is at least half of it.
fn excess(rating: u64, consensus: u64) -> u64 {
    let above = rating.saturating_sub(consensus);
    if above.saturating_mul(2) >= rating {
        above
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::excess;

    #[test]
    fn only_what_is_valued_at_least_twice_as_high_as_by_consensus_is_a_niche() {
        assert_eq!(excess(10, 5), 5);
        assert_eq!(excess(11, 6), 0);
        assert_eq!(excess(10, 12), 0);
        assert_eq!(excess(7, 0), 7);
        assert_eq!(excess(0, 0), 0);
    }
}
