//! Joining late: from a snapshot that more than half of the owners cosigned, and the entries after it.

use crate::world::{COORDINATOR, World, draft, identity};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use unsilo_ledger::snapshot::snapshot_hash;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{
    AppendError, Diverged, FederationId, LedgerStore, LogSnapshot, OwnerId, ParticipantId,
    ProofError, PublicKey, Rejected, SignedEntry, SnapshotError, StateSnapshotError, StoreError,
    VerifiedSnapshot, verify,
};

/// The snapshot's parts, to be altered by somebody who knows the format.
type Parts = (
    String,
    Vec<u8>,
    Vec<[u8; 32]>,
    Vec<(u64, Vec<u8>, Vec<[u8; 32]>)>,
);
const VERSION_BYTES: usize = 24;

fn parts(snapshot: &LogSnapshot) -> Parts {
    borsh::from_slice(&snapshot.to_bytes()[VERSION_BYTES..]).expect("the format")
}

fn assembled(parts: &Parts) -> LogSnapshot {
    let mut bytes = b"unsilo/v1/log snapshot\0\x01".to_vec();
    bytes.extend(borsh::to_vec(parts).expect("the format"));
    LogSnapshot::from_bytes(&bytes).expect("well-formed")
}

fn altered(snapshot: &LogSnapshot, change: impl FnOnce(&mut Parts)) -> LogSnapshot {
    let mut parts = parts(snapshot);
    change(&mut parts);
    assembled(&parts)
}

/// A federation of four founders with a history of membership: company 4 was admitted as an owner and 5 as an
/// affiliate of 0; 5 has another key (identity 55), and so had 3 (identity 33), who was evicted; company 2 moved to
/// owner 0 and back to an owner of its own. A round before.
fn with_members() -> World {
    let mut world = World::new(4);
    world.full_round();
    let by = |world: &mut World, entry, signers: &[u32]| {
        let entry = world.sign(entry, signers);
        world.accept(entry);
    };
    let entry = world.admission(4, None);
    by(&mut world, entry, &[0, 1, 2]);
    let entry = world.admission(5, Some(OwnerId(0)));
    by(&mut world, entry, &[0, 1, 4]);
    let entry = world.readmission(5, 55);
    by(&mut world, entry, &[0, 2, 4]);
    let entry = world.readmission(3, 33);
    by(&mut world, entry, &[0, 2, 4]);
    let entry = world.eviction(3);
    by(&mut world, entry, &[0, 1, 4]);
    let entry = world.owner_change(2, Some(OwnerId(0)));
    by(&mut world, entry, &[0, 1, 4]);
    let entry = world.owner_change(2, None);
    by(&mut world, entry, &[0, 1, 4]);
    world
}

/// A round of [`with_members`], by those whose keys are their numbers.
fn round(world: &mut World) {
    world.open();
    world.contribute([0, 1, 2, 4]);
    world.close();
    world.publish();
}

/// Present participants of [`with_members`], one of each owner, with the identities they sign with.
const OWNERS: [(u32, u32); 4] = [(0, 0), (1, 1), (2, 2), (4, 4)];
/// More than half of four.
const MAJORITY: usize = 3;

/// The coordinator's store, with the books kept at its newest checkpoint.
struct Coordinator {
    store: LedgerStore,
    _directory: TempDir,
}

impl Coordinator {
    fn with(entries: &[SignedEntry]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE_NAME);
        let mut store =
            LedgerStore::create(&path, Arc::new(identity(COORDINATOR))).expect("a sound disk");
        store.append(entries).expect("allowed");
        store.keep_books();
        Self {
            store,
            _directory: directory,
        }
    }

    /// Adds cosignatures of the checkpoint of `size`, which is kept.
    fn cosign(&mut self, size: u64, cosigners: &[(u32, u32)]) {
        let signed = self.store.cosigned(size).expect("kept").signed().clone();
        for (participant, key) in cosigners {
            let participant = ParticipantId(*participant);
            let at = 1_700_000_000 + u64::from(*key);
            let line = signed.cosign(participant, &identity(*key), at).line();
            self.store.add_cosignature(size, &line).expect("a member's");
        }
    }

    fn snapshot(&self) -> LogSnapshot {
        let size = self.store.newest_snapshot().expect("cosigned");
        self.store.snapshot(size).expect("kept")
    }

    fn note(&self) -> String {
        self.store.checkpoint().expect("entries").note().to_owned()
    }
}

