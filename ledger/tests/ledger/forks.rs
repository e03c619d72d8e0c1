//! A coordinator that signed two stories is convicted by what it signed.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{
    AppendError, Checkpoint, Diverged, ForkProof, ForkProofError, PublicKey, Replica,
    SignedCheckpoint, SignedEntry, SigningIdentity, Standing,
};

fn coordinator() -> SigningIdentity {
    identity(COORDINATOR)
}

fn key() -> PublicKey {
    coordinator().public()
}

/// The coordinator's log of these entries, one append each.
fn log_of(entries: &[SignedEntry]) -> Replica {
    let mut log = Replica::new(key(), None);
    for entry in entries {
        log.append(std::slice::from_ref(entry), &coordinator())
            .expect("allowed");
    }
    log
}

fn signed(replica: &Replica) -> SignedCheckpoint {
    replica.checkpoint().expect("not empty").clone()
}

/// A participant's copy of the log of these entries.
fn replica_of(world: &World, entries: &[SignedEntry]) -> Replica {
    let mut replica = Replica::new(key(), Some(world.federation()));
    replica
        .append_verified(entries, signed(&log_of(entries)).note())
        .expect("honest so far");
    replica
}

/// Nine entries, and nine others that differ from entry 3 on: two contributions came the other way round.
fn two_stories() -> (World, Vec<SignedEntry>) {
    let mut world = World::new(4);
    world.full_round();
    assert_eq!(world.log.len(), 9);
    let mut other = world.log.clone();
    other.swap(3, 4);
    (world, other)
}

fn fork(result: Result<impl std::fmt::Debug, AppendError>) -> ForkProof {
    match result.expect_err("must be noticed") {
        AppendError::Diverged(Diverged::Fork(proof)) => *proof,
        other => panic!("{other}"),
    }
}

/// A third party, who has nothing but the bytes and the coordinator's key, is convinced.
fn convinces(proof: &ForkProof) {
    let bytes = proof.to_bytes();
    assert_eq!(ForkProof::from_bytes(&bytes, &key()).as_ref(), Ok(proof));
    assert_eq!(
        ForkProof::from_bytes(&bytes, &identity(0).public()),
        Err(ForkProofError::NotSigned)
    );
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(
            ForkProof::from_bytes(&changed, &key()).is_err(),
            "byte {at}"
        );
        assert!(ForkProof::from_bytes(&bytes[..at], &key()).is_err());
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(ForkProof::from_bytes(&longer, &key()).is_err());
}

#[test]
fn two_logs_of_one_size_are_a_fork() {
    let (world, other) = two_stories();
    for size in 4..=9 {
        let replica = replica_of(&world, &world.log[..size]);
        let theirs = signed(&log_of(&other[..size]));
        let proof = fork(replica.compare(theirs.note()));
        assert_eq!(proof.checkpoints(), [&signed(&replica), &theirs]);
        convinces(&proof);
    }
}

#[test]
fn a_shorter_log_that_ours_does_not_begin_with_is_proved_by_our_tree() {
    let (world, other) = two_stories();
    for (ours, theirs) in (5..=9).flat_map(|ours| (4..ours).map(move |theirs| (ours, theirs))) {
        let replica = replica_of(&world, &world.log[..ours]);
        let shorter = signed(&log_of(&other[..theirs]));
        // The first four entries differ from ours, so every log from there on does.
        let proof = fork(replica.compare(shorter.note()));
        assert_eq!(proof.checkpoints(), [&shorter, &signed(&replica)]);
        convinces(&proof);
    }
}

#[test]
fn a_longer_log_that_does_not_begin_with_ours_is_proved_by_its_entries() {
    let (world, other) = two_stories();
    for (ours, theirs) in (4..9).flat_map(|ours| (ours + 1..=9).map(move |theirs| (ours, theirs))) {
        let replica = replica_of(&world, &world.log[..ours]);
        let longer = log_of(&other[..theirs]);
        let note = signed(&longer).note().to_owned();
        // Without its entries nothing can be said for certain, and no proof of consistency can be given.
        assert!(matches!(
            replica.compare(&note).expect("may be longer"),
            Standing::Ahead { .. }
        ));
        let claimed = longer
            .prove_consistency(ours as u64, theirs as u64)
            .expect("in range");
        assert!(matches!(
            replica.check_consistency(&note, &claimed),
            Err(AppendError::Diverged(Diverged::Unreconciled { .. }))
        ));
        let encoded = other[..theirs].iter().map(SignedEntry::encode);
        let proof = replica
            .prove_fork(&note, encoded)
            .expect("its own entries")
            .expect("a fork");
        assert_eq!(proof.checkpoints(), [&signed(&replica), &signed(&longer)]);
        convinces(&proof);
    }
}

