//! The log on disk.

use crate::world::{COORDINATOR, World, identity};
use redb::{Builder, ConcurrencyMode, Database, ReadableTable, TableDefinition};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{AppendError, Diverged, LedgerStore, SigningIdentity, StoreError, verify};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");

fn coordinator() -> Arc<SigningIdentity> {
    Arc::new(identity(COORDINATOR))
}

/// A directory with the coordinator's log of one round, one batch a step.
fn stored() -> (TempDir, PathBuf, World) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut world = World::new(4);
    world.full_round();
    let mut store = LedgerStore::create(&path, coordinator()).expect("new");
    store.append(&world.log[..1]).expect("allowed");
    store.append(&world.log[1..2]).expect("allowed");
    store.append(&world.log[2..]).expect("allowed");
    (directory, path, world)
}

fn open(path: &Path) -> Result<LedgerStore, StoreError> {
    LedgerStore::open(path, coordinator())
}

/// Edits the file as somebody with the disk in hand would.
fn edit(path: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = raw(path);
    let transaction = database.begin_write().expect("not open elsewhere");
    change(&transaction);
    transaction.commit().expect("writable");
}

fn raw(path: &Path) -> Database {
    Builder::new()
        .set_concurrency_mode(ConcurrencyMode::SingleWriter)
        .open(path)
        .expect("a database")
}

#[test]
fn a_log_is_read_back_as_it_was_written() {
    let (_directory, path, world) = stored();
    let store = open(&path).expect("intact");
    assert_eq!(store.len(), world.log.len() as u64);
    assert_eq!(store.state().root(), world.state.root());
    assert_eq!(store.entries(0, usize::MAX).expect("readable"), world.log);
    assert_eq!(store.entries(3, 2).expect("readable"), world.log[3..5]);
    assert_eq!(store.entries(99, 2).expect("readable"), []);
    let two = world.log[3].encode().len() + world.log[4].encode().len();
    assert_eq!(
        store.encoded_entries(3, 100, two).expect("readable").len(),
        2
    );
    assert_eq!(
        store
            .encoded_entries(3, 100, two - 1)
            .expect("readable")
            .len(),
        1
    );
    assert_eq!(
        store.encoded_entries(3, 100, 0).expect("readable").len(),
        1,
        "always progress"
    );
}

#[test]
fn a_log_goes_on_after_it_was_opened_again() {
    let (_directory, path, mut world) = stored();
    let known = world.log.len();
    world.full_round();
    let mut store = open(&path).expect("intact");
    let appended = store.append(&world.log[known..]).expect("allowed");
    assert_eq!(appended.first_index, known as u64);
    drop(store);
    assert_eq!(
        open(&path).expect("intact").state().root(),
        world.state.root()
    );
}

#[test]
fn a_rejected_batch_writes_nothing() {
    let (_directory, path, world) = stored();
    let mut store = open(&path).expect("intact");
    let note = store.checkpoint().expect("not empty").note().to_owned();
    let error = store
        .append(&world.log[2..3])
        .expect_err("a round that is over");
    assert!(
        matches!(error, StoreError::Append(AppendError::Rejected { .. })),
        "{error}"
    );
    assert_eq!(store.checkpoint().expect("not empty").note(), note);
    assert_eq!(store.append(&[]).expect("nothing").events, []);
    drop(store);
    assert_eq!(open(&path).expect("intact").len(), world.log.len() as u64);
}

#[test]
fn verify_counts_what_it_checked() {
    let (_directory, path, world) = stored();
    let report = verify(&path).expect("intact");
    assert_eq!(report.entries, world.log.len() as u64);
    // Genesis 4 + 1, open 1 + 4 seats, 4 contributions, close 1 + 3, judgement 3, publish 1 + 3, checkpoint 1.
    assert_eq!(report.signatures, 5 + 5 + 4 + 4 + 3 + 4 + 1);
    assert_eq!((report.participants, report.owners), (4, 4));
    assert_eq!((report.published, report.voided), (1, 0));
    assert_eq!(report.state_root, world.state.root());
    assert_eq!(report.federation, Some(world.federation()));
    assert!(report.checkpoint.expect("not empty").starts_with("unsilo/"));
}

#[test]
fn an_empty_log_is_a_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    drop(LedgerStore::create(&path, coordinator()).expect("new"));
    let store = open(&path).expect("intact");
    assert!(store.is_empty());
    assert!(store.checkpoint().is_none());
    drop(store);
    assert_eq!(verify(&path).expect("intact").entries, 0);
}

