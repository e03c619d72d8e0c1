//! The log on disk.

use crate::world::{COORDINATOR, World, identity};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use unsilo_ledger::store::FILE_NAME;
use unsilo_ledger::{
    AppendError, Diverged, Domain, DomainHasher, LedgerStore, ParticipantId, SigningIdentity,
    StoreError, verify,
};

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

/// Where the entries begin, and where the two heads lie.
const ENTRIES_AT: usize = 4_096;
const HEADS_AT: [usize; 2] = [1_024, 2_048];

/// Where each entry of a file lies, its length in front of it included.
fn entries_in(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = ENTRIES_AT;
    while let Some((length, _)) = bytes[at..].split_first_chunk() {
        let end = at + 4 + u32::from_le_bytes(*length) as usize;
        found.push(at..end);
        at = end;
    }
    found
}

/// Edits the file as somebody with the disk in hand would.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("readable");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("writable");
}

/// Writes both heads anew, as this program would for this content: with a checksum that fits.
fn forge_heads(bytes: &mut [u8], change: impl Fn(&mut u64, &mut u64, &mut String)) {
    for at in HEADS_AT {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4")) as usize;
        let body = bytes[at + 4..at + 4 + length].to_vec();
        let (sequence, mut end, mut entries, mut note): (u64, u64, u64, String) =
            borsh::from_slice(&body).expect("a head");
        change(&mut end, &mut entries, &mut note);
        let body = borsh::to_vec(&(sequence, end, entries, note)).expect("a head");
        let mut slot = (body.len() as u32).to_le_bytes().to_vec();
        slot.extend_from_slice(&body);
        let checksum = DomainHasher::new(Domain::new("ledger file slot"))
            .with(&(at as u64).to_le_bytes())
            .with(&slot)
            .finish();
        slot.extend_from_slice(&checksum);
        bytes[at..at + slot.len()].copy_from_slice(&slot);
    }
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

/// What lies in a file that another process is making.
const UNDER_WAY: &[u8] = b"another process is writing this";

#[test]
fn a_log_that_another_process_is_making_is_not_touched() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let creating = path.with_extension("creating");
    std::fs::write(&creating, UNDER_WAY).expect("writable");
    let other = std::fs::File::open(&creating).expect("there");
    other.lock().expect("nobody else's");
    assert!(matches!(
        LedgerStore::create(&path, coordinator()),
        Err(StoreError::InUse { .. })
    ));
    assert_eq!(std::fs::read(&creating).expect("there"), UNDER_WAY);
    drop(other);
    LedgerStore::create(&path, coordinator()).expect("the other is gone");
}

#[test]
fn what_came_to_lie_at_the_path_meanwhile_is_not_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    // A name that leads nowhere: to whoever asks whether the log exists, it does not.
    std::os::unix::fs::symlink(directory.path().join("nowhere"), &path).expect("a link");
    assert!(matches!(
        LedgerStore::create(&path, coordinator()),
        Err(StoreError::Exists { .. })
    ));
    assert!(path.is_symlink(), "it is still the link");
    assert!(!path.with_extension("creating").exists());
}

#[test]
fn a_log_that_kept_the_name_it_was_made_under_is_not_emptied_by_the_next() {
    let (directory, path, world) = stored();
    let creating = path.with_extension("creating");
    let moved = directory.path().join("moved.tlog");
    std::fs::hard_link(&path, &creating).expect("a second name");
    std::fs::rename(&path, &moved).expect("elsewhere");
    drop(LedgerStore::create(&path, coordinator()).expect("new"));
    assert!(open(&path).expect("intact").is_empty());
    let kept = open(&moved).expect("intact").len();
    assert_eq!(kept, world.log.len() as u64);
}

