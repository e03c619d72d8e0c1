//! More than half of the owners admit.

use crate::world::{COORDINATOR, World, identity, name};
use unsilo_ledger::name::NameError;
use unsilo_ledger::{Entry, Event, OwnerId, ParticipantId, Rejected};

#[test]
fn more_than_half_of_the_owners_admit() {
    let mut world = World::new(4);
    let entry = world.sign(world.admission(9, None), &[0, 1, 3]);
    let events = world.accept(entry);
    assert_eq!(
        events[0],
        Event::ParticipantAdmitted {
            participant: ParticipantId(4),
            owner: OwnerId(4),
            granted: 1_000
        }
    );
    assert!(
        matches!(events[1], Event::CommitteeDrawn(_)),
        "a new owner changes the draw"
    );
    assert_eq!(
        world
            .state
            .participant_by_name(&name(9))
            .expect("admitted")
            .key,
        identity(9).public()
    );
}

#[test]
fn exactly_half_is_not_enough() {
    let mut world = World::new(4);
    let entry = world.sign(world.admission(9, None), &[0, 1]);
    assert_eq!(
        world.refuse(entry),
        Rejected::TooFewSigners { have: 2, need: 3 }
    );
}

#[test]
fn neither_the_coordinator_nor_a_stranger_has_a_say() {
    let mut world = World::new(4);
    for outsider in [COORDINATOR, 55] {
        let entry = world.sign(world.admission(9, None), &[0, 1, 2, outsider]);
        assert_eq!(
            world.refuse(entry),
            Rejected::SurplusSignature {
                key: identity(outsider).public()
            }
        );
    }
}

#[test]
fn a_false_signature_is_refused() {
    let mut world = World::new(4);
    let mut entry = world.sign(world.admission(9, None), &[0, 1, 2]);
    entry.signatures[2].signature[5] ^= 1;
    assert_eq!(
        world.refuse(entry.clone()),
        Rejected::BadSignature {
            key: entry.signatures[2].signer
        }
    );
}

#[test]
fn names_and_keys_are_used_once() {
    let mut world = World::new(3);
    let taken = Entry::ParticipantAdmitted {
        name: "COMPANY 1".to_owned(),
        key: identity(9).public(),
        owner: None,
    };
    let entry = world.sign(taken, &[0, 1]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::Name(NameError::Duplicate { .. })
    ));
    for key in [1, COORDINATOR] {
        let taken = Entry::ParticipantAdmitted {
            name: name(9),
            key: identity(key).public(),
            owner: None,
        };
        let entry = world.sign(taken, &[0, 1]);
        assert_eq!(
            world.refuse(entry),
            Rejected::KeyTaken {
                key: identity(key).public()
            }
        );
    }
    // So the same admission cannot be played twice either.
    let entry = world.sign(world.admission(9, None), &[0, 1]);
    world.accept(entry.clone());
    assert!(matches!(
        world.refuse(entry),
        Rejected::Name(NameError::Duplicate { .. })
    ));
}

#[test]
fn unreadable_names_and_weak_keys_are_refused() {
    let mut world = World::new(3);
    for bad in ["", " x", "a\nb", "a\u{200b}b"] {
        let entry = Entry::ParticipantAdmitted {
            name: bad.to_owned(),
            key: identity(9).public(),
            owner: None,
        };
        let entry = world.sign(entry, &[0, 1]);
        assert!(matches!(world.refuse(entry), Rejected::Name(_)), "{bad:?}");
    }
    let mut key = identity(9).public();
    key.0 = [0; 32];
    let entry = world.sign(
        Entry::ParticipantAdmitted {
            name: name(9),
            key,
            owner: None,
        },
        &[0, 1],
    );
    assert_eq!(world.refuse(entry), Rejected::UnusableKey { key });
}

#[test]
fn an_affiliate_needs_its_owner_and_gets_no_grant() {
    let mut world = World::new(4);
    let without = world.sign(world.admission(9, Some(OwnerId(3))), &[0, 1, 2]);
    assert_eq!(
        world.refuse(without),
        Rejected::OwnerDidNotSign { owner: OwnerId(3) }
    );
    let unknown = world.sign(world.admission(9, Some(OwnerId(8))), &[0, 1, 2]);
    assert_eq!(
        world.refuse(unknown),
        Rejected::UnknownOwner { owner: OwnerId(8) }
    );
    let with = world.sign(world.admission(9, Some(OwnerId(3))), &[0, 1, 3]);
    let events = world.accept(with);
    assert_eq!(
        events,
        [Event::ParticipantAdmitted {
            participant: ParticipantId(4),
            owner: OwnerId(3),
            granted: 0
        }]
    );
    assert_eq!(world.state.owners().count(), 4);
}

#[test]
fn an_owner_has_one_voice_however_many_participants_it_runs() {
    let mut world = World::new(4);
    // Participant 4 has identity 4 and belongs to owner 0.
    let affiliate = world.sign(world.admission(4, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(affiliate);
    let twice = world.sign(world.admission(9, None), &[0, 4, 1]);
    assert_eq!(
        world.refuse(twice),
        Rejected::OwnerSignedTwice { owner: OwnerId(0) }
    );
    let once = world.sign(world.admission(9, None), &[4, 1, 2]);
    world.accept(once);
}

#[test]
fn admission_during_a_round_leaves_its_committee_alone() {
    let mut world = World::new(4);
    world.open();
    let seated = world.seated();
    let entry = world.sign(world.admission(4, None), &[0, 1, 2]);
    assert_eq!(
        world.accept(entry).len(),
        1,
        "no draw while a round is in progress"
    );
    assert_eq!(world.seated(), seated);
    world.contribute([4]);
}
