//! Integers that a sum gives back exactly: for statistics, where a rounding error would be taken for data.
//!
//! An opened sum carries an error in every coefficient, so a number is not sent in one. It is split into digits of
//! [`DIGIT_BITS`] bits, one coefficient each, that stand [`SPACING`] steps apart; the opened sum of a digit is rounded to the
//! next multiple of the spacing, and what is left of the error is nothing.
//!
//! Bounds, with every weight 1 and `n` summands:
//! - a coefficient of the sum is off by the rounded `sum_j e_j / Delta`, of deviation `SIGMA/DELTA·sqrt n = 1.13·sqrt n`
//!   steps. It passes half a spacing, and so changes a digit, with probability `2·Q(226/sqrt n)`: 2^-40 at
//!   [`MAX_SUMMED`] = 1000 summands, below 2^-340 at 100;
//! - digits are centred, so a coefficient lies within ±4096 steps. An update with entries of that size is within the clip
//!   norm of *every* model: `4096·sqrt d <= C` as long as `C = 2^12·ceil(sqrt d)`, and where `C` is capped at 2^23 (`d` of 2^22
//!   and more) for up to 2^22 digits ([`MAX_DIGITS`]). So the bound on the length of an opened sum holds for it too.

use crate::{decrypt::WeightedSum, encode::Encoded, params::N, permute::Permutation};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bits of a digit.
pub const DIGIT_BITS: u32 = 4;
/// Steps between two digits.
pub const SPACING: i64 = 512;
/// The most summands of which the digits are still told apart; see above.
pub const MAX_SUMMED: u64 = 1000;
/// The most digits of one contribution.
pub const MAX_DIGITS: usize = 1 << 22;

/// What is taken from a digit before it is encoded, so that it takes half the room.
const CENTRE: i64 = 1 << (DIGIT_BITS - 1);
/// The largest digit.
const LARGEST: u64 = (1 << DIGIT_BITS) - 1;

/// Why integers cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IntegersError {
    /// The model has fewer parameters than there are digits, or there are more than [`MAX_DIGITS`].
    #[error("{digits} digits do not fit into the model's {parameters} parameters")]
    TooMany {
        /// Digits of all integers.
        digits: usize,
        /// Parameters of the model.
        parameters: usize,
    },
    /// An integer has more digits than it was given.
    #[error("integer {index} does not fit into its digits")]
    TooLarge {
        /// Which.
        index: usize,
    },
}

/// Encodes integers, each with the number of digits that everybody gives it, for a round in which every weight is 1.
/// Coefficients beyond the last digit are 0.
///
/// # Errors
/// [`IntegersError`].
pub fn encode_integers(
    permutation: &Permutation,
    integers: &[(u64, usize)],
) -> Result<Encoded, IntegersError> {
    let params = permutation.params();
    let digits = integers
        .iter()
        .fold(0_usize, |sum, (_, digits)| sum.saturating_add(*digits));
    let parameters = params.parameters();
    if digits > parameters.min(MAX_DIGITS) {
        return Err(IntegersError::TooMany { digits, parameters });
    }
    let mut steps = Zeroizing::new(vec![0_i16; params.chunks() * N]);
    let places = permutation.places(permutation.federation());
    let mut places = places.iter();
    for (index, &(integer, digits)) in integers.iter().enumerate() {
        let mut rest = Zeroizing::new(integer);
        for place in places.by_ref().take(digits) {
            let digit = (*rest & LARGEST) as i64;
            *rest >>= DIGIT_BITS;
            // Within ±4096, and `digits` fit into the places.
            steps[*place as usize] = ((digit - CENTRE) * SPACING) as i16;
        }
        if *rest != 0 {
            return Err(IntegersError::TooLarge { index });
        }
    }
    Ok(Encoded::unclipped(steps))
}

