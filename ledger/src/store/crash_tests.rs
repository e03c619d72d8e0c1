//! Every write of an append, each as the last thing that happened, and then whatever a disk may make of it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic, that is how it fails"
)]

use super::cosignatures::CosignatureFile;
use super::disk::Disk;
use super::file::{Loaded, LogFile};
use super::{FILE_NAME, LedgerStore, StoreError};
use crate::checkpoint::CosignedCheckpoint;
use crate::entry::signed::SignedEntry;
use crate::hash::{Domain, Xof};
use crate::member::ParticipantId;
use crate::replica::Replica;
use crate::snapshot::{Outline, VerifiedSnapshot};
use crate::tree::ProofError;
use std::io;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use world::{COORDINATOR, World, identity};

#[expect(dead_code, reason = "the integration tests use the rest of it")]
#[path = "../../tests/ledger/world.rs"]
mod world;

/// What a disk is written in: of a write that was under way, each of these is there or is not.
const SECTOR: usize = 512;

/// A disk with a write cache, which fails at one operation and for good.
#[derive(Debug, Default)]
struct Simulated {
    /// What survives a crash for certain.
    synced: Vec<u8>,
    /// Since then, in order. A crash may keep any of it.
    cached: Vec<Write>,
    /// What a failed sync took for written: reads show it, no later sync writes it, a crash loses it.
    ghosts: Vec<Write>,
    /// Operations left until the disk fails; `None` while it never does.
    until_failure: Option<usize>,
    failure: Failure,
    operations: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Failure {
    /// The operation did nothing.
    #[default]
    Failed,
    /// It was done all the same.
    FailedButDone,
    /// A sync that fails once, and forgets what it should have written; as Linux does.
    Forgets,
    /// No room: a write is done for its first half.
    Full,
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

    /// The parts of it that may each be there or not after a crash.
    fn sectors(&self) -> Vec<Self> {
        let Self::Bytes(offset, bytes) = self else {
            return vec![self.clone()];
        };
        let mut sectors = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let next = ((offset + at) / SECTOR + 1) * SECTOR - offset;
            let end = next.min(bytes.len());
            sectors.push(Self::Bytes(offset + at, bytes[at..end].to_vec()));
            at = end;
        }
        sectors
    }
}

impl Simulated {
    fn image(&self) -> Vec<u8> {
        let mut image = self.synced.clone();
        for write in self.ghosts.iter().chain(&self.cached) {
            write.to(&mut image);
        }
        image
    }

    /// What may be found after a crash, when `keep` says of each sector written since the last sync, counted
    /// from 0, whether it is there.
    fn after_crash(&self, mut keep: impl FnMut(usize) -> bool) -> Vec<u8> {
        let mut image = self.synced.clone();
        let sectors = self.cached.iter().flat_map(Write::sectors);
        for (index, sector) in sectors.enumerate() {
            if keep(index) {
                sector.to(&mut image);
            }
        }
        image
    }

    /// Whether the next operation is done, and what it says.
    fn operate(&mut self) -> (bool, io::Result<()>) {
        self.operations += 1;
        let done = match (&mut self.until_failure, self.failure) {
            (Some(0), Failure::FailedButDone) => true,
            (Some(0), _) => false,
            (Some(left), _) => {
                *left -= 1;
                return (true, Ok(()));
            }
            (None, _) => return (true, Ok(())),
        };
        let kind = match self.failure {
            Failure::Full => io::ErrorKind::StorageFull,
            _ => io::ErrorKind::Other,
        };
        (done, Err(kind.into()))
    }
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Simulated>>);

impl Shared {
    fn with<T>(&self, use_it: impl FnOnce(&mut Simulated) -> T) -> T {
        use_it(&mut self.0.lock().expect("no panic while held"))
    }

    fn holding(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Simulated {
            synced: image,
            ..Simulated::default()
        })))
    }

    fn boxed(&self) -> Box<dyn Disk> {
        Box::new(self.clone())
    }
}

