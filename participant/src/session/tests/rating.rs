//! Directions: committed once by those who may ask; and the row that follows from what the committee answers.

use unsilo_ledger::{Ratings, SignedEntry, commit_rating};

use super::{
    rating_end::{on_log, rating},
    *,
};
use crate::{guard::DirectionsRecord, rater::Opinion};

fn directions(round: u64, count: usize) -> Event {
    Event::Directions {
        round,
        values: DirectionValues(vec![vec![1, -2, 3]; count]),
    }
}

/// An open round in which this node may ask.
fn asked_in(round: u64) -> Facts {
    let mut facts = open(round);
    facts.round.as_mut().unwrap().raters = vec![ParticipantId(0), ParticipantId(ME)];
    facts
}

fn made(round: u64) -> Event {
    Event::DirectionsMade(DirectionsRecord {
        round,
        round_key: vec![4],
        directions: vec![[1; 32], [2; 32]],
    })
}

#[test]
fn directions_are_kept_and_recorded_before_they_are_committed_and_committed_again_unchanged() {
    let mut world = World::new();
    world.ledger(asked_in(1));
    let done = world.feed(directions(1, 2));
    assert!(matches!(done.as_slice(), [Effect::MakeDirections(job)] if job.values.0.len() == 2));
    assert!(
        !format!("{done:?}").contains("-2"),
        "values are not printed"
    );
    let done = world.feed(made(1));
    assert!(matches!(
        done.as_slice(),
        [Effect::Record(Record::Directions(_))]
    ));
    let sent = |effects: &[Effect]| -> Vec<Vec<u8>> {
        effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::CommitDirections { entry, .. } => Some(entry.clone()),
                _ => None,
            })
            .collect()
    };
    let step = || StepKind::Contributing { round: 1 };
    let committed = sent(&world.step(step()));
    let entry = SignedEntry::decode(&committed[0]).unwrap().entry;
    assert_eq!(
        entry,
        Entry::DirectionsCommitted {
            round: 1,
            participant: ParticipantId(ME),
            round_key: vec![4],
            directions: vec![[1; 32], [2; 32]],
        }
    );
    world.restart();
    world.ledger(asked_in(1));
    assert_eq!(sent(&world.step(step())), committed);
    // Others are not made, and once the ledger holds them nothing is sent.
    assert!(matches!(
        world.feed(directions(1, 1)).as_slice(),
        [Effect::Tell(Progress::Warning { .. })]
    ));
    let mut there = asked_in(1);
    there.round.as_mut().unwrap().directions = vec![rater(ME, &[[1; 32], [2; 32]])];
    world.ledger(there);
    assert!(sent(&world.step(step())).is_empty());
}

#[test]
fn directions_of_those_who_may_not_ask_or_too_many_or_too_late_are_refused() {
    let refused = |facts: Facts, event: Event| {
        let mut world = World::new();
        world.ledger(facts);
        world.step(StepKind::Contributing { round: 1 });
        let done = world.feed(event);
        assert!(
            matches!(done.as_slice(), [Effect::Tell(Progress::Warning { .. })]),
            "{done:?}"
        );
    };
    refused(open(1), directions(1, 1));
    refused(asked_in(1), directions(1, 3));
    refused(asked_in(1), directions(2, 1));
    refused(closed(asked_in(1)), directions(1, 1));
    let mut late = asked_in(1);
    late.round.as_mut().unwrap().contribute_by_ms = 10;
    refused(late, directions(1, 1));
}

#[test]
fn a_rater_fetches_what_the_committee_answered_about_contributions_of_others() {
    let mut world = World::new();
    world.ledger(asked_in(1));
    world.feed(directions(1, 2));
    world.feed(made(1));
    let mut facts = rating(&mut world, false, [RowState::Missing; 2]);
    let round = facts.round.as_mut().unwrap();
    round.directions.insert(1, rater(ME, &[[1; 32], [2; 32]]));
    round.judged.as_mut().unwrap().erased = vec![3];
    world.ledger(facts);
    let done = world.step(StepKind::Rating {
        round: 1,
        revealing: false,
        entry: Vec::new(),
    });
    let jobs: Vec<_> = done
        .iter()
        .filter_map(|effect| match effect {
            Effect::ReceiveAnswers(job) => Some(job),
            _ => None,
        })
        .collect();
    let [job] = jobs[..] else {
        panic!("asked once: {done:?}");
    };
    let others: Vec<u32> = job.set.iter().map(|(id, ..)| id.0).collect();
    assert_eq!(others, [0, 2, 3], "no score of its own");
    let seats: Vec<u16> = job.seats.iter().map(|(seat, ..)| *seat).collect();
    assert_eq!(seats, [1, 2], "without the erased one");
}

