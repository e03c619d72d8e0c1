//! What a replica can cosign by itself, and how one that is far behind begins anew with a snapshot.

use crate::world::{COORDINATOR, World, draft, identity};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{
    AppendError, Checkpoint, Diverged, Entry, LedgerStore, LogSnapshot, ParticipantId, Replica,
    StoreError, VerifiedSnapshot,
};

/// The coordinator's log, entry by entry as it is written.
fn coordinators(directory: &TempDir, world: &World) -> LedgerStore {
    let path = directory.path().join(FILE_NAME);
    let signer = Arc::new(identity(COORDINATOR));
    let mut store = LedgerStore::create(&path, signer).expect("a sound disk");
    for entry in &world.log {
        store.append(std::slice::from_ref(entry)).expect("allowed");
        if matches!(entry.entry, Entry::ModelPublished { .. }) {
            store.keep_books();
        }
    }
    store
}

fn empty_replica(path: &Path) -> LedgerStore {
    let coordinator = identity(COORDINATOR).public();
    LedgerStore::create_replica(path, coordinator, draft(4).federation_id()).expect("new")
}

fn note(store: &LedgerStore) -> &str {
    store.checkpoint().expect("entries").note()
}

/// Everybody follows the whole log at once, and cosigns what it replayed.
fn cosign_publication(store: &mut LedgerStore, world: &World, cosigners: u32) -> Checkpoint {
    let federation = draft(4).federation_id();
    let mut replica = Replica::new(identity(COORDINATOR).public(), Some(federation));
    replica
        .append_verified(&world.log, note(store))
        .expect("it follows");
    let published = replica.published().expect("replayed").checkpoint;
    for participant in 0..cosigners {
        let id = ParticipantId(participant);
        let line = published.cosign(id, &identity(participant), 7).line();
        store
            .add_cosignature(published.size, &line)
            .expect("a member's");
    }
    published
}

fn verified(snapshot: &LogSnapshot) -> VerifiedSnapshot {
    let coordinator = identity(COORDINATOR).public();
    let federation = draft(4).federation_id();
    snapshot
        .clone()
        .verify(&coordinator, &federation)
        .expect("right")
}

#[test]
fn a_replica_knows_the_last_publication_it_replayed_wherever_its_pages_ended() {
    let mut world = World::new(4);
    world.full_round();
    world.full_round();
    let published = world.log.len() as u64;
    world.open();
    let directory = tempfile::tempdir().expect("a directory");
    let store = coordinators(&directory, &world);
    let of_size = store.cosigned(published).expect("kept").checkpoint();

    let federation = draft(4).federation_id();
    let mut replica = Replica::new(identity(COORDINATOR).public(), Some(federation));
    assert_eq!(replica.published(), None);
    // In one piece, over the publication of two rounds and into the third.
    replica
        .append_verified(&world.log, note(&store))
        .expect("it follows");
    let found = *replica.published().expect("replayed");
    assert_eq!((found.round, found.checkpoint), (2, *of_size));
    assert_eq!(replica.root_at(published), Ok(of_size.root));
    // What it gives is what the coordinator's log takes for that size.
    let mut store = store;
    let line = found
        .checkpoint
        .cosign(ParticipantId(2), &identity(2), 5)
        .line();
    store
        .add_cosignature(published, &line)
        .expect("a member's, of this checkpoint");

    // Read back from disk it is known if nothing followed it.
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    let end = published as usize;
    let signed = store.cosigned(published).expect("kept").signed().clone();
    replica
        .append_verified(&world.log[..end], signed.note())
        .expect("it follows");
    assert_eq!(replica.replica().published(), Some(&found));
    drop(replica);
    let coordinator = identity(COORDINATOR).public();
    let mut replica = LedgerStore::open_replica(&path, coordinator).expect("intact");
    assert_eq!(replica.replica().published(), Some(&found));
    replica
        .append_verified(&world.log[end..], note(&store))
        .expect("it follows");
    assert_eq!(
        replica.replica().published(),
        Some(&found),
        "still the last"
    );
    drop(replica);
    let replica = LedgerStore::open_replica(&path, coordinator).expect("intact");
    assert_eq!(replica.replica().published(), None);
}

