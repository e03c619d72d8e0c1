//! Worked examples and laws of the weights.

use proptest::collection::vec;
use proptest::prelude::*;
use unsilo_ledger::weights::{
    Contributor, Derivation, LeftOut, ONE_Q16, Row, Standing, clip_q16, derive,
};
use unsilo_ledger::{OwnerId, ParticipantId};

const POWER: u64 = 1 << 20;

/// `norms.len()` contributions of as many owners.
fn contributors(norms: &[u16]) -> Vec<Contributor> {
    (0_u32..)
        .zip(norms)
        .map(|(id, norm_exponent)| Contributor {
            participant: ParticipantId(id),
            owner: OwnerId(id),
            norm_exponent: *norm_exponent,
        })
        .collect()
}

/// A row of equal power by each owner in turn.
fn rows<const N: usize>(scores: &[[i16; N]]) -> Vec<Row<'_>> {
    (0_u32..)
        .zip(scores)
        .map(|(id, scores)| Row {
            participant: ParticipantId(id),
            owner: OwnerId(id),
            power: POWER,
            scores,
        })
        .collect()
}

fn weigh<const N: usize>(norms: [u16; N], scores: &[[i16; N]]) -> Derivation {
    derive(&contributors(&norms), &rows(scores))
}

#[test]
fn without_raters_all_weigh_the_same() {
    let derivation = weigh([80; 5], &[]);
    assert_eq!(derivation.weights, [256; 5]);
    assert_eq!((derivation.ceiling, derivation.brake), (256, false));
    assert_eq!(derivation.consensus, [ONE_Q16; 5]);
    assert!(derivation.first_consensus.is_empty());
}

#[test]
fn of_nothing_comes_nothing_and_the_brake() {
    let derivation = derive(&[], &[]);
    assert!(derivation.weights.is_empty() && derivation.brake);
}

#[test]
fn a_long_update_is_clipped_to_twice_the_median() {
    // e_B = 80. Up to 88 nothing happens; 96 is twice as long as may be, 104 four times, 112 eight times.
    let derivation = weigh([80, 80, 80, 88, 96, 104, 112], &[]);
    assert_eq!(derivation.median_exponent, 88);
    let derivation = weigh([80, 80, 80, 80, 88, 96, 104, 112, 80], &[]);
    assert_eq!(derivation.median_exponent, 80);
    assert_eq!(
        derivation.clips[4..8],
        [ONE_Q16, ONE_Q16 / 2, ONE_Q16 / 4, ONE_Q16 / 8]
    );
    // 5 · 256 + 256 + 128 + 64 + 32 of 9: 8 · 256 > 1760, but 2 · 9 · 256 = 4608 <= 5280.
    assert_eq!(
        derivation.weights,
        [256, 256, 256, 256, 256, 128, 64, 32, 256]
    );
}

#[test]
fn what_is_clipped_below_a_sixteenth_is_left_out() {
    let derivation = weigh([80, 80, 80, 80, 88 + 32, 88 + 33], &[]);
    assert_eq!(derivation.weights[4..], [16, 0]);
    let left_out = derivation.left_out(ParticipantId(5));
    assert_eq!(left_out, Some(LeftOut::TooLittle));
}

#[test]
fn the_median_norm_of_an_even_count_is_the_lower() {
    assert_eq!(weigh([10, 20, 30, 40], &[]).median_exponent, 20);
    assert_eq!(weigh([10, 20, 30], &[]).median_exponent, 20);
}

#[test]
fn a_worked_example_of_five_with_one_that_harms() {
    // Each of four rates the others 100 and the fifth -100; the fifth says the reverse.
    let scores = [
        [0, 100, 100, 100, -100],
        [100, 0, 100, 100, -100],
        [100, 100, 0, 100, -100],
        [100, 100, 100, 0, -100],
        [-50, -50, -50, 20, 0],
    ];
    let derivation = weigh([80; 5], &scores);
    // 2^16 · 100 / 300 = 21845; the fifth's 20 is all of its positive part: 65536, its -50 is below -1.
    // Columns 0 to 2: 3 x 21845 and -65536: more than half at 21845. Column 3: 3 x 21845 and 65536.
    assert_eq!(
        derivation.first_consensus,
        [21_845, 21_845, 21_845, 21_845, -21_845]
    );
    let standings: Vec<Standing> = derivation
        .rows
        .iter()
        .map(|(_, standing)| *standing)
        .collect();
    assert_eq!(standings[..4], [Standing::Agrees; 4]);
    assert_eq!(standings[4], Standing::Disagrees);
    assert_eq!(derivation.consensus, [21_845, 21_845, 21_845, 21_845, 0]);
    // 3 M = 6 · 21845; x = min(4 · 21845, 3 M).
    assert_eq!(derivation.cap, 131_070);
    assert_eq!(derivation.clipped, [87_380, 87_380, 87_380, 87_380, 0]);
    assert_eq!(derivation.weights, [256, 256, 256, 256, 0]);
    assert!(!derivation.brake);
    assert_eq!(derivation.rows_heard(), (5, 4));
    let left_out = |id| derivation.left_out(ParticipantId(id));
    assert_eq!(left_out(4), Some(LeftOut::NotSupported));
    assert_eq!((left_out(0), left_out(9)), (None, None));
}

