//! Joining late, or coming back after long: the replica begins with a snapshot that more than half of the owners
//! cosigned, instead of the entries before it (`unsilo_ledger::snapshot` says why it may be believed).
//!
//! # What may happen on the way
//! The bytes are fetched to a file beside the ledger, named by the hash that the coordinator announced; a download that
//! was cut goes on where that file ends. The file is not believed for anything: a crash of the machine may leave holes
//! in it, and then the hash is wrong and it is fetched once more. Only whole and verified bytes become a ledger, which
//! is made beside the old one and takes its name in one step (`LedgerStore::restart_from`).
//!
//! A snapshot never takes the place of a replica that it does not continue: a consistency proof from the replica's size
//! must lead from its root to the snapshot's. If it does not, the entries decide, as for every other checkpoint.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use tonic::{Code as GrpcCode, Streaming, transport::Channel};
use unsilo_ledger::{
    AppendError, Diverged, Draft, Hash, LedgerStore, LogSnapshot, SnapshotTrust, StoreError,
    VerifiedSnapshot,
    snapshot::{MAX_SNAPSHOT_BYTES, snapshot_hash},
    verify_consistency,
};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        SnapshotHeader, SnapshotPart, SnapshotRequest, ledger_log_client::LedgerLogClient,
        snapshot_part::Part,
    },
};

use super::{LedgerReplica, SyncError, broken, on_disk, whole_log};
use crate::{
    config::LedgerSection,
    error::NodeError,
    guard::WitnessRecord,
    keystore,
    node::requests::{Failure, blocking, within},
};

/// What a download is called until it is whole.
const PART: &str = "snapshot-part";
/// Hashes of the longest consistency proof: two for every bit of a size.
const PROOF_HASHES: usize = 128;

/// What a late start is made with.
pub(in crate::node) struct LateStart<'a> {
    pub(in crate::node) channel: &'a Channel,
    /// Longest wait for one answer.
    pub(in crate::node) wait: Duration,
    pub(in crate::node) draft: &'a Draft,
    /// The directory in which a whole log is made.
    pub(in crate::node) whole: &'a Path,
    pub(in crate::node) config: LedgerSection,
    /// The newest publication that this identity cosigned.
    pub(in crate::node) cosigned: Option<WitnessRecord>,
}

/// How a late start ended.
#[derive(Debug)]
pub(in crate::node) enum Begun {
    /// The replica begins with a snapshot now.
    WithSnapshot(Box<SnapshotTrust>),
    /// The replica had begun with a snapshot, and now holds everything.
    Completed {
        /// How many entries.
        entries: u64,
    },
    /// What the coordinator has is no snapshot of this ledger; the replica is as it was.
    Refused(String),
}

/// Why there is no snapshot in the end.
enum Stopped {
    /// It is not right, or not what was announced.
    Refused(String),
    /// Something else.
    Failed(SyncError),
}

impl From<SyncError> for Stopped {
    fn from(error: SyncError) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(SyncError::Request(failure))
    }
}

impl From<NodeError> for Stopped {
    fn from(error: NodeError) -> Self {
        Self::Failed(SyncError::Node(error))
    }
}

fn refused<T>(reason: impl Into<String>) -> Result<T, Stopped> {
    Err(Stopped::Refused(reason.into()))
}

