//! What a coordinator that signs anything still cannot do: every replica refuses its log.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{
    AppendError, Checkpoint, Entry, OwnerId, ParticipantId, Rejected, Replica, SignedEntry,
    VoidAuthority, VoidReason,
};

/// Serves `entry` to a replica under a checkpoint that is properly signed and has the right Merkle root,
/// and returns why the replica refuses it.
fn served(world: &World, entry: &SignedEntry) -> Rejected {
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(&world.log, &coordinator).expect("honest so far");
    let mut replica = Replica::new(coordinator.public(), Some(world.federation()));
    replica
        .append_verified(&world.log, log.checkpoint().expect("not empty").note())
        .expect("honest so far");

    // RFC 6962 by hand: the tree over all leaves, so that nothing but the entry itself is wrong.
    let leaves: Vec<Vec<u8>> = world
        .log
        .iter()
        .chain([entry])
        .map(SignedEntry::encode)
        .collect();
    let forged = Checkpoint {
        federation: world.federation(),
        size: leaves.len() as u64,
        root: merkle(&leaves),
        state_root: [0; 32],
    };
    let note = forged.sign(&coordinator).expect("well-formed");
    let before = (replica.root(), replica.state().root());
    let error = replica
        .append_verified(std::slice::from_ref(entry), note.note())
        .expect_err("must be refused");
    assert_eq!((replica.root(), replica.state().root()), before);
    match error {
        AppendError::Rejected { rejected, .. } => rejected,
        other => panic!("{other}"),
    }
}

fn merkle(leaves: &[Vec<u8>]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    if let [leaf] = leaves {
        return unsilo_ledger::leaf_hash(leaf);
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    Sha256::new()
        .chain_update([1])
        .chain_update(merkle(left))
        .chain_update(merkle(right))
        .finalize()
        .into()
}

#[test]
fn it_cannot_add_an_owner_or_admit_a_member() {
    let world = World::new(4);
    for owner in [None, Some(OwnerId(0))] {
        let alone = world.sign(world.admission(9, owner), &[COORDINATOR]);
        assert!(matches!(
            served(&world, &alone),
            Rejected::SurplusSignature { .. }
        ));
        let unsigned = world.sign(world.admission(9, owner), &[]);
        assert!(matches!(
            served(&world, &unsigned),
            Rejected::TooFewSigners { .. }
        ));
        let with_puppets = world.sign(world.admission(9, owner), &[9, 10, 11]);
        assert!(matches!(
            served(&world, &with_puppets),
            Rejected::SurplusSignature { .. }
        ));
        let with_a_friend = world.sign(world.admission(9, owner), &[0]);
        assert!(matches!(
            served(&world, &with_a_friend),
            Rejected::TooFewSigners { .. }
        ));
    }
}

#[test]
fn it_cannot_forge_the_members_signatures() {
    let world = World::new(4);
    let mut entry = world.sign(world.admission(9, None), &[0, 1, 2]);
    let own = world
        .sign(world.admission(9, None), &[COORDINATOR])
        .signatures[0]
        .signature;
    entry.signatures[1].signature = own;
    assert!(matches!(
        served(&world, &entry),
        Rejected::BadSignature { .. }
    ));
}

#[test]
fn it_cannot_seat_a_member_that_is_not_drawn() {
    let world = World::new(20);
    let drawn = world.state.draw().expect("idle");
    let outside = (0..20)
        .map(OwnerId)
        .find(|owner| !drawn.owners.contains(owner))
        .expect("11 are not drawn");
    let mut seats = world.seats();
    seats[6] = world.seat(ParticipantId(outside.0));
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    assert_eq!(
        served(&world, &entry),
        Rejected::NotDrawn {
            seat: 7,
            owner: outside
        }
    );
}

#[test]
fn it_cannot_seat_a_drawn_member_with_a_key_of_its_own() {
    let world = World::new(5);
    let mut seats = world.seats();
    let mut offer = world.offer(1, seats[2].participant);
    offer.round_key = vec![66; 32];
    let signature = offer.sign(&identity(COORDINATOR));
    seats[2] = offer.into_seat(seats[2].participant, signature);
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    assert_eq!(
        served(&world, &entry),
        Rejected::BadSeatSignature { seat: 3 }
    );
}

#[test]
fn it_cannot_contribute_for_a_participant() {
    let mut world = World::new(5);
    world.open();
    let entry = Entry::ContributionCommitted {
        round: 1,
        participant: ParticipantId(0),
        root: [0; 32],
        bytes: 1,
    };
    let entry = world.sign(entry, &[COORDINATOR]);
    assert!(matches!(
        served(&world, &entry),
        Rejected::SurplusSignature { .. }
    ));
}

#[test]
fn it_cannot_leave_a_contribution_out_of_a_close() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..4);
    // The members cosigned four contributions; a fifth is on the log when the close is.
    let close = world.sign(world.round_closed(world.cosignatures(5)), &[COORDINATOR]);
    world.contribute([4]);
    assert_eq!(served(&world, &close), Rejected::WrongContributions);
}

#[test]
fn it_cannot_close_or_publish_alone() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    let close = world.sign(world.round_closed(Vec::new()), &[COORDINATOR]);
    assert_eq!(
        served(&world, &close),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
    world.close();
    let publish = world.sign(world.model_published(), &[COORDINATOR]);
    assert_eq!(
        served(&world, &publish),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
}

#[test]
fn it_cannot_void_a_round_to_have_it_again() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.close();
    for authority in [
        VoidAuthority::Committee,
        VoidAuthority::Owners {
            passed_ms: u64::MAX,
        },
    ] {
        let entry = Entry::RoundVoided {
            round: 1,
            reason: VoidReason::LostData,
            authority,
        };
        let entry = world.sign(entry, &[COORDINATOR]);
        assert!(matches!(
            served(&world, &entry),
            Rejected::SurplusSignature { .. }
        ));
    }
}

#[test]
fn it_cannot_keep_other_books_than_the_entries_say() {
    let mut world = World::new(5);
    world.open();
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(&world.log, &coordinator).expect("honest");
    let honest = *log.checkpoint().expect("not empty").checkpoint();
    let note = Checkpoint {
        state_root: [0; 32],
        ..honest
    }
    .sign(&coordinator)
    .expect("well-formed");
    let mut replica = Replica::new(coordinator.public(), Some(world.federation()));
    let error = replica
        .append_verified(&world.log, note.note())
        .expect_err("other books");
    assert!(
        matches!(
            error,
            AppendError::Diverged(unsilo_ledger::Diverged::WrongState { .. })
        ),
        "{error}"
    );
}
