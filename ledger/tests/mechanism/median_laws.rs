//! What holds for `median` whatever it is given.

use crate::cases::{Case, epochs, of_rows};
use proptest::prelude::*;
use unsilo_ledger::mechanism::median::{self, Memory, Outcome};
use unsilo_ledger::mechanism::q32::ONE;
use unsilo_ledger::mechanism::{EpochError, MAX_ROWS};

fn settle(memory: &Memory, case: &Case) -> (Memory, Outcome) {
    case.with(|epoch| median::epoch(memory, epoch))
        .expect("sound input is settled")
}

/// The rows in another order: row `i` of the result is row `order[i]`.
fn permuted(case: &Case, order: &[usize]) -> Case {
    let pick = |values: &[u64]| order.iter().map(|from| values[*from]).collect();
    Case {
        emission: case.emission,
        owners: pick(&case.owners),
        stakes: pick(&case.stakes),
        weights: order
            .iter()
            .map(|from| {
                let row = case.weights[*from].as_ref()?;
                Some(order.iter().map(|from| row[*from]).collect())
            })
            .collect(),
        cutoff: case.cutoff,
    }
}

fn pick(values: &[u64], order: &[usize]) -> Vec<u64> {
    order.iter().map(|from| values[*from]).collect()
}

fn settle_by(memory: &Memory, case: &Case, attendance: &[u64]) -> (Memory, Outcome) {
    case.with(|epoch| median::epoch_by_attendance(memory, epoch, attendance))
        .expect("sound input is settled")
}

/// A few epochs of the same rows, and how often each row rated in the last one.
fn attended() -> impl Strategy<Value = (Vec<Case>, Vec<u64>)> {
    (1..12_usize).prop_flat_map(|rows| {
        let part = prop_oneof![Just(0), Just(1), Just(ONE), 0..=ONE];
        (
            prop::collection::vec(of_rows(rows), 1..4),
            prop::collection::vec(part, rows),
        )
    })
}

