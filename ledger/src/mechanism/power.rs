//! Capped power (step 5): no row holds more than 3/2 of an equal share, whatever its stake.

use super::EpochError;
use super::q32;

/// The share of each stake after the cap, in Q32; their sum is at most 1.
///
/// Water-filling: the highest stakes are lowered to the largest `theta` at which each has a share of at most
/// `3 / (2n)` of what is then left, n the number of stakes (zeros count). If so few have stake that the cap
/// cannot hold, nobody has power: all are 0.
///
/// # Errors
/// [`EpochError::Overflow`] if there are more stakes than a count of 32 bits.
pub fn capped_power(stakes: &[u64]) -> Result<Vec<u64>, EpochError> {
    let theta = threshold(stakes)?;
    let capped: Vec<u64> = stakes.iter().map(|stake| *stake.min(&theta)).collect();
    uncapped_power(&capped)
}

/// The share of each stake as it is, in Q32; their sum is at most 1, and 0 if there is no stake.
///
/// # Errors
/// [`EpochError::Overflow`] if there are more stakes than a count of 32 bits.
pub fn uncapped_power(stakes: &[u64]) -> Result<Vec<u64>, EpochError> {
    let total: u128 = stakes
        .iter()
        .try_fold(0_u128, |sum, stake| sum.checked_add(u128::from(*stake)))
        .ok_or(EpochError::Overflow)?;
    if total == 0 {
        return Ok(vec![0; stakes.len()]);
    }
    stakes
        .iter()
        .map(|stake| {
            let share = (u128::from(*stake) << q32::BITS)
                .checked_div(total)
                .ok_or(EpochError::Overflow)?;
            u64::try_from(share).map_err(|_| EpochError::Overflow)
        })
        .collect()
}

/// The stake above which nothing counts.
fn threshold(stakes: &[u64]) -> Result<u64, EpochError> {
    let count = u32::try_from(stakes.len()).map_err(|_| EpochError::Overflow)?;
    let mut descending = stakes.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    let mut rest = descending
        .iter()
        .try_fold(0_u128, |sum, stake| sum.checked_add(u128::from(*stake)))
        .ok_or(EpochError::Overflow)?;
    let mut above = 0;
    // d = 2n - 3k at the k-th highest.
    let mut divisor = i64::from(count)
        .checked_mul(2)
        .ok_or(EpochError::Overflow)?;
    for stake in descending {
        let theta = match u128::try_from(divisor) {
            Ok(divisor) if divisor > 0 => {
                let theta = rest
                    .checked_mul(3)
                    .and_then(|rest| rest.checked_div(divisor))
                    .ok_or(EpochError::Overflow)?;
                u64::try_from(theta).unwrap_or(u64::MAX)
            }
            _ => above,
        };
        if stake <= theta {
            return Ok(theta);
        }
        rest = rest
            .checked_sub(u128::from(stake))
            .ok_or(EpochError::Overflow)?;
        above = stake;
        divisor = divisor.checked_sub(3).ok_or(EpochError::Overflow)?;
    }
    Ok(above)
}