#[test]
fn a_log_that_is_being_written_can_be_verified_but_not_opened_twice() {
    let (_directory, path, mut world) = stored();
    let known = world.log.len();
    world.full_round();
    let mut writer = open(&path).expect("intact");
    assert_eq!(
        verify(&path).expect("beside the writer").entries,
        known as u64
    );
    writer.append(&world.log[known..]).expect("allowed");
    assert_eq!(
        verify(&path).expect("beside the writer").entries,
        world.log.len() as u64
    );
    assert!(matches!(open(&path), Err(StoreError::InUse { .. })));
    drop(writer);
    open(&path).expect("free again");
}

#[test]
fn a_log_whose_writer_was_killed_can_be_verified_without_touching_it() {
    let (directory, path, world) = stored();
    let writer = open(&path).expect("intact");
    // What the disk holds if the process dies now.
    let left = directory.path().join("left");
    std::fs::copy(&path, &left).expect("readable");
    drop(writer);
    let bytes = std::fs::read(&left).expect("readable");
    assert_eq!(
        verify(&left).expect("recovered in memory").state_root,
        world.state.root()
    );
    assert_eq!(
        std::fs::read(&left).expect("readable"),
        bytes,
        "verifying must not write"
    );
    assert_eq!(
        open(&left).expect("recovered").state().root(),
        world.state.root()
    );
}

#[test]
fn a_creation_that_was_cut_short_does_not_stand_in_the_way() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    std::fs::write(path.with_extension("creating"), b"half of it").expect("writable");
    drop(LedgerStore::create(&path, coordinator()).expect("new"));
    assert!(open(&path).expect("intact").is_empty());
    assert!(!path.with_extension("creating").exists());
}

#[test]
fn existing_and_missing_files_are_told_apart() {
    let (directory, path, world) = stored();
    assert!(matches!(
        LedgerStore::create(&path, coordinator()),
        Err(StoreError::Exists { .. })
    ));
    let key = coordinator().public();
    let replica = LedgerStore::create_replica(&path, key, world.federation());
    assert!(matches!(replica, Err(StoreError::Exists { .. })));
    let nowhere = directory.path().join("nowhere");
    assert!(matches!(open(&nowhere), Err(StoreError::Missing { .. })));
    assert!(matches!(verify(&nowhere), Err(StoreError::Missing { .. })));
    assert!(!nowhere.exists(), "opening must not create");
    let other = LedgerStore::open(&path, Arc::new(identity(3)));
    assert!(matches!(other, Err(StoreError::OtherCoordinator { .. })));
}

#[test]
fn an_edited_entry_is_noticed() {
    let (_directory, path, world) = stored();
    for at in 0..world.log.len() {
        let mut bytes = world.log[at].encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        edit(&path, |transaction| {
            let mut table = transaction.open_table(ENTRIES).expect("a table");
            table.insert(at as u64, bytes.as_slice()).expect("writable");
        });
        assert!(open(&path).is_err(), "entry {at}");
        assert!(verify(&path).is_err(), "entry {at}");
        edit(&path, |transaction| {
            let mut table = transaction.open_table(ENTRIES).expect("a table");
            table
                .insert(at as u64, world.log[at].encode().as_slice())
                .expect("writable");
        });
    }
    open(&path).expect("as it was");
}

#[test]
fn swapped_entries_are_noticed_even_where_the_rules_allow_both_orders() {
    let (_directory, path, world) = stored();
    edit(&path, |transaction| {
        let mut table = transaction.open_table(ENTRIES).expect("a table");
        table
            .insert(2, world.log[3].encode().as_slice())
            .expect("writable");
        table
            .insert(3, world.log[2].encode().as_slice())
            .expect("writable");
    });
    let error = open(&path).err().expect("another order is another log");
    assert!(
        matches!(
            error,
            StoreError::Altered(AppendError::Diverged(Diverged::WrongEntries { .. }))
        ),
        "{error}"
    );
}

#[test]
fn cut_and_holed_logs_are_noticed() {
    let (_directory, path, world) = stored();
    let last = world.log.len() as u64 - 1;
    edit(&path, |transaction| {
        transaction
            .open_table(ENTRIES)
            .expect("a table")
            .remove(last)
            .expect("writable");
    });
    assert!(matches!(
        open(&path),
        Err(StoreError::Altered(AppendError::Diverged(
            Diverged::Count { .. }
        )))
    ));
    edit(&path, |transaction| {
        let mut table = transaction.open_table(ENTRIES).expect("a table");
        table
            .insert(last, world.log[last as usize].encode().as_slice())
            .expect("writable");
        table.remove(4).expect("writable");
    });
    assert!(matches!(open(&path), Err(StoreError::Gap { index: 4 })));
}