#[test]
fn a_replica_that_is_behind_begins_anew_with_a_snapshot_that_continues_it() {
    let mut world = World::new(4);
    world.full_round();
    let behind = world.log.len() as u64;
    world.full_round();
    world.open();
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = coordinators(&directory, &world);
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    let first = store.cosigned(behind).expect("kept").signed().clone();
    replica
        .append_verified(&world.log[..behind as usize], first.note())
        .expect("it follows");
    let own = first.cosign(ParticipantId(1), &identity(1), 3).line();
    replica.add_cosignature(behind, &own).expect("its own");

    let size = cosign_publication(&mut store, &world, 3).size;
    let snapshot = verified(&store.snapshot(size).expect("cosigned"));
    assert_eq!(snapshot.trust().entries, size);
    let proof = store.prove_consistency(behind, size).expect("held");
    // What creations and restarts that were cut short left behind is in nobody's way.
    for left in ["restarting", "creating"] {
        std::fs::write(path.with_extension(left), b"cut short").expect("written");
    }
    replica
        .restart_from(&snapshot, &proof)
        .expect("it continues");
    assert!(!path.with_extension("restarting").exists());
    assert_eq!((replica.len(), replica.replica().first()), (size, size));
    assert_eq!(
        replica.replica().published(),
        None,
        "what it did not replay is not cosigned"
    );
    let rest = &world.log[size as usize..];
    replica
        .append_verified(rest, note(&store))
        .expect("it follows");
    assert_eq!(replica.state().root(), world.state.root());

    // A second time it is no newer.
    assert!(matches!(
        replica.restart_from(&snapshot, &[]),
        Err(StoreError::NotLarger { .. })
    ));
    drop(replica);
    // Killed after the new log had its name and before the old cosignatures were gone: they are about the same history.
    let coordinator = identity(COORDINATOR).public();
    let replica = LedgerStore::open_replica(&path, coordinator).expect("intact");
    assert_eq!(replica.replica().start(), Some(snapshot.trust()));
    assert_eq!(replica.state().root(), world.state.root());
    assert_eq!(replica.cosigned(size).expect("kept").cosigners().len(), 3);
}

#[test]
fn old_cosignatures_beside_a_log_that_began_anew_do_no_harm() {
    let mut world = World::new(4);
    world.full_round();
    let behind = world.log.len() as u64;
    world.full_round();
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = coordinators(&directory, &world);
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    let first = store.cosigned(behind).expect("kept").signed().clone();
    replica
        .append_verified(&world.log[..behind as usize], first.note())
        .expect("it follows");
    let own = first.cosign(ParticipantId(1), &identity(1), 3).line();
    replica.add_cosignature(behind, &own).expect("its own");
    let beside = path.with_extension("cosignatures");
    let old = std::fs::read(&beside).expect("there");
    let size = cosign_publication(&mut store, &world, 4).size;
    let snapshot = verified(&store.snapshot(size).expect("cosigned"));
    let proof = store.prove_consistency(behind, size).expect("held");
    replica
        .restart_from(&snapshot, &proof)
        .expect("it continues");
    drop(replica);
    std::fs::write(&beside, old).expect("written");
    let coordinator = identity(COORDINATOR).public();
    let replica = LedgerStore::open_replica(&path, coordinator).expect("intact");
    assert_eq!(replica.len(), size);
    assert_eq!(replica.state().root(), world.state.root());
}