fn keys() -> (PublicKey, FederationId) {
    (identity(COORDINATOR).public(), draft(4).federation_id())
}

fn verified(snapshot: &LogSnapshot) -> Result<VerifiedSnapshot, SnapshotError> {
    let (coordinator, federation) = keys();
    snapshot.clone().verify(&coordinator, &federation)
}

fn refused(snapshot: &LogSnapshot) -> SnapshotError {
    verified(snapshot).map(|_| ()).expect_err("refused")
}

fn replica(path: &Path) -> LedgerStore {
    LedgerStore::open_replica(path, keys().0).expect("intact")
}

#[test]
fn who_joins_late_starts_from_the_cosigned_books_and_follows_the_log_like_everybody() {
    let mut world = with_members();
    let known = world.log.len();
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(known as u64, &OWNERS[..MAJORITY]);
    round(&mut world);
    coordinator
        .store
        .append(&world.log[known..])
        .expect("allowed");

    let snapshot = LogSnapshot::from_bytes(&coordinator.snapshot().to_bytes()).expect("its own");
    let snapshot = verified(&snapshot).expect("right");
    let trust = snapshot.trust().clone();
    assert_eq!(
        (trust.owners, trust.cosigners, trust.membership_changes),
        (4, 3, 7)
    );
    assert_eq!(trust.entries, known as u64);
    assert_eq!(trust.agreed_at_s, 1_700_000_000, "the majority's oldest");
    assert_eq!(
        trust.founders[3],
        ("Company 3".to_owned(), identity(3).public()),
        "the key it founded with, not the one it has now"
    );

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut late = LedgerStore::create_from_snapshot(&path, &snapshot).expect("a sound disk");
    assert_eq!(late.len(), known as u64);
    let tail = coordinator
        .store
        .entries(known as u64, usize::MAX)
        .expect("readable");
    late.append_verified(&tail, &coordinator.note())
        .expect("it follows");
    assert_eq!(late.state().root(), world.state.root());
    assert_eq!(late.replica().root(), coordinator.store.replica().root());
    drop(late);

    let late = replica(&path);
    assert_eq!(late.state().root(), world.state.root());
    assert_eq!(late.replica().start(), Some(&trust));
    assert_eq!(
        late.entries(known as u64, usize::MAX).expect("held"),
        world.log[known..]
    );
    let cosigned = late.cosigned(known as u64).expect("kept");
    assert_eq!(cosigned.cosigners().len(), MAJORITY, "kept with the log");
    late.cosign(&coordinator.note(), &identity(55), 5)
        .expect("it replayed to it");
    drop(late);

    let report = verify(&path).expect("intact");
    assert_eq!(report.entries, world.log.len() as u64);
    assert_eq!(report.start, Some(trust));
    assert_eq!(report.state_root, world.state.root());
}

