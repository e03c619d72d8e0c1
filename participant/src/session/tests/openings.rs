//! The one answer about the sum.

use super::*;

/// A node that has answered the opening of round 1, and the facts it answered for.
pub(super) fn opened() -> (World, Facts) {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    let done = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1, 2, 3],
    });
    assert_eq!(calls(&done, Task::Open(1)).len(), 1);
    (world, facts)
}

#[test]
fn other_weights_are_not_opened_after_the_first_answer() {
    let (mut world, facts) = opened();
    for killed in [false, true] {
        if killed {
            world.restart();
        }
        let mut done = world.ledger(weighed(facts.clone(), [24, 16, 16, 16]));
        done.extend(world.step(StepKind::Opening { round: 1 }));
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::OpeningDiffers { round: 1 }]
        ));
        assert!(calls(&done, Task::Open(1)).is_empty());
    }
}

#[test]
fn the_same_weights_over_other_contributions_are_not_opened_after_the_first_answer() {
    let (mut world, mut facts) = opened();
    facts.round.as_mut().unwrap().contributions_hash = [98; 32];
    let done = world.ledger(facts);
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::OpeningDiffers { round: 1 }]
    ));
    assert!(calls(&world.step(StepKind::Opening { round: 1 }), Task::Open(1)).is_empty());
}

#[test]
fn too_small_or_lopsided_sums_are_not_opened() {
    for weights in [[16, 16, 0, 0], [256, 16, 16, 16]] {
        let mut world = World::new();
        let facts = weighed(world.contributed(), weights);
        world.ledger(facts);
        let done = world.step(StepKind::Opening { round: 1 });
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::OpeningUnsafe { round: 1, .. }]
        ));
        assert!(
            !done
                .iter()
                .any(|effect| matches!(effect, Effect::OpenShares(_)))
        );
    }
}

#[test]
fn killed_between_guard_and_answer_the_node_gives_the_same_bytes() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    assert_eq!((job.at.seat, job.set.len()), (2, 4));
    let combined = Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1, 2, 3],
    };
    // The record is written, and then the process is killed.
    world.kill_after = Some(1);
    let done = world.feed(combined);
    assert!(matches!(
        done.as_slice(),
        [Effect::Record(Record::Opened(_))]
    ));
    world.ledger(facts.clone());
    let again = world.step(StepKind::Opening { round: 1 });
    let [Call::Open { opening, .. }] = &calls(&again, Task::Open(1))[..] else {
        panic!("answered without fetching shares again: {again:?}");
    };
    assert_eq!(opening, &[1, 2, 3]);
    // Whatever the shares give now, the first answer stands.
    let other = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![9],
    });
    assert!(matches!(
        alarms(&other)[..],
        [Alarm::OpeningDiffers { round: 1 }]
    ));
    assert!(calls(&other, Task::Open(1)).is_empty());
}

#[test]
fn a_substituted_share_is_an_alarm_and_a_bad_one_is_told_without_blame() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    world.step(StepKind::Opening { round: 1 });
    let done = world.feed(Event::ShareSubstituted {
        task: Task::OpenShares(1),
        round: 1,
        participant: 3,
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ShareSubstituted { participant: 3, .. }]
    ));
    let done = world.feed(Event::ShareUnusable {
        round: 1,
        participant: 3,
        reason: "does not open".into(),
    });
    assert!(alarms(&done).is_empty());
    assert!(matches!(
        done.as_slice(),
        [Effect::Tell(Progress::Warning { message })] if message.contains("participant 3")
    ));
    assert!(calls(&world.done, Task::Open(1)).is_empty());
}

#[test]
fn a_day_after_its_deadline_a_sum_is_not_opened_any_more() {
    let day = unsilo_ledger::entry::OWNERS_VOID_DELAY_MS;
    for (now_ms, opened) in [(30_000 + day - 40_000, true), (30_000 + day, false)] {
        let mut world = World::new();
        let facts = weighed(world.contributed(), [16; 4]);
        world.now_ms = now_ms;
        world.ledger(facts);
        let done = world.step(StepKind::Opening { round: 1 });
        let opens = |effect: &Effect| matches!(effect, Effect::OpenShares(_));
        assert_eq!(done.iter().any(opens), opened, "at {now_ms}: {done:?}");
    }
}

#[test]
fn what_was_not_accepted_or_is_to_be_void_is_not_opened() {
    let refused = |change: fn(&mut RoundFacts), named: &str| {
        let mut world = World::new();
        let mut facts = weighed(world.contributed(), [16; 4]);
        change(facts.round.as_mut().unwrap());
        world.ledger(facts);
        let done = world.step(StepKind::Opening { round: 1 });
        let [Alarm::OpeningUnsafe { reason, .. }] = alarms(&done)[..] else {
            panic!("opened: {done:?}");
        };
        assert!(reason.contains(named), "{reason}");
    };
    refused(
        |round| round.judged.as_mut().unwrap().accepted.clear(),
        "not accepted",
    );
    refused(|round| round.judged = None, "not judged");
    refused(|round| round.void_due = Some(VoidReason::Brake), "void");
    refused(
        |round| {
            round.contributions.remove(3);
        },
        "not closed",
    );
}
