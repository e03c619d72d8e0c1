use proptest::prelude::*;
use unsilo_ledger::mechanism::{power::capped_power, q32::ONE};

#[test]
fn equal_stakes_have_equal_power() {
    assert_eq!(capped_power(&[7; 4]), Ok(vec![ONE / 4; 4]));
    assert_eq!(capped_power(&[u64::MAX; 4]), Ok(vec![ONE / 4; 4]));
    assert_eq!(capped_power(&[1]), Ok(vec![ONE]));
}

#[test]
fn a_whale_is_cut_to_one_and_a_half_equal_shares() {
    let mut stakes = [100; 16];
    stakes[3] = 1_000_000;
    let power = capped_power(&stakes).unwrap();
    assert!(power[3] <= 3 * ONE / 32 && power[3] > 3 * ONE / 32 - ONE / 100);
}

#[test]
fn no_stake_is_no_power() {
    assert_eq!(capped_power(&[]), Ok(vec![]));
    assert_eq!(capped_power(&[0; 3]), Ok(vec![0; 3]));
    // One of three cannot hold half of the power at most if nobody else has any.
    assert_eq!(capped_power(&[5, 0, 0]), Ok(vec![0; 3]));
}

proptest! {
    #[test]
    fn nobody_passes_the_cap(stakes in prop::collection::vec(1_u64 << 40..=u64::MAX, 1..40)) {
        // Stakes this large: what rounding theta down takes off does not show.
        let power = capped_power(&stakes).unwrap();
        prop_assert!(power.iter().sum::<u64>() <= ONE);
        let count = u64::try_from(stakes.len()).unwrap();
        for share in &power {
            prop_assert!(share * 2 * count <= 3 * ONE + 2 * count, "{share}");
        }
    }

    #[test]
    fn more_stake_is_never_less_power(mut stakes in prop::collection::vec(any::<u64>(), 1..40)) {
        stakes.sort_unstable();
        let power = capped_power(&stakes).unwrap();
        prop_assert!(power.is_sorted());
    }
}
