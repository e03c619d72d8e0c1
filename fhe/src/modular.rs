//! Arithmetic mod q on single numbers, and products of a vector by one number.
//!
//! Nothing here branches on its operands.

use crate::params::Q;

/// `floor(2^96 / q)`, for [`multiply`].
const BARRETT: u128 = (1 << 96) / Q as u128;

/// `x mod q` for `x < 2q`.
#[inline(always)]
pub(crate) fn reduce_once(x: u64) -> u64 {
    let y = x.wrapping_sub(Q);
    // The smaller of the two as unsigned numbers: x - q has wrapped around when x < q.
    x.min(y)
}

/// `a + b mod q`, both reduced.
#[inline(always)]
pub(crate) fn add(a: u64, b: u64) -> u64 {
    reduce_once(a + b)
}

/// `a - b mod q`, both reduced.
#[inline(always)]
pub(crate) fn subtract(a: u64, b: u64) -> u64 {
    reduce_once(a + Q - b)
}

/// `a·b mod q`, both reduced.
#[inline(always)]
pub(crate) fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    // Barrett: with product < 2^96 the quotient is short by at most 2.
    let quotient = ((product >> 47) * BARRETT) >> 49;
    let remainder = (product - quotient * u128::from(Q)) as u64;
    reduce_once(reduce_once(remainder))
}

/// `x mod q` for `x < 2^107`, a sum of 2048 products.
#[inline(always)]
pub(crate) fn reduce_wide(x: u128) -> u64 {
    // 2^48 is q + 163839, an 18-bit number more: each fold takes 30 bits off.
    const FOLD: u128 = (1 << 48) - Q as u128;
    const LOW: u128 = (1 << 48) - 1;
    let x = (x >> 48) * FOLD + (x & LOW); // below 2^59·2^18 + 2^48
    let x = (x >> 48) * FOLD + (x & LOW); // below 2^30·2^18 + 2^48
    reduce_once(reduce_once(x as u64))
}

/// `base^exponent mod q`. Branches on the exponent, which is public.
pub(crate) fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}

/// `1/a mod q` for a reduced `a` that is not zero.
pub(crate) fn invert(a: u64) -> u64 {
    power(a, Q - 2)
}

/// A number with a precomputed quotient (Shoup), for products with whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Factor {
    value: u64,
    quotient: u64,
}

impl Factor {
    /// Prepares a reduced number.
    pub(crate) fn new(value: u64) -> Self {
        let quotient = ((u128::from(value) << 64) / u128::from(Q)) as u64;
        Self { value, quotient }
    }

    /// `x·self mod q` for any `x < 2^63`.
    #[inline(always)]
    pub(crate) fn multiply(self, x: u64) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.quotient)) >> 64) as u64;
        reduce_once(
            x.wrapping_mul(self.value)
                .wrapping_sub(quotient.wrapping_mul(Q)),
        )
    }
}

/// Centres a reduced number: the representative in `(-q/2, q/2]`.
#[inline(always)]
pub(crate) fn centre(x: u64) -> i64 {
    x as i64 - if x > Q / 2 { Q as i64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EDGES: [u64; 6] = [0, 1, 2, Q / 2, Q - 2, Q - 1];

    fn check(a: u64, b: u64) {
        let (wide_a, wide_b, q) = (u128::from(a), u128::from(b), u128::from(Q));
        assert_eq!(u128::from(multiply(a, b)), wide_a * wide_b % q);
        assert_eq!(u128::from(add(a, b)), (wide_a + wide_b) % q);
        assert_eq!(u128::from(subtract(a, b)), (wide_a + q - wide_b) % q);
        assert_eq!(Factor::new(a).multiply(b), multiply(a, b));
    }

    #[test]
    fn arithmetic_is_exact_at_the_edges() {
        for a in EDGES {
            for b in EDGES {
                check(a, b);
            }
            assert_eq!(if a == 0 { 1 } else { multiply(a, invert(a)) }, 1);
            let centred = centre(a);
            assert_eq!(centred.rem_euclid(Q as i64) as u64, a);
            assert!(centred.unsigned_abs() <= Q / 2);
        }
    }

    #[test]
    fn wide_sums_are_reduced() {
        let largest = u128::from(Q - 1) * u128::from(Q - 1) * 2048;
        for x in [
            0,
            1,
            u128::from(Q) - 1,
            u128::from(Q),
            (1 << 48) - 1,
            1 << 48,
            largest,
            (1 << 107) - 1,
        ] {
            assert_eq!(u128::from(reduce_wide(x)), x % u128::from(Q));
        }
    }

    proptest! {
        #[test]
        fn wide_sums_are_reduced_exactly(x in 0..1_u128 << 107) {
            prop_assert_eq!(u128::from(reduce_wide(x)), x % u128::from(Q));
        }

        #[test]
        fn arithmetic_is_exact(a in 0..Q, b in 0..Q, any in any::<u64>()) {
            check(a, b);
            let expected = (u128::from(a) * u128::from(any) % u128::from(Q)) as u64;
            prop_assert_eq!(Factor::new(a).multiply(any), expected);
        }
    }
}
