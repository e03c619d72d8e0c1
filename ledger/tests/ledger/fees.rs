//! The coordinator enters queries and the fees it owes for them.

use crate::world::{COORDINATOR, World, draft};
use unsilo_ledger::{Entry, Event, FeesRejected, OwnerId, Rejected};

fn batch(world: &World, count: u32, fees: u64) -> Entry {
    Entry::QueryBatch {
        root: [50; 32],
        first: world.state.pool().expect("founded").queries,
        count,
        fees,
    }
}

fn enter(world: &mut World, fees: u64) -> Vec<Event> {
    world.accept_by(batch(world, 10, fees), COORDINATOR)
}

fn too_high(world: &mut World, fees: u64) -> Option<u64> {
    let entry = world.sign(batch(world, 1, fees), &[COORDINATOR]);
    match world.refuse(entry) {
        Rejected::Fees(FeesRejected::TooHigh { left, .. }) => Some(left),
        _ => None,
    }
}

#[test]
fn fees_are_paid_with_the_emission_of_their_epoch() {
    let mut world = World::new(5);
    enter(&mut world, 700);
    let settled = world.epoch(|_, _| 50);
    assert_eq!((settled.emission, settled.fees), (20_000_000, 700));
    assert_eq!(
        settled.outcome.payout.iter().sum::<u64>() + settled.outcome.withheld,
        20_000_700
    );
    let pool = world.state.pool().expect("founded");
    assert_eq!(
        (pool.queries, pool.fees_entered, pool.fees),
        (10, 700, settled.fees_carried)
    );
}

#[test]
fn fees_that_are_not_paid_stay_in_the_pool() {
    let mut world = World::new(5);
    enter(&mut world, 700);
    // Nobody rates: nothing is minted, and the fees are not lost.
    let settled = world.epoch(|_, _| 0);
    assert_eq!(
        (settled.outcome.withheld, settled.fees_carried),
        (20_000_700, 700)
    );
    let pool = world.state.pool().expect("founded");
    assert_eq!((pool.fees, pool.minted), (700, 0));
    let settled = world.epoch(|_, _| 50);
    assert_eq!(settled.fees, 700);
}

#[test]
fn only_the_coordinator_enters_them() {
    let mut world = World::new(4);
    for signers in [&[0][..], &[COORDINATOR, 0], &[]] {
        let entry = world.sign(batch(&world, 1, 1), signers);
        assert!(matches!(
            world.refuse(entry),
            Rejected::SurplusSignature { .. } | Rejected::MissingSignature { .. }
        ));
    }
}

#[test]
fn between_two_rounds_no_more_are_entered_than_the_draft_allows() {
    let mut draft = draft(4);
    draft.incentive.max_round_fees = 1_000;
    let mut world = World::from_draft(draft);
    assert_eq!(too_high(&mut world, 1_001), Some(1_000));
    assert_eq!(too_high(&mut world, u64::MAX), Some(1_000));
    enter(&mut world, 600);
    assert_eq!(too_high(&mut world, 401), Some(400));
    enter(&mut world, 400);
    assert_eq!(too_high(&mut world, 1), Some(0));
    enter(&mut world, 0);
    world.open();
    assert_eq!(too_high(&mut world, 1), Some(0), "the same round");
    world.contribute(0..4);
    world.close();
    world.judge();
    world.publish();
    enter(&mut world, 1_000);
    world.open();
    world.void();
    enter(&mut world, 1_000);
    assert_eq!(world.state.pool().expect("founded").fees, 3_000);
}

#[test]
fn a_batch_has_queries() {
    let mut world = World::new(4);
    let entry = world.sign(batch(&world, 0, 5), &[COORDINATOR]);
    assert_eq!(world.refuse(entry), Rejected::Fees(FeesRejected::NoQueries));
}

#[test]
fn after_the_plan_fees_are_paid_at_once_by_the_shares_of_the_last_epoch() {
    let mut draft = draft(4);
    draft.training.rounds = 2;
    let mut world = World::from_draft(draft);
    let settled = world.epoch(|_, rated| if rated.0 == 3 { 20 } else { 50 });
    let before: Vec<u64> = (0..4)
        .map(|owner| world.state.balance(OwnerId(owner)))
        .collect();
    let events = enter(&mut world, 1_003);
    let paid: Vec<u64> = (0..4)
        .map(|owner| world.state.balance(OwnerId(owner)) - before[owner as usize])
        .collect();
    assert_eq!(paid.iter().sum::<u64>(), 1_003 + settled.fees_carried);
    assert!(paid[0] > paid[3] && paid[3] > 0, "{paid:?}");
    assert!(matches!(&events[1], Event::FeesPaid { payouts } if payouts.len() == 4));
    assert_eq!(world.state.pool().expect("founded").fees, 0);
    // The evicted have no part in what comes after.
    let entry = world.sign(world.eviction(3), &[0, 1]);
    world.accept(entry);
    let before = world.state.balance(OwnerId(3));
    enter(&mut world, 1_000);
    assert_eq!(world.state.balance(OwnerId(3)), before);
    assert_eq!(too_high(&mut world, 1_000_000_001), Some(1_000_000_000));
}
