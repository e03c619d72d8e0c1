//! Participants follow the coordinator's log, and notice when it is not one log.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{
    AppendError, Checkpoint, Diverged, Rejected, Replica, SignedEntry, SigningIdentity, Standing,
};

fn coordinator() -> SigningIdentity {
    identity(COORDINATOR)
}

fn note(replica: &Replica) -> String {
    replica.checkpoint().expect("not empty").note().to_owned()
}

/// The coordinator's log after a round, and a replica that has its first entries.
fn pair(known: usize) -> (World, Replica, Replica) {
    let mut world = World::new(4);
    world.full_round();
    let federation = world.federation();
    let mut log = Replica::new(coordinator().public(), None);
    let mut replica = Replica::new(coordinator().public(), Some(federation));
    log.append(&world.log[..known], &coordinator())
        .expect("allowed");
    if known > 0 {
        replica
            .append_verified(&world.log[..known], &note(&log))
            .expect("the coordinator is honest");
    }
    log.append(&world.log[known..], &coordinator())
        .expect("allowed");
    (world, log, replica)
}

fn diverged(result: Result<impl std::fmt::Debug, AppendError>) -> Diverged {
    match result.expect_err("must be noticed") {
        AppendError::Diverged(diverged) => diverged,
        other => panic!("{other}"),
    }
}

#[test]
fn a_replica_follows_to_the_same_roots() {
    for known in 0..8 {
        let (world, log, mut replica) = pair(known);
        let entries = world.log.len() as u64 - known as u64;
        assert_eq!(
            replica.compare(&note(&log)).expect("fits"),
            Standing::Ahead { entries }
        );
        let appended = replica
            .append_verified(&world.log[known..], &note(&log))
            .expect("honest");
        assert_eq!(appended.first_index, known as u64);
        assert_eq!(
            (replica.root(), replica.state().root()),
            (log.root(), log.state().root())
        );
        assert_eq!(replica.compare(&note(&log)).expect("fits"), Standing::Equal);
        let again = replica
            .append_verified(&[], &note(&log))
            .expect("nothing new");
        assert!(again.events.is_empty());
    }
}

#[test]
fn altered_dropped_added_and_reordered_entries_are_refused() {
    let (world, log, mut replica) = pair(2);
    let rest = &world.log[2..];
    let before = (replica.root(), replica.state().root());
    let mut swapped = rest.to_vec();
    swapped.swap(0, 1);
    let found = diverged(replica.append_verified(&swapped, &note(&log)));
    assert!(matches!(
        found,
        Diverged::WrongEntries { ours: Some(_), .. }
    ));
    let mut altered = rest.to_vec();
    altered[0].signatures[0].signature[0] ^= 1;
    assert!(matches!(
        diverged(replica.append_verified(&altered, &note(&log))),
        Diverged::WrongEntries { .. }
    ));
    let shorter = &rest[..rest.len() - 1];
    assert!(matches!(
        diverged(replica.append_verified(shorter, &note(&log))),
        Diverged::Count { .. }
    ));
    let mut longer = rest.to_vec();
    longer.push(rest[0].clone());
    assert!(matches!(
        diverged(replica.append_verified(&longer, &note(&log))),
        Diverged::Count { .. }
    ));
    assert!(matches!(
        diverged(replica.append_verified(&[], &note(&log))),
        Diverged::Count { .. }
    ));
    assert_eq!((replica.root(), replica.state().root()), before);
    replica
        .append_verified(rest, &note(&log))
        .expect("the right entries still fit");
}

#[test]
fn a_fork_is_noticed_and_both_checkpoints_are_kept() {
    let (world, _, mut replica) = pair(3);
    // Two logs of four entries: the contributions of participants 1 and 2 after that of 0.
    let (mut one, mut other) = (replica.clone(), replica.clone());
    let second = world.log[4].clone();
    one.append(&world.log[3..4], &coordinator())
        .expect("allowed");
    other.append(&[second], &coordinator()).expect("allowed");
    replica
        .append_verified(&world.log[3..4], &note(&one))
        .expect("honest so far");
    match diverged(replica.compare(&note(&other))) {
        Diverged::Fork(proof) => {
            let kept = proof.checkpoints().map(|checkpoint| checkpoint.note());
            assert_eq!(kept, [note(&one), note(&other)]);
        }
        found => panic!("{found}"),
    }
}

#[test]
fn two_books_over_the_same_entries_are_a_fork_too() {
    let (_, log, replica) = pair(3);
    let theirs = Checkpoint {
        state_root: [0; 32],
        ..*replica.checkpoint().expect("not empty").checkpoint()
    };
    let theirs = theirs.sign(&coordinator()).expect("well-formed");
    assert!(matches!(
        diverged(replica.compare(theirs.note())),
        Diverged::Fork(_)
    ));
    drop(log);
}

