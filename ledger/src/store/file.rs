//! The redb file: tables, transactions, and reading everything back.

use super::StoreError;
use crate::checkpoint::CosignedCheckpoint;
use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::identity::PublicKey;
use crate::kept::KEPT_CHECKPOINTS;
use crate::replica::Replica;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, Durability, ReadOnlyDatabase,
    ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend,
    TableDefinition, backends::InMemoryBackend,
};
use std::path::Path;

/// Position, from 0, to canonical bytes.
const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// Size to note, for the checkpoints that somebody cosigned.
const COSIGNED: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("cosigned");
/// What is known besides the entries.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
const VERSION: &str = "version";
const COORDINATOR: &str = "coordinator";
const FEDERATION: &str = "federation";
const CHECKPOINT: &str = "checkpoint";
const FILE_VERSION: &[u8] = b"unsilo ledger 2";
/// Pages kept in memory, in bytes. The log is read from end to end once, and then at its end.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// How many entries, and about how many of their bytes, are verified together when a log is read back.
const BATCH_ENTRIES: usize = 1_024;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// The log's database, for writing or for reading only.
pub(super) enum LogFile {
    Writable(Database),
    ReadOnly(ReadOnlyDatabase),
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

impl LogFile {
    pub(super) fn create(
        path: &Path,
        coordinator: &PublicKey,
        federation: Option<&FederationId>,
    ) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists {
                path: path.to_owned(),
            });
        }
        // Made under another name: a crash on the way leaves no half ledger at `path`, only a file that
        // holds nothing and that the next attempt replaces.
        let unfinished = path.with_extension("creating");
        let io = |error: std::io::Error| StoreError::database(redb::Error::Io(error));
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => (),
        }
        let mut builder = builder();
        builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
        let database = builder
            .create(&unfinished)
            .map_err(|error| explain(path, error))?;
        drop(Self::initialise(database, coordinator, federation)?);
        std::fs::rename(&unfinished, path).map_err(io)?;
        sync_directory(path).map_err(io)?;
        Self::open(path)
    }

    /// Writes what identifies the log into an empty database.
    pub(super) fn initialise(
        database: Database,
        coordinator: &PublicKey,
        federation: Option<&FederationId>,
    ) -> Result<Self, StoreError> {
        let transaction = durable_write(&database)?;
        {
            transaction
                .open_table(ENTRIES)
                .map_err(StoreError::database)?;
            transaction
                .open_table(COSIGNED)
                .map_err(StoreError::database)?;
            let mut about = transaction
                .open_table(ABOUT)
                .map_err(StoreError::database)?;
            about
                .insert(VERSION, FILE_VERSION)
                .map_err(StoreError::database)?;
            about
                .insert(COORDINATOR, &coordinator.0[..])
                .map_err(StoreError::database)?;
            if let Some(federation) = federation {
                about
                    .insert(FEDERATION, &federation.0[..])
                    .map_err(StoreError::database)?;
            }
        }
        transaction.commit().map_err(StoreError::database)?;
        Ok(Self::Writable(database))
    }

    /// For writing. The whole file is checked page by page before a byte of it is believed.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let mut builder = builder();
        builder
            .set_concurrency_mode(ConcurrencyMode::SingleWriter)
            .set_check_integrity_on_open(true);
        let database = builder.open(path).map_err(|error| explain(path, error))?;
        Ok(Self::Writable(database))
    }

    /// For reading, also while another process writes.
    pub(super) fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let mut builder = builder();
        builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
        match builder.open_read_only(path) {
            Ok(database) => Ok(Self::ReadOnly(database)),
            // The writer died and nobody opened the file for writing since. It must not be changed
            // here, so a copy is recovered, in memory, exactly as the writer would.
            Err(DatabaseError::RepairAborted) => Self::recover_copy(path),
            Err(error) => Err(explain(path, error)),
        }
    }

    fn recover_copy(path: &Path) -> Result<Self, StoreError> {
        let copy = || -> Result<InMemoryBackend, redb::Error> {
            let bytes = std::fs::read(path)?;
            let backend = InMemoryBackend::new();
            backend.set_len(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
            backend.write(0, &bytes)?;
            Ok(backend)
        };
        let backend = copy().map_err(StoreError::database)?;
        let database = builder()
            .set_check_integrity_on_open(true)
            .create_with_backend(backend);
        database
            .map(Self::Writable)
            .map_err(|error| explain(path, error))
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        match self {
            Self::Writable(database) => database.begin_read(),
            Self::ReadOnly(database) => database.begin_read(),
        }
        .map_err(StoreError::database)
    }

    /// One transaction: the entries and the checkpoint over them, and what was cosigned. On disk when it
    /// returns.
    pub(super) fn append(
        &self,
        entries: Option<NewEntries<'_>>,
        cosigned: Option<&CosignedCheckpoint>,
    ) -> Result<(), StoreError> {
        let Self::Writable(database) = self else {
            return Err(StoreError::ReplicaOnly);
        };
        let transaction = durable_write(database)?;
        if let Some(new) = entries {
            let mut table = transaction
                .open_table(ENTRIES)
                .map_err(StoreError::database)?;
            for (index, entry) in (new.first..).zip(new.encoded) {
                table
                    .insert(index, entry.as_slice())
                    .map_err(StoreError::database)?;
            }
            let mut about = transaction
                .open_table(ABOUT)
                .map_err(StoreError::database)?;
            about
                .insert(CHECKPOINT, new.note.as_bytes())
                .map_err(StoreError::database)?;
        }
        if let Some(cosigned) = cosigned {
            let mut table = transaction
                .open_table(COSIGNED)
                .map_err(StoreError::database)?;
            table
                .insert(cosigned.checkpoint().size, cosigned.note().as_bytes())
                .map_err(StoreError::database)?;
            while table.len().map_err(StoreError::database)?
                > u64::try_from(KEPT_CHECKPOINTS).unwrap_or(u64::MAX)
            {
                table.pop_first().map_err(StoreError::database)?;
            }
        }
        // Until here nothing is visible to anyone: a crash leaves the log as it was. `commit` syncs
        // the new pages, then switches to them in one write and syncs that.
        transaction.commit().map_err(StoreError::database)
    }

    /// Reads and verifies the whole log, as one snapshot.
    pub(super) fn load(&self, expected: &PublicKey) -> Result<Replica, StoreError> {
        let found = self.coordinator()?;
        if found != *expected {
            return Err(StoreError::OtherCoordinator {
                expected: *expected,
                found,
            });
        }
        self.load_each(|_, _| ())
    }

    /// As [`LogFile::load`], for the coordinator in the file, showing each accepted entry
    /// and its position to `visit`.
    pub(super) fn load_each(
        &self,
        mut visit: impl FnMut(u64, &SignedEntry),
    ) -> Result<Replica, StoreError> {
        let transaction = self.read()?;
        let about = About::read(&transaction)?;
        let mut replica = Replica::new(about.coordinator, about.federation);
        let table = transaction
            .open_table(ENTRIES)
            .map_err(StoreError::database)?;
        let mut rows = table.iter().map_err(StoreError::database)?;
        loop {
            let batch = Batch::read(&mut rows, replica.len())?;
            if batch.entries.is_empty() {
                break;
            }
            let first = replica.len();
            replica
                .load(&batch.entries, &batch.encoded)
                .map_err(StoreError::Altered)?;
            for (index, entry) in (first..).zip(&batch.entries) {
                visit(index, entry);
            }
        }
        match about.checkpoint {
            Some(note) => replica.adopt(&note).map_err(StoreError::Altered)?,
            None if replica.is_empty() => (),
            None => {
                return Err(StoreError::Damaged {
                    reason: "entries without a checkpoint".to_owned(),
                });
            }
        }
        load_cosigned(&transaction, &mut replica)?;
        Ok(replica)
    }

    pub(super) fn coordinator(&self) -> Result<PublicKey, StoreError> {
        Ok(About::read(&self.read()?)?.coordinator)
    }

    pub(super) fn entries(
        &self,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<SignedEntry>, StoreError> {
        let encoded = self.encoded(from, limit, max_bytes)?;
        let decode = |(index, bytes): (u64, Vec<u8>)| {
            SignedEntry::decode(&bytes).map_err(|error| StoreError::Undecodable { index, error })
        };
        (from..).zip(encoded).map(decode).collect()
    }

    pub(super) fn encoded(
        &self,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let transaction = self.read()?;
        let table = transaction
            .open_table(ENTRIES)
            .map_err(StoreError::database)?;
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let mut left = max_bytes;
        for row in table
            .range(from..)
            .map_err(StoreError::database)?
            .take(limit)
        {
            let (_, bytes) = row.map_err(StoreError::database)?;
            match left.checked_sub(bytes.value().len()) {
                Some(rest) => left = rest,
                None if entries.is_empty() => left = 0,
                None => break,
            }
            entries.push(bytes.value().to_vec());
        }
        Ok(entries)
    }
}

/// The entries of one append, encoded, with the note of the checkpoint over them.
pub(super) struct NewEntries<'a> {
    pub(super) first: u64,
    pub(super) encoded: &'a [Vec<u8>],
    pub(super) note: &'a str,
}

