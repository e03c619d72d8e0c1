//! Everybody cosigns the publications that it replayed and verified, of one history.

use unsilo_ledger::CheckpointCosignature;

use super::*;
use crate::guard::WitnessRecord;

/// Round 1 is published at entry 12, and the ledger has gone on since.
fn after_round_1() -> Facts {
    Facts {
        entries: 15,
        checkpoint: Some(checkpoint(15, 1)),
        model: model(1),
        published: Some(published(1)),
        replayed: Some(replayed(12)),
        ..idle(2)
    }
}

fn given(effects: &[Effect]) -> Vec<Call> {
    calls(effects, Task::Cosign(1, Duty::Published))
}

#[test]
fn whoever_verified_a_publication_cosigns_it_seated_or_not_under_any_step() {
    let mut world = World::new();
    world.ledger(after_round_1());
    let done = world.step(seating(2));
    assert!(given(&done).is_empty(), "the model is not verified yet");
    let done = world.feed(recomputed(1));
    assert!(recorded_before(
        &done,
        Task::Cosign(1, Duty::Published),
        |record| matches!(record, Record::Witnessed(_))
    ));
    let [Call::Cosign { size: 12, line, .. }] = &given(&done)[..] else {
        panic!("one cosignature of the publication: {done:?}");
    };
    let cosignature = CheckpointCosignature::parse(line).unwrap();
    let replayed = replayed(12).checkpoint;
    assert!(cosignature.verify(&replayed, &identity(ME as u8).public()));
    assert!(given(&world.step(seating(2))).is_empty(), "on its way");

    // Killed after the record, at another time of day: the same line. So after a lost connection.
    world.held.insert(model(1));
    world.restart();
    world.now_ms = 90_000;
    world.ledger(after_round_1());
    assert_eq!(given(&world.step(seating(2))), given(&done));
    world.feed(Event::Accepted(Task::Cosign(1, Duty::Published)));
    world.feed(Event::Disconnected);
    assert_eq!(given(&world.step(seating(2))), given(&done));
}

#[test]
fn what_a_snapshot_stands_for_and_what_others_have_a_say_in_is_not_cosigned() {
    for facts in [
        Facts {
            replayed: None,
            ..after_round_1()
        },
        Facts {
            me: None,
            ..after_round_1()
        },
    ] {
        let mut world = World::new();
        world.ledger(facts);
        world.feed(recomputed(1));
        assert!(given(&world.step(seating(2))).is_empty());
    }
}

#[test]
fn a_replica_fetched_anew_that_is_another_history_or_an_older_one_stops_the_node() {
    let same = Some((12, [1; 32]));
    let other = Some((12, [9; 32]));
    let cases = [
        (15, same, false),
        (15, None, false),
        // What was cosigned before the newest is not held against it.
        (15, Some((11, [9; 32])), false),
        (15, other, true),
        (11, None, true),
    ];
    for (entries, cosigned, is_alarm) in cases {
        let mut world = World::new();
        world.ledger(after_round_1());
        world.step(seating(2));
        world.feed(recomputed(1));
        assert!(world.disk.vouched.is_some());
        world.restart();
        let done = world.ledger(Facts {
            entries,
            checkpoint: Some(checkpoint(entries, 9)),
            cosigned,
            replayed: None,
            ..after_round_1()
        });
        let alarms = alarms(&done);
        if !is_alarm {
            assert!(alarms.is_empty(), "{alarms:?}");
            continue;
        }
        let [Alarm::Fork { ours, theirs, .. }] = alarms[..] else {
            panic!("not noticed: {done:?}");
        };
        assert_eq!(*ours, replayed(12).checkpoint.text());
        assert_eq!(theirs, checkpoint(entries, 9).note());
        assert!(done.contains(&Effect::Halt));
        assert!(world.step(seating(2)).is_empty());
    }
}

#[test]
fn a_second_checkpoint_of_a_published_round_is_not_cosigned_even_after_a_restart() {
    let mut world = World::new();
    world.ledger(after_round_1());
    world.step(seating(2));
    world.feed(recomputed(1));
    for killed in [false, true] {
        if killed {
            world.held.insert(model(1));
            world.restart();
        }
        let done = world.ledger(Facts {
            replayed: Some(replayed(13)),
            ..after_round_1()
        });
        let done = [done, world.step(seating(2))].concat();
        assert!(given(&done).is_empty());
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::CheckpointDiffers { round: 1 }]
        ));
    }
}

#[test]
fn nothing_is_cosigned_while_records_are_known_to_be_lost() {
    let mut world = World::new();
    let head = unsilo_ledger::GuardHead {
        records: 5,
        digest: [5; 32],
    };
    let behind = |replayed| Facts {
        guard_head: Some(head),
        replayed,
        ..after_round_1()
    };
    world.ledger(behind(Some(replayed(12))));
    world.feed(recomputed(1));
    let done = world.step(StepKind::Resting {
        finished: false,
        reason: "pause".into(),
    });
    assert!(given(&done).is_empty(), "it may have cosigned another one");
}

#[test]
fn the_last_publication_is_cosigned_before_the_node_ends() {
    let finished = || StepKind::Resting {
        finished: true,
        reason: "all rounds are over".into(),
    };
    let mut world = World::new();
    world.ledger(after_round_1());
    world.step(finished());
    world.feed(recomputed(1));
    let done = world.feed(Event::Evaluated {
        round: 1,
        model: model(1),
        evaluation: None,
    });
    assert!(!done.contains(&Effect::Finish), "its word is on its way");
    let done = world.feed(Event::Accepted(Task::Cosign(1, Duty::Published)));
    assert!(done.contains(&Effect::Finish));
    let record: WitnessRecord = world.disk.vouched.expect("recorded");
    assert_eq!((record.round, record.size), (1, 12));
}
