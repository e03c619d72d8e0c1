//! What work leaves behind that ends after its round: it does not stay on the disk.

use super::*;
use crate::guard::DirectionsRecord;

/// Round 2 on the ledger, and at least three members known to hold that ledger; what is done then.
fn round_two(world: &mut World) -> Vec<Effect> {
    world.ledger(open(2));
    let note = world.note(&[0, 2, 3]);
    let mut done = world.step_on(StepKind::Contributing { round: 2 }, note);
    done.extend(world.feed(Event::Disconnected));
    done
}

#[test]
fn a_contribution_that_is_ready_after_the_close_is_erased_and_the_seat_of_the_round_stays() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts.clone());
    world.step(StepKind::Contributing { round: 1 });
    let mut late = with_contributions(facts, root(50));
    let round = late.round.as_mut().unwrap();
    round.contributions.remove(ME as usize);
    world.ledger(closed(late));
    let done = world.feed(encrypted(1, 0, 50));
    assert!(done.contains(&Effect::Discard { round: 1 }), "{done:?}");
    assert!(
        !done.contains(&Effect::Forget { round: 1 }),
        "the seat's key still opens shares"
    );
    assert!(world.disk.contributions.is_empty());
}

#[test]
fn a_contribution_on_its_way_is_not_erased_by_a_second_one_that_comes_late() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(closed(facts));
    let done = world.feed(encrypted(1, 0, 51));
    assert!(!done.contains(&Effect::Discard { round: 1 }), "{done:?}");
    assert_eq!(world.disk.contributions[&1].root, root(50));
}

#[test]
fn directions_of_a_round_without_seat_and_contribution_are_forgotten_with_it() {
    let mut world = World::new();
    let mut asked = open(1);
    asked.round.as_mut().unwrap().raters = vec![ParticipantId(ME)];
    world.ledger(asked);
    world.feed(Event::Directions {
        round: 1,
        values: DirectionValues(vec![vec![1]]),
    });
    world.feed(Event::DirectionsMade(DirectionsRecord {
        round: 1,
        round_key: vec![4],
        directions: vec![[1; 32]],
    }));
    let done = round_two(&mut world);
    assert!(done.contains(&Effect::Forget { round: 1 }), "{done:?}");
}

#[test]
fn the_outbox_is_swept_once_when_a_round_is_over_and_after_a_start() {
    let mut world = World::new();
    for _ in 0..2 {
        let swept = |done: &[Effect]| {
            let is_sweep = |effect: &&Effect| matches!(effect, Effect::Sweep { before: 2 });
            done.iter().filter(is_sweep).count()
        };
        assert_eq!(swept(&round_two(&mut world)), 1);
        assert_eq!(swept(&world.feed(Event::Disconnected)), 0);
        world.restart();
    }
}