proptest! {
    #[test]
    fn attendance_divides_the_raters_part_and_mints_nothing((epochs, attendance) in attended()) {
        let always = vec![ONE; attendance.len()];
        let mut memory = Memory::new();
        for case in epochs {
            let (next, outcome) = settle(&memory, &case);
            prop_assert_eq!(&settle_by(&memory, &case, &always), &(next.clone(), outcome.clone()));
            let (by, attended) = settle_by(&memory, &case, &attendance);
            // What rows say and what is paid in all is the same; so is what the next epoch starts from.
            prop_assert_eq!(by, next.clone());
            prop_assert_eq!(&attended.consensus, &outcome.consensus);
            prop_assert_eq!((attended.paid, attended.withheld), (outcome.paid, outcome.withheld));
            let paid: u128 = attended.payout.iter().map(|paid| u128::from(*paid)).sum();
            prop_assert_eq!(paid + u128::from(attended.withheld), u128::from(case.emission));
            if let Some(payment) = &attended.payment {
                for (rater, part) in payment.rater.iter().zip(&attendance) {
                    prop_assert!(*part > 0 || *rater == 0, "who never rated was paid for it");
                }
            }
            memory = next;
        }
    }

    #[test]
    fn nobody_gains_by_rating_less_often(
        (epochs, attendance) in attended(),
        who: prop::sample::Index,
        kept in 0..=ONE,
    ) {
        let who = who.index(attendance.len());
        let mut less = attendance.clone();
        less[who] = ((u128::from(less[who]) * u128::from(kept)) >> 32) as u64;
        let mut memory = Memory::new();
        for case in epochs {
            let (next, often) = settle_by(&memory, &case, &attendance);
            let (_, seldom) = settle_by(&memory, &case, &less);
            if let (Some(often), Some(seldom)) = (&often.payment, &seldom.payment) {
                prop_assert!(seldom.rater[who] <= often.rater[who]);
            }
            // A unit of rounding in the pool of contributors, and in the budget of every rater.
            let slack = 2 + 2 * u64::try_from(attendance.len()).unwrap();
            prop_assert!(seldom.payout[who] <= often.payout[who].saturating_add(slack));
            memory = next;
        }
    }

    #[test]
    fn every_unit_is_paid_or_withheld(epochs in epochs()) {
        let mut memory = Memory::new();
        for case in epochs {
            let (next, outcome) = settle(&memory, &case);
            let paid: u128 = outcome.payout.iter().map(|paid| u128::from(*paid)).sum();
            prop_assert_eq!(paid + u128::from(outcome.withheld), u128::from(case.emission));
            prop_assert_eq!(paid, u128::from(outcome.paid));
            prop_assert!(outcome.power.iter().sum::<u64>() <= ONE);
            prop_assert!(outcome.consensus.iter().all(|consensus| *consensus <= ONE));
            prop_assert!(next.reputation().iter().all(|reputation| *reputation <= ONE));
            memory = next;
        }
    }

    #[test]
    fn the_order_of_the_rows_moves_single_units_at_most(
        (epochs, order) in (1..12_usize).prop_flat_map(|rows| (
            prop::collection::vec(of_rows(rows), 1..4),
            Just((0..rows).collect::<Vec<_>>()).prop_shuffle(),
        )),
    ) {
        let (mut memory, mut other) = (Memory::new(), Memory::new());
        for case in epochs {
            let (next, outcome) = settle(&memory, &case);
            let (next_other, outcome_other) = settle(&other, &permuted(&case, &order));
            prop_assert_eq!(pick(&outcome.consensus, &order), outcome_other.consensus);
            prop_assert_eq!(
                pick(&outcome.agreement.overlap, &order),
                outcome_other.agreement.overlap
            );
            prop_assert_eq!(pick(&outcome.reputation, &order), outcome_other.reputation);
            prop_assert_eq!(outcome.withheld, outcome_other.withheld);
            // Ties of a split go to the lower index: one unit in the rater pool, one in the contributors', two in
            // the budget of each rater that values the row above consensus.
            let slack = 3 + 3 * u64::try_from(order.len()).unwrap();
            for (one, two) in pick(&outcome.payout, &order).iter().zip(&outcome_other.payout) {
                prop_assert!(one.abs_diff(*two) <= slack, "{one} {two}");
            }
            (memory, other) = (next, next_other);
        }
    }

    #[test]
    fn what_a_row_says_of_itself_and_its_affiliates_does_not_count(
        case in (2..10_usize).prop_flat_map(of_rows),
        said: u16,
    ) {
        let mut louder = case.clone();
        for (rater, row) in louder.weights.iter_mut().enumerate() {
            for (rated, weight) in row.iter_mut().flatten().enumerate() {
                if case.owners[rater] == case.owners[rated] {
                    *weight = said;
                }
            }
        }
        prop_assert_eq!(settle(&Memory::new(), &case), settle(&Memory::new(), &louder));
    }

    #[test]
    fn less_than_half_of_the_power_cannot_make_itself_worth_anything(
        honest in 3..9_usize,
        said in prop::collection::vec(any::<u16>(), 64),
    ) {
        // Each of the m < (n - 1) / 2 colluders faces n - 1 other raters.
        let colluders = honest - 2;
        let rows = honest + colluders;
        let case = Case {
            emission: 1_000_000,
            owners: (0..).take(rows).collect(),
            stakes: vec![10; rows],
            weights: (0..rows)
                .map(|rater| {
                    Some((0..rows).map(|rated| match (rater < honest, rated < honest) {
                        (true, true) => 100,
                        (true, false) => 0,
                        (false, _) => said[rater * 7 % 64].max(1),
                    }).collect())
                })
                .collect(),
            cutoff: 3,
        };
        let (_, outcome) = settle(&Memory::new(), &case);
        prop_assert!(outcome.consensus[honest..].iter().all(|consensus| *consensus == 0));
        prop_assert!(outcome.consensus[..honest].iter().all(|consensus| *consensus > 0));
    }

    #[test]
    fn a_memory_survives_its_bytes(epochs in epochs()) {
        let memory = epochs
            .iter()
            .fold(Memory::new(), |memory, case| settle(&memory, case).0);
        let bytes = borsh::to_vec(&memory).unwrap();
        prop_assert_eq!(borsh::from_slice::<Memory>(&bytes).unwrap(), memory);
    }

    #[test]
    fn a_broken_memory_is_refused_or_settled_but_never_panics(
        case in of_rows(2),
        ratings in prop::collection::vec(any::<u64>(), 0..5),
        reputation in prop::collection::vec(any::<u64>(), 0..3),
        absences in prop::collection::vec(any::<u32>(), 0..3),
        epochs: u64,
    ) {
        let bytes = borsh::to_vec(&(epochs, ratings, reputation, absences)).unwrap();
        let memory: Memory = borsh::from_slice(&bytes).unwrap();
        let _ = case.with(|epoch| median::epoch(&memory, epoch)).is_ok();
    }
}

fn simple(rows: usize) -> Case {
    Case {
        emission: 1_000,
        owners: (0..).take(rows).collect(),
        stakes: vec![1; rows],
        weights: vec![Some(vec![1; rows]); rows],
        cutoff: 1,
    }
}

#[test]
fn one_participant_alone_mints_nothing() {
    let (_, outcome) = settle(&Memory::new(), &simple(1));
    assert_eq!((outcome.payout, outcome.withheld), (vec![0], 1_000));
}

#[test]
fn no_participants_are_an_epoch_too() {
    let (memory, outcome) = settle(&Memory::new(), &simple(0));
    assert_eq!((outcome.withheld, memory.epochs()), (1_000, 1));
}