/// The sums of the integers that were encoded with these numbers of digits: exact, as long as everybody sent digits. `None`
/// where the opened digits are none that so many contributors can have sent, and everywhere for more than [`MAX_SUMMED`].
#[must_use]
pub fn decode_integers(sum: &WeightedSum, digits: &[usize]) -> Vec<Option<u128>> {
    let summed = sum.total_weight;
    let largest = LARGEST * summed.min(MAX_SUMMED);
    let mut values = sum.values.iter();
    let mut decode = |digits: usize| {
        let mut integer = Some(0_u128);
        for position in 0..digits {
            let value = values.next();
            let digit = value
                .and_then(|value| {
                    let whole = value.checked_add(CENTRE * SPACING * summed as i64)?;
                    u64::try_from(whole.checked_add(SPACING / 2)?.div_euclid(SPACING)).ok()
                })
                .filter(|digit| summed <= MAX_SUMMED && *digit <= largest);
            let scale = u32::try_from(position)
                .ok()
                .and_then(|position| 1_u128.checked_shl(position.checked_mul(DIGIT_BITS)?));
            integer = integer
                .and_then(|integer| integer.checked_add(scale?.checked_mul(u128::from(digit?))?));
        }
        integer
    };
    digits.iter().map(|&digits| decode(digits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Params, ParamsLiteral};
    use proptest::prelude::*;

    fn permutation() -> Permutation {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: 2_000,
        })
        .expect("valid");
        Permutation::new(&params, &[7; 32])
    }

    /// The sum of contributions in model order, with an error in every coefficient.
    fn summed(
        permutation: &Permutation,
        sites: &[Encoded],
        error: impl Fn(usize) -> i64,
    ) -> WeightedSum {
        let places = permutation.places(permutation.federation());
        let values = places.iter().enumerate().map(|(index, place)| {
            let steps = sites
                .iter()
                .map(|site| i64::from(site.steps()[*place as usize]));
            steps.sum::<i64>() + error(index)
        });
        WeightedSum {
            values: values.collect(),
            total_weight: sites.len() as u64,
        }
    }

    proptest! {
        #[test]
        fn integers_are_summed_exactly_whatever_the_error_within_half_a_spacing(
            sites in prop::collection::vec(prop::collection::vec(0_u64..1 << 40, 3), 1..12),
            errors in prop::collection::vec(-255_i64..=255, 30),
        ) {
            let permutation = permutation();
            let encoded: Vec<_> = sites.iter().map(|site| {
                let integers: Vec<_> = site.iter().map(|integer| (*integer, 10)).collect();
                encode_integers(&permutation, &integers).expect("they fit")
            }).collect();
            let sum = summed(&permutation, &encoded, |index| errors.get(index).copied().unwrap_or(0));
            let exact: Vec<_> = (0..3).map(|column| {
                Some(sites.iter().map(|site| u128::from(site[column])).sum::<u128>())
            }).collect();
            prop_assert_eq!(decode_integers(&sum, &[10; 3]), exact);
        }

        #[test]
        fn a_contribution_is_within_the_clip_norm_of_any_model(parameters in 1_792_u64..40_000, integer in any::<u64>()) {
            let params = Params::new(&ParamsLiteral { profile: "default".into(), parameters }).expect("valid");
            let permutation = Permutation::new(&params, &[1; 32]);
            let integers = vec![(integer, 16); params.parameters() / 16];
            let encoded = encode_integers(&permutation, &integers).expect("they fit");
            let squares: f64 = encoded.steps().iter().map(|step| f64::from(*step).powi(2)).sum();
            prop_assert!(squares.sqrt() <= params.clip_steps() as f64);
        }
    }

    #[test]
    fn what_nobody_can_have_sent_is_no_integer_and_spoils_no_other() {
        let permutation = permutation();
        let site = || encode_integers(&permutation, &[(5, 2), (200, 2)]).expect("they fit");
        let sites = [site(), site(), site()];
        for poison in [
            1 << 30,
            -(1 << 30),
            SPACING * 46,
            i64::MAX / 2,
            i64::MIN / 2,
        ] {
            let sum = summed(
                &permutation,
                &sites,
                |index| if index == 1 { poison } else { 0 },
            );
            assert_eq!(
                decode_integers(&sum, &[2, 2]),
                [None, Some(600)],
                "{poison}"
            );
        }
        // A sum that is shorter than the digits asked for has no such integer.
        let sum = summed(&permutation, &sites, |_| 0);
        assert_eq!(decode_integers(&sum, &[2, 5_000]), [Some(15), None]);
        let crowd = WeightedSum {
            total_weight: MAX_SUMMED + 1,
            ..sum
        };
        assert_eq!(decode_integers(&crowd, &[2, 2]), [None, None]);
    }

    #[test]
    fn integers_that_do_not_fit_are_refused() {
        let permutation = permutation();
        let encode = |integers: &[(u64, usize)]| encode_integers(&permutation, integers).err();
        assert_eq!(
            encode(&[(255, 2), (256, 2)]),
            Some(IntegersError::TooLarge { index: 1 })
        );
        assert_eq!(encode(&[(0, 2_000)]), None);
        let too_many = IntegersError::TooMany {
            digits: 2_001,
            parameters: 2_000,
        };
        assert_eq!(encode(&[(0, 2_000), (0, 1)]), Some(too_many));
    }
}