#[test]
fn nobody_counts_for_more_than_one_and_a_half_medians() {
    // Everyone says: the first is ten times as good as each of the other five.
    let row = |own: usize| {
        let mut scores = [10, 1, 1, 1, 1, 1];
        scores[own] = 0;
        scores
    };
    let scores = [row(0), row(1), row(2), row(3), row(4), row(5)];
    let derivation = weigh([80; 6], &scores);
    // Of others: 10 of 14 = 46811; each small one by the majority 1 of 14 = 4681 (the first says 1 of 5).
    assert_eq!(
        derivation.consensus,
        [46_811, 4_681, 4_681, 4_681, 4_681, 4_681]
    );
    // min(4 · 46811, 6 · 4681) = 28086; 4 · 4681 = 18724, which is 170 of 256.
    assert_eq!(derivation.uncapped, [256, 170, 170, 170, 170, 170]);
    // 256 of 1106 is more than an eighth, but 2 · 6 · 256 = 3072 <= 3318.
    assert_eq!((derivation.ceiling, derivation.weights[0]), (256, 256));
}

#[test]
fn fewer_than_four_rows_are_not_heard() {
    let scores = [[0, 9, 9, 9], [9, 0, 9, -9], [9, 9, 0, -9]];
    assert_eq!(weigh([80; 4], &scores).weights, [256; 4]);
    // A fourth that says nothing good is absent.
    let scores = [[0, 9, 9, 9], [9, 0, 9, -9], [9, 9, 0, -9], [-1, -1, 0, 0]];
    let derivation = weigh([80; 4], &scores);
    assert_eq!(derivation.weights, [256; 4]);
    assert_eq!(derivation.rows[3].1, Standing::Absent);
}

#[test]
fn if_fewer_than_three_agree_all_are_heard() {
    // Four raters that each see one other good and the rest bad: no consensus is positive.
    let scores = [
        [0, 9, -9, -9],
        [-9, 0, 9, -9],
        [-9, -9, 0, 9],
        [9, -9, -9, 0],
    ];
    let derivation = weigh([80; 4], &scores);
    assert!(
        derivation
            .rows
            .iter()
            .all(|(_, standing)| *standing == Standing::Agrees)
    );
    assert_eq!(derivation.weights, [0; 4]);
    assert!(derivation.brake, "nobody has weight");
}

#[test]
fn the_brake_holds_below_three_tenths() {
    // Of ten contributions only the first `good` are supported by all ten raters.
    let brake = |good: usize| {
        let mut scores = [[-5_i16; 10]; 10];
        for (rater, row) in scores.iter_mut().enumerate() {
            row[..good].fill(5);
            row[rater] = 0;
        }
        weigh([80; 10], &scores).brake
    };
    assert!(!brake(3));
    assert!(brake(2));
}

#[test]
fn raters_do_not_count_for_their_owners_contributions() {
    // Owner 0 has two participants and rates its affiliate as high as it can.
    let mut contributors = contributors(&[80; 5]);
    contributors[4].owner = OwnerId(0);
    let scores = [
        [0, 1, 1, 1, i16::MAX],
        [5, 0, 5, 5, -5],
        [5, 5, 0, 5, -5],
        [5, 5, 5, 0, -5],
    ];
    let derivation = derive(&contributors, &rows(&scores));
    assert_eq!(derivation.weights[4], 0);
    // Its row is of thirds: what it says of its affiliate is not in the sum either.
    assert_eq!(derivation.rows[0].1, Standing::Agrees);
    assert!(derivation.weights[..4].iter().all(|weight| *weight > 0));
}