#[test]
fn what_lies_before_the_snapshot_is_said_to_need_the_full_log() {
    let mut world = with_members();
    let known = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(known, &OWNERS);
    round(&mut world);
    coordinator
        .store
        .append(&world.log[known as usize..])
        .expect("allowed");
    let size = world.log.len() as u64;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let snapshot = verified(&coordinator.snapshot()).expect("right");
    let mut late = LedgerStore::create_from_snapshot(&path, &snapshot).expect("a sound disk");
    let tail = &world.log[known as usize..];
    late.append_verified(tail, &coordinator.note())
        .expect("it follows");

    let not_held = |first| matches!(first, Err(StoreError::NotHeld { first }) if first == known);
    assert!(not_held(late.entries(0, 1)));
    assert!(not_held(late.entries(known - 1, 1)));
    let full = &coordinator.store;
    for index in 0..size {
        let proof = late.prove_inclusion(index, size);
        if index < known {
            let expected = ProofError::NotHeld {
                asked: index,
                first: known,
            };
            assert_eq!(proof, Err(expected));
        } else {
            assert_eq!(proof, full.prove_inclusion(index, size));
        }
        let proof = late.prove_consistency(index, size);
        if index >= known {
            assert_eq!(proof, full.prove_consistency(index, size));
        }
    }
    late.keep_books();
    let mut cosigned = late;
    for (participant, key) in OWNERS {
        let signed = full.checkpoint().expect("entries");
        let line = signed
            .cosign(ParticipantId(participant), &identity(key), 9)
            .line();
        cosigned.add_cosignature(size, &line).expect("a member's");
    }
    assert!(
        not_held(cosigned.snapshot(size).map(|_| Vec::new())),
        "it has not seen who was admitted"
    );
    // An older checkpoint cannot be held against what is not there: it is an older one, no proof of a fork.
    let mut other = World::new(4);
    other.full_round();
    let older = Coordinator::with(&other.log[..2]).note();
    assert!(matches!(
        cosigned.compare(&older),
        Err(AppendError::Diverged(Diverged::RolledBack { .. }))
    ));
}

#[test]
fn cosignatures_that_are_too_few_a_strangers_or_an_evicted_members_do_not_count() {
    let world = with_members();
    let size = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(size, &OWNERS[..MAJORITY - 1]);
    // The affiliate of an owner that has cosigned already is no further owner.
    coordinator.cosign(size, &[(5, 55)]);
    assert_eq!(coordinator.store.newest_snapshot(), None);
    assert!(matches!(
        coordinator.store.snapshot(size),
        Err(StoreError::NoSnapshot { .. })
    ));
    coordinator.cosign(size, &OWNERS[MAJORITY - 1..MAJORITY]);
    let snapshot = coordinator.snapshot();
    verified(&snapshot).expect("right");

    let signed = coordinator.store.checkpoint().expect("entries").clone();
    let line = |participant, key| {
        let cosignature = signed.cosign(ParticipantId(participant), &identity(key), 7);
        format!("{}\n", cosignature.line())
    };
    let with = |lines: &[String]| {
        altered(&snapshot, |(note, ..)| {
            *note = format!("{}{}", signed.note(), lines.concat())
        })
    };
    let too_few = |have| SnapshotError::TooFewCosigners {
        have,
        need: MAJORITY,
    };
    let [first, second] = [line(2, 2), line(4, 4)];
    assert_eq!(refused(&with(&[first.clone(), second.clone()])), too_few(2));
    verified(&with(&[first.clone(), second.clone(), line(5, 55)]))
        .expect("owner 0 by its affiliate");
    let affiliate = with(&[line(0, 0), first.clone(), line(5, 55)]);
    assert_eq!(refused(&affiliate), too_few(2), "of an owner that did");
    for (third, who) in [
        (line(5, 5), "by a key it had before"),
        (line(3, 33), "evicted"),
        (line(3, 3), "evicted, by a key it had before"),
        (line(99, 99), "a stranger"),
        (line(1, 99), "a stranger in a member's name"),
        (
            line(1, 1).replace("participant/1 ", "participant/0 "),
            "a member's in another's name",
        ),
    ] {
        let snapshot = with(&[first.clone(), second.clone(), third]);
        assert_eq!(refused(&snapshot), too_few(2), "{who}");
    }
    // Over another checkpoint of the coordinator's.
    let elsewhere = Coordinator::with(&world.log[..world.log.len() - 1]);
    let other = elsewhere.store.checkpoint().expect("entries");
    let other = other.cosign(ParticipantId(1), &identity(1), 7).line();
    assert!(matches!(
        refused(&with(&[first, second, format!("{other}\n")])),
        SnapshotError::Checkpoint(_)
    ));
}