#[test]
fn a_node_drawn_to_rate_asks_its_rater_and_contributes_after_its_directions() {
    let uploads = |done: &[Effect]| {
        done.iter()
            .any(|effect| matches!(effect, Effect::Upload { .. }))
    };
    let mut world = World::new();
    world.ledger(asked_in(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    let asked = |effect: &Effect| matches!(effect, Effect::AskRater { round: 1, .. });
    assert!(done.iter().any(asked), "{done:?}");
    assert!(
        !uploads(&world.feed(encrypted(1, 0, 50))),
        "its rater first"
    );
    assert!(!uploads(&world.feed(directions(1, 2))));
    let done = world.feed(made(1));
    assert!(
        done.iter()
            .any(|effect| matches!(effect, Effect::CommitDirections { .. }))
    );
    assert!(!uploads(&done), "the round may close with its contribution");
    assert!(uploads(
        &world.feed(Event::Accepted(Task::CommitDirections(1)))
    ));
}

#[test]
fn a_node_whose_rater_asks_nothing_or_fails_contributes_all_the_same() {
    let nothing = Event::Failed {
        task: Task::AskRater(1),
        reason: "no data".into(),
    };
    for answer in [directions(1, 0), nothing] {
        let mut world = World::new();
        world.ledger(asked_in(1));
        world.step(StepKind::Contributing { round: 1 });
        world.feed(encrypted(1, 0, 50));
        let done = world.feed(answer);
        assert!(
            done.iter()
                .any(|effect| matches!(effect, Effect::Upload { .. })),
            "{done:?}"
        );
    }
}

#[test]
fn a_contribution_waits_for_directions_no_longer_than_half_of_the_time_and_they_are_still_taken() {
    let uploads = |done: &[Effect]| {
        done.iter()
            .any(|effect| matches!(effect, Effect::Upload { .. }))
    };
    let warned = |done: &[Effect]| {
        done.iter().any(|effect| {
            matches!(effect, Effect::Tell(Progress::Warning { message })
                if message.contains("its contribution goes first"))
        })
    };
    let mut world = World::new();
    world.ledger(asked_in(1));
    world.step(StepKind::Contributing { round: 1 });
    assert!(!uploads(&world.feed(encrypted(1, 0, 50))));
    // Seen at 1 s, and contributions end at 10 s.
    world.now_ms = 5_499;
    let done = world.feed(Event::Clock);
    assert!(!uploads(&done) && !warned(&done));
    world.now_ms = 5_500;
    let done = world.feed(Event::Clock);
    assert!(uploads(&done) && warned(&done), "{done:?}");
    let done = world.feed(Event::Clock);
    assert!(!uploads(&done) && !warned(&done), "once: {done:?}");
    // The round may still be open when they are ready.
    world.feed(directions(1, 2));
    let done = world.feed(made(1));
    assert!(
        done.iter()
            .any(|effect| matches!(effect, Effect::CommitDirections { .. }))
    );
}

#[test]
fn a_rater_that_is_too_slow_is_stopped_and_asked_again_only_when_it_has_given_up() {
    let asks = |done: &[Effect]| -> Vec<u64> {
        let asked = done.iter().filter_map(|effect| match effect {
            Effect::AskRater { round, .. } => Some(*round),
            _ => None,
        });
        asked.collect()
    };
    let stops = |done: &[Effect]| {
        done.iter()
            .any(|effect| matches!(effect, Effect::StopRater { round: 1 }))
    };
    let mut world = World::new();
    world.ledger(asked_in(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert_eq!((asks(&done), stops(&done)), (vec![1], false));
    assert!(stops(&world.ledger(closed(asked_in(1)))));
    let next = grown(grown(asked_in(2)));
    world.ledger(next);
    let done = world.step(StepKind::Contributing { round: 2 });
    assert_eq!(
        (asks(&done), stops(&done)),
        (vec![], true),
        "not beside the first"
    );
    let done = world.feed(Event::Failed {
        task: Task::AskRater(1),
        reason: "given up".into(),
    });
    assert_eq!((asks(&done), stops(&done)), (vec![2], false));
}

#[test]
fn a_node_that_rates_nobody_or_was_not_drawn_asks_nothing() {
    let asks = |done: Vec<Effect>| {
        done.iter()
            .any(|effect| matches!(effect, Effect::AskRater { .. }))
    };
    let mut world = World::new();
    world.session.member.rates = false;
    world.ledger(asked_in(1));
    assert!(!asks(world.step(StepKind::Contributing { round: 1 })));
    let mut world = World::new();
    world.ledger(open(1));
    assert!(!asks(world.step(StepKind::Contributing { round: 1 })));
}

/// The facts of a round that this node rates, with its row as the ledger has it.
pub(super) fn rated_by_me(world: &mut World, revealing: bool, row: RowState) -> Facts {
    let mut facts = rating(world, revealing, [RowState::Missing; 2]);
    let round = facts.round.as_mut().unwrap();
    let mut mine = rater(ME, &[[1; 32], [2; 32]]);
    mine.row = row;
    round.directions.insert(1, mine);
    on_log(&mut facts, revealing);
    facts
}

#[test]
fn a_row_is_recorded_before_it_is_committed_to_and_revealed_as_it_was() {
    let mut world = World::new();
    world.ledger(asked_in(1));
    world.feed(directions(1, 2));
    world.feed(made(1));
    let facts = rated_by_me(&mut world, false, RowState::Missing);
    world.ledger(facts.clone());
    let step = |revealing| StepKind::Rating {
        round: 1,
        revealing,
        entry: Vec::new(),
    };
    world.step(step(false));
    let done = world.feed(Event::Scores {
        round: 1,
        scores: Vec::new(),
        undecided: Vec::new(),
    });
    let job = done.iter().find_map(|effect| match effect {
        Effect::MakeRow(job) => Some(job.clone()),
        _ => None,
    });
    let others = [0, 2, 3].map(ParticipantId);
    let rated = job.expect("a job").contributors;
    assert_eq!(
        rated.iter().map(|one| one.participant).collect::<Vec<_>>(),
        others
    );
    assert!(rated.iter().all(|one| one.norm_exponent == 100));
    let row = |score| Event::Row {
        round: 1,
        opinions: vec![Opinion { score, reward: 5 }; 3],
        salt: [7; 32],
    };
    let done = world.feed(row(-4));
    assert!(!format!("{done:?}").contains("-4"), "a row is not printed");
    assert!(recorded_before(&done, Task::Rate(1, false), |record| {
        matches!(record, Record::Rated(_))
    }));
    let entry = |done: &[Effect], revealing| match &calls(done, Task::Rate(1, revealing))[..] {
        [Call::Rate { entry, .. }] => SignedEntry::decode(entry).unwrap().entry,
        _ => panic!("one call: {done:?}"),
    };
    let committed = entry(&done, false);
    // No second row, also after a crash; and what is revealed is what was committed to.
    let second = world.feed(row(9));
    assert!(matches!(
        &second[..],
        [Effect::Tell(Progress::Warning { .. })]
    ));
    world.restart();
    world.ledger(facts);
    assert_eq!(entry(&world.step(step(false)), false), committed);
    // A coordinator that says so does not make it time to reveal: its own ledger says when commitments are over.
    let early = grown(rated_by_me(&mut World::new(), false, RowState::Committed));
    world.ledger(early);
    assert!(calls(&world.step(step(true)), Task::Rate(1, true)).is_empty());
    let facts = grown(rated_by_me(&mut World::new(), true, RowState::Committed));
    let done = world.ledger(facts);
    let Entry::RatingsRevealed {
        scores,
        rewards,
        salt,
        ..
    } = entry(&done, true)
    else {
        panic!("another entry");
    };
    assert_eq!(
        (&scores, &rewards),
        (&vec![-4, 0, -4, -4], &vec![5, 0, 5, 5])
    );
    let revealed = Ratings { scores, rewards };
    let federation = draft().federation_id();
    let commitment = commit_rating(&federation, 1, ParticipantId(ME), &revealed, &salt);
    assert!(
        matches!(committed, Entry::RatingsCommitted { commitment: made, .. } if made == commitment)
    );
}

#[test]
fn a_row_of_the_wrong_length_is_not_given() {
    let mut world = World::new();
    world.ledger(asked_in(1));
    world.feed(directions(1, 2));
    world.feed(made(1));
    let facts = rated_by_me(&mut world, false, RowState::Missing);
    world.ledger(facts);
    let done = world.feed(Event::Row {
        round: 1,
        opinions: vec![Opinion::default(); 4],
        salt: [7; 32],
    });
    assert!(matches!(
        &done[..],
        [Effect::Tell(Progress::Warning { .. })]
    ));
    assert!(world.disk.ratings.is_empty());
}
