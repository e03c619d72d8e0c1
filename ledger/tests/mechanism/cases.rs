//! Epochs to settle, as the vectors and the generators write them.

use proptest::prelude::*;
use unsilo_ledger::mechanism::{Epoch, Ratings, Row};

/// An epoch that owns its rows.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) emission: u64,
    pub(crate) owners: Vec<u64>,
    pub(crate) stakes: Vec<u64>,
    pub(crate) weights: Vec<Option<Vec<u16>>>,
    pub(crate) cutoff: u32,
}

impl Case {
    pub(crate) fn with<T>(&self, settle: impl FnOnce(&Epoch<'_>) -> T) -> T {
        let rows: Vec<Row<'_>> = self
            .stakes
            .iter()
            .zip(&self.owners)
            .zip(&self.weights)
            .map(|((stake, owner), weights)| Row {
                owner: *owner,
                stake: *stake,
                joined: 0,
                ratings: weights
                    .as_deref()
                    .map(|weights| Ratings { weights, given: 0 }),
            })
            .collect();
        settle(&Epoch {
            emission: self.emission,
            rows: &rows,
            activity_cutoff: self.cutoff,
        })
    }
}

fn weight() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(1), Just(u16::MAX), any::<u16>()]
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        0..1_000_000_u64,
        any::<u64>()
    ]
}

/// Any epoch of `rows` rows, extremes included.
pub(crate) fn of_rows(rows: usize) -> impl Strategy<Value = Case> {
    let owner = prop_oneof![4 => Just(None), 1 => (0..3_u64).prop_map(Some)];
    (
        amount(),
        prop::collection::vec(owner, rows),
        prop_oneof![
            prop::collection::vec(amount(), rows),
            amount().prop_map(move |stake| vec![stake; rows]),
        ],
        prop::collection::vec(
            prop_oneof![
                1 => Just(None),
                8 => prop::collection::vec(weight(), rows).prop_map(Some),
            ],
            rows,
        ),
        0..4_u32,
    )
        .prop_map(|(emission, owners, stakes, weights, cutoff)| Case {
            emission,
            owners: owners
                .into_iter()
                .zip(100..)
                .map(|(owner, own)| owner.unwrap_or(own))
                .collect(),
            stakes,
            weights,
            cutoff,
        })
}

/// A few epochs of the same rows.
pub(crate) fn epochs() -> impl Strategy<Value = Vec<Case>> {
    (1..12_usize).prop_flat_map(|rows| prop::collection::vec(of_rows(rows), 1..4))
}