#[test]
fn an_absent_row_keeps_its_ratings_and_loses_its_power_after_the_cutoff() {
    let mut case = simple(4);
    let (memory, _) = settle(&Memory::new(), &case);
    case.weights[2] = None;
    case.weights[3] = Some(vec![0, 0, 0, 9]);
    let (memory, first) = settle(&memory, &case);
    assert!(first.power.iter().all(|power| *power > 0));
    assert_eq!(memory.absences(), [0, 0, 1, 1]);
    let (memory, second) = settle(&memory, &case);
    assert_eq!(memory.ratings(2), Some(&[ONE / 3, ONE / 3, 0, ONE / 3][..]));
    assert_eq!(second.power[2..], [0, 0]);
    assert!(second.power[..2].iter().all(|power| *power > 0));
    case.weights[2] = Some(vec![1; 4]);
    let (memory, third) = settle(&memory, &case);
    assert!(third.power[2] > 0);
    assert_eq!(memory.absences(), [0, 0, 0, 3]);
}

#[test]
fn who_registers_again_is_not_known_but_not_clean_either() {
    let mut case = simple(4);
    case.weights[1] = Some(vec![9, 0, 0, 1]);
    let (mut memory, outcome) = settle(&Memory::new(), &case);
    assert!(outcome.reputation[1] < ONE);
    // Row 1 leaves and comes back, behind those that stayed.
    let reputation = memory.remove(1).unwrap();
    assert_eq!(reputation, outcome.reputation[1]);
    memory.add(&[reputation]);
    assert_eq!(memory.ratings(3), Some(&[0; 4][..]));
    let first = memory.ratings(0).unwrap();
    assert!(first[1] > 0 && first[3] == 0);
    assert_eq!(memory.reputation()[3], reputation);
    assert_eq!(memory.remove(17), None);
}

#[test]
fn newcomers_added_together_are_those_added_one_by_one() {
    let (mut together, _) = settle(&Memory::new(), &simple(3));
    let mut one_by_one = together.clone();
    let reputations = [ONE, 0, ONE / 2];
    together.add(&reputations);
    reputations.iter().for_each(|one| one_by_one.add(&[*one]));
    assert_eq!(together, one_by_one);
    assert_eq!(together.ratings(5), Some(&[0; 6][..]));
    together.add(&[]);
    assert_eq!(together, one_by_one);
}

#[test]
fn a_later_row_starts_unknown_and_ratings_from_before_it_joined_do_not_count() {
    use unsilo_ledger::mechanism::{Epoch, Ratings, Row};
    let (memory, _) = settle(&Memory::new(), &simple(3));
    let weights = [1_u16; 4];
    let rows: Vec<Row<'_>> = (0..4)
        .map(|owner| Row {
            owner,
            stake: 1,
            joined: if owner == 3 { 8 } else { 0 },
            ratings: Some(Ratings {
                weights: &weights,
                given: if owner == 0 { 7 } else { 8 },
            }),
        })
        .collect();
    let (memory, _) = median::epoch(
        &memory,
        &Epoch {
            emission: 0,
            rows: &rows,
            activity_cutoff: 3,
        },
    )
    .unwrap();
    assert_eq!(memory.ratings(0).unwrap()[3], 0);
    assert!(memory.ratings(1).unwrap()[3] > 0);
    assert_eq!(memory.reputation()[3], ONE);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let (memory, _) = settle(&Memory::new(), &simple(3));
    let refused = |case: &Case| {
        case.with(|epoch| median::epoch(&memory, epoch))
            .unwrap_err()
    };
    assert_eq!(
        refused(&simple(2)),
        EpochError::RowsMissing {
            found: 2,
            expected: 3
        }
    );
    let mut short = simple(3);
    short.weights[1] = Some(vec![1; 2]);
    assert_eq!(
        refused(&short),
        EpochError::WeightCount {
            row: 1,
            found: 2,
            expected: 3
        }
    );
    let mut many = simple(0);
    many.owners = (0..).take(MAX_ROWS + 1).collect();
    many.stakes = vec![1; MAX_ROWS + 1];
    many.weights = vec![None; MAX_ROWS + 1];
    assert_eq!(
        refused(&many),
        EpochError::TooManyRows { rows: MAX_ROWS + 1 }
    );
}

#[test]
fn an_attendance_that_is_none_is_refused() {
    let case = simple(4);
    let settle = |parts: &[u64]| {
        case.with(|epoch| median::epoch_by_attendance(&Memory::new(), epoch, parts))
    };
    assert!(settle(&[ONE; 4]).is_ok());
    let error = settle(&[ONE; 3]).expect_err("one is missing");
    assert_eq!(
        error,
        EpochError::Attendance {
            found: 3,
            expected: 4
        }
    );
    let error = settle(&[ONE, ONE + 1, 0, 0]).expect_err("more than always");
    assert!(matches!(error, EpochError::Parameter { .. }), "{error}");
}

#[test]
fn trust_is_how_far_a_rating_supports_the_consensus() {
    assert_eq!(median::trust(3, 6), ONE / 2);
    assert_eq!(median::trust(9, 6), ONE);
    assert_eq!(median::trust(9, 0), 0);
}