/// The coordinator holds the pen and its own key, and makes up members; the books, tree and checkpoint are right.
#[test]
fn a_coordinator_that_makes_up_owners_is_not_believed_whoever_cosigns() {
    let world = with_members();
    let size = world.log.len() as u64;
    let mut honest = Coordinator::with(&world.log);
    honest.cosign(size, &OWNERS);
    let honest = honest.snapshot();

    // Another federation under the same draft, all of whose keys are the coordinator's but for the coordinator's.
    let draft = draft(4);
    let founders: Vec<_> = (0..4_u32)
        .map(|number| unsilo_ledger::Member {
            name: format!("Company {number}"),
            key: identity(number + 50).public(),
            owner: None,
        })
        .collect();
    let keys: Vec<_> = (50..54).chain([COORDINATOR]).map(identity).collect();
    let entry = unsilo_ledger::Entry::FederationCreated {
        draft: draft.clone(),
        founders,
    };
    let federation = draft.federation_id();
    let genesis = SignedEntry::signed_by(entry, &federation, &keys.iter().collect::<Vec<_>>());
    let mut made_up = Coordinator::with(&[genesis]);
    made_up.cosign(1, &[(0, 50), (1, 51), (2, 52), (3, 53)]);
    let made_up = made_up.snapshot();

    // The books of the made-up federation with the true genesis, and the other way round.
    let (true_parts, false_parts) = (parts(&honest), parts(&made_up));
    let mixed = (
        false_parts.0.clone(),
        false_parts.1.clone(),
        false_parts.2.clone(),
        true_parts.3.clone(),
    );
    assert_eq!(
        refused(&assembled(&mixed)),
        SnapshotError::NotInTheLog { index: 0 }
    );
    // As it stands it is a federation by itself: only the founders' keys, compared out of band, tell it apart.
    let trust = verified(&made_up).expect("consistent").trust().clone();
    let honest_trust = verified(&honest).expect("right").trust().clone();
    assert_ne!(trust.founders, honest_trust.founders);
    assert_ne!(trust.genesis, honest_trust.genesis);
}

#[test]
fn a_chain_of_membership_with_a_step_too_few_too_many_or_altered_is_refused() {
    let world = with_members();
    let size = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(size, &OWNERS);
    let snapshot = coordinator.snapshot();
    let chain = parts(&snapshot).3;
    let indexes: Vec<u64> = chain.iter().map(|(index, ..)| *index).collect();

    let without = |left_out: usize| {
        altered(&snapshot, |(.., chain)| {
            chain.remove(left_out);
        })
    };
    assert_eq!(refused(&without(0)), SnapshotError::NoGenesis);
    assert_eq!(
        refused(&without(chain.len() - 1)),
        SnapshotError::OtherMembers
    );
    for left_out in 1..chain.len() {
        let error = refused(&without(left_out));
        let is_expected = matches!(
            error,
            SnapshotError::OtherMembers | SnapshotError::Rejected { .. }
        );
        assert!(is_expected, "without step {left_out}: {error}");
    }
    let empty = altered(&snapshot, |(.., chain)| chain.clear());
    assert_eq!(refused(&empty), SnapshotError::NoGenesis);
    let twice = altered(&snapshot, |(.., chain)| chain.insert(1, chain[1].clone()));
    let swapped = altered(&snapshot, |(.., chain)| chain.swap(1, 2));
    for disordered in [twice, swapped] {
        assert!(matches!(
            refused(&disordered),
            SnapshotError::NotMembership { .. }
        ));
    }
    // Another entry of the log, with its proof.
    let other = coordinator.store.entries(1, 1).expect("readable");
    let proof = coordinator.store.prove_inclusion(1, size).expect("there");
    let other = altered(&snapshot, |(.., chain)| {
        chain.insert(1, (1, other[0].encode(), proof));
    });
    assert_eq!(refused(&other), SnapshotError::NotMembership { index: 1 });
    // An admission that too few signed, and one that nobody of the log ever saw.
    let mut forged = World::new(4);
    forged.full_round();
    let entry = forged.sign(forged.admission(4, None), &[0, 1, 3]).encode();
    let unseen = altered(&snapshot, |(.., chain)| chain[1].1 = entry);
    assert_eq!(
        refused(&unseen),
        SnapshotError::NotInTheLog { index: indexes[1] }
    );
    let elsewhere = altered(&snapshot, |(.., chain)| chain[1].0 += 1);
    assert!(matches!(
        refused(&elsewhere),
        SnapshotError::NotInTheLog { .. }
    ));
    let garbage = altered(&snapshot, |(.., chain)| chain[2].1 = vec![1, 2, 3]);
    assert!(matches!(
        refused(&garbage),
        SnapshotError::Undecodable { .. }
    ));
}

