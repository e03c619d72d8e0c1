//! Owners stake what they earned, and withdraw it.

use crate::world::{COORDINATOR, World, draft};
use unsilo_ledger::{Event, OwnerId, Rejected, StakeRejected};

/// Five owners after an epoch in which all earned the same.
fn earned() -> World {
    let mut world = World::new(5);
    world.epoch(|_, _| 50);
    world
}

fn refused(world: &mut World, entry: unsilo_ledger::Entry, signer: u32) -> StakeRejected {
    let entry = world.sign(entry, &[signer]);
    match world.refuse(entry) {
        Rejected::Stake(rejected) => rejected,
        other => panic!("{other}"),
    }
}

#[test]
fn every_owner_starts_with_the_same_grant_and_nothing_else() {
    let world = World::new(5);
    for owner in 0..5 {
        let account = world.account(owner);
        assert_eq!((account.grant, account.stake()), (1_000, 1_000));
        assert_eq!((account.balance, account.own()), (0, 0));
    }
}

#[test]
fn what_is_staked_counts_from_the_next_epoch() {
    let mut world = earned();
    let balance = world.state.balance(OwnerId(0));
    let events = world.accept_by(world.deposit(0, 500), 0);
    assert_eq!(
        events,
        [Event::StakeDeposited {
            owner: OwnerId(0),
            amount: 500
        }]
    );
    let account = world.account(0);
    assert_eq!((account.balance, account.warming), (balance - 500, 500));
    assert_eq!(world.state.stake(OwnerId(0)), 1_000);
    for _ in 0..19 {
        world.full_round();
        assert_eq!(world.state.stake(OwnerId(0)), 1_000);
    }
    world.full_round();
    let account = world.account(0);
    assert_eq!((account.warming, account.staked), (0, 500));
    assert_eq!(world.state.stake(OwnerId(0)), 1_500);
}

#[test]
fn nobody_stakes_more_than_its_balance() {
    let mut world = earned();
    let have = world.state.balance(OwnerId(0));
    for need in [have + 1, u64::MAX] {
        let entry = world.deposit(0, need);
        assert_eq!(
            refused(&mut world, entry, 0),
            StakeRejected::Balance { have, need }
        );
    }
    let entry = world.deposit(0, 0);
    assert_eq!(refused(&mut world, entry, 0), StakeRejected::Nothing);
    world.accept_by(world.deposit(0, have), 0);
    assert_eq!(world.state.balance(OwnerId(0)), 0);
}

#[test]
fn what_is_withdrawn_gives_no_power_and_is_free_after_the_next_epoch() {
    let mut world = earned();
    world.accept_by(world.deposit(0, 900), 0);
    world.epoch(|_, _| 0);
    assert_eq!(world.state.stake(OwnerId(0)), 1_900);
    let free = world.state.balance(OwnerId(0));
    let events = world.accept_by(world.withdrawal(0, 400), 0);
    assert_eq!(
        events,
        [Event::StakeWithdrawn {
            owner: OwnerId(0),
            amount: 400
        }]
    );
    assert_eq!(world.state.stake(OwnerId(0)), 1_500, "at once");
    assert_eq!(world.account(0).slashable(), 1_900, "and still slashable");
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.freed, []);
    // Absent raters keep what they said, so the epoch pays all the same.
    let free = free + settled.outcome.payout[0];
    assert_eq!(
        (world.account(0).left, world.state.balance(OwnerId(0))),
        (400, free)
    );
    let settled = world.epoch(|_, _| 0);
    assert_eq!(settled.freed, [(OwnerId(0), 400)]);
    let free = free + settled.outcome.payout[0] + 400;
    assert_eq!(
        (world.account(0).left, world.state.balance(OwnerId(0))),
        (0, free)
    );
}

#[test]
fn the_stake_never_falls_below_zero_and_the_grant_is_not_money() {
    let mut world = earned();
    let entry = world.withdrawal(0, 1);
    assert_eq!(
        refused(&mut world, entry, 0),
        StakeRejected::Stake { have: 0, need: 1 }
    );
    world.accept_by(world.deposit(0, 10), 0);
    for need in [11, u64::MAX] {
        let entry = world.withdrawal(0, need);
        assert_eq!(
            refused(&mut world, entry, 0),
            StakeRejected::Stake { have: 10, need }
        );
    }
    let entry = world.withdrawal(0, 0);
    assert_eq!(refused(&mut world, entry, 0), StakeRejected::Nothing);
    world.accept_by(world.withdrawal(0, 10), 0);
    assert_eq!(world.account(0).grant, 1_000);
}

#[test]
fn a_movement_of_stake_is_entered_once() {
    let mut world = earned();
    let entry = world.sign(world.deposit(0, 10), &[0]);
    world.accept(entry.clone());
    assert_eq!(
        world.refuse(entry),
        Rejected::Stake(StakeRejected::OutOfOrder {
            expected: 1,
            found: 0
        })
    );
}

