//! Sizes of committees and cohorts, and what a name may be.

use unsilo_ledger::committee::{
    candidates_for, half_of, majority_of, minimum_cohort, size_for, threshold_for,
};
use unsilo_ledger::name::{check_name, check_names};

#[test]
fn committees_are_as_large_as_the_design_says() {
    let sizes = [
        (3, 3),
        (4, 4),
        (5, 5),
        (6, 5),
        (7, 7),
        (8, 7),
        (41, 7),
        (42, 21),
        (500, 21),
        (8_000, 21),
    ];
    for (owners, size) in sizes {
        assert_eq!(size_for(owners), size, "{owners} owners");
    }
    for (size, threshold) in [(3, 3), (4, 3), (5, 4), (7, 5), (21, 15)] {
        assert_eq!(threshold_for(size), threshold, "{size} seats");
    }
}

#[test]
fn reserves_are_as_many_as_may_be_missing() {
    for (size, candidates) in [(3, 3), (4, 5), (5, 6), (7, 9), (21, 27)] {
        assert_eq!(candidates_for(size), candidates);
    }
}

#[test]
fn cohorts_are_as_large_as_the_design_says() {
    for (owners, cohort) in [(3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (500, 5)] {
        assert_eq!(minimum_cohort(owners), cohort, "{owners} owners");
    }
    assert_eq!((half_of(0), half_of(7), half_of(8)), (0, 4, 4));
    assert_eq!((majority_of(3), majority_of(4), majority_of(5)), (2, 3, 3));
}

#[test]
fn names_can_be_read_and_told_apart() {
    for good in [
        "a",
        "Müller & Söhne GmbH",
        "株式会社",
        "x y",
        &"x".repeat(64),
    ] {
        assert_eq!(check_name("name", good), Ok(()), "{good:?}");
    }
    for bad in [
        "",
        " a",
        "a ",
        "a  b",
        "a\tb",
        "a\u{a0}b",
        "\u{202e}a",
        "a\u{200d}",
        "\u{1f}",
        &"x".repeat(65),
    ] {
        assert!(check_name("name", bad).is_err(), "{bad:?}");
    }
    assert!(check_names("name", ["a", "b", "A"]).is_err());
    assert_eq!(check_names("name", ["a", "b"]), Ok(()));
}