#[test]
fn another_federations_another_coordinators_and_other_books_are_refused() {
    let mut world = with_members();
    round(&mut world);
    let size = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(size, &OWNERS);
    let snapshot = coordinator.snapshot();
    let (key, federation) = keys();
    let other = FederationId([1; 32]);
    let refusal = snapshot.clone().verify(&key, &other).map(|_| ());
    assert_eq!(
        refusal,
        Err(SnapshotError::OtherFederation {
            expected: other,
            found: federation,
        })
    );
    let stranger = identity(77).public();
    let refusal = snapshot.clone().verify(&stranger, &federation).map(|_| ());
    assert!(matches!(refusal, Err(SnapshotError::Checkpoint(_))));

    let before = {
        let mut earlier = Coordinator::with(&world.log[..world.log.len() - 1]);
        earlier.cosign(size - 1, &OWNERS[..MAJORITY]);
        earlier.snapshot()
    };
    let (note, state, frontier, _) = parts(&before);
    let books = altered(&snapshot, |parts| parts.1 = state);
    assert_eq!(
        refused(&books),
        SnapshotError::State(StateSnapshotError::OtherRoot)
    );
    let tree = altered(&snapshot, |parts| parts.2 = frontier);
    assert_eq!(refused(&tree), SnapshotError::Frontier);
    let checkpoint = altered(&snapshot, |parts| parts.0 = note);
    assert!(verified(&checkpoint).is_err());
    for change in [
        (|frontier: &mut Vec<[u8; 32]>| frontier.clear()) as fn(&mut Vec<[u8; 32]>),
        |frontier| frontier.push([0; 32]),
        |frontier| frontier[0][0] ^= 1,
        |frontier| frontier.reverse(),
    ] {
        let tree = altered(&snapshot, |parts| change(&mut parts.2));
        assert_eq!(refused(&tree), SnapshotError::Frontier);
    }
}