#[test]
fn only_a_participant_of_the_owner_moves_its_stake() {
    let mut world = earned();
    let admission = world.sign(world.admission(5, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(admission);
    for signers in [&[1][..], &[0, 1], &[]] {
        let entry = world.sign(world.deposit(0, 10), signers);
        assert!(matches!(
            world.refuse(entry),
            Rejected::SurplusSignature { .. } | Rejected::MissingSignature { .. }
        ));
    }
    // The affiliate may.
    world.accept_by(world.deposit(5, 10), 5);
    assert_eq!(world.account(0).warming, 10);
}

#[test]
fn a_whale_has_no_more_than_one_and_a_half_equal_shares() {
    let mut world = earned();
    world.accept_by(world.deposit(0, 1_000_000), 0);
    world.epoch(|_, _| 0);
    let powers = world.state.powers();
    let one = 1_u64 << 32;
    assert!(
        powers[0].1 <= 3 * one / 10 && powers[0].1 > one / 4,
        "{powers:?}"
    );
}

#[test]
fn stake_moved_after_a_round_opened_does_not_move_the_draw_of_its_challenge() {
    let mut world = World::new(20);
    world.epoch(|_, _| 50);
    world.accept_by(world.deposit(3, 5_000), 3);
    world.epoch(|_, _| 50);
    assert_eq!(world.account(3).staked, 5_000, "it counts by now");
    world.open();
    world.contribute(0..20);
    // The nonces are out: whoever has them knows the challenge before it is on the log.
    let close = world.sign(
        world.round_closed(world.cosignatures(world.threshold())),
        &[COORDINATOR],
    );
    let next_draw = |mut world: World| {
        world.accept(close.clone());
        world.judge();
        world.publish();
        let drawn = world.state.draw();
        world.open();
        (drawn, world.state.raters().to_vec())
    };
    let expected = next_draw(world.clone());
    let mut before_the_close = world.clone();
    before_the_close.accept_by(before_the_close.withdrawal(3, 4_900), 3);
    assert_eq!(before_the_close.state.stake(OwnerId(3)), 1_100);
    assert_eq!(next_draw(before_the_close), expected);
    // What counts is what was there when the round opened.
    let mut earlier = World::new(20);
    earlier.epoch(|_, _| 50);
    earlier.accept_by(earlier.deposit(3, 5_000), 3);
    earlier.epoch(|_, _| 50);
    earlier.accept_by(earlier.withdrawal(3, 4_900), 3);
    earlier.open();
    earlier.contribute(0..20);
    earlier.close();
    earlier.judge();
    earlier.publish();
    let with = earlier.state.draw();
    assert_eq!(earlier.state.seed(), {
        let mut other = world.clone();
        other.accept(close.clone());
        other.state.seed()
    });
    assert_ne!(with, expected.0, "another stake, another draw");
}

#[test]
fn stake_moved_before_a_void_does_not_move_the_draw_after_it() {
    let mut world = World::new(20);
    world.epoch(|_, _| 50);
    world.accept_by(world.deposit(3, 5_000), 3);
    world.epoch(|_, _| 50);
    let mut moved = world.clone();
    moved.accept_by(moved.withdrawal(3, 4_900), 3);
    for world in [&mut world, &mut moved] {
        world.open();
        world.void();
    }
    assert_eq!(world.state.draw(), moved.state.draw());
}

#[test]
fn newcomers_are_drawn_after_the_next_round_that_opens() {
    let mut world = World::new(5);
    let size = |world: &World| world.state.draw().expect("idle").owners.len();
    assert_eq!(size(&world), 5);
    let entry = world.sign(world.admission(5, None), &[0, 1, 2]);
    world.accept(entry);
    let drawn: Vec<OwnerId> = world.state.draw().expect("idle").owners;
    assert!(!drawn.contains(&OwnerId(5)), "its seed was known");
    let mut seen = false;
    for _ in 0..6 {
        world.full_round();
        seen |= world
            .state
            .draw()
            .expect("idle")
            .owners
            .contains(&OwnerId(5));
    }
    assert!(seen);
}

#[test]
fn a_federation_too_small_to_open_a_round_grows_again() {
    let mut world = World::new(4);
    for participant in [3, 2] {
        let others: Vec<u32> = (0..participant).collect();
        let entry = world.sign(world.eviction(participant), &others);
        world.accept(entry);
    }
    let entry = world.sign(world.admission(4, None), &[0, 1]);
    world.accept(entry);
    world.open();
    world.contribute([0, 1, 4]);
    world.close();
    world.publish();
}

#[test]
fn after_the_plan_stake_is_free_at_once() {
    let mut draft = draft(4);
    draft.training.rounds = 21;
    let mut world = World::from_draft(draft);
    world.epoch(|_, _| 50);
    world.accept_by(world.deposit(0, 30), 0);
    world.rated_round(|_, _| 50);
    assert!(world.state.training_ended());
    let account = world.account(0);
    assert_eq!((account.staked, account.warming), (30, 0));
    world.accept_by(world.withdrawal(0, 30), 0);
    assert_eq!(world.state.balance(OwnerId(0)), account.balance + 30);
}
