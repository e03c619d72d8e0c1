//! Raters commit to directions.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{Entry, Event, OwnerId, ParticipantId, RatingRejected, Rejected};

fn opened(founders: usize) -> World {
    let mut world = World::new(founders);
    world.open();
    world
}

fn refused(world: &mut World, change: impl Fn(&mut Vec<u8>, &mut Vec<[u8; 32]>)) -> Rejected {
    let mut entry = world.directions(0);
    if let Entry::DirectionsCommitted {
        round_key,
        directions,
        ..
    } = &mut entry
    {
        change(round_key, directions);
    }
    let entry = world.sign(entry, &[0]);
    world.refuse(entry)
}

#[test]
fn a_rater_commits_to_its_directions_without_contributing() {
    let mut world = opened(4);
    assert_eq!(
        world.state.drawn_raters(),
        (0..4).map(ParticipantId).collect::<Vec<_>>()
    );
    let entry = world.sign(world.directions(2), &[2]);
    let events = world.accept(entry);
    let participant = ParticipantId(2);
    assert_eq!(
        events,
        [Event::DirectionsCommitted {
            round: 1,
            participant
        }]
    );
    let round = world.state.round().expect("open");
    assert_eq!(round.directions[&participant].directions.len(), 2);
}

#[test]
fn only_the_rater_signs() {
    let mut world = opened(4);
    let entry = world.sign(world.directions(2), &[COORDINATOR]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::SurplusSignature { .. }
    ));
    let entry = world.sign(world.directions(2), &[2, 3]);
    assert_eq!(
        world.refuse(entry),
        Rejected::SurplusSignature {
            key: identity(3).public()
        }
    );
    let entry = world.sign(world.directions(2), &[]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::MissingSignature { .. }
    ));
    let mut entry = world.sign(world.directions(2), &[2]);
    entry.signatures[0].signature[7] ^= 1;
    assert!(matches!(world.refuse(entry), Rejected::BadSignature { .. }));
}

#[test]
fn one_or_two_different_directions_and_a_key_are_given_once() {
    let mut world = opened(4);
    let count = |count| Rejected::Rating(RatingRejected::Directions { count });
    assert_eq!(
        refused(&mut world, |_, directions| directions.clear()),
        count(0)
    );
    assert_eq!(
        refused(&mut world, |_, directions| directions[1] = directions[0]),
        count(2)
    );
    assert_eq!(
        refused(&mut world, |_, directions| directions.push([1; 32])),
        count(3)
    );
    let key = |bytes| Rejected::Rating(RatingRejected::RoundKey { bytes });
    assert_eq!(
        refused(&mut world, |round_key, _| round_key.clear()),
        key(0)
    );
    assert_eq!(
        refused(&mut world, |round_key, _| *round_key = vec![0; 4_097]),
        key(4_097)
    );
    world.direct([0]);
    let participant = ParticipantId(0);
    assert_eq!(
        refused(&mut world, |_, directions| directions[0] = [77; 32]),
        Rejected::Rating(RatingRejected::DirectionsAlready { participant })
    );
}

#[test]
fn there_is_one_rater_of_an_owner() {
    let mut world = World::new(4);
    let entry = world.sign(world.admission(4, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(entry);
    world.open();
    world.direct([4]);
    let entry = world.sign(world.directions(0), &[0]);
    assert_eq!(
        world.refuse(entry),
        Rejected::Rating(RatingRejected::OwnerRates {
            by: ParticipantId(4)
        })
    );
}

#[test]
fn where_not_all_fit_only_those_drawn_rate() {
    // 64-32-10 has 2,410 parameters: 27 directions, 13 raters.
    let mut world = opened(20);
    let raters = world.state.raters().to_vec();
    assert_eq!(raters.len(), 13);
    assert!(raters.is_sorted());
    let outside = (0..20)
        .find(|id| !raters.contains(&OwnerId(*id)))
        .expect("seven");
    let entry = world.sign(world.directions(outside), &[outside]);
    let owner = OwnerId(outside);
    assert_eq!(
        world.refuse(entry),
        Rejected::Rating(RatingRejected::NotDrawn { owner })
    );
    world.direct(raters.iter().map(|owner| owner.0));

    world.contribute(0..20);
    world.close();
    world.judge();
    world.end_step(unsilo_ledger::RatingStep::Commit);
    world.publish();
    world.open();
    assert_ne!(world.state.raters(), raters, "the challenge draws anew");
}

#[test]
fn directions_come_while_the_round_is_open_and_are_part_of_the_close() {
    let mut world = World::new(4);
    let early = Entry::DirectionsCommitted {
        round: 1,
        participant: ParticipantId(0),
        round_key: vec![1],
        directions: vec![[1; 32]],
    };
    let entry = world.sign(early, &[0]);
    assert_eq!(world.refuse(entry), Rejected::NoOpenRound);
    world.open();
    world.contribute(0..4);
    let before = world.state.contributions_hash();
    let close = world.round_closed(world.cosignatures(4));
    world.direct([1]);
    assert_ne!(world.state.contributions_hash(), before);
    let entry = world.sign(close, &[COORDINATOR]);
    assert_eq!(world.refuse(entry), Rejected::WrongContributions);
    world.close();
    let entry = world.sign(world.directions(0), &[0]);
    assert_eq!(world.refuse(entry), Rejected::RoundClosed { round: 1 });
}