#[test]
fn of_those_who_make_a_log_at_the_same_time_one_does() {
    let mut world = World::new(3);
    world.full_round();
    for _ in 0..20 {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE_NAME);
        let start = std::sync::Barrier::new(8);
        let made: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                start.wait();
                let mut store = LedgerStore::create(&path, coordinator())?;
                store.append(&world.log)?;
                Ok::<_, StoreError>(())
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        let failed: Vec<_> = made.iter().filter_map(|made| made.as_ref().err()).collect();
        assert_eq!(failed.len(), 7, "{failed:?}");
        for error in failed {
            assert!(
                matches!(error, StoreError::Exists { .. } | StoreError::InUse { .. }),
                "{error:?}"
            );
        }
        let entries = open(&path).expect("intact").len();
        assert_eq!(entries, world.log.len() as u64);
    }
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
    let sound = std::fs::read(&path).expect("readable");
    for (at, entry) in entries_in(&sound).into_iter().enumerate() {
        edit(&path, |bytes| bytes[entry.end - 1] ^= 1);
        assert!(open(&path).is_err(), "entry {at}");
        assert!(verify(&path).is_err(), "entry {at}");
        std::fs::write(&path, &sound).expect("writable");
    }
    assert_eq!(
        open(&path).expect("as it was").len(),
        world.log.len() as u64
    );
}

#[test]
fn swapped_entries_are_noticed_even_where_the_rules_allow_both_orders() {
    let (_directory, path, _) = stored();
    edit(&path, |bytes| {
        let entries = entries_in(bytes);
        let (second, third) = (entries[2].clone(), entries[3].clone());
        let moved = [&bytes[third.clone()], &bytes[second.clone()]].concat();
        bytes[second.start..third.end].copy_from_slice(&moved);
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
fn a_log_that_was_cut_is_noticed_even_if_its_heads_were_forged_to_fit() {
    let (_directory, path, _) = stored();
    let sound = std::fs::read(&path).expect("readable");
    let last = entries_in(&sound).pop().expect("entries");
    edit(&path, |bytes| bytes.truncate(last.start));
    assert!(matches!(open(&path), Err(StoreError::Damaged { .. })));
    assert!(matches!(verify(&path), Err(StoreError::Damaged { .. })));
    edit(&path, |bytes| {
        forge_heads(bytes, |end, entries, _| {
            *end = (*end).min(last.start as u64);
            *entries = (*entries).min(8);
        });
    });
    let counted = |error| {
        matches!(
            error,
            StoreError::Altered(AppendError::Diverged(Diverged::Count { .. }))
        )
    };
    assert!(open(&path).err().is_some_and(counted));
    assert!(verify(&path).err().is_some_and(counted));
}

#[test]
fn a_hole_is_noticed_even_if_the_heads_were_forged_to_fit() {
    let (_directory, path, _) = stored();
    edit(&path, |bytes| {
        let hole = entries_in(bytes)[3].clone();
        let lost = hole.len() as u64;
        bytes.drain(hole);
        forge_heads(bytes, |end, entries, _| {
            if *entries > 3 {
                *end -= lost;
                *entries -= 1;
            }
        });
    });
    // What the committee closed is not what is there.
    assert!(matches!(
        open(&path),
        Err(StoreError::Altered(AppendError::Rejected { .. }))
    ));
}

#[test]
fn a_checkpoint_that_was_removed_or_forged_is_noticed() {
    let (_directory, path, _) = stored();
    let sound = std::fs::read(&path).expect("readable");
    let with_note = |change: fn(&mut String)| {
        std::fs::write(&path, &sound).expect("writable");
        edit(&path, |bytes| {
            forge_heads(bytes, |_, _, note| change(note));
        });
        (open(&path).err(), verify(&path).err())
    };
    let (opened, verified) = with_note(|note| note.clear());
    for error in [opened, verified] {
        assert!(matches!(
            error,
            Some(StoreError::Altered(AppendError::Checkpoint(_)))
        ));
    }
    let (opened, verified) = with_note(|note| *note = note.replace("\n9\n", "\n8\n"));
    for error in [opened, verified] {
        assert!(matches!(
            error,
            Some(StoreError::Altered(AppendError::Checkpoint(_)))
        ));
    }
    with_note(|_| ());
    open(&path).expect("as it was");
}

#[test]
fn an_append_that_was_cut_short_is_cut_off_and_told() {
    let (_directory, path, world) = stored();
    edit(&path, |bytes| bytes.extend_from_slice(&[7; 100]));
    let report = verify(&path).expect("nobody was told of it");
    assert_eq!(report.unfinished, 100);
    assert_eq!(report.entries, world.log.len() as u64);
    let store = open(&path).expect("nobody was told of it");
    assert_eq!(store.cut_off(), 100);
    drop(store);
    assert_eq!(open(&path).expect("intact").cut_off(), 0);
    assert_eq!(verify(&path).expect("intact").unfinished, 0);
}

#[test]
fn entries_are_found_wherever_they_lie() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut world = World::new(70);
    for _ in 0..3 {
        world.full_round();
    }
    let mut store = LedgerStore::create(&path, coordinator()).expect("new");
    let mut at = 0;
    // Appends of every size, over several strides of the index of positions.
    for size in (1..).take_while(|size| *size < 40) {
        let end = (at + size).min(world.log.len());
        store.append(&world.log[at..end]).expect("allowed");
        at = end;
    }
    assert_eq!(at, world.log.len(), "all of it");
    let check = |store: &LedgerStore| {
        for from in 0..world.log.len() {
            let found = store.entries(from as u64, 3).expect("readable");
            let end = (from + 3).min(world.log.len());
            assert_eq!(found, world.log[from..end], "from {from}");
        }
    };
    check(&store);
    drop(store);
    check(&open(&path).expect("intact"));
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
fn damage_is_reported_not_believed() {
    let (_directory, path, world) = stored();
    let sound = std::fs::read(&path).expect("readable");
    for at in (0..sound.len()).step_by(13) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&path, &bytes).expect("writable");
        // A flipped byte may lie in the head before, or where nothing is: then the log reads as it was.
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
        b"not a ledger at all, but long enough to look like one",
    )
    .expect("writable");
    assert!(matches!(verify(&path), Err(StoreError::Damaged { .. })));
    // An entry that says it is longer than any may be.
    std::fs::write(&path, &sound).expect("writable");
    edit(&path, |bytes| bytes[ENTRIES_AT..ENTRIES_AT + 4].fill(0xff));
    assert!(matches!(verify(&path), Err(StoreError::Damaged { .. })));
}

/// The path of a store of one round in which participants 0 to 2 cosigned the checkpoint of two entries.
fn cosigned() -> (TempDir, PathBuf, PathBuf, Vec<usize>) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let beside = path.with_extension("cosignatures");
    let mut world = World::new(4);
    world.full_round();
    let mut store = LedgerStore::create(&path, coordinator()).expect("new");
    store.append(&world.log[..2]).expect("allowed");
    let mut lengths = vec![0];
    for number in 0..3 {
        let checkpoint = store.checkpoint().expect("not empty").clone();
        let cosignature = checkpoint.cosign(ParticipantId(number), &identity(number), 5);
        store
            .add_cosignature(2, &cosignature.line())
            .expect("its own");
        lengths.push(std::fs::metadata(&beside).expect("there").len() as usize);
    }
    store.append(&world.log[2..]).expect("allowed");
    (directory, path, beside, lengths)
}

