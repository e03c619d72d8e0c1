//! Participants contribute.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{Entry, ParticipantId, Rejected};

fn entry(round: u64, participant: u32, root: u8, bytes: u64) -> Entry {
    Entry::ContributionCommitted {
        round,
        participant: ParticipantId(participant),
        root: [root; 32],
        bytes,
    }
}

#[test]
fn only_the_participant_itself_signs() {
    let mut world = World::new(4);
    world.open();
    let other = world.sign(entry(1, 0, 1, 5), &[1]);
    assert_eq!(
        world.refuse(other),
        Rejected::SurplusSignature {
            key: identity(1).public()
        }
    );
    let nobody = world.sign(entry(1, 0, 1, 5), &[]);
    assert!(matches!(
        world.refuse(nobody),
        Rejected::MissingSignature { .. }
    ));
    let with_coordinator = world.sign(entry(1, 0, 1, 5), &[0, COORDINATOR]);
    assert!(matches!(
        world.refuse(with_coordinator),
        Rejected::SurplusSignature { .. }
    ));
    let mut forged = world.sign(entry(1, 0, 1, 5), &[0]);
    forged.signatures[0].signature = world.sign(entry(1, 0, 2, 5), &[0]).signatures[0].signature;
    assert_eq!(
        world.refuse(forged),
        Rejected::BadSignature {
            key: identity(0).public()
        }
    );
}

#[test]
fn strangers_do_not_contribute() {
    let mut world = World::new(4);
    world.open();
    let stranger = world.sign(entry(1, 44, 1, 5), &[44]);
    assert_eq!(
        world.refuse(stranger),
        Rejected::UnknownParticipant {
            participant: ParticipantId(44)
        }
    );
}

#[test]
fn at_most_once_per_round_whatever_the_root() {
    let mut world = World::new(4);
    world.open();
    let first = world.sign(entry(1, 0, 1, 5), &[0]);
    world.accept(first.clone());
    let already = Rejected::ContributedAlready {
        participant: ParticipantId(0),
        round: 1,
    };
    assert_eq!(world.refuse(first), already);
    let second = world.sign(entry(1, 0, 2, 5), &[0]);
    assert_eq!(world.refuse(second), already);
}

#[test]
fn only_to_the_open_round() {
    let mut world = World::new(4);
    let early = world.sign(entry(1, 0, 1, 5), &[0]);
    assert_eq!(world.refuse(early), Rejected::NoOpenRound);
    world.open();
    let wrong = world.sign(entry(2, 0, 1, 5), &[0]);
    assert_eq!(
        world.refuse(wrong),
        Rejected::WrongRound {
            expected: 1,
            found: 2
        }
    );
    world.contribute(0..3);
    world.close();
    let late = world.sign(entry(1, 3, 1, 5), &[3]);
    assert_eq!(world.refuse(late), Rejected::RoundClosed { round: 1 });
    world.publish();
    let after = world.sign(entry(1, 3, 1, 5), &[3]);
    assert_eq!(world.refuse(after), Rejected::NoOpenRound);
}

#[test]
fn sizes_are_possible_ones() {
    let mut world = World::new(4);
    world.open();
    for bytes in [0, (1 << 40) + 1] {
        let impossible = world.sign(entry(1, 0, 1, bytes), &[0]);
        assert_eq!(
            world.refuse(impossible),
            Rejected::ContributionSize { bytes }
        );
    }
}

#[test]
fn a_contribution_of_one_round_cannot_be_played_in_another() {
    let mut world = World::new(4);
    world.open();
    let old = world.contribution(0);
    world.accept(old.clone());
    world.contribute(1..4);
    world.close();
    world.publish();
    world.open();
    assert_eq!(
        world.refuse(old),
        Rejected::WrongRound {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn the_same_model_is_contributed_to_again_only_after_void() {
    let mut world = World::new(4);
    world.open();
    let model = world.state.model();
    world.contribute(0..4);
    world.void();
    assert_eq!(world.state.model(), model, "a void round leaves the model");
    world.open();
    world.contribute(0..4);
    world.close();
    world.publish();
    assert_ne!(world.state.model(), model);
}

#[test]
fn an_entry_of_another_federation_is_worth_nothing() {
    let mut draft = crate::world::draft(4);
    draft.nonce = [1; 32];
    let mut twin = World::from_draft(draft);
    let mut world = World::new(4);
    twin.open();
    world.open();
    let foreign = twin.contribution(0);
    assert_eq!(
        world.refuse(foreign),
        Rejected::BadSignature {
            key: identity(0).public()
        }
    );
}
