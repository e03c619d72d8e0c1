//! Weighted medians: what a majority of the power supports at least.

/// The largest value whose holders, and those of larger values, have strictly more than half of `total`;
/// `None` if no value has. Sorts `entries`, pairs of a value and its power.
///
/// Equal values count together, so their order does not matter. `total` may be more than the sum of the
/// entries' powers: the rest stands for values below all others.
pub fn strict<T: Ord + Copy>(entries: &mut [(T, u64)], total: u64) -> Option<T> {
    first(entries, |running| {
        running.saturating_mul(2) > u128::from(total)
    })
}

/// The largest value whose holders, and those of larger values, have at least half of `total`. Sorts
/// `entries`, pairs of a value and its power.
pub fn upper<T: Ord + Copy>(entries: &mut [(T, u64)], total: u64) -> Option<T> {
    first(entries, |running| {
        running.saturating_mul(2) >= u128::from(total)
    })
}

fn first<T: Ord + Copy>(entries: &mut [(T, u64)], reached: impl Fn(u128) -> bool) -> Option<T> {
    entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
    // Sums of at most 2^32 powers of 64 bits: they do not reach 2^127.
    let mut running = 0_u128;
    entries.iter().find_map(|(value, power)| {
        running = running.saturating_add(u128::from(*power));
        reached(running).then_some(*value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_not_a_strict_majority() {
        assert_eq!(strict(&mut [(3, 1), (5, 1)], 2), Some(3));
        assert_eq!(upper(&mut [(3, 1), (5, 1)], 2), Some(5));
        assert_eq!(strict(&mut [(3, 1), (5, 1)], 4), None);
        assert_eq!(upper(&mut [(3, 1), (5, 1)], 4), Some(3));
    }

    #[test]
    fn equal_values_count_together() {
        assert_eq!(strict(&mut [(-2, 1), (4, 1), (4, 1)], 3), Some(4));
        assert_eq!(strict(&mut [(4, 2), (-2, 1), (4, 0)], 3), Some(4));
    }

    #[test]
    fn without_power_there_is_no_strict_median() {
        assert_eq!(strict(&mut [(1, 0), (2, 0)], 0), None);
        assert_eq!(upper(&mut [(1, 0), (2, 0)], 0), Some(2));
        assert_eq!(strict::<u8>(&mut [], 0), None);
        assert_eq!(
            strict(&mut [(1, u64::MAX), (2, u64::MAX)], u64::MAX),
            Some(2)
        );
    }
}