#[test]
fn cosignatures_that_a_crash_cut_off_are_gone_and_the_others_are_there() {
    let (_directory, path, beside, lengths) = cosigned();
    let sound = std::fs::read(&beside).expect("there");
    assert_eq!(verify(&path).expect("intact").cosignatures, 3);
    for length in (0..=sound.len()).step_by(7) {
        std::fs::write(&beside, &sound[..length]).expect("writable");
        let whole = lengths.iter().filter(|end| **end <= length).count() as u64 - 1;
        assert_eq!(verify(&path).expect("intact").cosignatures, whole);
        let mut store = open(&path).expect("intact");
        let kept = store.cosigned(2).map_or(0, |kept| kept.cosigners().len());
        assert_eq!(kept as u64, whole, "{length}");
        // They are asked for again, and kept again.
        let again = (0..3).all(|number| {
            let Some(checkpoint) = store.cosigned(2).map(|kept| kept.signed().clone()) else {
                return false;
            };
            let cosignature = checkpoint.cosign(ParticipantId(number), &identity(number), 5);
            store.add_cosignature(2, &cosignature.line()).is_ok()
        });
        drop(store);
        let expected = if again { 3 } else { 0 };
        assert_eq!(verify(&path).expect("intact").cosignatures, expected);
    }
    std::fs::remove_file(&beside).expect("there");
    assert_eq!(verify(&path).expect("intact").cosignatures, 0);
    open(&path).expect("a log without cosignatures");
}