/// Reads back what participants cosigned.
fn load_cosigned(transaction: &ReadTransaction, replica: &mut Replica) -> Result<(), StoreError> {
    let table = transaction
        .open_table(COSIGNED)
        .map_err(StoreError::database)?;
    for row in table.iter().map_err(StoreError::database)? {
        let (_, note) = row.map_err(StoreError::database)?;
        let note = std::str::from_utf8(note.value()).map_err(|_| StoreError::Damaged {
            reason: "a cosigned checkpoint is not text".to_owned(),
        })?;
        replica.adopt_cosigned(note).map_err(StoreError::Altered)?;
    }
    Ok(())
}

/// Entries read back together, so that their signatures can be verified on all cores.
#[derive(Default)]
struct Batch {
    entries: Vec<SignedEntry>,
    encoded: Vec<Vec<u8>>,
}

impl Batch {
    /// The next entries, which must be those from position `from` on; none at the end.
    fn read(rows: &mut redb::Range<'_, u64, &'static [u8]>, from: u64) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        let mut bytes_left = BATCH_BYTES;
        for index in from.. {
            if batch.entries.len() >= BATCH_ENTRIES || bytes_left == 0 {
                break;
            }
            let Some(row) = rows.next() else { break };
            let (position, bytes) = row.map_err(StoreError::database)?;
            if position.value() != index {
                return Err(StoreError::Gap { index });
            }
            let entry = SignedEntry::decode(bytes.value())
                .map_err(|error| StoreError::Undecodable { index, error })?;
            bytes_left = bytes_left.saturating_sub(bytes.value().len());
            batch.entries.push(entry);
            batch.encoded.push(bytes.value().to_vec());
        }
        Ok(batch)
    }
}