#[test]
fn half_of_the_power_is_no_majority() {
    // Raters 0 and 1 against 2 and 3, of equal power, about contribution 4.
    let scores = [
        [0, 9, 9, 9, 9],
        [9, 0, 9, 9, 9],
        [9, 9, 0, 9, -9],
        [9, 9, 9, 0, -9],
    ];
    let equal = weigh([80; 5], &scores);
    assert_eq!(equal.weights[4], 0);
    let contributors = contributors(&[80; 5]);
    let mut rows = rows(&scores);
    rows[0].power = rows[0].power.saturating_add(1);
    assert!(derive(&contributors, &rows).weights[4] > 0);
}

#[test]
fn the_clip_table_is_the_eighth_root() {
    for above in 1..8_u16 {
        // t = floor(2^16 · 2^(-f/8)): t^8 <= 2^(128 - f) < (t + 1)^8, and (t + 1)^8 < 2^128.
        let table = u128::from(clip_q16(88 + above, 80));
        let bound = 1_u128 << (128 - above);
        assert!(
            table.pow(8) <= bound && bound < (table + 1).pow(8),
            "{above}"
        );
    }
    assert_eq!(clip_q16(u16::MAX, 0), 0);
}

proptest! {
    #[test]
    fn the_clip_never_rises_with_the_norm(norm in 0_u16..1_000, median in 0_u16..200) {
        prop_assert!(clip_q16(norm + 1, median) <= clip_q16(norm, median));
        prop_assert!(clip_q16(norm, median + 1) >= clip_q16(norm, median));
        prop_assert_eq!(clip_q16(norm, norm), ONE_Q16);
    }

    #[test]
    fn what_members_test_always_holds(
        norms in vec(60_u16..140, 1..30),
        scores in vec(vec(-300_i16..300, 30), 0..12),
        powers in vec(prop_oneof![Just(0), 1_u64..1 << 32], 12),
        affiliates in any::<bool>(),
    ) {
        let mut contributors = contributors(&norms);
        if affiliates {
            for one in &mut contributors {
                one.owner = OwnerId(one.participant.0 / 2);
            }
        }
        let rows: Vec<Row<'_>> = (0_u32..)
            .zip(scores.iter().zip(&powers))
            .map(|(id, (scores, power))| Row {
                participant: ParticipantId(id),
                owner: OwnerId(if affiliates { id / 2 } else { id }),
                power: *power,
                scores: &scores[..norms.len()],
            })
            .collect();
        let derivation = derive(&contributors, &rows);
        let weights: Vec<u64> = derivation.weights.iter().map(|weight| u64::from(*weight)).collect();
        prop_assert_eq!(weights.len(), norms.len());
        let (sum, count) = (weights.iter().sum::<u64>(), weights.iter().filter(|weight| **weight > 0).count() as u64);
        let max = weights.iter().copied().max().unwrap_or(0);
        prop_assert!(8 * max <= sum || 2 * count * max <= 3 * sum);
        prop_assert!(weights.iter().all(|weight| *weight == 0 || (16..=256).contains(weight)));
        for (before, after) in derivation.uncapped.iter().zip(&derivation.weights) {
            prop_assert!(after <= before, "the ceiling lifts nobody");
        }
        // The smallest are what they were: only what is above the ceiling changes.
        for (before, after) in derivation.uncapped.iter().zip(&derivation.weights) {
            prop_assert!(after == before || *after == derivation.ceiling);
        }
        prop_assert_eq!(derivation.brake, 10 * count < 3 * norms.len() as u64 || count == 0);

        let mut reversed = rows.clone();
        reversed.reverse();
        prop_assert_eq!(derive(&contributors, &reversed).weights, derivation.weights);
        let doubled: Vec<Row<'_>> = rows.iter().map(|row| Row { power: row.power * 2, ..*row }).collect();
        prop_assert_eq!(derive(&contributors, &doubled).consensus, derivation.consensus);
    }

    #[test]
    fn a_longer_norm_never_weighs_more(position in 0_usize..8, more in 1_u16..64) {
        let mut norms = [80; 9];
        let before = weigh(norms, &[]).weights;
        norms[position] += more;
        prop_assert!(weigh(norms, &[]).weights[position] <= before[position]);
    }

    #[test]
    fn raters_with_less_than_half_of_the_power_cannot_lift_what_the_rest_rejects(
        lies in vec(vec(-300_i16..300, 8), 3),
    ) {
        // Five of eight say that the last contribution harms and the others help; three say anything.
        let mut scores = [[7_i16; 8]; 8];
        for (rater, row) in scores.iter_mut().enumerate() {
            row[7] = -7;
            if let Some(lie) = rater.checked_sub(5).and_then(|liar| lies.get(liar)) {
                row.copy_from_slice(lie);
            }
            row[rater] = 0;
        }
        prop_assert_eq!(weigh([80; 8], &scores).weights[7], 0);
    }
}