#[test]
fn every_cut_and_every_altered_byte_of_a_snapshot_is_refused() {
    let mut world = World::new(3);
    world.full_round();
    let size = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(size, &[(0, 0), (1, 1)]);
    let bytes = coordinator.snapshot().to_bytes();
    let (key, federation) = (keys().0, draft(3).federation_id());
    let check = |bytes: &[u8]| {
        LogSnapshot::from_bytes(bytes).and_then(|snapshot| snapshot.verify(&key, &federation))
    };
    check(&bytes).map(|_| ()).expect("as it is");
    for length in (0..bytes.len()).step_by(13) {
        assert!(check(&bytes[..length]).is_err(), "cut to {length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(check(&longer).is_err(), "a byte too many");
    // The draft is most of it, in the books and in the genesis; the rest is looked at byte by byte.
    for at in 0..bytes.len() {
        if at % 11 == 0 || at < 1_500 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(check(&changed).is_err(), "byte {at} of {}", bytes.len());
        }
    }
}

#[test]
fn a_tail_that_does_not_follow_is_refused_and_leaves_the_replica_as_it_was() {
    let mut world = with_members();
    let known = world.log.len();
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(known as u64, &OWNERS);
    let snapshot = verified(&coordinator.snapshot()).expect("right");
    let mut other = world.clone();
    round(&mut world);
    coordinator
        .store
        .append(&world.log[known..])
        .expect("allowed");
    let tail = &world.log[known..];
    let note = coordinator.note();

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut late = LedgerStore::create_from_snapshot(&path, &snapshot).expect("a sound disk");
    let root = late.state().root();
    let mut swapped = tail.to_vec();
    swapped.swap(1, 2);
    let mut damaged = tail.to_vec();
    damaged[0].signatures[0].signature[3] ^= 1;
    let count = |error| {
        matches!(
            error,
            StoreError::Append(AppendError::Diverged(Diverged::Count { .. }))
        )
    };
    let entries = |error| {
        matches!(
            error,
            StoreError::Append(AppendError::Diverged(Diverged::WrongEntries { .. }))
        )
    };
    assert!(count(
        late.append_verified(&tail[1..], &note).expect_err("short")
    ));
    assert!(count(
        late.append_verified(&world.log, &note)
            .expect_err("all of it")
    ));
    assert!(entries(
        late.append_verified(&swapped, &note).expect_err("swapped")
    ));
    assert!(entries(
        late.append_verified(&damaged, &note).expect_err("damaged")
    ));
    // A second history that leaves the first one before the snapshot: the coordinator signed both.
    let mut rewritten = World::new(4);
    rewritten.full_round();
    rewritten.full_round();
    rewritten.full_round();
    let fork = Coordinator::with(&rewritten.log);
    let of_fork = &rewritten.log[known..];
    assert!(entries(
        late.append_verified(of_fork, &fork.note())
            .expect_err("a fork")
    ));
    let proof = fork
        .store
        .prove_consistency(known as u64, rewritten.log.len() as u64)
        .expect("there");
    assert!(matches!(
        late.check_consistency(&fork.note(), &proof),
        Err(AppendError::Diverged(Diverged::Unreconciled { .. }))
    ));
    let proven = late
        .prove_fork(&fork.note(), rewritten.log.iter().map(SignedEntry::encode))
        .expect("decided");
    assert!(proven.is_some(), "with the full log it is proved");
    // And one after it.
    other.open();
    other.contribute([0]);
    let after = Coordinator::with(&other.log);
    late.append_verified(&other.log[known..], &after.note())
        .expect("the first it sees");
    assert!(matches!(
        late.append_verified(&[], &note),
        Err(StoreError::Append(AppendError::Diverged(_)))
    ));
    assert_ne!(late.state().root(), root);
    drop(late);
    assert_eq!(replica(&path).state().root(), other.state.root());
}

#[test]
fn the_newest_snapshot_replaces_the_file_and_a_disk_that_fails_leaves_the_old_one() {
    let mut world = with_members();
    let first = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.snapshot");
    let written = coordinator.store.write_snapshot(&path, 0).expect("nothing");
    assert_eq!(written, None, "nobody has cosigned");
    // They cosign after the log has gone on.
    round(&mut world);
    coordinator
        .store
        .append(&world.log[first as usize..])
        .expect("allowed");
    coordinator.store.keep_books();
    coordinator.cosign(first, &OWNERS);
    let written = coordinator.store.write_snapshot(&path, 0).expect("room");
    let bytes = std::fs::read(&path).expect("written");
    assert_eq!(written, Some((first, snapshot_hash(&bytes))));
    verified(&LogSnapshot::from_bytes(&bytes).expect("whole")).expect("right");
    let again = coordinator.store.write_snapshot(&path, first);
    assert_eq!(again.expect("no need"), None);

    let second = world.log.len() as u64;
    coordinator.cosign(second, &OWNERS);
    // A directory stands where the new file would be written.
    let beside = path.with_extension("snapshot-new");
    std::fs::create_dir(&beside).expect("a directory");
    let failed = coordinator.store.write_snapshot(&path, first);
    assert!(matches!(failed, Err(StoreError::Io(_))));
    assert_eq!(std::fs::read(&path).expect("the old one"), bytes);
    std::fs::remove_dir(&beside).expect("empty");
    let written = coordinator.store.write_snapshot(&path, first);
    assert_eq!(written.expect("room").map(|(size, _)| size), Some(second));
    let newer = std::fs::read(&path).expect("written");
    let trust = verified(&LogSnapshot::from_bytes(&newer).expect("whole")).expect("right");
    assert_eq!(trust.trust().entries, second);
}

#[test]
fn books_are_kept_at_a_few_sizes_only() {
    let mut world = World::new(4);
    let mut coordinator = Coordinator::with(&world.log);
    for _ in 0..6 {
        let known = world.log.len();
        world.full_round();
        coordinator
            .store
            .append(&world.log[known..])
            .expect("allowed");
        coordinator.store.keep_books();
    }
    coordinator.cosign(1, &[(0, 0), (1, 1), (2, 2)]);
    assert_eq!(coordinator.store.newest_snapshot(), None, "too long ago");
}

#[test]
fn a_snapshot_altered_on_the_disk_is_refused_when_the_log_is_opened() {
    let world = with_members();
    let size = world.log.len() as u64;
    let mut coordinator = Coordinator::with(&world.log);
    coordinator.cosign(size, &OWNERS);
    let snapshot = verified(&coordinator.snapshot()).expect("right");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    drop(LedgerStore::create_from_snapshot(&path, &snapshot).expect("a sound disk"));
    let sound = std::fs::read(&path).expect("readable");
    for at in (4_096..sound.len()).step_by(997) {
        let mut changed = sound.clone();
        changed[at] ^= 4;
        std::fs::write(&path, &changed).expect("writable");
        let opened = LedgerStore::open_replica(&path, keys().0).map(|_| ());
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "byte {at}"
        );
        std::fs::write(&path, &sound[..at]).expect("writable");
        assert!(LedgerStore::open_replica(&path, keys().0).is_err());
    }
    std::fs::write(&path, &sound).expect("writable");
    assert_eq!(replica(&path).len(), size);
    assert!(matches!(
        LedgerStore::create_from_snapshot(&path, &snapshot),
        Err(StoreError::Exists { .. })
    ));
}

