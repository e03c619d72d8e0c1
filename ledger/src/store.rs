//! The log on disk, the only input and output of this crate.
//!
//! # What a crash leaves behind
//! The file holds the entries one after another, and a head that says how far they reach, with the signed
//! checkpoint over them. An append writes behind the entries and to the older of two head slots, syncs once,
//! and then returns. So at every instant the file holds a log and a checkpoint of exactly that log:
//! - crash before the sync is done: the entries and their checkpoint, or neither; nobody was told of them;
//! - crash after it, before the caller was told: the entries are there when the log is opened again, and
//!   every entry that may come once is recognised by the state when it is sent again.
//!
//! Opening is the only recovery: it replays and verifies everything, on the ordinary path as after a crash.
//! It cuts off what an append left that did not come to its end, and refuses instead of repairing anything
//! else. When an append reports an error the disk may or may not hold it, so the store answers nothing more
//! until it is opened again. How the writes may be lost, in detail: `LogFile::append`.
//!
//! # Several processes
//! One process writes (it holds a lock on the file); others may read at the same time ([`verify`]).

mod cosignatures;
#[cfg(test)]
mod crash_tests;
mod disk;
mod error;
mod file;
mod layout;
mod loading;
mod reader;
mod report;
mod snapshots;

use crate::checkpoint::{
    CheckpointCosignature, CosignatureAdded, CosignedCheckpoint, SignedCheckpoint,
};
use crate::diverged::{AppendError, Diverged};
use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::identity::{PublicKey, SigningIdentity};
use crate::replica::{Appended, Prepared, Replica, Standing};
use crate::snapshot::VerifiedSnapshot;
use crate::state::State;
use crate::tree::{Proof, ProofError};
use cosignatures::CosignatureFile;
pub use error::StoreError;
use file::{Loaded, LogFile};
pub use report::{CosignedSize, Report, Totals, read, read_from, verify};
use snapshots::KeptStates;
pub use snapshots::{SNAPSHOT_EXTENSION, SnapshotJob};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's usual name in the directory of a coordinator or participant.
pub const FILE_NAME: &str = "ledger.tlog";

/// A log on disk, with its books in memory.
pub struct LedgerStore {
    path: PathBuf,
    file: LogFile,
    cosignatures: CosignatureFile,
    replica: Replica,
    /// `Some` for the coordinator, who signs checkpoints.
    signer: Option<Arc<SigningIdentity>>,
    /// Set when a commit failed: what the disk holds is not known any more.
    uncertain: bool,
    /// The books at sizes of which a snapshot may be made.
    books: KeptStates,
}

impl LedgerStore {
    /// A new, empty log of the coordinator that has this identity.
    ///
    /// # Errors
    /// When there is a log already, or the file cannot be written.
    pub fn create(path: &Path, signer: Arc<SigningIdentity>) -> Result<Self, StoreError> {
        let file = LogFile::create(path, &signer.public(), None, None)?;
        let cosignatures = CosignatureFile::create(path)?;
        let replica = Replica::new(signer.public(), None);
        Ok(Self::with(path, file, cosignatures, replica, Some(signer)))
    }

    /// The coordinator's existing log, verified.
    ///
    /// # Errors
    /// When it is damaged, of another coordinator, or open in another process.
    pub fn open(path: &Path, signer: Arc<SigningIdentity>) -> Result<Self, StoreError> {
        Self::load(path, signer.public(), Some(signer))
    }

    /// A new, empty replica of the federation that was joined.
    ///
    /// # Errors
    /// When there is a log already, or the file cannot be written.
    pub fn create_replica(
        path: &Path,
        coordinator: PublicKey,
        federation: FederationId,
    ) -> Result<Self, StoreError> {
        let file = LogFile::create(path, &coordinator, Some(&federation), None)?;
        let cosignatures = CosignatureFile::create(path)?;
        let replica = Replica::new(coordinator, Some(federation));
        Ok(Self::with(path, file, cosignatures, replica, None))
    }

