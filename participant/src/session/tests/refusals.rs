//! To what a node does not contribute, and what stops it.

use super::*;

#[test]
fn a_round_that_passed_over_the_offered_seat_gets_no_contribution() {
    let mut world = World::new();
    world.seated();
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::SeatSkipped { round: 1 }]
    ));
    assert!(
        !done
            .iter()
            .any(|effect| matches!(effect, Effect::Contribute(_)))
    );
}

#[test]
fn a_full_committee_drawn_before_this_node_is_no_offence() {
    let mut world = World::new();
    world.ledger(idle(1));
    world.step(seating(1));
    let mut reserve = seat_record(1);
    reserve.size = 3;
    reserve.draw = vec![0, 2, 3, ME];
    world.feed(Event::SeatMade(reserve));
    world.feed(Event::Accepted(Task::OfferSeat(1)));
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn an_offer_that_a_restarted_coordinator_forgot_is_no_offence() {
    let mut world = World::new();
    world.seated();
    world.feed(Event::Disconnected);
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn an_offer_that_nobody_took_note_of_is_no_offence() {
    let mut world = World::new();
    world.ledger(idle(1));
    world.step(seating(1));
    world.feed(Event::SeatMade(seat_record(1)));
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn a_second_contribution_to_one_model_is_refused() {
    let mut world = World::new();
    world.contributed();
    world.ledger(open(2));
    let done = world.step(StepKind::Contributing { round: 2 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::SecondContribution {
            round: 2,
            earlier: 1
        }]
    ));
    assert!(
        !done
            .iter()
            .any(|effect| matches!(effect, Effect::Contribute(_)))
    );
}

#[test]
fn a_contribution_past_the_deadline_is_not_begun() {
    let mut world = World::new();
    let mut late = open(1);
    late.round.as_mut().unwrap().contribute_by_ms = 10;
    world.ledger(late);
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(
        done.as_slice(),
        [Effect::Tell(Progress::Waiting { .. })]
    ));
}

#[test]
fn a_forged_or_foreign_receipt_is_not_kept() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts);
    world.step(StepKind::Contributing { round: 1 });
    world.feed(encrypted(1, 0, 50));
    let mut forged = receipt(1, root(50));
    *forged.last_mut().unwrap() ^= 1;
    let foreign = receipt(1, root(51));
    for bytes in [forged, foreign, vec![]] {
        let done = world.feed(Event::Uploaded {
            round: 1,
            receipt: bytes,
        });
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::ReceiptInvalid { .. }] | []
        ));
        assert!(world.disk.receipts.is_empty());
    }
    assert_eq!(
        world
            .done
            .iter()
            .filter(|effect| matches!(effect, Effect::Alarm(_)))
            .count(),
        3
    );
}

#[test]
fn a_fork_stops_everything() {
    let mut world = World::new();
    let facts = world.contributed();
    let fork = Alarm::Fork {
        detail: "two logs of 5 entries".into(),
        ours: "a".into(),
        theirs: "b".into(),
        proof: None,
    };
    let done = world.feed(Event::Alarmed(fork.clone()));
    assert_eq!(done, [Effect::Alarm(fork), Effect::Halt]);
    assert!(world.ledger(facts).is_empty());
    assert!(world.step(StepKind::Closing { round: 1 }).is_empty());
}

#[test]
fn a_step_is_not_acted_on_before_the_ledger_it_was_made_on() {
    let mut world = World::new();
    world.ledger(idle(1));
    let early = world.feed(Event::Step(Step {
        id: 9,
        ledger_entries: 6,
        checkpoint: String::new(),
        now_ms: 1_000,
        kind: seating(1),
    }));
    assert!(early.is_empty());
    let mut facts = idle(1);
    facts.entries = 6;
    assert!(matches!(
        world.ledger(facts).as_slice(),
        [Effect::MakeSeat { .. }]
    ));
}
