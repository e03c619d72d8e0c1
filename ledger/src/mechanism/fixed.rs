//! Signed fixed point with 32 bits before and 32 behind the point, rounded and saturated as in the chain that
//! runs `yuma` (types I32F32 of `substrate-fixed`, functions of subtensor's `epoch/math.rs`), so that its
//! published numbers come out to the bit.
//!
//! Own code: `substrate-fixed` needs parity-scale-codec and scale-info and panics on overflow, and `fixed` has no
//! exponential, so that most of this would remain.

pub mod vector;

use borsh::{BorshDeserialize, BorshSerialize};

/// A number `x` stands for `x / 2^32`. Arithmetic saturates at the ends of the range, never wraps or panics.
#[derive(
    BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd,
)]
pub struct I32F32(i64);

/// Bits behind the point.
const BITS: u32 = 32;

impl I32F32 {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(1 << BITS);
    /// 1/2.
    pub const HALF: Self = Self(1 << (BITS - 1));
    /// The largest.
    pub const MAX: Self = Self(i64::MAX);
    /// The smallest.
    pub const MIN: Self = Self(i64::MIN);
    /// e, as the chain has it: cut after 23 bits behind the point.
    const E: Self = Self(11_674_931_200);
    /// 65,535, the top of the 16-bit proportions.
    const U16_MAX: Self = Self(65_535 << BITS);

    /// The number `bits / 2^32`.
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// The number times 2^32.
    pub const fn to_bits(self) -> i64 {
        self.0
    }

    /// The whole number.
    pub fn from_integer(value: i32) -> Self {
        // 32 bits shifted by 32 fit 64.
        Self(i64::from(value) << BITS)
    }

    /// `value / 65,535`, cut.
    pub fn from_proportion(value: u16) -> Self {
        Self::from_integer(i32::from(value)).divide(Self::U16_MAX)
    }

    /// `numerator / denominator` of amounts, cut; 0 if the denominator is 0, [`Self::MAX`] if it is too large.
    pub fn from_ratio(numerator: u64, denominator: u128) -> Self {
        let quotient = (u128::from(numerator) << BITS)
            .checked_div(denominator)
            .unwrap_or(0);
        Self(i64::try_from(quotient).unwrap_or(i64::MAX))
    }

    /// The whole part as 16 bits, saturated.
    pub fn to_u16(self) -> u16 {
        let whole = self.0 >> BITS;
        u16::try_from(whole).unwrap_or(if whole < 0 { 0 } else { u16::MAX })
    }

    /// The nearest whole number as 16 bits, saturated; halves go up.
    pub fn round_to_u16(self) -> u16 {
        self.saturating_add(Self::HALF).to_u16()
    }

    /// A fraction in 65,535ths, cut and saturated.
    pub fn to_proportion(self) -> u16 {
        self.saturating_mul(Self::U16_MAX).to_u16()
    }

    /// A fraction of an amount, cut; 0 of a negative fraction.
    pub fn of_amount(self, amount: u64) -> u64 {
        let fraction = u128::from(u64::try_from(self.0).unwrap_or(0));
        // 63 and 64 bits: the product fits 127.
        let product = fraction.saturating_mul(u128::from(amount));
        u64::try_from(product >> BITS).unwrap_or(u64::MAX)
    }

    /// The sum, saturated.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, saturated.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The product, rounded towards minus infinity and saturated.
    #[must_use]
    pub fn saturating_mul(self, other: Self) -> Self {
        // Two times 63 bits and a sign: the product fits 127.
        Self::saturated(i128::from(self.0).saturating_mul(i128::from(other.0)) >> BITS)
    }

    /// The quotient, rounded towards 0 and saturated; 0 if the divisor is 0.
    #[must_use]
    pub fn divide(self, divisor: Self) -> Self {
        let shifted = i128::from(self.0) << BITS;
        Self::saturated(shifted.checked_div(i128::from(divisor.0)).unwrap_or(0))
    }

    fn saturated(bits: i128) -> Self {
        Self(i64::try_from(bits).unwrap_or(if bits < 0 { i64::MIN } else { i64::MAX }))
    }

    /// `e^self` for exponents from -20 to 20 (others are moved there), by 31 terms of the series; the reciprocal
    /// below 0.
    ///
    /// The chain's function: at 20 it is almost a percent low, because the series is cut.
    #[must_use]
    pub fn exp(self) -> Self {
        let limit = Self::from_integer(20);
        let exponent = self.clamp(Self::ZERO.saturating_sub(limit), limit);
        if exponent == Self::ZERO {
            return Self::ONE;
        }
        if exponent == Self::ONE {
            return Self::E;
        }
        let magnitude = Self(exponent.0.saturating_abs());
        let mut term = magnitude;
        let mut sum = magnitude.saturating_add(Self::ONE);
        for index in 2..32 {
            term = term
                .saturating_mul(magnitude)
                .divide(Self::from_integer(index));
            sum = sum.saturating_add(term);
        }
        if exponent < Self::ZERO {
            Self::ONE.divide(sum)
        } else {
            sum
        }
    }

    /// `1 / (1 + e^(-steepness (self - middle)))`.
    #[must_use]
    pub fn sigmoid(self, steepness: Self, middle: Self) -> Self {
        let offset = self.saturating_sub(middle);
        let exponent = Self::ZERO.saturating_sub(steepness).saturating_mul(offset);
        Self::ONE.divide(exponent.exp().saturating_add(Self::ONE))
    }
}

impl std::iter::Sum for I32F32 {
    /// The sum, saturated.
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Self::saturating_add)
    }
}