/// A seat's and a cosigner's signature are verified with the others: what is wrong is found, and said of the same
/// entry as one by one, whatever was verified by keys that have changed since.
#[test]
fn signatures_inside_entries_are_verified_in_batches_with_the_same_result() {
    let mut world = World::new(6);
    world.full_round();
    // A new key in the middle of what is verified at once; then it sits on the committee.
    let entry = world.sign(world.readmission(2, 22), &[0, 1, 3, 4]);
    world.accept(entry);
    let drawn = world.state.draw().expect("between rounds");
    let key_of = |participant: u32| if participant == 2 { 22 } else { participant };
    let seats: Vec<_> = drawn
        .owners
        .iter()
        .take(drawn.size)
        .map(|owner| {
            let participant = world.first_of(*owner);
            let offer = world.offer(world.state.next_round(), participant);
            let signature = offer.sign(&identity(key_of(participant.0)));
            offer.into_seat(participant, signature)
        })
        .collect();
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    world.accept(entry);
    let all = Coordinator::with(&world.log);
    assert_eq!(all.store.state().root(), world.state.root());

    let opened = world.log.len() - 1;
    let mut wrong = world.log.clone();
    if let unsilo_ledger::Entry::RoundOpened { seats, .. } = &mut wrong[opened].entry {
        seats[3].signature[7] ^= 1;
    }
    let entry = wrong[opened].entry.clone();
    wrong[opened] = world.sign(entry, &[COORDINATOR]);
    let mut one_by_one = World {
        state: unsilo_ledger::State::new(),
        log: Vec::new(),
    };
    for entry in &wrong[..opened] {
        one_by_one.accept(entry.clone());
    }
    let expected = one_by_one.refuse(wrong[opened].clone());
    assert_eq!(expected, Rejected::BadSeatSignature { seat: 4 });
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut store =
        LedgerStore::create(&path, Arc::new(identity(COORDINATOR))).expect("a sound disk");
    store.append(&wrong[..1]).expect("allowed");
    let refused = store.append(&wrong[1..]).expect_err("a bad seat");
    assert!(
        matches!(
            &refused,
            StoreError::Append(AppendError::Rejected { index, rejected })
                if *index == opened as u64 && *rejected == expected
        ),
        "{refused}"
    );
}

