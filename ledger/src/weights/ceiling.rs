//! The ceiling that comes down until no contribution dominates the sum.

use super::{MAX_WEIGHT, MIN_WEIGHT};

/// The highest ceiling at which the bound holds, from 256 down, and the weights under it.
///
/// At 16 all weights above 0 are equal and the second inequality holds, so it ends there at the latest.
pub(super) fn lower(uncapped: &[u16]) -> (u16, Vec<u16>) {
    let largest = uncapped.iter().copied().max().unwrap_or(0);
    let ceiling = (MIN_WEIGHT..=MAX_WEIGHT)
        .rev()
        .find(|ceiling| is_bounded(uncapped, largest.min(*ceiling)))
        .unwrap_or(MIN_WEIGHT);
    let weights = uncapped
        .iter()
        .map(|weight| *weight.min(&ceiling))
        .collect();
    (ceiling, weights)
}

/// The members' test, with all weights cut to `largest`.
fn is_bounded(uncapped: &[u16], largest: u16) -> bool {
    let mut sum = 0_u64;
    let mut count = 0_u64;
    for weight in uncapped.iter().filter(|weight| **weight > 0) {
        sum = sum.saturating_add(u64::from(*weight.min(&largest)));
        count = count.saturating_add(1);
    }
    let largest = u64::from(largest);
    largest.saturating_mul(8) <= sum
        || count.saturating_mul(largest).saturating_mul(2) <= sum.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_comes_down_only_as_far_as_it_must() {
        // 2 · 8 · L <= 3 · (L + 224) at L <= 51; 8 L <= L + 224 at L <= 32.
        let expected = vec![51, 32, 32, 32, 32, 32, 32, 32];
        assert_eq!(lower(&[256, 32, 32, 32, 32, 32, 32, 32]), (51, expected));
        // 4 L <= 3 (L + 16) at 48.
        assert_eq!(lower(&[256, 16]), (48, vec![48, 16]));
        assert_eq!(lower(&[256, 0, 16]), (48, vec![48, 0, 16]));
    }

    #[test]
    fn where_nothing_dominates_it_stays() {
        assert_eq!(lower(&[256]), (256, vec![256]));
        assert_eq!(lower(&[]), (256, vec![]));
        assert_eq!(lower(&[0, 0]), (256, vec![0, 0]));
        assert_eq!(lower(&[16; 20]), (256, vec![16; 20]));
    }
}