#[test]
fn cosignatures_of_a_later_log_show_that_this_one_is_an_old_copy() {
    let (directory, path, beside, _) = cosigned();
    let old = directory.path().join("old.log");
    std::fs::copy(&path, &old).expect("readable");
    let mut store = open(&path).expect("intact");
    let mut world = World::new(4);
    world.full_round();
    let known = world.log.len();
    world.full_round();
    store.append(&world.log[known..]).expect("allowed");
    let checkpoint = store.checkpoint().expect("not empty").clone();
    let cosignature = checkpoint.cosign(ParticipantId(1), &identity(1), 5);
    store
        .add_cosignature(store.len(), &cosignature.line())
        .expect("its own");
    drop(store);
    std::fs::copy(&beside, old.with_extension("cosignatures")).expect("readable");
    for error in [open(&old).err(), verify(&old).err()] {
        assert!(
            matches!(
                error,
                Some(StoreError::Altered(AppendError::Cosignature(_)))
            ),
            "{error:?}"
        );
    }
}

/// A store and a world that is some rounds ahead of it.
fn growing() -> (TempDir, PathBuf, LedgerStore, World) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let mut world = World::new(4);
    let mut store = LedgerStore::create(&path, coordinator()).expect("new");
    store.append(&world.log).expect("allowed");
    for _ in 0..3 {
        world.full_round();
    }
    (directory, path, store, world)
}

/// Appends the next entry, which everybody cosigns.
fn grow(store: &mut LedgerStore, world: &World) -> bool {
    let Some(entry) = world.log.get(store.len() as usize) else {
        return false;
    };
    store.append(std::slice::from_ref(entry)).expect("allowed");
    let checkpoint = store.checkpoint().expect("not empty").clone();
    for number in 0..4 {
        let cosignature = checkpoint.cosign(ParticipantId(number), &identity(number), 5);
        store
            .add_cosignature(store.len(), &cosignature.line())
            .expect("its own");
    }
    true
}

#[test]
fn what_is_appended_and_cosigned_while_a_log_is_read_is_not_taken_for_an_alteration() {
    let (_directory, path, mut store, world) = growing();
    for _ in 0..3 {
        assert!(grow(&mut store, &world));
    }
    let read_to = store.len();
    let mut shown = 0;
    let replica = unsilo_ledger::store::read(&path, |_, _| {
        shown += 1;
        // The last entry is read: the writer goes on before the cosignatures are.
        if shown == read_to {
            while grow(&mut store, &world) {}
        }
    })
    .expect("intact");
    assert!(store.len() > read_to + 3);
    assert_eq!(replica.len(), read_to);
    let sizes: Vec<u64> = replica
        .checkpoints()
        .map(|kept| kept.checkpoint().size)
        .collect();
    assert_eq!(sizes, [read_to, read_to - 1, read_to - 2]);
    assert!(
        replica
            .checkpoints()
            .all(|kept| kept.cosigners().len() == 4)
    );
}

#[test]
fn a_log_is_found_intact_at_every_moment_of_its_writing() {
    let (_directory, path, mut store, world) = growing();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            while grow(&mut store, &world) {
                std::thread::yield_now();
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let report = verify(&path).expect("intact");
            assert!(report.entries >= last);
            last = report.entries;
        }
    });
    assert!(verify(&path).expect("intact").entries > 4);
}

#[test]
fn the_file_of_cosignatures_does_not_grow_for_ever() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(FILE_NAME);
    let beside = path.with_extension("cosignatures");
    let mut world = World::new(60);
    let mut store = LedgerStore::create(&path, coordinator()).expect("new");
    store.append(&world.log).expect("allowed");
    let mut largest = 0;
    let mut written = 0;
    for _ in 0..12 {
        let known = world.log.len();
        world.full_round();
        for entry in &world.log[known..] {
            store.append(std::slice::from_ref(entry)).expect("allowed");
            let checkpoint = store.checkpoint().expect("not empty").clone();
            for number in 0..60 {
                let cosignature = checkpoint.cosign(ParticipantId(number), &identity(number), 5);
                store
                    .add_cosignature(store.len(), &cosignature.line())
                    .expect("its own");
                written += 130;
            }
            largest = largest.max(std::fs::metadata(&beside).expect("there").len());
        }
    }
    assert!(
        written > 5 << 20 && largest < written && largest < 6 << 20,
        "{written} written, {largest} in the file"
    );
    assert_eq!(store.checkpoints().count(), unsilo_ledger::KEPT_COSIGNED);
}
