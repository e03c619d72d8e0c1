//! The quantisation step of the next round.

use proptest::prelude::*;
use unsilo_ledger::unit::{MAX_UNIT_LOG2, MIN_UNIT_LOG2, clip_norm, next_unit_log2};

#[test]
fn the_clip_norm_is_that_of_the_parameters() {
    let cases = [
        (0, 4_096),
        (1, 4_096),
        (2_410, 50 * 4_096),
        (2_500, 50 * 4_096),
        (1 << 27, 1 << 23),
    ];
    for (parameters, clip) in cases {
        assert_eq!(clip_norm(parameters), clip, "{parameters} parameters");
    }
}

#[test]
fn worked_examples() {
    // d = 2410: C = 50 · 2^12 = 204,800. B = 2^(128/8) = 65,536: 4 · B / C = 1.28, so one step up.
    assert_eq!(next_unit_log2(2_410, -14, 128), -13);
    // B = 2^(124/8) = 46,340.95: 4 · B / C = .905, so the same.
    assert_eq!(next_unit_log2(2_410, -14, 124), -14);
    // B = 1: 4 / 204,800 = 2^-15.6, so 15 down.
    assert_eq!(next_unit_log2(2_410, -14, 0), -29);
    // B at its limit: 4 · 2^24 / 204,800 = 2^8.4.
    assert_eq!(next_unit_log2(2_410, -14, 192), -5);
    // An exact power of two is not rounded up: d = 2^22, C = 2^23, B = 2^21.
    assert_eq!(next_unit_log2(1 << 22, -14, 168), -14);
    assert_eq!(next_unit_log2(1 << 22, -14, 169), -13);
}

#[test]
fn the_unit_stays_within_its_range() {
    assert_eq!(next_unit_log2(u64::MAX, -30, 0), MIN_UNIT_LOG2);
    assert_eq!(next_unit_log2(1, 10, u16::MAX), MAX_UNIT_LOG2);
}

proptest! {
    #[test]
    fn it_is_the_formula(parameters in 1_792_u64..200_000_000, unit in -20_i8..5, exponent in 0_u16..=192) {
        let ratio = 4.0 * 2_f64.powf(f64::from(exponent) / 8.0) / clip_norm(parameters) as f64;
        let exact = ratio.log2() + f64::from(unit);
        // Not where the float itself is at the edge.
        prop_assume!((exact - exact.round()).abs() > 1e-9);
        let expected = (exact.ceil() as i8).clamp(MIN_UNIT_LOG2, MAX_UNIT_LOG2);
        prop_assert_eq!(next_unit_log2(parameters, unit, exponent), expected);
    }
}
