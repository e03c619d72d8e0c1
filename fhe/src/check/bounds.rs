//! The accept rule on the decoded projections, and the norm estimate, in exact integers: every machine decides alike.

use super::RejectionReason;
use crate::{
    params::{DELTA, MAX_ERROR, N, Params},
    projection::PROJECTIONS,
};

/// The limits of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// `(6·Delta·C + 8·sigma·sqrt D)^2`, the root rounded up: twice the square of the largest `|x|`.
    pub(crate) double_square: u128,
    /// `132·(Delta·C)^2`: the largest `2·sum_k x_k^2`.
    pub(crate) double_sum: u128,
}

impl Bounds {
    pub(crate) fn new(params: &Params) -> Self {
        let longest = u128::from(DELTA) * u128::from(params.clip_steps());
        let coefficients = (params.chunks() * N) as u128;
        let noise = ceil_sqrt(u128::from(MAX_ERROR.unsigned_abs()).pow(2) * coefficients);
        Self {
            double_square: (6 * longest + noise).pow(2),
            double_sum: 132 * longest.pow(2),
        }
    }

    /// `|x| <= 6·Delta·C/sqrt 2 + 8·sigma·sqrt(D/2)` for every projection.
    pub(crate) fn in_range(&self, projections: &[i64]) -> bool {
        projections
            .iter()
            .all(|&x| 2 * square(x) <= self.double_square)
    }

    /// The norm exponent of an acceptable contribution.
    pub(crate) fn accept(&self, projections: &[i64; PROJECTIONS]) -> Result<u16, RejectionReason> {
        if !self.in_range(projections) {
            return Err(RejectionReason::OutOfRange);
        }
        let sum = projections.iter().map(|&x| square(x)).sum();
        if 2 * sum > self.double_sum {
            return Err(RejectionReason::TooLong);
        }
        Ok(norm_exponent(sum))
    }
}

fn square(x: i64) -> u128 {
    u128::from(x.unsigned_abs()).pow(2)
}

fn ceil_sqrt(x: u128) -> u128 {
    let root = x.isqrt();
    root + u128::from(root * root < x)
}

/// The least `e` with `nu <= 2^(e/8)` steps, `nu = sqrt(2·mean x^2)/Delta`, from `sum = sum_k x_k^2` below 2^100.
///
/// `nu^2 = sum/(24·Delta^2)`, so the condition is `sum^4 <= (24·Delta^2)^4·2^e`, and `24^4 = 331776`.
pub(crate) fn norm_exponent(sum: u128) -> u16 {
    const SHIFT: u32 = 8 * DELTA.trailing_zeros();
    let (sum, limit) = (Wide::fourth_power(sum), Wide::from(331_776));
    // 2^(SHIFT + e) lies between 2^(bits - 1) and 2^bits over 24^4, so at most two exponents are tried.
    let shift = sum.bits().saturating_sub(limit.bits()).max(SHIFT);
    let exponent = (shift..).find(|&shift| sum <= limit.shifted_left(shift));
    // `sum` has at most 400 bits: the search ends below 2^16.
    exponent.map_or(u16::MAX, |shift| (shift - SHIFT) as u16)
}

/// A number of up to 448 bits, in words of 32 bits, lowest last: compared as arrays are.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wide([u32; 14]);

impl Wide {
    fn from(value: u128) -> Self {
        let mut words = [0; 14];
        for (i, word) in words.iter_mut().rev().take(4).enumerate() {
            *word = (value >> (32 * i)) as u32;
        }
        Self(words)
    }

    fn fourth_power(value: u128) -> Self {
        let value = Self::from(value);
        let square = value.times(&value);
        square.times(&square)
    }

    /// The product, which must fit.
    fn times(&self, other: &Self) -> Self {
        let mut product = [0_u32; 14];
        for (i, &a) in self.0.iter().rev().enumerate() {
            let mut carry = 0_u64;
            for (j, &b) in other.0.iter().rev().enumerate().take(14 - i) {
                let place = 13 - i - j;
                let sum = u64::from(a) * u64::from(b) + u64::from(product[place]) + carry;
                product[place] = sum as u32;
                carry = sum >> 32;
            }
        }
        Self(product)
    }

    fn bits(&self) -> u32 {
        let zeros = self.0.iter().take_while(|&&word| word == 0).count();
        let top = self
            .0
            .get(zeros)
            .map_or(0, |word| 32 - word.leading_zeros());
        top + 32 * (self.0.len() - zeros).saturating_sub(1) as u32
    }

