//! The end of each half of the rating: over the rows as they are on the ledger, and not without the own one.

use unsilo_ledger::{RatingStep, SignedEntry};
use unsilo_proto::{Code, Rejected};

use super::*;
use crate::{guard::DirectionsRecord, rater::Opinion};

/// The end of a step of round 1 over so many rows.
fn step_end(revealing: bool, rows: u32) -> Entry {
    Entry::RatingStepEnded {
        round: 1,
        step: if revealing {
            RatingStep::Reveal
        } else {
            RatingStep::Commit
        },
        rows,
        set: [rows as u8; 32],
    }
}

/// Round 1 while raters commit to their rows or reveal them, as they have done so far.
pub(super) fn rating(world: &mut World, revealing: bool, rows: [RowState; 2]) -> Facts {
    let mut facts = weighed(world.contributed(), [0; 4]);
    let round = facts.round.as_mut().unwrap();
    round.phase = Phase::Rating;
    round.weights.clear();
    round.directions = vec![rater(0, &[[1; 32]]), rater(3, &[[3; 32]])];
    for (rater, row) in round.directions.iter_mut().zip(rows) {
        rater.row = row;
    }
    (round.close_by_ms, round.open_by_ms) = (120_000, 420_000);
    on_log(&mut facts, revealing);
    facts
}

/// The facts with the end of the step over the rows that they hold.
pub(super) fn on_log(facts: &mut Facts, revealing: bool) {
    let least = if revealing {
        RowState::Revealed
    } else {
        RowState::Committed
    };
    let round = facts.round.as_mut().unwrap();
    let rows = round.directions.iter().filter(|rater| rater.row >= least);
    round.rating_end = Some(step_end(revealing, rows.count() as u32));
}

fn asked(revealing: bool, entry: Vec<u8>) -> StepKind {
    StepKind::Rating {
        round: 1,
        revealing,
        entry,
    }
}

/// The coordinator asks to end the step over exactly the rows on this node's ledger.
pub(super) fn ending(facts: &Facts) -> StepKind {
    let entry = facts.round.as_ref().unwrap().rating_end.clone().unwrap();
    let revealing = matches!(
        entry,
        Entry::RatingStepEnded {
            step: RatingStep::Reveal,
            ..
        }
    );
    asked(revealing, entry.to_bytes())
}

