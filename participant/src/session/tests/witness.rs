//! Members act on a ledger that enough of them cosigned, and cosign one for each step of a round.

use unsilo_ledger::{CheckpointCosignature, SignedCheckpoint};

use super::*;

fn answering() -> StepKind {
    StepKind::Answering { round: 1 }
}

/// A member of the closed round 1, and its facts.
fn member() -> (World, Facts) {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts.clone());
    (world, facts)
}

fn starts_answering(effects: &[Effect]) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Answer(_)))
}

#[test]
fn nothing_is_answered_before_the_threshold_has_cosigned() {
    let (mut world, facts) = member();
    let own = facts.checkpoint.clone().unwrap();
    let done = world.step_on(answering(), String::new());
    assert!(!starts_answering(&done));
    let note = cosigned(&own, &[0, 3]);
    let done = world.step_on(answering(), note);
    assert!(!starts_answering(&done));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::TooFewCosigners {
            cosigners: 2,
            needed: 3,
            ..
        }]
    ));
    let note = cosigned(&own, &[0, 2, 3]);
    assert!(starts_answering(&world.step_on(answering(), note)));
}

#[test]
fn cosignatures_of_strangers_and_of_unseated_participants_do_not_count() {
    let (mut world, mut facts) = member();
    // Participants 7 and 8 are in the federation and hold no seat; 3 has none in this round.
    facts.round.as_mut().unwrap().seats.pop();
    world.ledger(facts.clone());
    let own = facts.checkpoint.unwrap();
    let done = world.step_on(answering(), cosigned(&own, &[0, 2, 3, 7, 8]));
    assert!(!starts_answering(&done));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::TooFewCosigners { cosigners: 2, .. }]
    ));
}

#[test]
fn the_own_checkpoint_is_cosigned_after_its_record_and_the_same_bytes_again() {
    let (mut world, facts) = member();
    let done = world.step_on(answering(), String::new());
    assert!(recorded_before(
        &done,
        Task::Cosign(1, Duty::Answering),
        |record| matches!(record, Record::Witnessed(_))
    ));
    let given = calls(&done, Task::Cosign(1, Duty::Answering));
    let [Call::Cosign { size, line, .. }] = &given[..] else {
        panic!("one cosignature: {given:?}");
    };
    let own = facts.checkpoint.clone().unwrap();
    assert_eq!(*size, own.checkpoint().size);
    let cosignature = CheckpointCosignature::parse(line).unwrap();
    assert_eq!(cosignature.timestamp_s, 1);
    assert!(cosignature.verify(own.checkpoint(), &identity(ME as u8).public()));

    // Killed after the record, at another time of day: the same line.
    world.restart();
    world.ledger(facts);
    world.now_ms = 90_000;
    let again = world.step_on(answering(), String::new());
    assert_eq!(calls(&again, Task::Cosign(1, Duty::Answering)), given);
}

#[test]
fn a_second_checkpoint_is_not_cosigned_for_the_same_step_even_after_a_restart() {
    let (mut world, facts) = member();
    world.step_on(answering(), String::new());
    for killed in [false, true] {
        if killed {
            world.restart();
        }
        let mut done = world.ledger(grown(facts.clone()));
        done.extend(world.step_on(answering(), String::new()));
        assert!(calls(&done, Task::Cosign(1, Duty::Answering)).is_empty());
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::CheckpointDiffers { round: 1 }]
        ));
    }
    // The next duty has its own.
    let facts = weighed(facts, [16; 4]);
    world.ledger(facts);
    let done = world.step_on(StepKind::Opening { round: 1 }, String::new());
    assert_eq!(calls(&done, Task::Cosign(1, Duty::Opening)).len(), 1);
}

#[test]
fn a_checkpoint_of_another_size_is_not_acted_on() {
    let (mut world, facts) = member();
    let own = facts.checkpoint.clone().unwrap();
    let everybody = cosigned(&own, &[0, 1, 2, 3]);
    // It is acted on while it is this node's own, and never again.
    assert!(starts_answering(
        &world.step_on(answering(), everybody.clone())
    ));
    world.feed(Event::Disconnected);
    // The replica has grown beyond the step.
    world.ledger(grown(facts.clone()));
    world.step += 1;
    let late = Step {
        id: world.step,
        ledger_entries: facts.entries,
        checkpoint: everybody.clone(),
        now_ms: 1_000,
        kind: answering(),
    };
    assert!(!starts_answering(&world.feed(Event::Step(late))));
    // Or the checkpoint is of an earlier step than the one it comes with.
    let done = world.step_on(answering(), everybody.clone());
    assert!(!starts_answering(&done) && alarms(&done).is_empty());
    // Nor is it good for the next duty: who cosigned it said nothing about what was judged and weighed since.
    world.ledger(grown(weighed(facts, [16; 4])));
    let done = world.step_on(StepKind::Opening { round: 1 }, everybody);
    assert!(
        done.iter()
            .all(|effect| matches!(effect, Effect::Tell(Progress::Waiting { .. }))),
        "{done:?}"
    );
}

#[test]
fn two_ledgers_of_one_size_under_the_coordinators_name_stop_the_node() {
    let (mut world, facts) = member();
    let other: SignedCheckpoint = checkpoint(facts.entries, 9);
    let done = world.step_on(answering(), cosigned(&other, &[0, 2, 3]));
    let [Alarm::Fork { ours, theirs, .. }] = alarms(&done)[..] else {
        panic!("a second history was not noticed: {done:?}");
    };
    assert_eq!(ours, facts.checkpoint.unwrap().note());
    assert!(theirs.starts_with(other.note()));
    assert_eq!(done.last(), Some(&Effect::Halt));
    assert!(
        world.step(answering()).is_empty(),
        "nothing is done any more"
    );
}

#[test]
fn a_published_model_is_cosigned_by_whoever_verified_it_and_then_the_seat_is_forgotten() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let ledger = Facts {
        entries: facts.entries + 1,
        checkpoint: Some(checkpoint(facts.entries + 1, 1)),
        model: model(1),
        published: Some(published(1)),
        replayed: Some(replayed(facts.entries + 1)),
        ..idle(2)
    };
    let done = world.ledger(ledger.clone());
    assert!(!done.contains(&Effect::Forget { round: 1 }), "not yet");
    let step = || StepKind::Published {
        round: 1,
        model: model(1),
    };
    let done = world.step_on(step(), String::new());
    assert!(calls(&done, Task::Cosign(1, Duty::Published)).is_empty());
    let done = world.feed(recomputed(1));
    assert_eq!(calls(&done, Task::Cosign(1, Duty::Published)).len(), 1);
    let own = ledger.checkpoint.unwrap();
    let done = world.step_on(step(), cosigned(&own, &[0, 1]));
    assert!(!done.contains(&Effect::Forget { round: 1 }), "two of three");
    let done = world.step_on(step(), cosigned(&own, &[0, 1, 2]));
    assert!(done.contains(&Effect::Forget { round: 1 }));
}
