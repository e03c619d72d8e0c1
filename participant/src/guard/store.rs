//! Guard records on disk.

use std::{os::unix::fs::OpenOptionsExt, path::Path};

use redb::{Database, ReadableTable, TableDefinition, TableHandle, backends::FileBackend};

use super::{
    Guards, Record,
    owners_void::{Held, OwnersVoids, RecordRefused},
};
use crate::{error::NodeError, keystore};

/// Records in the order they were made. Nothing is ever replaced, except that a finished round's answer is dropped.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("guard records 2");

/// The durable [`Guards`]. One process at a time opens it.
pub struct GuardStore {
    database: Database,
    guards: Guards,
    next: u64,
    owners_voids: OwnersVoids,
    /// While nobody may sign an owners' void.
    held: Option<Held>,
}

impl GuardStore {
    /// Opens the records at `path`, or starts with none; mode 0600.
    ///
    /// # Errors
    /// [`NodeError::Store`] if the file is damaged or records contradict each other: then this identity must not be
    /// used before a person has looked, since what it has answered is not known.
    pub fn open(path: &Path) -> Result<Self, NodeError> {
        if path.exists() {
            keystore::check_private(path, "600")?;
        }
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(NodeError::io("open", path))?;
        let backend = FileBackend::new(file).map_err(failed)?;
        let database = Database::builder()
            .create_with_backend(backend)
            .map_err(failed)?;
        let (guards, next) = load(&database).map_err(failed)??;
        keystore::sync_parent(path)?;
        Ok(Self {
            database,
            guards,
            next,
            owners_voids: OwnersVoids::beside(path),
            held: None,
        })
    }

    /// Keeps anybody from signing an owners' void in this directory until [`GuardStore::release`], so that what is decided
    /// now is still right when it is recorded. Returns the rounds for which one was signed and is not among these records
    /// yet, ascending.
    ///
    /// # Errors
    /// [`NodeError::Store`] or a failure of the disk, if what was signed cannot be read.
    pub fn hold(&mut self) -> Result<Vec<u64>, NodeError> {
        let held = self.owners_voids.hold()?;
        let known = &self.guards.voided;
        let fresh = held
            .voided()
            .filter(|round| !known.contains(round))
            .collect();
        self.held = Some(held);
        Ok(fresh)
    }

    /// Ends [`GuardStore::hold`].
    pub fn release(&mut self) {
        self.held = None;
    }

    /// All records.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Adds a record; it is durable when this returns. The same record again writes nothing.
    ///
    /// # Errors
    /// [`NodeError::Store`] if it contradicts an earlier record, [`NodeError::DiskFull`] or another failure of the
    /// disk: the act must then not happen.
    pub fn record(&mut self, record: &Record) -> Result<(), NodeError> {
        if !self.guards.check(record).map_err(said)? {
            return Ok(());
        }
        match &mut self.held {
            Some(held) => held.admit(record),
            None => self.owners_voids.hold()?.admit(record),
        }
        .map_err(|refused| match refused {
            RecordRefused::Conflict(conflict) => said(conflict),
            RecordRefused::Disk(error) => error,
        })?;
        self.insert(record).map_err(failed)?;
        self.guards.admit(record).map_err(said)?;
        self.next += 1;
        Ok(())
    }

    /// One transaction; redb makes a commit durable before it returns.
    fn insert(&self, record: &Record) -> Result<(), redb::Error> {
        let bytes = borsh::to_vec(record)?;
        let writing = self.database.begin_write()?;
        {
            let mut table = writing.open_table(RECORDS)?;
            if let Record::Finished { round } = record
                && let Some((at, stripped)) = answer_of(&table, *round)?
            {
                table.insert(at, stripped.as_slice())?;
            }
            table.insert(self.next, bytes.as_slice())?;
        }
        writing.commit()?;
        Ok(())
    }
}

/// Every record in order, and the number of the next one.
fn load(database: &Database) -> Result<Result<(Guards, u64), NodeError>, redb::Error> {
    let mut guards = Guards::default();
    let mut next = 0;
    let writing = database.begin_write()?;
    // Records in another form must not be passed over: whatever they forbid would be allowed.
    if let Some(other) = writing
        .list_tables()?
        .find(|table| table.name() != RECORDS.name())
    {
        return Ok(Err(said(format!(
            "they are in a form that this version does not read ({}); use the version that wrote them",
            other.name()
        ))));
    }
    {
        // Opening the table for writing creates it.
        let table = writing.open_table(RECORDS)?;
        for row in table.iter()? {
            let (at, bytes) = row?;
            let admitted = borsh::from_slice(bytes.value())
                .map_err(|error| error.to_string())
                .and_then(|record: Record| {
                    guards.admit(&record).map_err(|error| error.to_string())
                });
            if let Err(reason) = admitted {
                return Ok(Err(said(format!(
                    "record {} cannot be used: {reason}; do not start this identity anywhere before it is known what \
                     it has answered",
                    at.value()
                ))));
            }
            next = at.value() + 1;
        }
    }
    writing.commit()?;
    Ok(Ok((guards, next)))
}

/// Where the opening of `round` is, and the same record without the bytes of its answer.
fn answer_of(
    table: &impl ReadableTable<u64, &'static [u8]>,
    round: u64,
) -> Result<Option<(u64, Vec<u8>)>, redb::Error> {
    for row in table.iter()?.rev() {
        let (at, bytes) = row?;
        if let Record::Opened(mut opening) = borsh::from_slice(bytes.value())?
            && opening.round == round
        {
            opening.answer.clear();
            return Ok(Some((at.value(), borsh::to_vec(&Record::Opened(opening))?)));
        }
    }
    Ok(None)
}

fn failed(error: impl Into<redb::Error>) -> NodeError {
    match error.into() {
        redb::Error::Io(source) => NodeError::io("write", "guard.redb")(source),
        other => said(other),
    }
}

fn said(reason: impl std::fmt::Display) -> NodeError {
    NodeError::Store {
        store: "guard records",
        reason: reason.to_string(),
    }
}