#[test]
fn a_log_that_does_begin_with_ours_is_no_fork() {
    let (world, _) = two_stories();
    let replica = replica_of(&world, &world.log[..5]);
    let longer = log_of(&world.log);
    let note = signed(&longer).note().to_owned();
    let encoded = || world.log.iter().map(SignedEntry::encode);
    assert_eq!(
        replica.prove_fork(&note, encoded()).expect("its entries"),
        None
    );
    // Entries that are not those of the checkpoint say nothing about the coordinator.
    assert!(matches!(
        replica.prove_fork(&note, encoded().take(6)),
        Err(AppendError::Diverged(Diverged::Count { given: 6, .. }))
    ));
    assert!(matches!(
        replica.prove_fork(
            &note,
            encoded().chain(encoded()).skip(9).map(|mut entry| {
                entry[5] ^= 1;
                entry
            })
        ),
        Err(AppendError::Diverged(Diverged::WrongEntries { .. }))
    ));
    // An older checkpoint of the same log is old, not false: the tail was cut off, and no proof of a fork.
    let shorter = signed(&log_of(&world.log[..3]));
    assert!(matches!(
        replica.compare(shorter.note()),
        Err(AppendError::Diverged(Diverged::RolledBack { .. }))
    ));
}

#[test]
fn other_books_over_entries_of_long_ago_are_a_fork_as_long_as_the_checkpoint_is_kept() {
    let (world, _) = two_stories();
    let mut replica = Replica::new(key(), Some(world.federation()));
    let mut old = None;
    for at in 0..world.log.len() {
        let log = log_of(&world.log[..=at]);
        replica
            .append_verified(&world.log[at..=at], signed(&log).note())
            .expect("honest");
        old = old.or(Some(signed(&log)));
    }
    let old = old.expect("the first");
    let books = Checkpoint {
        state_root: [7; 32],
        ..*old.checkpoint()
    };
    let theirs = books.sign(&coordinator()).expect("well-formed");
    let proof = fork(replica.compare(theirs.note()));
    assert_eq!(proof.checkpoints(), [&old, &theirs]);
    convinces(&proof);
}

#[test]
fn what_does_not_contradict_is_no_proof() {
    let (world, other) = two_stories();
    let (log, forked) = (log_of(&world.log), log_of(&other[..6]));
    let at = |size: usize| signed(&log_of(&world.log[..size]));
    let none = Err(ForkProofError::NoContradiction);
    assert_eq!(ForkProof::of_one_size(at(5), at(5)), none);
    assert_eq!(ForkProof::of_one_size(at(5), at(6)), none);
    assert_eq!(ForkProof::of_one_size(signed(&forked), at(5)), none);
    let root = at(5).checkpoint().root;
    let proof = log.prove_consistency(5, 9).expect("in range");
    // A true proof of consistency shows that nothing was rewritten.
    assert_eq!(
        ForkProof::of_two_sizes(at(5), at(9), root, proof.clone()),
        none
    );
    // With a root that the larger log does not begin with it proves nothing.
    assert_eq!(
        ForkProof::of_two_sizes(at(5), at(9), [1; 32], proof.clone()),
        none
    );
    // The wrong way round, of one size, and with the proof for other sizes.
    let found = log.prove_consistency(6, 9).expect("in range");
    assert_eq!(
        ForkProof::of_two_sizes(at(9), signed(&forked), root, found.clone()),
        none
    );
    assert_eq!(
        ForkProof::of_two_sizes(signed(&forked), at(9), root, found.clone()),
        none
    );
    assert_eq!(
        ForkProof::of_two_sizes(signed(&forked), at(6), at(6).checkpoint().root, vec![]),
        none
    );
    // Of another federation.
    let elsewhere = Checkpoint {
        federation: unsilo_ledger::FederationId([1; 32]),
        ..*at(5).checkpoint()
    };
    let elsewhere = elsewhere.sign(&coordinator()).expect("well-formed");
    assert_eq!(ForkProof::of_one_size(elsewhere, at(5)), none);
    // And the true one, for comparison.
    assert!(
        ForkProof::of_two_sizes(signed(&forked), at(9), at(6).checkpoint().root, found).is_ok()
    );
}