    /// `self·2^shift`, which must fit.
    fn shifted_left(&self, shift: u32) -> Self {
        let (words, bits) = ((shift / 32) as usize, shift % 32);
        let mut shifted = [0; 14];
        for (i, place) in shifted.iter_mut().enumerate() {
            let word = |i: usize| u64::from(self.0.get(i).copied().unwrap_or(0));
            *place = ((word(i + words) << 32 | word(i + words + 1)) >> (32 - bits)) as u32;
        }
        Self(shifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition in floats, for values away from the edge.
    fn float_exponent(sum: u128) -> f64 {
        8.0 * ((sum as f64 / 24.0).sqrt() / DELTA as f64).log2()
    }

    proptest! {
        #[test]
        fn norm_exponents_are_the_logarithm_rounded_up(bits in 25..100_u32, low in any::<u128>()) {
            let sum = 1 << bits | low & ((1 << bits) - 1);
            let exact = float_exponent(sum);
            prop_assume!((exact - exact.round()).abs() > 1e-9);
            prop_assert_eq!(f64::from(norm_exponent(sum)), exact.ceil().max(0.0));
        }

        #[test]
        fn wide_numbers_multiply_shift_and_compare(a in any::<u64>(), b in any::<u64>(), shift in 0..60_u32) {
            let product = u128::from(a) * u128::from(b);
            prop_assert!(Wide::from(a.into()).times(&Wide::from(b.into())) == Wide::from(product));
            prop_assert_eq!(Wide::from(product).bits(), 128 - product.leading_zeros());
            prop_assert!(Wide::from(a.into()).shifted_left(shift) == Wide::from(u128::from(a) << shift));
            let far = Wide::from(a.into()).shifted_left(shift + 300);
            prop_assert!(a == 0 || far.bits() == Wide::from(a.into()).bits() + shift + 300);
            prop_assert_eq!(
                Wide::from(a.into()).partial_cmp(&Wide::from(b.into())),
                a.partial_cmp(&b)
            );
        }
    }

    #[test]
    fn norm_exponents_are_exact_at_powers_of_two() {
        // nu = 2^a exactly when sum = 24·Delta^2·4^a.
        for a in 0..30_u16 {
            let sum = (24 * u128::from(DELTA).pow(2)) << (2 * a);
            assert_eq!(norm_exponent(sum), 8 * a);
            assert_eq!(norm_exponent(sum + 1), 8 * a + 1);
            assert_eq!(norm_exponent(sum - 1), 8 * a);
        }
        assert_eq!(norm_exponent(0), 0);
        assert_eq!(norm_exponent((1 << 100) - 1), 302);
    }

    #[test]
    fn the_limits_are_those_of_the_rule() {
        for parameters in [1, 2410, 1_000_000, 1 << 27] {
            let params = Params::new(&crate::ParamsLiteral {
                profile: "default".into(),
                parameters,
            })
            .expect("valid");
            let (clip, all) = (params.clip_steps() as f64, (params.chunks() * N) as f64);
            let bounds = Bounds::new(&params);
            let limit = 6.0 * 1024.0 * clip / 2_f64.sqrt() + 8.0 * 1160.0 * (all / 2.0).sqrt();
            let largest = (bounds.double_square / 2).isqrt() as i64;
            assert!((largest as f64 - limit).abs() < 2.0);
            assert!(bounds.in_range(&[largest, -largest]));
            assert!(!bounds.in_range(&[0, largest + 1]));
            assert!(!bounds.in_range(&[-largest - 1, 0]));

            let mut projections = [0; PROJECTIONS];
            projections.fill(((bounds.double_sum / 96).isqrt()) as i64);
            assert!(bounds.accept(&projections).is_ok());
            let longest = projections[0];
            projections.fill(longest + 1);
            assert_eq!(bounds.accept(&projections), Err(RejectionReason::TooLong));
            projections[7] = largest + 1;
            assert_eq!(
                bounds.accept(&projections),
                Err(RejectionReason::OutOfRange)
            );
        }
    }

    #[test]
    fn the_limits_are_those_of_the_independent_budgets() {
        let budgets = include_str!("../../params/budgets.json");
        let budgets: serde_json::Value = serde_json::from_str(budgets).expect("JSON");
        let models = budgets["models"].as_array().expect("a list");
        assert!(models.len() >= 5);
        for model in models {
            let number = |what: &str| model[what].as_u64().expect("a number");
            let large = |what: &str| -> u128 {
                let text = model[what].as_str().expect("more than 64 bits, so text");
                text.parse().expect("a number")
            };
            let params = Params::new(&crate::ParamsLiteral {
                profile: "default".into(),
                parameters: number("parameters"),
            })
            .expect("valid");
            let bounds = Bounds::new(&params);
            assert_eq!(bounds.double_square, large("2·largest |x|^2"));
            assert_eq!(bounds.double_sum, large("largest 2·sum x^2"));
            let largest = number("largest |x|") as i64;
            assert!(bounds.in_range(&[largest]) && !bounds.in_range(&[largest + 1]));
        }
    }
}
