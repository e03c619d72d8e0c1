//! A state as bytes, believed for its root alone.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{
    Entry, FeedbackKind, OpeningStatement, OwnerId, ParticipantId, RatingStep, State,
    StateSnapshotError, Statement, Testimony, Violation,
};

/// The state at every phase of a round, with a round before it and a void one before that.
fn states() -> Vec<State> {
    let mut world = World::new(7);
    let mut states = vec![State::new(), world.state.clone()];
    world.open();
    world.contribute([3, 1]);
    world.void();
    let entry = world.admission(7, Some(OwnerId(2)));
    let entry = world.sign(entry, &[0, 1, 2, 3]);
    world.accept(entry);
    world.rated_round(|rater, _| i16::try_from(rater).expect("small") + 1);
    states.push(world.state.clone());
    world.open();
    states.push(world.state.clone());
    world.contribute([5, 0, 6, 2, 1, 4]);
    let raters: Vec<u32> = world
        .state
        .raters()
        .iter()
        .map(|owner| world.first_of(*owner).0)
        .collect();
    world.direct(raters.clone());
    states.push(world.state.clone());
    world.close();
    states.push(world.state.clone());
    world.judge();
    states.push(world.state.clone());
    for rater in &raters {
        let ratings = world.ratings(*rater, 3);
        world.commit_ratings(*rater, &ratings);
    }
    world.end_step(RatingStep::Commit);
    let ratings = world.ratings(raters[0], 3);
    world.reveal_ratings(raters[0], &ratings);
    states.push(world.state.clone());
    world.end_step(RatingStep::Reveal);
    states.push(world.state.clone());
    world.publish();
    states.push(world.state);
    states.push(with_money());
    states
}

/// After an epoch: accounts in motion, a new key, somebody evicted, a case, fees and feedback.
fn with_money() -> State {
    let mut world = World::new(4);
    world.epoch(|rater, _| i16::try_from(rater).expect("small") + 1);
    world.accept_by(world.deposit(0, 100), 0);
    world.accept_by(world.withdrawal(0, 30), 0);
    let entry = world.sign(world.readmission(1, 11), &[0, 2, 3]);
    world.accept(entry);
    let entry = world.sign(world.eviction(3), &[0, 2]);
    world.accept(entry);
    let batch = Entry::QueryBatch {
        root: [1; 32],
        first: 0,
        count: 2,
        fees: 3,
    };
    world.accept_by(batch, COORDINATOR);
    let answer = |digest| {
        let statement = OpeningStatement {
            federation: world.federation(),
            round: 1,
            seat: 1,
            digest: [digest; 32],
            opening: [2; 32],
        };
        Box::new(Testimony {
            signature: statement.sign(&identity(2)),
            statement: Statement::Opening(statement),
        })
    };
    let violation = Violation::Contradiction {
        participant: ParticipantId(2),
        first: answer(1),
        second: answer(2),
    };
    world.accept_by(Entry::ViolationReported { violation }, 0);
    let feedback = Entry::FeedbackFiled {
        participant: ParticipantId(0),
        number: 0,
        kind: FeedbackKind::Praise,
        hash: [4; 32],
    };
    world.accept_by(feedback, 0);
    world.state
}

#[test]
fn a_state_comes_back_from_its_bytes_and_goes_on() {
    for state in states() {
        let bytes = state.to_snapshot();
        let read = State::from_snapshot(&bytes, &state.root()).expect("its own");
        assert_eq!(read.root(), state.root());
        assert_eq!(read.to_snapshot(), bytes);
        assert_eq!(read.phase(), state.phase());
        assert_eq!(
            read.participants().collect::<Vec<_>>(),
            state.participants().collect::<Vec<_>>()
        );
        assert_eq!(
            read.history().collect::<Vec<_>>(),
            state.history().collect::<Vec<_>>()
        );
        assert_eq!(
            read.participant_by_name("company 3"),
            state.participant(ParticipantId(3))
        );
        assert_eq!(read.draw(), state.draw());
    }
    // A round played on the original is accepted on the copy, to the same root.
    let mut world = World::new(7);
    world.rated_round(|_, id| i16::try_from(id.0).expect("small"));
    let mut copy =
        State::from_snapshot(&world.state.to_snapshot(), &world.state.root()).expect("its own");
    let known = world.log.len();
    world.rated_round(|_, id| i16::try_from(id.0).expect("small") + 1);
    for entry in &world.log[known..] {
        copy.apply(entry).expect("allowed");
    }
    assert_eq!(copy.root(), world.state.root());
}

/// Nothing in the bytes is outside of what the root covers: whoever adds to the state and forgets the root,
/// or `Books::contradiction`, is told here.
#[test]
fn every_bit_of_a_snapshot_counts() {
    for (phase, state) in states().into_iter().enumerate() {
        let bytes = state.to_snapshot();
        let root = state.root();
        // The genesis is most of the bytes and the same in all: it is looked at once.
        let step = if phase == 1 { 1 } else { 3 };
        for at in (phase % step..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(
                State::from_snapshot(&changed, &root).is_err(),
                "phase {phase}, byte {at} of {}",
                bytes.len()
            );
        }
    }
}

#[test]
fn another_state_and_what_is_none_are_refused_with_the_reason() {
    let states = states();
    let (one, other) = (&states[3], &states[4]);
    let bytes = one.to_snapshot();
    let refused =
        |bytes: &[u8], of: &State| State::from_snapshot(bytes, &of.root()).expect_err("refused");
    assert_eq!(refused(&bytes, other), StateSnapshotError::OtherRoot);
    assert_eq!(refused(b"", one), StateSnapshotError::Version);
    assert_eq!(refused(&bytes[1..], one), StateSnapshotError::Version);
    assert!(matches!(
        refused(&bytes[..bytes.len() - 1], one),
        StateSnapshotError::Malformed { .. }
    ));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(
        refused(&longer, one),
        StateSnapshotError::Malformed { .. }
    ));
}