#[test]
fn rewritten_history_is_noticed_by_the_proof_that_is_missing() {
    let (world, _, replica) = pair(4);
    // Another history from entry 3 on, longer than the one that the replica has.
    let mut rewritten = Replica::new(coordinator().public(), None);
    let mut entries: Vec<SignedEntry> = world.log[..6].to_vec();
    entries.swap(3, 4);
    rewritten.append(&entries, &coordinator()).expect("allowed");
    assert_eq!(
        replica
            .compare(&note(&rewritten))
            .expect("cannot be told yet"),
        Standing::Ahead { entries: 2 }
    );
    let proof = rewritten.prove_consistency(4, 6).expect("in range");
    match diverged(replica.check_consistency(&note(&rewritten), &proof)) {
        Diverged::Unreconciled { ours, theirs } => {
            assert_eq!((ours.checkpoint().size, theirs.checkpoint().size), (4, 6))
        }
        found => panic!("{found}"),
    }
    let found = diverged(
        replica
            .clone()
            .append_verified(&entries[4..], &note(&rewritten)),
    );
    assert!(matches!(
        found,
        Diverged::WrongEntries { ours: Some(_), .. }
    ));
}

#[test]
fn an_honest_extension_has_its_proof() {
    let (_, log, replica) = pair(4);
    let proof = log.prove_consistency(4, log.len()).expect("in range");
    replica
        .check_consistency(&note(&log), &proof)
        .expect("an extension");
    assert!(matches!(
        diverged(replica.check_consistency(&note(&log), &[])),
        Diverged::Unreconciled { .. }
    ));
}

#[test]
fn a_coordinator_restored_from_a_backup_is_noticed() {
    let (world, log, mut replica) = pair(4);
    let mut backup = Replica::new(coordinator().public(), None);
    backup
        .append(&world.log[..2], &coordinator())
        .expect("allowed");
    let found = diverged(replica.compare(&note(&backup)));
    assert!(matches!(found, Diverged::RolledBack { .. }), "{found}");
    // Gone on from the backup differently, it is a rewritten history even while it is shorter.
    let mut entry = world.log[..2].to_vec();
    entry.push(world.log[5].clone());
    let mut other = Replica::new(coordinator().public(), None);
    other.append(&entry, &coordinator()).expect("allowed");
    assert!(matches!(
        diverged(replica.compare(&note(&other))),
        Diverged::Fork(_)
    ));
    replica
        .append_verified(&world.log[4..], &note(&log))
        .expect("the true log goes on");
}

#[test]
fn a_genesis_of_another_federation_is_refused() {
    let (world, log, _) = pair(0);
    let mut draft = crate::world::draft(4);
    draft.nonce = [1; 32];
    let invited = draft.federation_id();
    let mut replica = Replica::new(coordinator().public(), Some(invited));
    let error = replica
        .append_verified(&world.log, &note(&log))
        .expect_err("another federation");
    assert!(
        matches!(error, AppendError::OtherFederation { .. }),
        "{error}"
    );
    assert!(replica.is_empty());
}

#[test]
fn notes_of_anybody_else_are_refused() {
    let (world, log, _) = pair(0);
    let mut replica = Replica::new(identity(5).public(), Some(world.federation()));
    assert!(matches!(
        replica.append_verified(&world.log, &note(&log)),
        Err(AppendError::Checkpoint(_))
    ));
    let mut draft = crate::world::draft(4);
    draft.coordinator = identity(5).public();
    let mut own = Replica::new(coordinator().public(), None);
    let error = own
        .append(&World::new(4).log, &identity(5))
        .expect_err("not its key");
    assert!(matches!(error, AppendError::NotTheCoordinator { .. }));
    drop(draft);
}

#[test]
fn a_batch_is_appended_whole_or_not_at_all() {
    let (world, _, _) = pair(0);
    let mut log = Replica::new(coordinator().public(), None);
    let mut entries = world.log[..4].to_vec();
    entries.push(world.log[3].clone());
    match log
        .append(&entries, &coordinator())
        .expect_err("the same contribution twice")
    {
        AppendError::Rejected { index, rejected } => {
            assert_eq!(index, 4);
            assert!(matches!(rejected, Rejected::ContributedAlready { .. }));
        }
        other => panic!("{other}"),
    }
    assert!(log.is_empty());
    assert_eq!(log.append(&[], &coordinator()).expect("nothing").events, []);
}

#[test]
fn one_false_signature_in_a_large_batch_is_found_at_its_place() {
    let mut world = World::new(60);
    world.full_round();
    for at in [0, 1, 17, 40, world.log.len() - 1] {
        let mut log = Replica::new(coordinator().public(), None);
        let known = usize::from(at > 0);
        log.append(&world.log[..known], &coordinator())
            .expect("allowed");
        let mut entries = world.log[known..].to_vec();
        let forged = &mut entries[at - known].signatures[0];
        forged.signature[7] ^= 4;
        let key = forged.signer;
        match log
            .append(&entries, &coordinator())
            .expect_err("a false signature")
        {
            AppendError::Rejected { index, rejected } => {
                assert_eq!(
                    (index, rejected),
                    (at as u64, Rejected::BadSignature { key })
                );
            }
            other => panic!("{other}"),
        }
    }
}