#[test]
fn a_log_that_contradicts_the_snapshot_or_is_not_proved_to_be_continued_is_never_replaced() {
    let mut world = World::new(4);
    world.full_round();
    let behind = world.log.len() as u64;
    world.full_round();
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = coordinators(&directory, &world);
    let size = cosign_publication(&mut store, &world, 4).size;
    let snapshot = verified(&store.snapshot(size).expect("cosigned"));

    // The same federation, another first round.
    let mut other = World::new(4);
    other.open();
    other.contribute([3, 1, 0, 2]);
    other.close();
    other.publish();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let others = coordinators(&elsewhere, &other);
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    replica
        .append_verified(&other.log, note(&others))
        .expect("it follows");
    let held = replica.len();
    assert!(held < size);
    let proof = store.prove_consistency(held, size).expect("held");
    let honest = store.prove_consistency(behind, size).expect("held");
    for proof in [&proof[..], &honest, &[]] {
        let refused = replica.restart_from(&snapshot, proof);
        assert!(
            matches!(
                refused,
                Err(StoreError::Append(AppendError::Diverged(
                    Diverged::Unreconciled { .. }
                )))
            ),
            "{refused:?}"
        );
    }
    assert_eq!((replica.len(), replica.replica().first()), (held, 0));
    assert_eq!(replica.state().root(), other.state.root());
    drop(replica);
    let coordinator = identity(COORDINATOR).public();
    let replica = LedgerStore::open_replica(&path, coordinator).expect("as it was");
    assert_eq!(replica.state().root(), other.state.root());
    assert!(matches!(
        store.restart_from(&snapshot, &[]),
        Err(StoreError::SnapshotOfOwnLog)
    ));
}

/// What of the files beside each other a crash may leave.
struct Left {
    what: &'static str,
    log: Vec<u8>,
    cosignatures: Option<Vec<u8>>,
    /// Of files under other names.
    beside: Vec<(&'static str, Vec<u8>)>,
}

fn cuts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let step = (bytes.len() / 7).max(1);
    (0..bytes.len()).step_by(step).map(|end| &bytes[..end])
}

/// Everything that a crash can leave while the log `old` gives way to `new`; each log with its cosignatures.
fn left_by_crashes(old: [&[u8]; 2], new: [&[u8]; 2]) -> Vec<Left> {
    let left =
        |what, log: &[u8], cosignatures: Option<&[u8]>, beside: Vec<(&'static str, &[u8])>| {
            let beside = beside.into_iter();
            Left {
                what,
                log: log.to_vec(),
                cosignatures: cosignatures.map(<[u8]>::to_vec),
                beside: beside.map(|(name, bytes)| (name, bytes.to_vec())).collect(),
            }
        };
    let ([old, old_words], [new, new_words]) = (old, new);
    let mut all = Vec::new();
    for cut in cuts(new) {
        all.push(left(
            "while it is written",
            old,
            Some(old_words),
            vec![("creating", cut)],
        ));
        all.push(left(
            "renamed, not on disk",
            old,
            Some(old_words),
            vec![("restarting", cut)],
        ));
    }
    let both = vec![("creating", new), ("restarting", new)];
    all.push(left("under two names", old, Some(old_words), both));
    let whole = vec![("restarting", new)];
    all.push(left(
        "whole beside the old one",
        old,
        Some(old_words),
        whole,
    ));
    all.push(left("it has the name", new, Some(old_words), Vec::new()));
    all.push(left("the words are gone", new, None, Vec::new()));
    for cut in cuts(new_words) {
        all.push(left("the words are written", new, Some(cut), Vec::new()));
    }
    all.push(left("all is done", new, Some(new_words), Vec::new()));
    all
}

/// The directory after the crash, and the log as the next process opens it.
fn after_crash(left: &Left) -> (TempDir, LedgerStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    std::fs::write(&path, &left.log).expect("written");
    if let Some(words) = &left.cosignatures {
        std::fs::write(path.with_extension("cosignatures"), words).expect("written");
    }
    for (name, bytes) in &left.beside {
        std::fs::write(path.with_extension(name), bytes).expect("written");
    }
    let coordinator = identity(COORDINATOR).public();
    let opened = LedgerStore::open_replica(&path, coordinator);
    let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", left.what));
    (directory, opened)
}

