//! A model is published.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{Entry, Event, Outcome, Phase, Rejected};

fn weighed() -> World {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.close();
    world.judge();
    world
}

fn changed(world: &mut World, change: impl Fn(&mut Entry)) -> Rejected {
    let mut entry = world.model_published();
    change(&mut entry);
    let entry = world.sign(entry, &world.publishers(5));
    world.refuse(entry)
}

#[test]
fn a_published_model_becomes_the_current_one() {
    let mut world = weighed();
    let events = world.publish();
    let model = world.model_after(1);
    assert_eq!(events[0], Event::ModelPublished { round: 1, model });
    assert!(matches!(&events[1], Event::CommitteeDrawn(draw) if draw.round == 2));
    assert_eq!(world.state.phase(), Phase::Idle);
    assert_eq!(world.state.model(), Some(model));
    let record = world.state.history().next().expect("one round");
    assert_eq!(
        (record.round, record.contributions, record.owners),
        (1, 5, 5)
    );
    assert!(matches!(
        record.outcome,
        Outcome::Published {
            total_weight: 1280,
            ..
        }
    ));
}

#[test]
fn the_coordinator_and_the_threshold_of_members_sign() {
    let mut world = weighed();
    let without = world.sign(world.model_published(), &world.seated());
    assert!(
        matches!(world.refuse(without), Rejected::MissingSignature { key, .. } if key == identity(COORDINATOR).public())
    );
    let alone = world.sign(world.model_published(), &[COORDINATOR]);
    assert_eq!(
        world.refuse(alone),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
    let three = world.sign(world.model_published(), &world.publishers(3));
    assert_eq!(
        world.refuse(three),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
}

#[test]
fn members_who_do_not_sit_have_no_say() {
    let mut world = World::new(20);
    world.open();
    world.contribute(0..20);
    world.close();
    world.judge();
    let seated = world.seated();
    let other = (0..20)
        .find(|id| !seated.contains(id))
        .expect("13 do not sit");
    let mut signers = world.publishers(5);
    signers.push(other);
    let entry = world.sign(world.model_published(), &signers);
    assert_eq!(
        world.refuse(entry),
        Rejected::SurplusSignature {
            key: identity(other).public()
        }
    );
}

#[test]
fn a_false_signature_is_refused() {
    let mut world = weighed();
    let mut entry = world.sign(world.model_published(), &world.publishers(5));
    entry.signatures[3].signature[40] ^= 2;
    assert!(matches!(world.refuse(entry), Rejected::BadSignature { .. }));
}

#[test]
fn nothing_is_published_without_a_close() {
    let mut world = World::new(5);
    let early = Entry::ModelPublished {
        round: 1,
        sum: [0; 32],
        key_sum: [0; 32],
        model: [1; 32],
        total_weight: 80,
    };
    let entry = world.sign(early.clone(), &[COORDINATOR, 0, 1, 2, 3]);
    assert_eq!(world.refuse(entry), Rejected::NoOpenRound);
    world.open();
    world.contribute(0..5);
    let entry = world.sign(early, &world.publishers(5));
    assert_eq!(world.refuse(entry), Rejected::RoundNotClosed { round: 1 });
}

#[test]
fn round_and_weight_are_those_of_the_ledger() {
    let mut world = weighed();
    let wrong_round = changed(&mut world, |entry| {
        if let Entry::ModelPublished { round, .. } = entry {
            *round = 2;
        }
    });
    assert_eq!(
        wrong_round,
        Rejected::WrongRound {
            expected: 1,
            found: 2
        }
    );
    let wrong_weight = changed(&mut world, |entry| {
        if let Entry::ModelPublished { total_weight, .. } = entry {
            *total_weight = 96;
        }
    });
    assert_eq!(
        wrong_weight,
        Rejected::WrongTotalWeight {
            expected: 1280,
            found: 96
        }
    );
}

#[test]
fn no_model_comes_back() {
    let mut world = World::new(5);
    let first = world.state.model().expect("founded");
    world.full_round();
    let second = world.state.model().expect("founded");
    world.open();
    world.contribute(0..5);
    world.close();
    world.judge();
    for old in [first, second] {
        let repeated = changed(&mut world, |entry| {
            if let Entry::ModelPublished { model, .. } = entry {
                *model = old;
            }
        });
        assert_eq!(repeated, Rejected::ModelRepeated);
    }
}

#[test]
fn a_round_is_published_once() {
    let mut world = weighed();
    let entry = world.sign(world.model_published(), &world.publishers(4));
    world.accept(entry.clone());
    assert_eq!(world.refuse(entry), Rejected::NoOpenRound);
}
