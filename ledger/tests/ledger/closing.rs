//! A round closes.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::close::challenge_seed;
use unsilo_ledger::{CloseStatement, Cosignature, Entry, Event, Phase, Rejected};

fn ready(founders: usize) -> World {
    let mut world = World::new(founders);
    world.open();
    world.contribute(0..u32::try_from(founders).expect("small"));
    world
}

fn refused(world: &mut World, cosignatures: Vec<Cosignature>) -> Rejected {
    let entry = world.sign(world.round_closed(cosignatures), &[COORDINATOR]);
    world.refuse(entry)
}

#[test]
fn a_close_draws_the_challenge() {
    let mut world = ready(5);
    let cosignatures = world.cosignatures(5);
    let entry = world.sign(world.round_closed(cosignatures.clone()), &[COORDINATOR]);
    let contributions = world.state.contributions_hash().expect("open");
    let events = world.accept(entry);
    let challenge = challenge_seed(
        &contributions,
        cosignatures.iter().map(|cosignature| cosignature.nonce),
    );
    assert_eq!(
        events,
        [Event::RoundClosed {
            round: 1,
            challenge
        }]
    );
    assert_eq!(world.state.phase(), Phase::Closed);
    assert_eq!(world.state.seed(), Some(challenge));
}

#[test]
fn the_challenge_depends_on_every_nonce() {
    let mut few = ready(5);
    let mut all = few.clone();
    few.close();
    let entry = all.sign(all.round_closed(all.cosignatures(5)), &[COORDINATOR]);
    all.accept(entry);
    assert_ne!(few.state.seed(), all.state.seed());
}

#[test]
fn only_the_coordinator_closes() {
    let mut world = ready(4);
    let by_member = world.sign(world.round_closed(world.cosignatures(3)), &[0]);
    assert!(matches!(
        world.refuse(by_member),
        Rejected::SurplusSignature { .. }
    ));
    let by_nobody = world.sign(world.round_closed(world.cosignatures(3)), &[]);
    assert!(matches!(
        world.refuse(by_nobody),
        Rejected::MissingSignature { .. }
    ));
}