fn on_disk(path: &Path) -> [Vec<u8>; 2] {
    let words = std::fs::read(path.with_extension("cosignatures")).expect("there");
    [std::fs::read(path).expect("there"), words]
}

fn slices(bytes: &[Vec<u8>; 2]) -> [&[u8]; 2] {
    [&bytes[0], &bytes[1]]
}

#[test]
fn a_crash_while_a_snapshot_takes_the_place_of_the_log_loses_nothing() {
    let mut world = World::new(4);
    world.full_round();
    let behind = world.log.len() as u64;
    world.full_round();
    world.open();
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = coordinators(&directory, &world);
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    let first = store.cosigned(behind).expect("kept").signed().clone();
    replica
        .append_verified(&world.log[..behind as usize], first.note())
        .expect("it follows");
    let own = first.cosign(ParticipantId(1), &identity(1), 3).line();
    replica.add_cosignature(behind, &own).expect("its own");
    let old = on_disk(&path);
    let size = cosign_publication(&mut store, &world, 3).size;
    let snapshot = verified(&store.snapshot(size).expect("cosigned"));
    let proof = store.prove_consistency(behind, size).expect("held");

    // A disk that does not let the old file be touched: the log goes on as it was.
    let obstacle = path.with_extension("restarting");
    std::fs::create_dir_all(obstacle.join("full")).expect("a directory");
    let failed = replica.restart_from(&snapshot, &proof);
    assert!(matches!(failed, Err(StoreError::Io(_))), "{failed:?}");
    assert_eq!((replica.len(), replica.replica().first()), (behind, 0));
    assert_eq!(on_disk(&path), old);
    std::fs::remove_dir_all(&obstacle).expect("removed");

    replica
        .restart_from(&snapshot, &proof)
        .expect("it continues");
    let new = on_disk(&path);
    let rest = &world.log[size as usize..];
    for left in left_by_crashes(slices(&old), slices(&new)) {
        let (directory, mut replica) = after_crash(&left);
        let what = left.what;
        if replica.len() == behind {
            assert_eq!(
                replica.entries(0, usize::MAX).expect("held").len(),
                behind as usize
            );
            let kept = replica.cosigned(behind).expect("kept");
            assert_eq!(kept.cosigners().len(), 1, "{what}: its own word");
            replica
                .restart_from(&snapshot, &proof)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        assert_eq!(replica.replica().start(), Some(snapshot.trust()), "{what}");
        replica
            .append_verified(rest, note(&store))
            .expect("it follows");
        assert_eq!(replica.state().root(), world.state.root(), "{what}");
        drop(directory);
    }
}

#[test]
fn a_crash_while_the_whole_log_takes_the_place_of_the_snapshot_loses_nothing() {
    let mut world = World::new(4);
    world.full_round();
    world.full_round();
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = coordinators(&directory, &world);
    let size = cosign_publication(&mut store, &world, 3).size;
    let snapshot = verified(&store.snapshot(size).expect("cosigned"));
    let path = directory.path().join("replica.tlog");
    let mut replica = empty_replica(&path);
    replica.restart_from(&snapshot, &[]).expect("it is empty");
    let old = on_disk(&path);

    let beside = directory.path().join("whole.tlog");
    let mut whole = empty_replica(&beside);
    whole
        .append_verified(&world.log, note(&store))
        .expect("it follows");
    replica.complete_with(whole).expect("one history");
    assert_eq!((replica.len(), replica.replica().first()), (size, 0));
    let new = on_disk(&path);
    for left in left_by_crashes(slices(&old), slices(&new)) {
        let (_directory, replica) = after_crash(&left);
        assert_eq!(replica.len(), size, "{}", left.what);
        assert_eq!(replica.state().root(), world.state.root());
        let expected = if left.log == new[0] { 0 } else { size };
        assert_eq!(replica.replica().first(), expected, "{}", left.what);
    }
}
