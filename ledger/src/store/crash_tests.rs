//! Every write of an append, each as the last thing that happened.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, that is how it fails"
)]

use super::file::LogFile;
use super::{LedgerStore, StoreError};
use crate::hash::{Domain, Hash, Xof};
use crate::replica::Replica;
use redb::{Database, StorageBackend};
use std::io;
use std::sync::{Arc, Mutex};
use world::{COORDINATOR, World, identity};

#[expect(dead_code, reason = "the integration tests use the rest of it")]
#[path = "../../tests/ledger/world.rs"]
mod world;

/// A disk with a write cache, which fails at one operation and for good.
#[derive(Debug, Default)]
struct Disk {
    /// What survives a crash for certain.
    synced: Vec<u8>,
    /// Since then, in order. A crash may keep any of it.
    cached: Vec<Write>,
    /// Operations left until the disk fails; `None` while it never does.
    until_failure: Option<usize>,
    operations: usize,
}

#[derive(Clone, Debug)]
enum Write {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Write {
    fn to(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Bytes(offset, bytes) => {
                if image.len() < offset + bytes.len() {
                    image.resize(offset + bytes.len(), 0);
                }
                image[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn image(&self) -> Vec<u8> {
        let mut image = self.synced.clone();
        self.cached.iter().for_each(|write| write.to(&mut image));
        image
    }

    /// What may be found after a crash: nothing of the cache, all of it, or some of its writes.
    fn after_crash(&self, keep: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut image = self.synced.clone();
        for (index, write) in self.cached.iter().enumerate() {
            // Lengths are kept: a file system that loses one loses what lies beyond it, too.
            if matches!(write, Write::Length(_)) || keep(index) {
                write.to(&mut image);
            }
        }
        image
    }

    fn operate(&mut self) -> Result<(), io::Error> {
        self.operations += 1;
        match &mut self.until_failure {
            Some(0) => Err(io::Error::other("the disk is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct SharedDisk(Arc<Mutex<Disk>>);

impl SharedDisk {
    fn with<T>(&self, use_it: impl FnOnce(&mut Disk) -> T) -> T {
        use_it(&mut self.0.lock().expect("no panic while held"))
    }

    fn holding(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            synced: image,
            ..Disk::default()
        })))
    }
}

impl StorageBackend for SharedDisk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.with(|disk| disk.image().len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let image = self.with(|disk| disk.image());
        let found = image.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(found.ok_or_else(|| io::Error::other("beyond the end"))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.with(|disk| {
            disk.operate()?;
            disk.cached.push(Write::Length(length as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.with(|disk| {
            disk.operate()?;
            disk.synced = disk.image();
            disk.cached.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.with(|disk| {
            disk.operate()?;
            disk.cached
                .push(Write::Bytes(offset as usize, data.to_vec()));
            Ok(())
        })
    }
}

fn create(disk: &SharedDisk) -> LedgerStore {
    let signer = Arc::new(identity(COORDINATOR));
    let database = Database::builder()
        .create_with_backend(disk.clone())
        .expect("a sound disk");
    let file = LogFile::initialise(database, &signer.public(), None).expect("a sound disk");
    let replica = Replica::new(signer.public(), None);
    LedgerStore::with(file, replica, Some(signer))
}

fn reopen(image: Vec<u8>) -> Result<LedgerStore, StoreError> {
    let signer = Arc::new(identity(COORDINATOR));
    let mut builder = Database::builder();
    builder.set_check_integrity_on_open(true);
    let database = builder
        .create_with_backend(SharedDisk::holding(image))
        .map_err(StoreError::database)?;
    let file = LogFile::Writable(database);
    let replica = file.load(&signer.public())?;
    Ok(LedgerStore::with(file, replica, Some(signer)))
}

/// A log with `known` of the world's entries on a disk that works so far.
fn prepared(world: &World, known: usize) -> (SharedDisk, LedgerStore, Hash) {
    let disk = SharedDisk::default();
    let mut store = create(&disk);
    store.append(&world.log[..known]).expect("a sound disk");
    let root = store.state().root();
    (disk, store, root)
}

#[test]
fn whatever_the_last_write_was_the_log_is_the_old_or_the_new_one() {
    let mut world = World::new(3);
    world.full_round();
    let known = 3;
    let after = world.state.root();
    let (disk, mut store, _) = prepared(&world, known);
    let before_append = disk.with(|disk| disk.operations);
    store.append(&world.log[known..]).expect("a sound disk");
    let operations = disk.with(|disk| disk.operations) - before_append;
    assert!(
        operations >= 4,
        "at least two writes and two syncs, not {operations}"
    );

    let mut xof = Xof::new(Domain::new("test"), &[1; 32]);
    let (mut old, mut new) = (0, 0);
    for failing in 0..=operations {
        let (disk, mut store, before) = prepared(&world, known);
        disk.with(|disk| disk.until_failure = Some(failing));
        let acknowledged = store.append(&world.log[known..]).is_ok();
        assert_eq!(acknowledged, failing == operations, "operation {failing}");
        if !acknowledged {
            assert_eq!(store.state().root(), before, "books that are not on disk");
            let again = store.append(&world.log[known..]);
            assert!(
                matches!(again, Err(StoreError::Uncertain)),
                "operation {failing}"
            );
        }
        let random: Hash = xof.take();
        let found = disk.with(|disk| {
            let some = |index: usize| random[index % 32] & 1 == 1;
            [
                disk.after_crash(|_| false),
                disk.after_crash(|_| true),
                disk.after_crash(some),
            ]
        });
        drop(store);
        for (kind, image) in found.into_iter().enumerate() {
            let store = reopen(image)
                .unwrap_or_else(|error| panic!("operation {failing}, kind {kind}: {error}"));
            let root = store.state().root();
            assert!(
                root == after || (root == before && !acknowledged),
                "operation {failing}, kind {kind}"
            );
            if root == after {
                new += 1
            } else {
                old += 1
            }
            // The caller, who does not know, sends what is missing again, and all is well.
            let mut store = store;
            let missing = &world.log[store.len() as usize..];
            store.append(missing).expect("goes on");
            assert_eq!(store.state().root(), after);
        }
    }
    assert!(old > 0 && new > 0, "both happen: {old} old, {new} new");
}

#[test]
fn a_log_whose_creation_was_cut_short_is_refused_or_empty() {
    let disk = SharedDisk::default();
    drop(create(&disk));
    let operations = disk.with(|disk| disk.operations);
    for failing in 0..operations {
        let disk = SharedDisk::default();
        disk.with(|disk| disk.until_failure = Some(failing));
        let signer = identity(COORDINATOR);
        let created = Database::builder()
            .create_with_backend(disk.clone())
            .map_err(StoreError::database)
            .and_then(|database| LogFile::initialise(database, &signer.public(), None));
        drop(created);
        for image in disk.with(|disk| [disk.after_crash(|_| false), disk.after_crash(|_| true)]) {
            if let Ok(store) = reopen(image) {
                assert!(store.is_empty());
            }
        }
    }
}
