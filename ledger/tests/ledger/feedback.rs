//! Feedback on the books.

use crate::world::World;
use unsilo_ledger::feedback::MAX_FEEDBACK_PER_EPOCH;
use unsilo_ledger::{Entry, Event, FeedbackKind, FeedbackRejected, ParticipantId, Rejected};

fn feedback(world: &World, participant: u32) -> Entry {
    let participant = ParticipantId(participant);
    Entry::FeedbackFiled {
        participant,
        number: world.state.feedback_filed(participant),
        kind: FeedbackKind::Idea,
        hash: [60; 32],
    }
}

#[test]
fn the_author_files_it() {
    let mut world = World::new(4);
    let events = world.accept_by(feedback(&world, 1), 1);
    let participant = ParticipantId(1);
    assert_eq!(
        events,
        [Event::FeedbackFiled {
            participant,
            kind: FeedbackKind::Idea
        }]
    );
    let entry = world.sign(feedback(&world, 1), &[2]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::SurplusSignature { .. }
    ));
    assert_eq!(world.state.feedback_filed(participant), 1);
}

#[test]
fn a_piece_is_filed_once() {
    let mut world = World::new(4);
    let entry = world.sign(feedback(&world, 1), &[1]);
    world.accept(entry.clone());
    assert_eq!(
        world.refuse(entry),
        Rejected::Feedback(FeedbackRejected::OutOfOrder {
            expected: 1,
            found: 0
        })
    );
}

#[test]
fn an_author_files_so_much_in_an_epoch_and_no_more() {
    let mut world = World::new(4);
    for _ in 0..MAX_FEEDBACK_PER_EPOCH {
        world.accept_by(feedback(&world, 1), 1);
    }
    let entry = world.sign(feedback(&world, 1), &[1]);
    let participant = ParticipantId(1);
    assert_eq!(
        world.refuse(entry),
        Rejected::Feedback(FeedbackRejected::TooMuch { participant })
    );
    world.accept_by(feedback(&world, 2), 2);
    (0..20).for_each(|_| world.full_round());
    world.accept_by(feedback(&world, 1), 1);
}
