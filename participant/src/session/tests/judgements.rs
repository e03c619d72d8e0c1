//! The judgement: from enough answers, the own ones among them, and one a round.

use unsilo_ledger::SignedEntry;

use super::*;

fn signatures(effects: &[Effect]) -> Vec<Call> {
    calls(effects, Task::SignJudgement(1))
}

fn judged() -> Event {
    Event::Judged {
        round: 1,
        judgement: judgement(),
        evidence: vec![vec![4]],
    }
}

#[test]
fn the_judgement_is_recorded_signed_once_and_the_same_after_a_crash() {
    let mut world = World::new();
    let facts = world.answered();
    let started = world.step(judging(&[1, 2, 3]));
    let [Effect::Judge(job)] = started.as_slice() else {
        panic!("answers are fetched: {started:?}");
    };
    assert_eq!(job.seats[1], (2, identity(ME as u8).public()));
    assert_eq!(job.sent, Some([22; 32]), "the own sheet is among them");
    let own = Some(ParticipantId(ME));
    assert_eq!(job.own, own, "its own row is held against what it sent");
    let done = world.feed(judged());
    assert!(recorded_before(&done, Task::SignJudgement(1), |record| {
        matches!(record, Record::Judged { .. })
    }));
    let signed = signatures(&done);
    let [
        Call::SignJudgement {
            entry,
            signature,
            evidence,
            ..
        },
    ] = &signed[..]
    else {
        panic!("one signature: {done:?}");
    };
    assert_eq!(evidence, &[vec![4]]);
    let entry = Entry::from_bytes(entry).unwrap();
    let expected = entry.sign(&draft().federation_id(), &identity(ME as u8));
    assert_eq!(*signature, expected.signature);
    assert!(matches!(
        &entry,
        Entry::ContributionsJudged { round: 1, accepted, .. } if accepted.len() == 4
    ));
    let alone = SignedEntry::signed_by(entry, &draft().federation_id(), &[&identity(ME as u8)]);
    assert_eq!(alone.signers().count(), 1);

    // The step comes again: not judged again. After a crash it is, and gives the same signature.
    world.feed(Event::Refused {
        task: Task::SignJudgement(1),
        rejected: unsilo_proto::Rejected::new(unsilo_proto::Code::WrongStep, ""),
    });
    assert_eq!(signatures(&world.step(judging(&[1, 2, 3]))), signed);
    world.restart();
    world.ledger(facts);
    let started = world.step(judging(&[1, 2, 3]));
    assert!(matches!(started.as_slice(), [Effect::Judge(_)]));
    assert_eq!(signatures(&world.feed(judged())), signed);
}

#[test]
fn a_second_different_judgement_is_not_signed() {
    let mut world = World::new();
    let facts = world.answered();
    world.step(judging(&[1, 2, 3]));
    assert_eq!(signatures(&world.feed(judged())).len(), 1);
    let done = world.step(judging(&[1, 2, 4]));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::JudgementDiffers { round: 1 }]
    ));
    world.restart();
    world.ledger(facts);
    world.step(judging(&[1, 2, 4]));
    let mut other = judgement();
    other.answers = vec![(1, [1; 32]), (2, [2; 32]), (4, [4; 32])];
    let done = world.feed(Event::Judged {
        round: 1,
        judgement: other,
        evidence: Vec::new(),
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::JudgementDiffers { round: 1 }]
    ));
    assert!(signatures(&done).is_empty());
}

#[test]
fn too_few_answers_or_seats_that_there_are_not_are_not_judged() {
    for seats in [&[1, 2][..], &[1, 2, 2], &[2, 1, 3], &[1, 2, 9], &[0, 1, 2]] {
        let mut world = World::new();
        world.answered();
        let done = world.step(judging(seats));
        assert!(
            matches!(alarms(&done)[..], [Alarm::JudgesUnfit { round: 1 }]),
            "{seats:?}: {done:?}"
        );
    }
}

#[test]
fn a_judgement_without_the_answers_that_this_node_gave_is_not_signed() {
    let mut world = World::new();
    world.answered();
    let done = world.step(judging(&[1, 3, 4]));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::AnswersLeftOut { round: 1 }]
    ));
    // A member whose answers did not arrive judges those of the others.
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts);
    let done = world.step(judging(&[1, 3, 4]));
    assert!(matches!(done.as_slice(), [Effect::Judge(job)] if job.sent.is_none()));
}

#[test]
fn answers_that_their_member_did_not_sign_are_an_alarm_about_the_coordinator() {
    let mut world = World::new();
    world.answered();
    world.step(judging(&[1, 2, 3]));
    let done = world.feed(Event::AnswerSubstituted {
        task: Task::Judge(1),
        round: 1,
        seat: 3,
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::AnswerSubstituted { seat: 3, .. }]
    ));
    assert!(world.disk.judged.is_empty());
}

#[test]
fn false_projections_of_a_contribution_are_an_alarm_about_the_coordinator_and_nothing_is_signed() {
    let mut world = World::new();
    world.answered();
    world.step(judging(&[1, 2, 3]));
    let done = world.feed(Event::RowFalse {
        round: 1,
        participant: 2,
    });
    let alarms = alarms(&done);
    assert!(matches!(
        alarms[..],
        [Alarm::ProjectionsFalse { participant: 2, .. }]
    ));
    assert!(
        alarms[0]
            .to_string()
            .contains("the fault is the coordinator's")
    );
    // Asked again it still does not sign.
    assert!(signatures(&world.step(judging(&[1, 2, 3]))).is_empty());
    assert!(world.disk.judged.is_empty());
}

#[test]
fn a_void_signature_excludes_the_judgement() {
    let mut world = World::new();
    world.answered();
    world.step(judging(&[1, 2, 3]));
    world.now_ms = 100_000;
    assert_eq!(calls(&world.step(voiding(1)), Task::SignVoid(1)).len(), 1);
    assert!(signatures(&world.feed(judged())).is_empty());
    assert!(signatures(&world.step(judging(&[1, 2, 3]))).is_empty());
    assert!(world.disk.judged.is_empty());
}