/// Signatures under the end of a step among these effects.
fn signed(effects: &[Effect]) -> Vec<Entry> {
    let entry = |effect: &Effect| match effect {
        Effect::Call(Call::SignRatingStep { entry, .. }) => Some(Entry::from_bytes(entry).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(entry).collect()
}

#[test]
fn the_end_of_a_rating_step_is_signed_when_all_rows_are_in_or_its_time_is_over() {
    use RowState::{Committed, Missing, Revealed};
    for (rows, revealing, now_ms, signs) in [
        ([Committed, Missing], false, 1_000, false),
        ([Committed, Committed], false, 1_000, true),
        ([Missing, Missing], false, 189_000, false),
        ([Missing, Missing], false, 190_000, true),
        ([Revealed, Committed], true, 1_000, false),
        ([Revealed, Missing], true, 1_000, true),
        ([Revealed, Committed], true, 289_000, false),
        ([Revealed, Committed], true, 290_000, true),
    ] {
        let mut world = World::new();
        let facts = rating(&mut world, revealing, rows);
        world.ledger(facts.clone());
        world.now_ms = now_ms;
        let done = world.step(ending(&facts));
        assert_eq!(signed(&done).len() == 1, signs, "{rows:?} at {now_ms}");
    }
}

#[test]
fn an_end_of_another_step_or_over_other_rows_is_not_signed() {
    let mut world = World::new();
    let facts = rating(&mut world, false, [RowState::Committed; 2]);
    world.ledger(facts);
    let mut other_set = step_end(false, 2);
    if let Entry::RatingStepEnded { set, .. } = &mut other_set {
        set[0] ^= 1;
    }
    for entry in [
        step_end(true, 2),
        step_end(false, 1),
        step_end(false, 3),
        other_set,
    ] {
        for revealing in [false, true] {
            let done = world.step(asked(revealing, entry.to_bytes()));
            assert_eq!(signed(&done), [], "{entry:?}");
        }
    }
    let done = world.step(asked(false, step_end(false, 2).to_bytes()));
    assert_eq!(signed(&done), [step_end(false, 2)]);
}

#[test]
fn a_row_that_comes_late_makes_another_end_which_is_signed_too() {
    let mut world = World::new();
    let mut facts = rating(&mut world, false, [RowState::Committed, RowState::Missing]);
    world.ledger(facts.clone());
    world.now_ms = 190_000;
    assert_eq!(signed(&world.step(ending(&facts))), [step_end(false, 1)]);
    world.feed(Event::Accepted(Task::SignRatingStep(1, false, [1; 32])));
    facts = grown(facts);
    facts.round.as_mut().unwrap().directions[1].row = RowState::Committed;
    on_log(&mut facts, false);
    world.ledger(facts.clone());
    assert_eq!(signed(&world.step(ending(&facts))), [step_end(false, 2)]);
}

/// As [`rating`], with four raters whose rows stand so.
fn rating_of_four(world: &mut World, revealing: bool, rows: [RowState; 4]) -> Facts {
    let mut facts = rating(world, revealing, [rows[0], rows[1]]);
    let raters = (0..4).zip(rows).map(|(number, row)| RaterFacts {
        row,
        ..rater(number, &[[number as u8 + 1; 32]])
    });
    facts.round.as_mut().unwrap().directions = raters.collect();
    on_log(&mut facts, revealing);
    facts
}

#[test]
fn few_missing_raters_are_waited_for_as_long_again_as_the_others_took_and_thirty_seconds_at_least()
{
    use RowState::{Committed, Missing, Revealed};
    for (revealing, lacks, has) in [(false, Missing, Committed), (true, Committed, Revealed)] {
        for (most_ms, over_ms) in [(4_000, 31_000), (26_000, 51_000)] {
            let mut world = World::new();
            world.now_ms = 1_000;
            let half = rating_of_four(&mut world, revealing, [has, has, lacks, lacks]);
            world.ledger(half.clone());
            world.now_ms = most_ms;
            // Half of the raters missing are not few, however long it takes.
            assert_eq!(signed(&world.step(ending(&half))), []);
            let most = rating_of_four(&mut World::new(), revealing, [has, has, has, lacks]);
            world.ledger(grown(most.clone()));
            for (now_ms, signs) in [(over_ms - 1, false), (over_ms, true)] {
                world.now_ms = now_ms;
                let done = world.step(ending(&most));
                assert_eq!(signed(&done).len() == 1, signs, "{revealing} at {now_ms}");
            }
        }
        // More of them are waited for until the deadline.
        let mut world = World::new();
        world.now_ms = 1_000;
        let half = rating_of_four(&mut world, revealing, [has, has, lacks, lacks]);
        world.ledger(half.clone());
        world.now_ms = 100_000;
        assert_eq!(signed(&world.step(ending(&half))), []);
    }
}

#[test]
fn a_wait_for_few_raters_begins_anew_with_each_half() {
    use RowState::{Committed, Missing, Revealed};
    let mut world = World::new();
    world.now_ms = 1_000;
    let commits = rating_of_four(
        &mut world,
        false,
        [Committed, Committed, Committed, Missing],
    );
    world.ledger(commits.clone());
    world.now_ms = 31_000;
    assert_eq!(signed(&world.step(ending(&commits))).len(), 1);
    world.feed(Event::Accepted(Task::SignRatingStep(1, false, [3; 32])));
    let reveals = rating_of_four(
        &mut World::new(),
        true,
        [Revealed, Revealed, Committed, Missing],
    );
    world.ledger(grown(reveals.clone()));
    assert_eq!(signed(&world.step(ending(&reveals))), []);
    world.now_ms = 60_999;
    assert_eq!(signed(&world.step(ending(&reveals))), []);
    world.now_ms = 61_000;
    assert_eq!(signed(&world.step(ending(&reveals))).len(), 1);
}

/// As [`rating`], with this node a rater too, whose row stands like `mine`.
fn rating_too(world: &mut World, revealing: bool, rows: [RowState; 2], mine: RowState) -> Facts {
    let mut facts = rating(world, revealing, rows);
    facts.round.as_mut().unwrap().directions.insert(
        1,
        RaterFacts {
            row: mine,
            ..rater(ME, &[[2; 32]])
        },
    );
    on_log(&mut facts, revealing);
    facts
}

/// This node's row of the others' contributions, made.
fn row() -> Event {
    Event::Row {
        round: 1,
        opinions: vec![
            Opinion {
                score: 4,
                reward: 5
            };
            3
        ],
        salt: [7; 32],
    }
}

/// What was sent as this node's row among these effects.
fn rated(effects: &[Effect]) -> Vec<Entry> {
    let entry = |effect: &Effect| match effect {
        Effect::Call(Call::Rate { entry, .. }) => Some(SignedEntry::decode(entry).unwrap().entry),
        _ => None,
    };
    effects.iter().filter_map(entry).collect()
}

#[test]
fn a_member_signs_no_end_that_leaves_its_own_row_out() {
    use RowState::{Committed, Missing, Revealed};
    for (revealing, lacks, has) in [(false, Missing, Committed), (true, Committed, Revealed)] {
        let mut world = World::new();
        let before = rating_too(&mut world, false, [Committed, Missing], Missing);
        world.ledger(before);
        world.feed(row());
        // The time is over, the others are in: a coordinator that withholds this row asks to end.
        world.now_ms = 300_000;
        let without = rating_too(&mut World::new(), revealing, [has, has], lacks);
        world.ledger(without.clone());
        let done = world.step(ending(&without));
        assert_eq!(signed(&done), []);
        assert_eq!(rated(&done).len(), 1, "it is sent again");
        let with = rating_too(&mut World::new(), revealing, [has, has], has);
        world.ledger(grown(with.clone()));
        assert_eq!(signed(&world.step(ending(&with))), [step_end(revealing, 3)]);
    }
    // Whose commitment is not on the ledger has nothing to reveal.
    let mut world = World::new();
    let before = rating_too(&mut world, false, [Committed, Missing], Missing);
    world.ledger(before);
    world.feed(row());
    let later = rating_too(&mut World::new(), true, [Revealed, Missing], Missing);
    world.ledger(later.clone());
    assert_eq!(signed(&world.step(ending(&later))), [step_end(true, 1)]);
}

#[test]
fn a_row_that_was_taken_and_left_out_raises_an_alarm_and_one_that_was_late_does_not() {
    use RowState::{Committed, Missing};
    let left_out = |done: &[Effect]| {
        alarms(done)
            .iter()
            .any(|alarm| matches!(alarm, Alarm::RowLeftOut { round: 1 }))
    };
    for (taken, mine, stage) in [
        (Some(false), Missing, 1),
        (Some(false), Missing, 2),
        (Some(false), Committed, 2),
        (Some(true), Committed, 2),
        (None, Missing, 1),
    ] {
        let mut world = World::new();
        let before = rating_too(&mut world, false, [Committed, Missing], Missing);
        world.ledger(before);
        world.step(asked(false, Vec::new()));
        world.feed(row());
        if let Some(revealing) = taken {
            let done = world.feed(Event::Accepted(Task::Rate(1, revealing)));
            assert!(!left_out(&done));
        }
        // A new connection does not let the coordinator off.
        world.feed(Event::Disconnected);
        let mut after = rating_too(&mut World::new(), true, [Committed, Missing], mine);
        let round = after.round.as_mut().unwrap();
        if stage == 2 {
            round.phase = Phase::Weighed;
            round.rating_end = None;
        }
        // A member or not.
        round.seats.remove(ME as usize);
        world.ledger(after);
        let done = world.step(asked(true, Vec::new()));
        let expected = matches!(
            (taken, mine),
            (Some(false), Missing) | (Some(true), Committed)
        );
        assert_eq!(left_out(&done), expected, "{taken:?} {mine:?} {stage}");
    }
}

/// A member that asked, and has no row yet; all others committed to theirs.
fn asking() -> (World, Facts) {
    let mut world = World::new();
    let facts = rating_too(
        &mut world,
        false,
        [RowState::Committed; 2],
        RowState::Missing,
    );
    let asked = Record::Directions(DirectionsRecord {
        round: 1,
        round_key: vec![4],
        directions: vec![[2; 32]],
    });
    world.disk.admit(&asked).unwrap();
    world.session.guards.admit(&asked).unwrap();
    world.ledger(facts.clone());
    (world, facts)
}

fn scores() -> Event {
    Event::Scores {
        round: 1,
        scores: Vec::new(),
        undecided: Vec::new(),
    }
}

fn warnings(effects: &[Effect]) -> Vec<&str> {
    let message = |effect| match effect {
        &Effect::Tell(Progress::Warning { ref message }) => Some(message.as_str()),
        _ => None,
    };
    effects.iter().filter_map(message).collect()
}

#[test]
fn a_member_that_waits_for_answers_signs_the_end_of_commitments_only_when_reveals_would_be_over_too()
 {
    let (mut world, facts) = asking();
    for (now_ms, signs) in [(190_000, false), (289_999, false), (290_000, true)] {
        world.now_ms = now_ms;
        let done = world.step(ending(&facts));
        assert_eq!(signed(&done).len() == 1, signs, "at {now_ms}");
    }
    // Told, it makes its row, and signs nothing without that; if it cannot make one, nobody waits.
    for made in [true, false] {
        let (mut world, facts) = asking();
        world.now_ms = 190_000;
        assert_eq!(signed(&world.step(ending(&facts))), []);
        assert_eq!(signed(&world.feed(scores())), []);
        let done = match made {
            true => world.feed(row()),
            false => world.feed(Event::Failed {
                task: Task::MakeRow(1),
                reason: "no".into(),
            }),
        };
        assert_eq!(rated(&done).len() == 1, made);
        assert_eq!(signed(&done).len() == 1, !made);
    }
}

#[test]
fn a_member_that_is_refused_its_answers_says_so_and_never_signs_the_end_of_commitments() {
    let refusals = [Code::WrongStep, Code::WrongRound, Code::NotFound].map(|code| Event::Refused {
        task: Task::ReceiveAnswers(1),
        rejected: Rejected::new(code, "you committed no directions"),
    });
    let withheld = Event::AnswersWithheld { round: 1, seat: 2 };
    for refusal in refusals.into_iter().chain([withheld.clone()]) {
        let is_withheld = matches!(refusal, Event::AnswersWithheld { .. });
        let (mut world, facts) = asking();
        world.step(asked(false, Vec::new()));
        let done = world.feed(refusal);
        match is_withheld {
            true => assert!(matches!(
                alarms(&done)[..],
                [Alarm::AnswersWithheld { round: 1, seat: 2 }]
            )),
            false => assert_eq!(warnings(&done).len(), 1, "{done:?}"),
        }
        world.now_ms = 1_000_000;
        let done = world.step(ending(&facts));
        assert_eq!(signed(&done), []);
        assert!(
            done.iter()
                .any(|effect| matches!(effect, Effect::ReceiveAnswers(_))),
            "it asks again"
        );
        // A new connection does not make it forget; the answers do.
        world.feed(Event::Disconnected);
        assert_eq!(signed(&world.step(ending(&facts))), []);
        assert_eq!(signed(&world.feed(scores())), []);
        assert_eq!(rated(&world.feed(row())).len(), 1);
    }
}

#[test]
fn a_rater_without_a_row_is_told_once_that_the_ratings_went_on() {
    let (mut world, _) = asking();
    let mut after = rating_too(
        &mut World::new(),
        true,
        [RowState::Committed; 2],
        RowState::Missing,
    );
    let done = world.ledger(grown(after.clone()));
    assert!(
        warnings(&done)[0].contains("has no say in the round"),
        "{done:?}"
    );
    let done = world.step(asked(true, Vec::new()));
    assert!(warnings(&done).is_empty(), "{done:?}");
    let round = after.round.as_mut().unwrap();
    round.phase = Phase::Weighed;
    round.rating_end = None;
    let done = world.ledger(grown(grown(after)));
    assert!(warnings(&done).is_empty(), "{done:?}");
}

#[test]
fn whose_answers_contradict_each_other_is_told_with_the_seats_that_may_be_at_fault() {
    let (mut world, _) = asking();
    world.step(asked(false, Vec::new()));
    let done = world.feed(Event::Scores {
        round: 1,
        scores: Vec::new(),
        undecided: vec![
            (ParticipantId(0), vec![1, 3]),
            (ParticipantId(3), Vec::new()),
        ],
    });
    let told = warnings(&done);
    assert!(
        told[0].contains("participant 0: the answers cannot all be true")
            && told[0].contains("seat 1 (participant 0), seat 3 (participant 2)"),
        "{told:?}"
    );
    assert!(
        told[1].contains("participant 3: too few members"),
        "{told:?}"
    );
}