/// The table [`ABOUT`], parsed.
struct About {
    coordinator: PublicKey,
    federation: Option<FederationId>,
    checkpoint: Option<String>,
}

impl About {
    fn read(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        let damaged = |reason: &str| StoreError::Damaged {
            reason: reason.to_owned(),
        };
        let table = transaction
            .open_table(ABOUT)
            .map_err(StoreError::database)?;
        let get = |key: &str| -> Result<Option<Vec<u8>>, StoreError> {
            let value = table.get(key).map_err(StoreError::database)?;
            Ok(value.map(|bytes| bytes.value().to_vec()))
        };
        if get(VERSION)?.as_deref() != Some(FILE_VERSION) {
            return Err(damaged("not a ledger of this version"));
        }
        let key = |bytes: Vec<u8>| {
            bytes
                .try_into()
                .map_err(|_| damaged("a key is not 32 bytes long"))
        };
        let coordinator = get(COORDINATOR)?.ok_or_else(|| damaged("no coordinator is named"))?;
        let checkpoint = get(CHECKPOINT)?
            .map(|note| String::from_utf8(note).map_err(|_| damaged("the checkpoint is not text")))
            .transpose()?;
        Ok(Self {
            coordinator: PublicKey(key(coordinator)?),
            federation: get(FEDERATION)?.map(key).transpose()?.map(FederationId),
            checkpoint,
        })
    }
}

fn durable_write(database: &Database) -> Result<redb::WriteTransaction, StoreError> {
    let mut transaction = database.begin_write().map_err(StoreError::database)?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(StoreError::database)?;
    // Implied by the single-writer mode; said here because the crash argument rests on it.
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// A new name is durable only when the directory that holds it is.
fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn explain(path: &Path, error: DatabaseError) -> StoreError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse { path }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            StoreError::Missing { path }
        }
        error => StoreError::database(error),
    }
}