impl LedgerReplica {
    /// Begins with the newest snapshot where that saves enough; fetches the whole log where that is wanted and the
    /// replica began with a snapshot before. `None` if neither is due.
    pub(in crate::node) async fn begin_late(
        &mut self,
        late: &LateStart<'_>,
    ) -> Result<Option<Begun>, SyncError> {
        if late.config.full {
            return self.complete(late).await;
        }
        match self.begin_with_snapshot(late).await {
            Ok(begun) => Ok(begun),
            Err(Stopped::Refused(reason)) => {
                tracing::warn!(%reason, "the coordinator's snapshot is refused");
                Ok(Some(Begun::Refused(reason)))
            }
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    async fn begin_with_snapshot(
        &mut self,
        late: &LateStart<'_>,
    ) -> Result<Option<Begun>, Stopped> {
        let mut client = LedgerLogClient::new(late.channel.clone())
            .max_decoding_message_size(limits::MESSAGE_BYTES);
        let held = self.store.len();
        let Some(header) = announced(&mut client, held, late.wait).await? else {
            return Ok(None);
        };
        // Also one that is older than what is here.
        let saves = header.entries.saturating_sub(held);
        if saves < late.config.snapshot_saves_entries.max(1) {
            return Ok(None);
        }
        let Announced { hash, bytes, .. } = header;
        if bytes > MAX_SNAPSHOT_BYTES as u64 {
            return refused(format!(
                "{bytes} bytes are announced, at most {MAX_SNAPSHOT_BYTES} are taken"
            ));
        }
        let download = Download {
            path: self.part_path(&hash),
            hash,
            bytes,
        };
        self.remove_other_parts(&download.path);
        let (draft, entries) = (late.draft.clone(), header.entries);
        let whole = download.fetch(&mut client, late.wait).await?;
        let verified = blocking(move || verify(&whole, &draft, entries)).await?;
        let _ = fs::remove_file(&download.path);
        let verified = verified?;
        // What a replica holds that was lost, or put back, may be another history than this identity cosigned; once it begins
        // with the snapshot it cannot tell any more.
        let replica = self.store.replica();
        let is_held = |record: &WitnessRecord| replica.root_at(record.size) == Ok(record.root);
        if let Some(record) = late.cosigned.filter(|record| !is_held(record)) {
            let Some(since) = announced(&mut client, record.size, late.wait).await? else {
                return Err(another_meanwhile().into());
            };
            if since.hash != hash {
                return Err(another_meanwhile().into());
            }
            continues_cosigned(&record, &verified, &since.consistency)?;
        }
        self.take(&mut client, &verified, &header.consistency, late.wait)
            .await?;
        Ok(Some(Begun::WithSnapshot(Box::new(
            verified.trust().clone(),
        ))))
    }

    /// Puts a verified snapshot in the place of the replica, if it continues it.
    async fn take(
        &mut self,
        client: &mut LedgerLogClient<Channel>,
        snapshot: &VerifiedSnapshot,
        proof: &[Hash],
        wait: Duration,
    ) -> Result<(), Stopped> {
        let error = match on_disk(|| self.store.restart_from(snapshot, proof)) {
            Ok(()) => return Ok(()),
            Err(StoreError::Append(error)) => error,
            Err(other) => return Err(broken(other).into()),
        };
        let note = snapshot.cosigned().signed().note();
        let AppendError::Diverged(Diverged::Unreconciled { .. }) = &error else {
            return Err(SyncError::Alarm(self.alarm(&error, note)).into());
        };
        // The proof proves nothing: whether there are two histories, the entries tell.
        let mut entries = whole_log(client, wait).await?;
        entries.truncate(usize::try_from(snapshot.trust().entries).unwrap_or(usize::MAX));
        match self.store.prove_fork(note, &entries) {
            Ok(Some(proof)) => {
                let proven = Diverged::Fork(Box::new(proof)).into();
                Err(SyncError::Alarm(self.alarm(&proven, note)).into())
            }
            Ok(None) => refused("the proof that it continues this node's ledger is wrong"),
            Err(_) => Err(SyncError::Alarm(self.alarm(&error, note)).into()),
        }
    }

    /// Fetches every entry, and puts the log that they make in the place of one that began with a snapshot.
    async fn complete(&mut self, late: &LateStart<'_>) -> Result<Option<Begun>, SyncError> {
        if self.store.replica().start().is_none() {
            return Ok(None);
        }
        let io = |action, error| SyncError::Node(NodeError::io(action, late.whole)(error));
        match fs::remove_dir_all(late.whole) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("remove", error));
            }
            _ => {}
        }
        keystore::private_directory(late.whole).map_err(SyncError::Node)?;
        let path = late.whole.join(unsilo_ledger::store::FILE_NAME);
        let mut whole = Self::open(&path, late.draft, self.me).map_err(SyncError::Node)?;
        whole.sync(late.channel, None, late.wait).await?;
        let entries = whole.store.len();
        if entries < self.store.len() {
            // It was shown more before: the synchronisation that follows holds the two against each other.
            return Ok(None);
        }
        match on_disk(|| self.store.complete_with(whole.store)) {
            Ok(()) => {}
            Err(StoreError::Append(error)) => {
                let theirs = whole_note(&path, late.draft);
                return Err(SyncError::Alarm(self.alarm(&error, &theirs)));
            }
            Err(other) => return Err(SyncError::Node(broken(other))),
        }
        fs::remove_dir_all(late.whole).map_err(|error| io("remove", error))?;
        Ok(Some(Begun::Completed { entries }))
    }

    fn part_path(&self, hash: &Hash) -> PathBuf {
        let hash = HEXLOWER.encode(&hash[..16]);
        self.path.with_extension(format!("{hash}.{PART}"))
    }

    /// What is left of the downloads of other snapshots is of no use any more.
    fn remove_other_parts(&self, kept: &Path) {
        let files = self.path.parent().and_then(|dir| fs::read_dir(dir).ok());
        for file in files.into_iter().flatten().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == PART) && path != kept {
                // One that stays costs room and nothing else.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// The newest checkpoint of a log that is another history, for the alarm.
fn whole_note(path: &Path, draft: &Draft) -> String {
    let store = LedgerStore::open_replica(path, draft.coordinator).ok();
    let note = store.and_then(|store| Some(store.checkpoint()?.note().to_owned()));
    note.unwrap_or_default()
}

/// What the coordinator says of its newest snapshot.
struct Announced {
    entries: u64,
    bytes: u64,
    hash: Hash,
    consistency: Vec<Hash>,
}

/// Asks which snapshot there is, and for the proof that it continues the log of `held` entries. `None` without one.
async fn announced(
    client: &mut LedgerLogClient<Channel>,
    held: u64,
    wait: Duration,
) -> Result<Option<Announced>, Stopped> {
    let request = SnapshotRequest {
        held,
        hash: Vec::new(),
        offset: 0,
    };
    let asked = tokio::time::timeout(wait, client.snapshot(request)).await;
    let mut stream = match asked {
        Err(_) => return Err(silent(wait).into()),
        Ok(Ok(reply)) => reply.into_inner(),
        // A coordinator that makes none.
        Ok(Err(status)) if status.code() == GrpcCode::Unimplemented => return Ok(None),
        Ok(Err(status)) => match Rejected::from_status(&status) {
            Some(rejected) if rejected.code == Code::NotFound => return Ok(None),
            _ => return Err(Failure::from(status).into()),
        },
    };
    header(&mut stream, wait).await.map(Some)
}

/// The next connection begins with the newer one.
fn another_meanwhile() -> Failure {
    Failure::Lost(
        "another snapshot of the ledger took the place of the one that was being fetched"
            .to_owned(),
    )
}

fn silent(wait: Duration) -> Failure {
    Failure::Lost(format!("no answer within {} s", wait.as_secs()))
}

async fn header(
    stream: &mut Streaming<SnapshotPart>,
    wait: Duration,
) -> Result<Announced, Stopped> {
    let first = within(wait, stream.message())
        .await?
        .and_then(|part| part.part);
    let Some(Part::Header(header)) = first else {
        return refused("what was sent does not start with its header");
    };
    let SnapshotHeader {
        entries,
        bytes,
        hash,
        consistency,
    } = header;
    let hash_of = |bytes: &[u8]| Hash::try_from(bytes).ok();
    let proof: Option<Vec<Hash>> = consistency.iter().map(|hash| hash_of(hash)).collect();
    let (Some(hash), Some(consistency)) = (hash_of(&hash), proof) else {
        return refused("its header holds hashes of another length");
    };
    if consistency.len() > PROOF_HASHES {
        return refused("its header holds a consistency proof without end");
    }
    Ok(Announced {
        entries,
        bytes,
        hash,
        consistency,
    })
}

/// A snapshot on its way to the disk.
struct Download {
    path: PathBuf,
    hash: Hash,
    /// At most [`MAX_SNAPSHOT_BYTES`].
    bytes: u64,
}

impl Download {
    /// Fetches what is missing. What was there before may have been torn by a crash, so if the whole has another hash it
    /// is fetched once more from the first byte on.
    async fn fetch(
        &self,
        client: &mut LedgerLogClient<Channel>,
        wait: Duration,
    ) -> Result<Vec<u8>, Stopped> {
        let resumed = self.fetch_from_end(client, wait).await?;
        let bytes = self.read()?;
        if snapshot_hash(&bytes) == self.hash {
            return Ok(bytes);
        }
        fs::remove_file(&self.path).map_err(NodeError::io("remove", &self.path))?;
        if resumed {
            self.fetch_from_end(client, wait).await?;
            let bytes = self.read()?;
            if snapshot_hash(&bytes) == self.hash {
                return Ok(bytes);
            }
            let _ = fs::remove_file(&self.path);
        }
        refused("its bytes are not those that were announced")
    }

    fn read(&self) -> Result<Vec<u8>, NodeError> {
        fs::read(&self.path).map_err(NodeError::io("read", &self.path))
    }

    /// Fetches from where the file ends to the end. Says whether there was something.
    async fn fetch_from_end(
        &self,
        client: &mut LedgerLogClient<Channel>,
        wait: Duration,
    ) -> Result<bool, Stopped> {
        let io = |action| NodeError::io(action, &self.path);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(io("open"))?;
        let mut there = file.metadata().map_err(io("read"))?.len();
        if there > self.bytes {
            file.set_len(0).map_err(io("write"))?;
            there = 0;
        }
        let resumed = there > 0;
        if there == self.bytes {
            return Ok(resumed);
        }
        let request = SnapshotRequest {
            held: 0,
            hash: self.hash.to_vec(),
            offset: there,
        };
        let mut stream = within(wait, client.snapshot(request)).await?.into_inner();
        let header = header(&mut stream, wait).await?;
        if (header.hash, header.bytes) != (self.hash, self.bytes) {
            // A newer one took its place; what is here is of no use any more.
            let _ = fs::remove_file(&self.path);
            return Err(another_meanwhile().into());
        }
        while let Some(part) = within(wait, stream.message()).await? {
            let Some(Part::Data(data)) = part.part else {
                return refused("a second header came in the middle of it");
            };
            let left = self.bytes - there;
            if data.len() as u64 > left {
                return self.give_up("it is longer than was announced");
            }
            append(&mut file, &data).map_err(io("write"))?;
            there += data.len() as u64;
        }
        if there < self.bytes {
            // A connection that was cut says so, and the next one goes on from there. This is the coordinator's end.
            return self.give_up(&format!("it ends after {there} of {} bytes", self.bytes));
        }
        Ok(resumed)
    }

    fn give_up<T>(&self, reason: &str) -> Result<T, Stopped> {
        let _ = fs::remove_file(&self.path);
        refused(reason)
    }
}

/// Writes a part, or leaves the file as it was.
fn append(file: &mut File, data: &[u8]) -> std::io::Result<()> {
    let before = file.metadata()?.len();
    on_disk(|| file.write_all(data)).inspect_err(|_| {
        // Torn otherwise: the hash would find that out, after all the rest was fetched.
        let _ = file.set_len(before);
    })
}

fn verify(bytes: &[u8], draft: &Draft, entries: u64) -> Result<VerifiedSnapshot, Stopped> {
    let verified = LogSnapshot::from_bytes(bytes)
        .and_then(|snapshot| snapshot.verify(&draft.coordinator, &draft.federation_id()))
        .or_else(|error| refused(error.to_string()))?;
    let found = verified.trust().entries;
    if found != entries {
        return refused(format!(
            "{entries} entries are announced, it stands for {found}"
        ));
    }
    Ok(verified)
}

/// What this identity cosigned and its replica does not hold (any more): the snapshot must continue it, or be older.
fn continues_cosigned(
    record: &WitnessRecord,
    snapshot: &VerifiedSnapshot,
    proof: &[Hash],
) -> Result<(), Stopped> {
    let found = snapshot.cosigned().checkpoint();
    // What follows an older one is held against the record once it is replayed.
    let continues = found.size < record.size
        || verify_consistency(proof, record.size, &record.root, found.size, &found.root).is_ok();
    if continues {
        Ok(())
    } else {
        refused(format!(
            "it does not continue the ledger of {} entries that this node cosigned in round {}",
            record.size, record.round
        ))
    }
}