#[test]
fn a_log_rolled_back_with_its_checkpoint_removed_or_forged_is_noticed() {
    let (_directory, path, _) = stored();
    edit(&path, |transaction| {
        transaction
            .open_table(ABOUT)
            .expect("a table")
            .remove("checkpoint")
            .expect("writable");
    });
    assert!(matches!(open(&path), Err(StoreError::Damaged { .. })));
    let (_directory, path, _) = stored();
    edit(&path, |transaction| {
        let mut table = transaction.open_table(ABOUT).expect("a table");
        let note = table
            .get("checkpoint")
            .expect("readable")
            .expect("there")
            .value()
            .to_vec();
        let note = String::from_utf8(note)
            .expect("text")
            .replace("\n9\n", "\n8\n");
        table
            .insert("checkpoint", note.as_bytes())
            .expect("writable");
    });
    assert!(matches!(
        open(&path),
        Err(StoreError::Altered(AppendError::Checkpoint(_)))
    ));
}

#[test]
fn a_whole_file_restored_from_a_backup_is_noticed_by_whoever_knows_a_later_checkpoint() {
    let (directory, path, mut world) = stored();
    let backup = directory.path().join("backup");
    std::fs::copy(&path, &backup).expect("readable");
    let known = world.log.len();
    world.full_round();
    let mut store = open(&path).expect("intact");
    store.append(&world.log[known..]).expect("allowed");
    let later = store.checkpoint().expect("not empty").note().to_owned();
    drop(store);
    std::fs::copy(&backup, &path).expect("writable");
    // By itself the file is a sound log. Held against a checkpoint that a participant kept, it is old.
    let restored = open(&path).expect("sound");
    let standing = restored
        .compare(&later)
        .expect("no contradiction, but less");
    assert_eq!(
        standing,
        unsilo_ledger::Standing::Ahead {
            entries: (world.log.len() - known) as u64
        }
    );
    // And the participant, seeing the old checkpoint, has the proof.
    let replica_path = directory.path().join("replica");
    let key = coordinator().public();
    let mut replica =
        LedgerStore::create_replica(&replica_path, key, world.federation()).expect("new");
    replica.append_verified(&world.log, &later).expect("honest");
    let shown = restored.checkpoint().expect("not empty").note();
    let error = replica.compare(shown).expect_err("older than what it has");
    assert!(
        matches!(error, AppendError::Diverged(Diverged::RolledBack { .. })),
        "{error}"
    );
}

#[test]
fn replicas_are_stored_too_and_sign_nothing() {
    let (directory, path, world) = stored();
    let store = open(&path).expect("intact");
    let note = store.checkpoint().expect("not empty").note().to_owned();
    let key = coordinator().public();
    let replica_path = directory.path().join("replica");
    let mut replica =
        LedgerStore::create_replica(&replica_path, key, world.federation()).expect("new");
    assert!(matches!(
        replica.append(&world.log),
        Err(StoreError::ReplicaOnly)
    ));
    replica.append_verified(&world.log, &note).expect("honest");
    drop(replica);
    let replica = LedgerStore::open_replica(&replica_path, key).expect("intact");
    assert_eq!(replica.state().root(), world.state.root());
    assert_eq!(replica.checkpoint().expect("not empty").note(), note);
    assert_eq!(
        verify(&replica_path).expect("beside the replica").entries,
        world.log.len() as u64
    );
}

#[test]
fn a_replica_remembers_which_federation_it_joined() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let (_other, other_path, world) = stored();
    let note = open(&other_path)
        .expect("intact")
        .checkpoint()
        .expect("not empty")
        .note()
        .to_owned();
    let key = coordinator().public();
    drop(
        LedgerStore::create_replica(&path, key, unsilo_ledger::FederationId([1; 32])).expect("new"),
    );
    let mut replica = LedgerStore::open_replica(&path, key).expect("empty");
    let error = replica
        .append_verified(&world.log, &note)
        .expect_err("not the one joined");
    assert!(
        matches!(
            error,
            StoreError::Append(AppendError::OtherFederation { .. })
        ),
        "{error}"
    );
}

#[test]
fn damaged_pages_are_reported_not_believed() {
    let (_directory, path, world) = stored();
    let sound = std::fs::read(&path).expect("readable");
    for at in (0..sound.len()).step_by(389) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).expect("writable");
        // A flipped byte may lie in free space: then the log is whole and reads as it was.
        let verified = verify(&path).map(|report| report.state_root);
        let opened = open(&path).map(|store| store.state().root());
        for root in [verified, opened].into_iter().flatten() {
            assert_eq!(root, world.state.root(), "byte {at}");
        }
    }
    for length in [0, 1, 320, 4_096, sound.len() / 2, sound.len() - 1] {
        std::fs::write(&path, &sound[..length]).expect("writable");
        assert!(verify(&path).is_err(), "cut to {length}");
        assert!(open(&path).is_err(), "cut to {length}");
    }
    std::fs::write(
        &path,
        b"not a database at all, but long enough to look like one",
    )
    .expect("writable");
    assert!(verify(&path).is_err());
}