    /// A new replica that begins with a snapshot and holds no entry before it (see [`Replica::start`]). It is on
    /// disk, whole, when this returns; a crash before leaves no log at `path`.
    ///
    /// # Errors
    /// When there is a log already, or the file cannot be written.
    pub fn create_from_snapshot(
        path: &Path,
        snapshot: &VerifiedSnapshot,
    ) -> Result<Self, StoreError> {
        let trust = snapshot.trust();
        let federation = Some(&trust.federation);
        let file = LogFile::create(path, &trust.coordinator, federation, Some(snapshot))?;
        let mut cosignatures = CosignatureFile::create(path)?;
        cosignatures.append(None, snapshot.cosigned())?;
        let replica = Replica::from_snapshot(snapshot);
        Ok(Self::with(path, file, cosignatures, replica, None))
    }

    /// An existing replica, verified.
    ///
    /// # Errors
    /// When it is damaged, of another coordinator, or open in another process.
    pub fn open_replica(path: &Path, coordinator: PublicKey) -> Result<Self, StoreError> {
        Self::load(path, coordinator, None)
    }

    /// Puts a snapshot in the place of this replica's log, which is given up with its entries; from here on it begins
    /// with the snapshot, as after [`LedgerStore::create_from_snapshot`]. `proof` is the consistency proof from this
    /// log's size to the snapshot's: a log that does not continue this one never takes its place.
    ///
    /// The new log is made whole beside the old one and then takes its name. A crash before leaves the old log, one
    /// after it the new one; cosignatures of the old one that are still there then are about the same history. An
    /// error up to that point changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotLarger`] for a snapshot that is not larger than this log; [`StoreError::Append`] with what
    /// contradicts it, or [`crate::Diverged::Unreconciled`] for a proof that proves nothing; the disk's.
    pub fn restart_from(
        &mut self,
        snapshot: &VerifiedSnapshot,
        proof: &[Hash],
    ) -> Result<(), StoreError> {
        self.check_certain()?;
        if self.signer.is_some() {
            return Err(StoreError::SnapshotOfOwnLog);
        }
        let size = snapshot.trust().entries;
        if size <= self.len() {
            return Err(StoreError::NotLarger {
                snapshot: size,
                log: self.len(),
            });
        }
        let note = snapshot.cosigned().signed().note();
        self.replica.check_consistency(note, proof)?;
        let trust = snapshot.trust();
        let beside = self.path.with_extension("restarting");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(error));
            }
            _ => (),
        }
        let federation = Some(&trust.federation);
        let file = LogFile::create(&beside, &trust.coordinator, federation, Some(snapshot))?;
        std::fs::rename(&beside, &self.path).map_err(StoreError::io)?;
        // From here on this process writes to a file that may not be the log any more.
        self.uncertain = true;
        disk::sync_directory(&self.path).map_err(StoreError::io)?;
        let mut cosignatures = CosignatureFile::create(&self.path)?;
        cosignatures.append(None, snapshot.cosigned())?;
        let replica = Replica::from_snapshot(snapshot);
        let path = std::mem::take(&mut self.path);
        *self = Self::with(&path, file, cosignatures, replica, None);
        Ok(())
    }

    /// Puts `whole`, a replica with every entry that was made elsewhere on the same disk, in the place of this one, which
    /// began with a snapshot. It takes this log's name: a crash before leaves this one there, one after it the other.
    ///
    /// # Errors
    /// [`StoreError::NotLarger`] if `whole` ends before this log, or does not hold all entries; [`StoreError::Append`]
    /// with a [`crate::Diverged::Fork`] if it is another history; the disk's. Up to the renaming nothing changed.
    pub fn complete_with(&mut self, whole: Self) -> Result<(), StoreError> {
        self.check_certain()?;
        if whole.replica.first() > 0 || whole.len() < self.len() {
            return Err(StoreError::NotLarger {
                snapshot: whole.len().saturating_sub(whole.replica.first()),
                log: self.len(),
            });
        }
        if let Some(own) = self.checkpoint() {
            match whole.compare(own.note()) {
                // An older checkpoint of the same history: of another one it would be a fork.
                Ok(_) | Err(AppendError::Diverged(Diverged::RolledBack { .. })) => (),
                Err(error) => return Err(error.into()),
            }
        }
        std::fs::rename(&whole.path, &self.path).map_err(StoreError::io)?;
        self.uncertain = true;
        disk::sync_directory(&self.path).map_err(StoreError::io)?;
        let mut cosignatures = CosignatureFile::create(&self.path)?;
        for cosigned in whole.checkpoints() {
            cosignatures.append(None, cosigned)?;
        }
        let path = std::mem::take(&mut self.path);
        *self = Self::with(&path, whole.file, cosignatures, whole.replica, None);
        Ok(())
    }

    fn load(
        path: &Path,
        coordinator: PublicKey,
        signer: Option<Arc<SigningIdentity>>,
    ) -> Result<Self, StoreError> {
        let Loaded { file, mut replica } = LogFile::open(path, &coordinator)?;
        let cosignatures = CosignatureFile::open(path, &mut replica)?;
        Ok(Self::with(path, file, cosignatures, replica, signer))
    }

    fn with(
        path: &Path,
        file: LogFile,
        cosignatures: CosignatureFile,
        replica: Replica,
        signer: Option<Arc<SigningIdentity>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            file,
            cosignatures,
            replica,
            signer,
            uncertain: false,
            books: KeptStates::default(),
        }
    }

    /// The coordinator's append: all entries or none, with a new checkpoint, on disk when this returns.
    /// Give many entries at once where latency allows: the sync to disk is what costs.
    ///
    /// # Errors
    /// [`StoreError::Append`] changed nothing; after any other error open the log again.
    pub fn append(&mut self, entries: &[SignedEntry]) -> Result<Appended, StoreError> {
        let signer = self.signer.clone().ok_or(StoreError::ReplicaOnly)?;
        self.check_certain()?;
        let prepared = self.replica.prepare(entries, &signer)?;
        self.write(prepared)
    }

    /// A participant's append of entries fetched from the coordinator: all of them, if they lead
    /// exactly to its signed checkpoint; on disk when this returns. Cosignatures in the note are kept.
    ///
    /// # Errors
    /// [`StoreError::Append`] changed nothing and says what the coordinator did (see
    /// [`crate::Diverged`]); after any other error open the log again.
    pub fn append_verified(
        &mut self,
        entries: &[SignedEntry],
        note: &str,
    ) -> Result<Appended, StoreError> {
        self.check_certain()?;
        let prepared = self.replica.prepare_verified(entries, note)?;
        let state = match &prepared {
            Some(prepared) => &prepared.state,
            None => self.replica.state(),
        };
        let cosigned = self.replica.with_cosignatures_of(note, state)?;
        let appended = self.write(prepared)?;
        if let Some(cosigned) = cosigned {
            self.keep(cosigned)?;
        }
        Ok(appended)
    }

    /// Keeps a participant's cosignature of the checkpoint of `size` entries, one of the newest (see
    /// [`LedgerStore::cosigned`]). Giving one again changes nothing. It is in the file when this returns, and
    /// survives the end of this process; a crash of the machine may take it, and then it is asked for again.
    ///
    /// # Errors
    /// [`StoreError::Append`] with a [`crate::CosignatureError`], or the disk's; nothing changed.
    pub fn add_cosignature(
        &mut self,
        size: u64,
        line: &str,
    ) -> Result<CosignatureAdded, StoreError> {
        self.check_certain()?;
        let Some(cosigned) = self.replica.with_cosignature(size, line)? else {
            return Ok(CosignatureAdded::Known);
        };
        self.keep(cosigned)?;
        Ok(CosignatureAdded::New)
    }

    fn write(&mut self, prepared: Option<Prepared>) -> Result<Appended, StoreError> {
        let Some(prepared) = prepared else {
            return Ok(self.replica.nothing());
        };
        let note = prepared.checkpoint.note();
        if let Err(error) = self.file.append(&prepared.encoded, note) {
            self.uncertain = true;
            return Err(error);
        }
        // The entries are on disk. A crash from here on loses nothing: opening replays them.
        Ok(self.replica.commit(prepared))
    }

    fn keep(&mut self, cosigned: CosignedCheckpoint) -> Result<(), StoreError> {
        let before = self.replica.checkpoint_at(cosigned.checkpoint().size);
        self.cosignatures.append(before, &cosigned)?;
        self.replica.keep(cosigned);
        self.cosignatures.tidy(&self.replica)
    }

    fn check_certain(&self) -> Result<(), StoreError> {
        if self.uncertain {
            Err(StoreError::Uncertain)
        } else {
            Ok(())
        }
    }

    /// The books.
    pub fn state(&self) -> &State {
        self.replica.state()
    }

    /// The log and books without the disk.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Bytes that were cut off when the log was opened: of an append that did not come to its end.
    pub fn cut_off(&self) -> u64 {
        self.file.unfinished()
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.replica.len()
    }

    /// Whether there is no entry yet.
    pub fn is_empty(&self) -> bool {
        self.replica.is_empty()
    }

    /// The newest checkpoint; `None` while there is no entry.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.replica.checkpoint()
    }

    /// The checkpoint of `size` entries with the cosignatures it has so far; `None` for a size at which no
    /// append ended, and for those that are not kept any more ([`crate::KEPT_CHECKPOINTS`],
    /// [`crate::KEPT_COSIGNED`]).
    pub fn cosigned(&self, size: u64) -> Option<&CosignedCheckpoint> {
        self.replica.checkpoint_at(size)
    }

    /// The kept checkpoints that somebody cosigned, newest first.
    pub fn checkpoints(&self) -> impl Iterator<Item = &CosignedCheckpoint> {
        self.replica.checkpoints()
    }

    /// See [`Replica::cosign`].
    ///
    /// # Errors
    /// See there.
    pub fn cosign(
        &self,
        note: &str,
        identity: &SigningIdentity,
        timestamp_s: u64,
    ) -> Result<CheckpointCosignature, AppendError> {
        self.replica.cosign(note, identity, timestamp_s)
    }

    /// Up to `limit` entries from position `from` (from 0) on.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] for entries before a snapshot; when the disk cannot be read.
    pub fn entries(&self, from: u64, limit: usize) -> Result<Vec<SignedEntry>, StoreError> {
        let encoded = self.file.encoded(from, limit, usize::MAX)?;
        let decode = |(index, bytes): (u64, Vec<u8>)| {
            SignedEntry::decode(&bytes).map_err(|error| StoreError::Undecodable { index, error })
        };
        (from..).zip(encoded).map(decode).collect()
    }

    /// Canonical bytes of entries from position `from` on: at least one, and then as many as stay
    /// within `limit` entries and `max_bytes` together. For sending to replicas.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] for entries before a snapshot; when the disk cannot be read.
    pub fn encoded_entries(
        &self,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.file.encoded(from, limit, max_bytes)
    }

    /// See [`Replica::compare`].
    ///
    /// # Errors
    /// See there.
    pub fn compare(&self, note: &str) -> Result<Standing, AppendError> {
        self.replica.compare(note)
    }

    /// See [`Replica::check_consistency`].
    ///
    /// # Errors
    /// See there.
    pub fn check_consistency(&self, note: &str, proof: &[Hash]) -> Result<(), AppendError> {
        self.replica.check_consistency(note, proof)
    }

    /// See [`Replica::prove_fork`].
    ///
    /// # Errors
    /// See there.
    pub fn prove_fork(
        &self,
        note: &str,
        entries: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Option<ForkProof>, AppendError> {
        self.replica.prove_fork(note, entries)
    }

    /// See [`Replica::prove_inclusion`].
    ///
    /// # Errors
    /// See there.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Proof, ProofError> {
        self.replica.prove_inclusion(index, size)
    }

    /// See [`Replica::prove_consistency`].
    ///
    /// # Errors
    /// See there.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Proof, ProofError> {
        self.replica.prove_consistency(old, new)
    }
}
