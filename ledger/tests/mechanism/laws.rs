//! What holds for every mechanism whatever it is given.

use crate::cases::{Case, epochs, of_rows};
use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;
use std::fmt::Debug;
use unsilo_ledger::mechanism::fixed::I32F32;
use unsilo_ledger::mechanism::median::Median;
use unsilo_ledger::mechanism::yuma::{LiquidAlpha, Version};
use unsilo_ledger::mechanism::{EpochError, Mechanism, trust, yuma};

/// Settles epochs one after the other and checks that every unit is accounted for, and that a memory survives
/// its bytes.
fn follow<M>(mechanism: &M, epochs: &[Case])
where
    M: Mechanism,
    M::Memory: BorshSerialize + BorshDeserialize + PartialEq + Debug,
{
    let mut memory = M::Memory::default();
    for case in epochs {
        let (next, outcome) = case
            .with(|epoch| mechanism.settle(&memory, epoch))
            .expect("sound input is settled");
        let (payout, withheld) = M::payout(&outcome);
        assert_eq!(payout.len(), case.stakes.len());
        let paid: u128 = payout.iter().map(|paid| u128::from(*paid)).sum();
        assert_eq!(paid + u128::from(withheld), u128::from(case.emission));
        let bytes = borsh::to_vec(&next).expect("bytes");
        assert_eq!(
            borsh::from_slice::<M::Memory>(&bytes).expect("a memory"),
            next
        );
        memory = next;
    }
}

fn version() -> impl Strategy<Value = yuma::Parameters> {
    (
        prop_oneof![Just(Version::Two), Just(Version::Three)],
        any::<u16>(),
        0..=1_000_000_u32,
        any::<u16>(),
        prop::option::of((any::<u16>(), any::<u16>(), any::<u16>())),
    )
        .prop_map(
            |(version, kappa, kept, bonds_penalty, alpha)| yuma::Parameters {
                version,
                kappa,
                bonds_moving_average_ppm: kept,
                bonds_penalty,
                liquid_alpha: alpha.map(|(a, b, steepness)| LiquidAlpha {
                    low: a.min(b),
                    high: a.max(b),
                    steepness,
                }),
            },
        )
}

fn paper() -> impl Strategy<Value = trust::Parameters> {
    (0..=i64::MAX, 0..=1_i64 << 32, 0..=1_i64 << 32).prop_map(|(rho, kappa, tau)| {
        trust::Parameters {
            rho: I32F32::from_bits(rho),
            kappa: I32F32::from_bits(kappa),
            tau: I32F32::from_bits(tau),
        }
    })
}

proptest! {
    #[test]
    fn every_unit_is_paid_or_withheld(epochs in epochs(), yuma in version(), paper in paper()) {
        follow(&Median, &epochs);
        follow(&yuma, &epochs);
        follow(&paper, &epochs);
    }

    #[test]
    fn memories_that_were_tampered_with_never_panic(
        case in of_rows(2),
        yuma in version(),
        paper in paper(),
        weights in prop::collection::vec(any::<u16>(), 4..=5),
        bonds in prop::collection::vec(any::<u16>(), 4..=5),
        absences in prop::collection::vec(any::<u32>(), 2..=3),
        sums in prop::collection::vec(any::<i64>(), 4),
        given in prop::collection::vec(any::<i64>(), 2..=3),
        stake in prop::collection::vec(any::<i64>(), 2),
    ) {
        let bytes = borsh::to_vec(&(&weights, &absences, &bonds)).unwrap();
        let memory: yuma::Memory = borsh::from_slice(&bytes).unwrap();
        let sound = weights.len() == 4 && bonds.len() == 4 && absences.len() == 2;
        prop_assert_eq!(case.with(|epoch| yuma::epoch(&yuma, &memory, epoch)).is_ok(), sound);
        let bytes = borsh::to_vec(&(&weights, &absences, &sums, &given, &stake)).unwrap();
        let memory: trust::Memory = borsh::from_slice(&bytes).unwrap();
        let sound = weights.len() == 4 && absences.len() == 2 && given.len() == 2;
        let settled = case.with(|epoch| trust::epoch(&paper, &memory, epoch));
        prop_assert!(sound || settled.is_err());
    }
}

#[test]
fn parameters_out_of_range_are_refused() {
    let nobody = Case {
        emission: 0,
        owners: vec![],
        stakes: vec![],
        weights: vec![],
        cutoff: 0,
    };
    let name = |error: EpochError| match error {
        EpochError::Parameter { name, .. } => name,
        other => panic!("{other}"),
    };
    let yuma = |parameters: yuma::Parameters| {
        let settled = nobody.with(|epoch| parameters.settle(&yuma::Memory::new(), epoch));
        name(settled.expect_err("out of range"))
    };
    assert_eq!(
        yuma(yuma::Parameters {
            bonds_moving_average_ppm: 1_000_001,
            ..yuma::Parameters::default()
        }),
        "bonds_moving_average_ppm"
    );
    assert_eq!(
        yuma(yuma::Parameters {
            liquid_alpha: Some(LiquidAlpha {
                low: 2,
                high: 1,
                steepness: 1
            }),
            ..yuma::Parameters::default()
        }),
        "alpha_low"
    );
    let above = I32F32::from_bits((1 << 32) + 1);
    for (parameters, expected) in [
        (
            trust::Parameters {
                kappa: above,
                ..trust::Parameters::default()
            },
            "kappa",
        ),
        (
            trust::Parameters {
                tau: above,
                ..trust::Parameters::default()
            },
            "tau",
        ),
        (
            trust::Parameters {
                rho: I32F32::from_bits(-1),
                ..trust::Parameters::default()
            },
            "rho",
        ),
    ] {
        let settled = nobody.with(|epoch| parameters.settle(&trust::Memory::new(), epoch));
        assert_eq!(name(settled.expect_err("out of range")), expected);
    }
}

#[test]
fn weights_hold_until_others_are_given() {
    let full = |weights: Option<Vec<u16>>| Case {
        emission: 1_000,
        owners: vec![0, 1, 2],
        stakes: vec![5, 5, 5],
        weights: vec![Some(vec![0, 1, 3]), Some(vec![2, 0, 1]), weights],
        cutoff: 1,
    };
    let yuma = yuma::Parameters::default();
    let consensus = |epochs: &[Case]| {
        epochs
            .iter()
            .fold((yuma::Memory::new(), vec![]), |(memory, _), case| {
                let (next, outcome) = case
                    .with(|epoch| yuma::epoch(&yuma, &memory, epoch))
                    .expect("settled");
                (next, outcome.consensus)
            })
    };
    let (given, absent) = (full(Some(vec![9, 1, 0])), full(None));
    let (_, before) = consensus(std::slice::from_ref(&given));
    let (memory, kept) = consensus(&[given.clone(), absent.clone()]);
    assert_eq!(before, kept);
    // Past the cut-off it has no stake, but an empty row is one that was given.
    let (_, past) = consensus(&[given.clone(), absent.clone(), absent]);
    let (_, emptied) = consensus(&[given, full(Some(vec![0, 0, 7]))]);
    assert_ne!(past, kept);
    assert_ne!(emptied, kept);
    assert_eq!(memory.len(), 3);
}