impl Disk for Shared {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|disk| disk.image().len() as u64))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let image = self.with(|disk| disk.image());
        let there = image.get(offset as usize..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|disk| {
            let (done, said) = disk.operate();
            let written = match disk.failure {
                _ if done => bytes,
                Failure::Full => &bytes[..bytes.len() / 2],
                _ => &[],
            };
            if !written.is_empty() {
                let write = Write::Bytes(offset as usize, written.to_vec());
                disk.cached.push(write);
            }
            said
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.with(|disk| {
            let (done, said) = disk.operate();
            if done {
                disk.cached.push(Write::Length(length as usize));
            }
            said
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|disk| {
            let (done, said) = disk.operate();
            if done {
                let mut synced = disk.synced.clone();
                disk.cached.iter().for_each(|write| write.to(&mut synced));
                disk.synced = synced;
                disk.cached.clear();
            } else if disk.failure == Failure::Forgets {
                let forgotten = std::mem::take(&mut disk.cached);
                disk.ghosts.extend(forgotten);
                disk.until_failure = None;
            }
            said
        })
    }
}

/// The log of `entries`, as a snapshot that all six founders cosigned.
fn snapshot_of(entries: &[SignedEntry]) -> VerifiedSnapshot {
    let coordinator = identity(COORDINATOR);
    let mut log = Replica::new(coordinator.public(), None);
    log.append(entries, &coordinator).expect("allowed");
    let signed = log.checkpoint().expect("entries").clone();
    let mut cosigned = CosignedCheckpoint::new(signed.clone());
    for founder in 0..6 {
        let identity = identity(founder);
        let cosignature = signed.cosign(ParticipantId(founder), &identity, 1);
        cosigned
            .add(cosignature, &identity.public())
            .expect("its own");
    }
    let entry = |index: u64| Ok::<_, ProofError>(entries[index as usize].encode());
    let federation = log.state().federation_id().expect("founded");
    Outline::of(&log, log.len())
        .and_then(|outline| outline.fill(log.state(), &cosigned, entry))
        .expect("whole")
        .verify(&coordinator.public(), &federation)
        .expect("right")
}

/// A store on a simulated disk; what is cosigned goes to a real directory.
struct Opened {
    store: LedgerStore,
    _directory: TempDir,
}

fn create(disk: &Shared, snapshot: Option<&VerifiedSnapshot>) -> Result<Opened, StoreError> {
    let directory = tempfile::tempdir().expect("a directory");
    let signer = Arc::new(identity(COORDINATOR));
    let federation = snapshot.map(|snapshot| &snapshot.trust().federation);
    let file = LogFile::initialise(disk.boxed(), &signer.public(), federation, snapshot)?;
    let path = directory.path().join(FILE_NAME);
    let beside = CosignatureFile::create(&path)?;
    let replica = match snapshot {
        None => Replica::new(signer.public(), None),
        Some(snapshot) => Replica::from_snapshot(snapshot),
    };
    Ok(Opened {
        store: LedgerStore::with(&path, file, beside, replica, Some(signer)),
        _directory: directory,
    })
}

fn reopen(disk: &Shared) -> Result<Opened, StoreError> {
    let directory = tempfile::tempdir().expect("a directory");
    let signer = Arc::new(identity(COORDINATOR));
    let Loaded { file, replica } = LogFile::load(disk.boxed(), &signer.public())?;
    let path = directory.path().join(FILE_NAME);
    let beside = CosignatureFile::create(&path)?;
    Ok(Opened {
        store: LedgerStore::with(&path, file, beside, replica, Some(signer)),
        _directory: directory,
    })
}

/// A round of a federation of six, in three parts: stored before, appended whole, and more to append. The
/// appended part has several sectors.
struct Scene {
    world: World,
    /// What the log begins with, if not with the genesis: a snapshot of the first [`STARTS_AT`] entries.
    snapshot: Option<VerifiedSnapshot>,
    known: usize,
    then: usize,
}

const STARTS_AT: usize = 2;

impl Scene {
    fn new() -> Self {
        let mut world = World::new(6);
        world.full_round();
        world.full_round();
        Self {
            world,
            snapshot: None,
            known: 5,
            then: 12,
        }
    }

    /// The same on a log that begins with a snapshot.
    fn joined_late() -> Self {
        let scene = Self::new();
        let snapshot = snapshot_of(&scene.world.log[..STARTS_AT]);
        Self {
            snapshot: Some(snapshot),
            ..scene
        }
    }

    /// The first entry that is held.
    fn first(&self) -> usize {
        self.snapshot.as_ref().map_or(0, |_| STARTS_AT)
    }

    /// The log before the append, on a disk that works so far.
    fn prepared(&self) -> (Shared, Opened) {
        let disk = Shared::default();
        let mut opened = create(&disk, self.snapshot.as_ref()).expect("a sound disk");
        opened
            .store
            .append(&self.world.log[self.first()..STARTS_AT])
            .expect("a sound disk");
        opened
            .store
            .append(&self.world.log[2..self.known])
            .expect("a sound disk");
        (disk, opened)
    }

    fn append(&self, opened: &mut Opened) -> Result<(), StoreError> {
        let entries = &self.world.log[self.known..self.then];
        opened.store.append(entries).map(|_| ())
    }

    /// The log is as long as `entries` says, is right, and goes on.
    fn check(&self, opened: &mut Opened, told: bool, context: &str) -> usize {
        let store = &mut opened.store;
        let length = store.len() as usize;
        assert!(
            length == self.then || (length == self.known && !told),
            "{length} entries, {context}"
        );
        assert_eq!(
            store
                .entries(self.first() as u64, usize::MAX)
                .expect("readable"),
            self.world.log[self.first()..length],
            "{context}"
        );
        // The caller, who does not know, sends what is missing again, and all is well.
        store
            .append(&self.world.log[length..])
            .unwrap_or_else(|error| panic!("{error}, {context}"));
        assert_eq!(store.state().root(), self.world.state.root(), "{context}");
        length
    }
}

/// All, none, each half, every single one alone, every single one missing, and some at random.
fn choices(sectors: usize, xof: &mut Xof) -> Vec<Vec<bool>> {
    let mut choices = vec![vec![false; sectors], vec![true; sectors]];
    for at in 0..sectors {
        let mut only = vec![false; sectors];
        only[at] = true;
        let without = only.iter().map(|kept| !kept).collect();
        let first = (0..sectors).map(|sector| sector < at).collect();
        let last = (0..sectors).map(|sector| sector >= at).collect();
        choices.extend([only, without, first, last]);
    }
    for _ in 0..16 {
        choices.push((0..sectors).map(|_| xof.take::<1>() > [127]).collect());
    }
    choices
}

#[test]
fn whatever_the_last_write_was_and_whatever_came_of_it_the_log_is_the_old_or_the_new_one() {
    every_last_write(&Scene::new());
}

#[test]
fn a_log_that_begins_with_a_snapshot_survives_every_last_write_as_well() {
    every_last_write(&Scene::joined_late());
}

fn every_last_write(scene: &Scene) {
    let (disk, mut opened) = scene.prepared();
    let before = disk.with(|disk| disk.operations);
    scene.append(&mut opened).expect("a sound disk");
    let operations = disk.with(|disk| disk.operations) - before;
    assert_eq!(operations, 4, "entries, head, sync, confirmation");

    let mut xof = Xof::new(Domain::new("test"), &[1; 32]);
    let (mut old, mut new, mut torn) = (0, 0, 0);
    for failing in 0..=operations {
        for failure in [
            Failure::Failed,
            Failure::FailedButDone,
            Failure::Forgets,
            Failure::Full,
        ] {
            let (disk, mut opened) = scene.prepared();
            disk.with(|disk| {
                disk.until_failure = Some(failing);
                disk.failure = failure;
            });
            let root = opened.store.state().root();
            let said = scene.append(&mut opened);
            let told = said.is_ok();
            assert_eq!(told, failing == operations, "operation {failing}");
            if let Err(error) = said {
                assert_eq!(error.is_full_disk(), failure == Failure::Full);
                assert_eq!(opened.store.state().root(), root, "not on disk");
                let again = scene.append(&mut opened);
                assert!(matches!(again, Err(StoreError::Uncertain)));
            }
            let sectors = disk.with(|disk| disk.cached.iter().flat_map(Write::sectors).count());
            for (choice, kept) in choices(sectors, &mut xof).into_iter().enumerate() {
                let context = format!("operation {failing} {failure:?}, choice {choice}");
                let image = disk.with(|disk| disk.after_crash(|sector| kept[sector]));
                let found = Shared::holding(image);
                let mut again = reopen(&found).unwrap_or_else(|error| panic!("{error}, {context}"));
                torn += usize::from(again.store.cut_off() > 0);
                match scene.check(&mut again, told, &context) == scene.then {
                    true => new += 1,
                    false => old += 1,
                }
            }
        }
    }
    assert!(
        old > 20 && new > 20 && torn > 20,
        "all happen: {old} old, {new} new, {torn} cut off"
    );
}

#[test]
fn a_crash_while_a_crash_is_cleaned_up_loses_nothing_either() {
    let scene = Scene::new();
    let mut xof = Xof::new(Domain::new("test"), &[2; 32]);
    for failing in 0..=4 {
        let (disk, mut opened) = scene.prepared();
        disk.with(|disk| disk.until_failure = Some(failing));
        let told = scene.append(&mut opened).is_ok();
        let sectors = disk.with(|disk| disk.cached.iter().flat_map(Write::sectors).count());
        for kept in choices(sectors, &mut xof).into_iter().step_by(3) {
            let image = disk.with(|disk| disk.after_crash(|sector| kept[sector]));
            for failing_again in 0..8 {
                let found = Shared::holding(image.clone());
                found.with(|disk| disk.until_failure = Some(failing_again));
                let length = reopen(&found).map(|again| again.store.len()).ok();
                let after = found.with(|disk| {
                    let half = disk.after_crash(|sector| sector % 2 == 0);
                    [
                        disk.after_crash(|_| false),
                        disk.after_crash(|_| true),
                        half,
                    ]
                });
                for image in after {
                    let mut again = reopen(&Shared::holding(image))
                        .unwrap_or_else(|error| panic!("{error}, {failing} {failing_again}"));
                    // What somebody was shown after the first crash is there after the second.
                    let shown = length.map(|length| length as usize);
                    let context = format!("{failing}, then {failing_again}");
                    let found = scene.check(&mut again, told, &context);
                    assert!(shown.is_none_or(|shown| shown == found), "{context}");
                }
            }
        }
    }
}

#[test]
fn what_a_failed_sync_forgot_is_written_again_when_the_log_is_opened() {
    let scene = Scene::new();
    let (disk, mut opened) = scene.prepared();
    disk.with(|disk| {
        disk.until_failure = Some(2);
        disk.failure = Failure::Forgets;
    });
    assert!(scene.append(&mut opened).is_err());
    drop(opened);
    // The same machine goes on: reads show what the disk does not have.
    let again = reopen(&disk).expect("whole in the system's memory");
    assert_eq!(again.store.len() as usize, scene.then);
    std::mem::forget(again);
    let image = disk.with(|disk| disk.after_crash(|_| false));
    let mut after = reopen(&Shared::holding(image)).expect("whole on the disk");
    assert_eq!(scene.check(&mut after, true, "after the crash"), scene.then);
}

#[test]
fn damage_to_what_somebody_was_told_of_is_refused_and_not_taken_for_a_crash() {
    damage(&Scene::new());
}

#[test]
fn damage_to_a_snapshot_or_to_what_follows_it_is_refused() {
    damage(&Scene::joined_late());
}

fn damage(scene: &Scene) {
    let (disk, mut opened) = scene.prepared();
    scene.append(&mut opened).expect("a sound disk");
    drop(opened);
    let sound = disk.with(|disk| disk.image());
    assert_eq!(
        reopen(&Shared::holding(sound.clone()))
            .expect("sound")
            .store
            .len() as usize,
        scene.then
    );
    for length in (0..sound.len()).rev().step_by(97) {
        let cut = Shared::holding(sound[..length].to_vec());
        assert!(reopen(&cut).is_err(), "cut to {length}");
    }
    for at in (4_096..sound.len()).step_by(31) {
        let mut changed = sound.clone();
        changed[at] ^= 0x10;
        assert!(reopen(&Shared::holding(changed)).is_err(), "byte {at}");
    }
}

#[test]
fn a_log_whose_creation_was_cut_short_is_refused_or_empty() {
    for scene in [Scene::new(), Scene::joined_late()] {
        let snapshot = scene.snapshot.as_ref();
        let disk = Shared::default();
        drop(create(&disk, snapshot).expect("a sound disk"));
        let operations = disk.with(|disk| disk.operations);
        let mut xof = Xof::new(Domain::new("test"), &[3; 32]);
        for failing in 0..operations {
            for failure in [Failure::Failed, Failure::FailedButDone, Failure::Full] {
                let disk = Shared::default();
                disk.with(|disk| {
                    disk.until_failure = Some(failing);
                    disk.failure = failure;
                });
                drop(create(&disk, snapshot));
                let sectors = disk.with(|disk| disk.cached.iter().flat_map(Write::sectors).count());
                for kept in choices(sectors, &mut xof).into_iter().step_by(5) {
                    let image = disk.with(|disk| disk.after_crash(|sector| kept[sector]));
                    if let Ok(opened) = reopen(&Shared::holding(image)) {
                        assert_eq!(opened.store.len() as usize, scene.first());
                    }
                }
            }
        }
    }
}
