//! A directory that is older than what its identity did.

use unsilo_ledger::GuardHead;

use super::*;

#[test]
fn a_directory_older_than_its_identity_sits_the_round_out() {
    let mut lived = World::new();
    let facts = lived.contributed();
    // The same identity on a restored, empty directory.
    let mut world = World::new();
    world.ledger(facts.clone());
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(alarms(&done)[..], [Alarm::GuardsBehind { .. }]));
    world.step(StepKind::Closing { round: 1 });
    world.ledger(closed(facts.clone()));
    world.step(StepKind::Answering { round: 1 });
    world.ledger(weighed(facts, [16; 4]));
    world.step(StepKind::Opening { round: 1 });
    assert!(!world.done.iter().any(|effect| matches!(
        effect,
        Effect::Contribute(_) | Effect::Answer(_) | Effect::Call(_) | Effect::OpenShares(_)
    )));
}

/// Facts whose ledger holds this head of the node's records.
fn with_head(facts: Facts, head: GuardHead) -> Facts {
    Facts {
        guard_head: Some(head),
        ..facts
    }
}

/// Whether anything leaves the node, or is prepared to.
fn acts(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| {
        matches!(
            effect,
            Effect::Call(_)
                | Effect::MakeSeat { .. }
                | Effect::Contribute(_)
                | Effect::Upload { .. }
                | Effect::Answer(_)
                | Effect::SendAnswers { .. }
                | Effect::Judge(_)
                | Effect::OpenShares(_)
                | Effect::FetchMailbox { .. }
        )
    })
}

/// A node put back to before its last acts, and the head that the ledger knows.
fn restored() -> (World, Facts) {
    let mut lived = World::new();
    let facts = lived.contributed();
    lived.close(&facts);
    let head = lived.disk.head();
    let mut world = World::new();
    // The backup was taken after the seat and before everything else.
    world.ledger(idle(1));
    world.step(seating(1));
    world.feed(Event::SeatMade(seat_record(1)));
    (world, with_head(facts, head))
}

#[test]
fn a_restored_backup_sits_the_round_out_says_why_and_takes_part_in_the_next() {
    let (mut world, facts) = restored();
    world.done.clear();
    let done = world.ledger(facts.clone());
    let [Alarm::RecordsLost { until: 1, .. }] = alarms(&done)[..] else {
        panic!("not noticed: {done:?}");
    };
    let text = alarms(&done)[0].to_string();
    for word in ["backup", "until round 1 is over", "stop one of the two"] {
        assert!(text.contains(word), "{text}");
    }
    let recorded = done
        .iter()
        .position(|effect| matches!(effect, Effect::Record(Record::Behind { until: 1, .. })));
    assert!(
        recorded.is_some(),
        "durable, so that it holds after a restart"
    );
    for killed in [false, true] {
        if killed {
            world.restart();
            world.ledger(facts.clone());
        }
        for kind in [
            StepKind::Contributing { round: 1 },
            StepKind::Closing { round: 1 },
        ] {
            assert!(!acts(&world.step(kind)));
        }
        world.ledger(closed(facts.clone()));
        assert!(!acts(&world.step(StepKind::Answering { round: 1 })));
        assert!(!acts(&world.step(judging(&[1, 2, 3]))));
        world.ledger(weighed(facts.clone(), [16; 4]));
        assert!(!acts(&world.step(StepKind::Opening { round: 1 })));
        world.now_ms = 100_000;
        assert!(!acts(&world.step(voiding(1))));
        world.now_ms = 1_000;
    }
    // The round is over on the ledger: everything that may have been forgotten was about it or earlier ones.
    let next = with_head(idle(2), facts.guard_head.unwrap());
    let done = world.ledger(next);
    assert!(alarms(&done).is_empty(), "said once");
    assert!(acts(&world.step(seating(2))));
}

#[test]
fn between_rounds_the_next_round_is_sat_out_since_a_seat_may_have_been_offered_for_it() {
    let head = GuardHead {
        records: 40,
        digest: [7; 32],
    };
    let mut world = World::new();
    let done = world.ledger(with_head(idle(3), head));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::RecordsLost {
            known: 0,
            shown: 40,
            until: 3
        }]
    ));
    assert!(!acts(&world.step(seating(3))));
    world.ledger(with_head(open(3), head));
    assert!(!acts(&world.step(StepKind::Contributing { round: 3 })));
    world.ledger(with_head(idle(4), head));
    assert!(acts(&world.step(seating(4))));
    // The next head continues the ledger's count.
    let done = world.feed(Event::SeatMade(seat_record(4)));
    assert_eq!(calls(&done, Task::OfferSeat(4)).len(), 1);
    assert!(world.disk.head().continues(&head));
    assert_eq!(world.disk.seat_heads[&4], world.disk.head());
}

#[test]
fn an_identity_that_runs_twice_is_noticed_again() {
    let (mut world, facts) = restored();
    world.ledger(facts.clone());
    let elsewhere = GuardHead {
        records: facts.guard_head.unwrap().records + 50,
        digest: [9; 32],
    };
    let done = world.ledger(with_head(idle(2), elsewhere));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::RecordsLost { until: 2, .. }]
    ));
}

#[test]
fn a_node_whose_records_lead_to_the_ledgers_head_goes_on() {
    let mut world = World::new();
    let facts = world.contributed();
    let seated = world.disk.seat_heads[&1];
    world.restart();
    let done = world.ledger(with_head(facts.clone(), seated));
    assert!(alarms(&done).is_empty());
    assert_eq!(
        calls(
            &world.close(&with_head(facts, seated)),
            Task::CosignClose(1)
        )
        .len(),
        1
    );
}
