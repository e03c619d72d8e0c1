//! Fractions in Q32: an integer `x` stands for `x / 2^32`.

use super::EpochError;

/// 1 in Q32.
pub const ONE: u64 = 1 << 32;

/// Bits behind the point.
pub(super) const BITS: u32 = 32;

/// `a · b`, rounded down; the product of an amount and a fraction is an amount.
///
/// # Errors
/// [`EpochError::Overflow`] if the result does not fit 64 bits.
pub(super) fn multiply(a: u64, b: u64) -> Result<u64, EpochError> {
    let product = u128::from(a)
        .checked_mul(u128::from(b))
        .ok_or(EpochError::Overflow)?;
    u64::try_from(product >> BITS).map_err(|_| EpochError::Overflow)
}

/// `a / b` in Q32, rounded down.
///
/// # Errors
/// [`EpochError::Overflow`] if `b` is 0 or the result does not fit 64 bits.
pub(super) fn divide(a: u64, b: u64) -> Result<u64, EpochError> {
    // Almost always the shifted numerator fits 64 bits, where a division is several times faster.
    if a < ONE {
        return (a << BITS).checked_div(b).ok_or(EpochError::Overflow);
    }
    let quotient = (u128::from(a) << BITS)
        .checked_div(u128::from(b))
        .ok_or(EpochError::Overflow)?;
    u64::try_from(quotient).map_err(|_| EpochError::Overflow)
}

/// `(1 - rate) · old + rate · new`, rounded down once, for values of at most 2^32.
///
/// # Errors
/// [`EpochError::Overflow`] if `rate` is above 1 or the result does not fit 64 bits.
pub(super) fn average(old: u64, new: u64, rate: u64) -> Result<u64, EpochError> {
    let keep = ONE.checked_sub(rate).ok_or(EpochError::Overflow)?;
    let old = u128::from(keep).checked_mul(u128::from(old));
    let new = u128::from(rate).checked_mul(u128::from(new));
    let sum = old
        .zip(new)
        .and_then(|(old, new)| old.checked_add(new))
        .ok_or(EpochError::Overflow)?;
    u64::try_from(sum >> BITS).map_err(|_| EpochError::Overflow)
}

/// The sum.
///
/// # Errors
/// [`EpochError::Overflow`] if it does not fit 64 bits.
pub(super) fn sum<'a>(values: impl IntoIterator<Item = &'a u64>) -> Result<u64, EpochError> {
    values
        .into_iter()
        .try_fold(0_u64, |sum, value| sum.checked_add(*value))
        .ok_or(EpochError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_takes_the_same_value_on_both_paths() {
        for (a, b) in [(ONE - 1, 3), (ONE, 3), (u64::MAX >> 1, ONE), (1, u64::MAX)] {
            let expected = (u128::from(a) << 32) / u128::from(b);
            assert_eq!(divide(a, b).map(u128::from), Ok(expected));
        }
        assert_eq!(divide(1, 0), Err(EpochError::Overflow));
        assert_eq!(divide(ONE, 0), Err(EpochError::Overflow));
        assert_eq!(divide(u64::MAX, 1), Err(EpochError::Overflow));
    }

    #[test]
    fn averages_of_ones_are_one() {
        assert_eq!(average(ONE, ONE, ONE / 3), Ok(ONE));
        assert_eq!(average(u64::MAX, u64::MAX, ONE), Ok(u64::MAX));
        assert_eq!(average(0, 0, ONE + 1), Err(EpochError::Overflow));
    }
}