#[test]
fn fewer_than_the_threshold_of_cosigners_do_not_close() {
    let mut world = ready(5);
    let three = world.cosignatures(3);
    assert_eq!(
        refused(&mut world, three),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
}

#[test]
fn cosigners_come_in_the_order_of_seats_each_once() {
    let mut world = ready(5);
    let good = world.cosignatures(4);
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    assert_eq!(
        refused(&mut world, swapped),
        Rejected::CosignatureSeat { seat: 2 }
    );
    let mut twice = good.clone();
    twice[2] = twice[1].clone();
    assert_eq!(
        refused(&mut world, twice),
        Rejected::CosignatureSeat { seat: 2 }
    );
    for seat in [0, 6, u16::MAX] {
        let mut unknown = good.clone();
        unknown[3].seat = seat;
        assert_eq!(
            refused(&mut world, unknown),
            Rejected::CosignatureSeat { seat }
        );
    }
}

#[test]
fn the_nonce_is_the_one_committed_to() {
    let mut world = ready(5);
    let mut ground = world.cosignatures(4);
    let participant = world
        .state
        .round()
        .expect("open")
        .seat(2)
        .expect("filled")
        .participant;
    let statement = CloseStatement {
        federation: world.federation(),
        round: 1,
        contributions: world.state.contributions_hash().expect("open"),
        nonce: [99; 32],
        guard: world.guard(1, participant),
    };
    // Properly signed by the member, but not what it committed to before the round.
    ground[1] = statement.sign(2, &identity(participant.0));
    assert_eq!(
        refused(&mut world, ground),
        Rejected::NonceMismatch { seat: 2 }
    );
}

#[test]
fn cosignatures_are_of_the_member_over_exactly_this_close() {
    let mut world = ready(5);
    let mut forged = world.cosignatures(4);
    forged[3].signature[0] ^= 1;
    assert_eq!(
        refused(&mut world, forged),
        Rejected::BadCosignature { seat: 4 }
    );
    // A cosignature given before the last contribution came is not one of the full set.
    let mut early = World::new(5);
    early.open();
    early.contribute(0..4);
    let old = early.cosignatures(4);
    early.contribute([4]);
    assert_eq!(
        refused(&mut early, old),
        Rejected::BadCosignature { seat: 1 }
    );
}

#[test]
fn the_close_names_exactly_what_the_ledger_holds() {
    let mut world = ready(5);
    let mut entry = world.round_closed(world.cosignatures(5));
    if let Entry::RoundClosed { contributions, .. } = &mut entry {
        contributions[0] ^= 1;
    }
    let entry = world.sign(entry, &[COORDINATOR]);
    assert_eq!(world.refuse(entry), Rejected::WrongContributions);
}

#[test]
fn a_cohort_below_the_minimum_does_not_close() {
    for (founders, need) in [(3, 3), (4, 3), (5, 4), (6, 5), (10, 5), (12, 6)] {
        let mut world = World::new(founders);
        world.open();
        assert_eq!(world.state.required_cohort(), need, "{founders} owners");
        world.contribute(0..u32::try_from(need).expect("small") - 1);
        let seats = world.seated().len();
        let cosignatures = world.cosignatures(seats);
        assert_eq!(
            refused(&mut world, cosignatures),
            Rejected::CohortTooSmall {
                owners: need - 1,
                need
            }
        );
        world.contribute([u32::try_from(need).expect("small") - 1]);
        world.close();
    }
}

#[test]
fn a_minimum_cohort_in_the_draft_is_kept() {
    let mut draft = crate::world::draft(8);
    draft.min_cohort = 7;
    let mut world = World::from_draft(draft);
    world.open();
    world.contribute(0..6);
    let cosignatures = world.cosignatures(7);
    assert_eq!(
        refused(&mut world, cosignatures),
        Rejected::CohortTooSmall { owners: 6, need: 7 }
    );
}

#[test]
fn affiliates_count_once_in_a_cohort() {
    let mut world = World::new(4);
    let entry = world.sign(
        world.admission(4, Some(unsilo_ledger::OwnerId(0))),
        &[0, 1, 2],
    );
    world.accept(entry);
    world.open();
    world.contribute([0, 1, 4]);
    let cosignatures = world.cosignatures(3);
    assert_eq!(
        refused(&mut world, cosignatures),
        Rejected::CohortTooSmall { owners: 2, need: 3 }
    );
}

#[test]
fn owners_that_left_stop_counting_after_three_rounds() {
    let mut world = World::new(12);
    for _ in 0..3 {
        world.open();
        assert_eq!(world.state.required_cohort(), 6);
        world.contribute(0..6);
        world.close();
        world.publish();
    }
    // Six of twelve were not seen in rounds 1 to 3.
    assert_eq!(world.state.required_cohort(), 5);
}

#[test]
fn a_closed_round_is_closed_once() {
    let mut world = ready(4);
    let cosignatures = world.cosignatures(4);
    let entry = world.sign(world.round_closed(cosignatures), &[COORDINATOR]);
    world.accept(entry.clone());
    assert_eq!(
        world.refuse(entry.clone()),
        Rejected::RoundClosed { round: 1 }
    );
    world.publish();
    assert_eq!(world.refuse(entry), Rejected::NoOpenRound);
}

#[test]
fn a_close_of_another_round_is_refused() {
    let mut world = ready(4);
    let mut entry = world.round_closed(world.cosignatures(4));
    if let Entry::RoundClosed { round, .. } = &mut entry {
        *round = 7;
    }
    let entry = world.sign(entry, &[COORDINATOR]);
    assert_eq!(
        world.refuse(entry),
        Rejected::WrongRound {
            expected: 1,
            found: 7
        }
    );
}
