//! The scalars: answered once, about no more than the model bears, and never after a void.

use unsilo_ledger::OwnerId;

use super::*;

fn answering() -> StepKind {
    StepKind::Answering { round: 1 }
}

fn sends(effects: &[Effect]) -> usize {
    effects
        .iter()
        .filter(|effect| matches!(effect, Effect::SendAnswers { .. }))
        .count()
}

#[test]
fn scalars_are_recorded_before_they_are_sent_and_the_same_are_sent_after_a_crash() {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts.clone());
    let started = world.step(answering());
    let [Effect::Answer(job)] = started.as_slice() else {
        panic!("shares are fetched and answered on: {started:?}");
    };
    assert_eq!((job.at.seat, job.at.threshold, job.set.len()), (2, 3, 4));
    assert_eq!(job.challenge, [8; 32]);
    // Killed right after the record.
    world.kill_after = Some(1);
    let done = world.feed(Event::Answered(answer_record(&facts)));
    assert!(matches!(
        done.as_slice(),
        [Effect::Record(Record::Answered(_))]
    ));
    world.ledger(facts.clone());
    let again = world.step(answering());
    assert_eq!(
        again,
        [Effect::SendAnswers {
            round: 1,
            sent: [22; 32]
        }],
        "nothing is computed a second time"
    );
    // Whatever would come out now, the first answers stand.
    let mut other = answer_record(&facts);
    other.sent = [23; 32];
    let done = world.feed(Event::Answered(other));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::AnswersDiffer { round: 1 }]
    ));
    assert_eq!(sends(&done), 0);
}

#[test]
fn killed_before_the_record_nothing_was_sent_and_new_answers_are_made() {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts.clone());
    world.step(answering());
    world.kill_after = Some(0);
    assert!(
        world
            .feed(Event::Answered(answer_record(&facts)))
            .is_empty()
    );
    world.ledger(facts);
    let again = world.step(answering());
    assert!(matches!(again.as_slice(), [Effect::Answer(_)]));
}

#[test]
fn other_scalars_are_not_answered_after_the_first_ones() {
    let changes: [fn(&mut RoundFacts); 3] = [
        |round| round.challenge = Some([9; 32]),
        |round| round.contributions_hash = [9; 32],
        |round| round.directions = vec![rater(3, &[[1; 32]])],
    ];
    for change in changes {
        let mut world = World::new();
        let mut facts = world.answered();
        world.restart();
        change(facts.round.as_mut().unwrap());
        world.ledger(facts);
        let done = world.step(answering());
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::AnswersDiffer { round: 1 }]
        ));
        assert_eq!(sends(&done), 0);
    }
}

#[test]
fn answers_that_the_round_is_past_are_never_sent() {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts.clone());
    world.step(answering());
    let record = answer_record(&facts);
    world.ledger(weighed(facts, [16; 4]));
    let done = world.feed(Event::Answered(record));
    assert!(matches!(
        done.as_slice(),
        [Effect::Tell(Progress::Warning { .. })]
    ));
    assert!(world.disk.answered.is_empty());
}

#[test]
fn one_direction_more_than_the_model_bears_is_refused() {
    // 64-32-10 has 2,410 parameters: 75 vectors, 27 directions.
    let directions = |count: u8| -> Vec<RaterFacts> {
        (0..count)
            .map(|number| rater(u32::from(number), &[[number; 32]]))
            .collect()
    };
    let mut world = World::new();
    let facts = closed(world.contributed());
    let with = |count| {
        let mut facts = facts.clone();
        facts.round.as_mut().unwrap().directions = directions(count);
        facts
    };
    world.ledger(with(28));
    let done = world.step(answering());
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::TooManyDirections {
            opened: 76,
            limit: 75,
            ..
        }]
    ));
    let mut done = world.ledger(with(27));
    done.extend(world.step(answering()));
    assert!(matches!(done.as_slice(), [Effect::Answer(job)] if job.raters.len() == 27));
    let done = world.feed(Event::Answered(answer_record(&with(27))));
    let [Effect::Record(Record::Answered(record)), ..] = done.as_slice() else {
        panic!("recorded: {done:?}");
    };
    assert_eq!(record.directions.len(), 27, "the set of hashes is kept");
    assert_eq!(record.limit, 75);
}

#[test]
fn a_void_signature_excludes_the_scalars() {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts.clone());
    world.step(answering());
    world.now_ms = 100_000;
    assert_eq!(calls(&world.step(voiding(1)), Task::SignVoid(1)).len(), 1);
    let done = world.feed(Event::Answered(answer_record(&facts)));
    assert_eq!(sends(&done), 0);
    for killed in [false, true] {
        if killed {
            world.restart();
            world.ledger(facts.clone());
        }
        let done = world.step(answering());
        assert!(
            !done
                .iter()
                .any(|effect| matches!(effect, Effect::Answer(_)))
        );
    }
}

#[test]
fn a_substituted_share_is_not_answered_on() {
    let mut world = World::new();
    let facts = closed(world.contributed());
    world.ledger(facts);
    world.step(answering());
    let done = world.feed(Event::ShareSubstituted {
        task: Task::Answer(1),
        round: 1,
        participant: 3,
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ShareSubstituted { participant: 3, .. }]
    ));
    assert!(world.disk.answered.is_empty());
}

#[test]
fn whoever_holds_no_seat_answers_nothing() {
    let mut world = World::new();
    world.ledger(closed(with_contributions(open(1), root(1))));
    let facts = world.session.facts().unwrap().clone();
    assert_eq!(facts.me.unwrap().1, OwnerId(ME));
    let done = world.step(answering());
    assert!(
        done.iter()
            .all(|effect| matches!(effect, Effect::Tell(_) | Effect::Alarm(_))),
        "{done:?}"
    );
}
