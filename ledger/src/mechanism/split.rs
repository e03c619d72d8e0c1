//! Dividing an amount in whole units (step 11): largest remainder, ties to the lower index.

use super::EpochError;

/// Divides `amount` in proportion to `shares`. The parts sum to `amount` exactly, or to 0 if all shares
/// are 0.
///
/// Everybody gets the whole part of `amount · share / sum`; the units left over go to the largest
/// remainders, of equal ones to the lower index.
///
/// # Errors
/// [`EpochError::Overflow`] if the shares sum to 2^64 or more.
pub fn largest_remainder(amount: u64, shares: &[u64]) -> Result<Vec<u64>, EpochError> {
    let total = shares
        .iter()
        .try_fold(0_u64, |sum, share| sum.checked_add(*share))
        .ok_or(EpochError::Overflow)?;
    if total == 0 || amount == 0 {
        return Ok(vec![0; shares.len()]);
    }
    let total = u128::from(total);
    let mut parts = Vec::with_capacity(shares.len());
    let mut remainders = Vec::with_capacity(shares.len());
    let mut left = amount;
    for (index, share) in shares.iter().enumerate() {
        let product = u128::from(amount)
            .checked_mul(u128::from(*share))
            .ok_or(EpochError::Overflow)?;
        let (whole, rest) = product
            .checked_div(total)
            .zip(product.checked_rem(total))
            .ok_or(EpochError::Overflow)?;
        let whole = u64::try_from(whole).map_err(|_| EpochError::Overflow)?;
        left = left.checked_sub(whole).ok_or(EpochError::Overflow)?;
        parts.push(whole);
        remainders.push((std::cmp::Reverse(rest), index));
    }
    // Fewer units are left than there are shares above 0, and each of those that get one has a remainder.
    let units = usize::try_from(left).map_err(|_| EpochError::Overflow)?;
    if units > 0 && units < remainders.len() {
        remainders.select_nth_unstable(units);
    }
    for (_, index) in remainders.iter().take(units) {
        if let Some(part) = parts.get_mut(*index) {
            *part = part.checked_add(1).ok_or(EpochError::Overflow)?;
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_go_to_the_lower_index() {
        assert_eq!(largest_remainder(5, &[1, 1, 1]), Ok(vec![2, 2, 1]));
        assert_eq!(largest_remainder(1, &[0, 3, 3]), Ok(vec![0, 1, 0]));
    }

    #[test]
    fn the_largest_remainder_goes_first() {
        // 10 in 1 : 2 : 4 is 1.43, 2.86, 5.71.
        assert_eq!(largest_remainder(10, &[1, 2, 4]), Ok(vec![1, 3, 6]));
    }

    #[test]
    fn nothing_to_share_by_is_nothing_shared() {
        assert_eq!(largest_remainder(10, &[0, 0]), Ok(vec![0, 0]));
        assert_eq!(largest_remainder(10, &[]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_amount(
            amount: u64,
            shares in prop::collection::vec(0_u64..=1 << 58, 1..40),
        ) {
            let parts = largest_remainder(amount, &shares).unwrap();
            let some = shares.iter().any(|share| *share > 0);
            let sum: u128 = parts.iter().map(|part| u128::from(*part)).sum();
            prop_assert_eq!(sum, if some { u128::from(amount) } else { 0 });
            for (part, share) in parts.iter().zip(&shares) {
                prop_assert!(*share > 0 || *part == 0);
            }
        }

        #[test]
        fn sums_past_64_bits_are_refused(amount: u64) {
            prop_assert_eq!(
                largest_remainder(amount, &[u64::MAX, 1]),
                Err(EpochError::Overflow)
            );
        }
    }
}