/// Long enough that batches are verified by other threads while the ones before them are applied.
#[test]
fn the_first_wrong_entry_of_a_long_log_is_named_wherever_it_is() {
    let mut world = World::new(100);
    for _ in 0..44 {
        world.full_round();
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let signer = Arc::new(identity(COORDINATOR));
    let mut store = LedgerStore::create(&path, signer.clone()).expect("a sound disk");
    store.append(&world.log).expect("allowed");
    drop(store);
    let sound = std::fs::read(&path).expect("readable");
    assert!(sound.len() > 1_100_000, "{}", sound.len());
    let opened = LedgerStore::open(&path, signer.clone()).expect("intact");
    assert_eq!(opened.state().root(), world.state.root());
    drop(opened);

    let mut ends = vec![4_096];
    for entry in &world.log {
        ends.push(ends.last().expect("one") + 4 + entry.encode().len());
    }
    for index in [1, 900, world.log.len() - 1] {
        // Two are wrong: the first one counts.
        let mut changed = sound.clone();
        changed[ends[index + 1] - 1] ^= 1;
        let last = ends.len() - 1;
        changed[ends[last - 1] + 4] = 0xff;
        std::fs::write(&path, &changed).expect("writable");
        let error = verify(&path).map(|_| ()).expect_err("altered");
        let named = match &error {
            StoreError::Altered(AppendError::Rejected { index, .. })
            | StoreError::Undecodable { index, .. } => *index,
            other => panic!("{other}"),
        };
        assert_eq!(named, index as u64, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// From whatever checkpoint one starts and however the rest comes in, one ends where everybody is.
    #[test]
    fn a_late_joiner_ends_where_everybody_is(start in 7_u64..40, pieces in prop::collection::vec(1_usize..9, 1..12)) {
        let mut world = World::new(4);
        for _ in 0..4 {
            world.full_round();
        }
        let start = start.min(world.log.len() as u64 - 1) as usize;
        let mut coordinator = Coordinator::with(&world.log[..start]);
        coordinator.cosign(start as u64, &[(0, 0), (1, 1), (2, 2)]);
        let snapshot = verified(&coordinator.snapshot()).expect("right");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE_NAME);
        let mut late = LedgerStore::create_from_snapshot(&path, &snapshot).expect("a sound disk");
        let mut rest = &world.log[start..];
        for piece in pieces.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            coordinator.store.append(now).expect("allowed");
            late.append_verified(now, &coordinator.note()).expect("it follows");
            rest = later;
            if piece % 3 == 0 {
                drop(late);
                late = replica(&path);
            }
            prop_assert_eq!(late.replica().root(), coordinator.store.replica().root());
            prop_assert_eq!(late.state().root(), coordinator.store.state().root());
        }
        prop_assert_eq!(late.state().root(), world.state.root());
    }
}
