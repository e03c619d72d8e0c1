//! The file of the log: entries one after another, and a head that says how far they reach.

use super::StoreError;
use super::disk::{Disk, open_locked, sync_directory};
use super::layout::{
    Head, Identity, LENGTH_BYTES, MAGIC, SLOTS_END, Slots, Start, confirmation, encode,
};
use super::loading::Loading;
use super::reader::{EntryReader, Positions};
use crate::draft::FederationId;
use crate::entry::signed::SignedEntry;
use crate::identity::PublicKey;
use crate::replica::Replica;
use crate::snapshot::{
    LogSnapshot, MAX_SNAPSHOT_BYTES, SnapshotError, VerifiedSnapshot, snapshot_hash,
};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How much is written at a time.
const WRITE_BYTES: usize = 8 * 1024 * 1024;
/// How often a reader tries again when a writer changed the head under its eyes.
const ATTEMPTS: usize = 5;

/// The log's file, for writing or for reading only.
pub(super) struct LogFile {
    disk: Box<dyn Disk>,
    writable: bool,
    /// Where the entries begin.
    entries_at: u64,
    /// The newest head whose entries are whole.
    head: Head,
    /// Where entries begin, for those that lie before `head.end`.
    positions: Positions,
    /// Bytes behind the head: an append that was cut short, and of which nobody was told.
    unfinished: u64,
}

/// What a log holds, read back.
pub(super) struct Loaded {
    pub(super) file: LogFile,
    pub(super) replica: Replica,
}

impl LogFile {
    /// A new, empty log. A crash on the way leaves no half log at `path`, only a file beside it that the next
    /// attempt empties, or a second name of the whole log, which it removes.
    pub(super) fn create(
        path: &Path,
        coordinator: &PublicKey,
        federation: Option<&FederationId>,
        snapshot: Option<&VerifiedSnapshot>,
    ) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists {
                path: path.to_owned(),
            });
        }
        let unfinished = path.with_extension("creating");
        let file = lock_unfinished(path, &unfinished)?;
        // Under the lock, so that it is not the log that another process is making.
        file.set_len(0).map_err(StoreError::io)?;
        let created = Self::initialise(Box::new(file), coordinator, federation, snapshot)?;
        // Under its name it is a whole log. A link, unlike a renaming, never takes the place of what is there.
        match std::fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let _ = std::fs::remove_file(&unfinished);
                return Err(StoreError::Exists {
                    path: path.to_owned(),
                });
            }
            linked => linked.map_err(StoreError::io)?,
        }
        std::fs::remove_file(&unfinished).map_err(StoreError::io)?;
        // The name lasts once the directory is synced.
        sync_directory(path).map_err(StoreError::io)?;
        Ok(created)
    }

    /// Writes a log without entries, or with those before a snapshot, to an empty disk.
    pub(super) fn initialise(
        disk: Box<dyn Disk>,
        coordinator: &PublicKey,
        federation: Option<&FederationId>,
        snapshot: Option<&VerifiedSnapshot>,
    ) -> Result<Self, StoreError> {
        let bytes = snapshot.map(VerifiedSnapshot::to_bytes);
        let identity = Identity {
            magic: MAGIC,
            coordinator: *coordinator,
            federation: federation.copied(),
            start: bytes.as_ref().map(|bytes| Start {
                bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                hash: snapshot_hash(bytes),
            }),
        };
        let entries_at = identity.entries_at();
        let (first, note) = snapshot.map_or((0, ""), |snapshot| {
            let signed = snapshot.cosigned().signed();
            (signed.checkpoint().size, signed.note())
        });
        let head = Head::first(entries_at, first, note.to_owned());
        let write = || {
            disk.set_len(entries_at)?;
            disk.write_at(0, &encode(0, &identity))?;
            disk.write_at(head.offset(), &encode(head.offset(), &head))?;
            if let Some(bytes) = &bytes {
                disk.write_at(SLOTS_END, bytes)?;
            }
            disk.sync()
        };
        write().map_err(StoreError::io)?;
        Ok(Self {
            disk,
            writable: true,
            entries_at,
            head,
            positions: Positions::from(first),
            unfinished: 0,
        })
    }

    /// Reads and verifies a log for the one process that writes it, and cuts off what an append left that
    /// did not come to its end.
    pub(super) fn open(path: &Path, coordinator: &PublicKey) -> Result<Loaded, StoreError> {
        let file = match open_locked(path) {
            Ok(Some(file)) => file,
            Ok(None) => {
                return Err(StoreError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(missing(path, error)),
        };
        Self::load(Box::new(file), coordinator)
    }

    /// As [`LogFile::open`], from any disk.
    pub(super) fn load(disk: Box<dyn Disk>, coordinator: &PublicKey) -> Result<Loaded, StoreError> {
        let found = read_slots(&*disk)?.identity.coordinator;
        if found != *coordinator {
            return Err(StoreError::OtherCoordinator {
                expected: *coordinator,
                found,
            });
        }
        let mut loaded = load(disk, true, &mut |_| (), &mut |_, _| ())?;
        loaded.file.finish_last_append()?;
        Ok(loaded)
    }

    /// Reads and verifies a log, also while another process writes it, and shows what is before the first entry,
    /// then every entry with its position. It is the log as of this moment.
    pub(super) fn read(
        path: &Path,
        begin: &mut dyn FnMut(&Replica),
        visit: &mut dyn FnMut(u64, &SignedEntry),
    ) -> Result<Loaded, StoreError> {
        let file = File::open(path).map_err(|error| missing(path, error))?;
        load(Box::new(file), false, begin, visit)
    }

    /// Appends entries and the checkpoint over them; on disk when it returns.
    ///
    /// The entries are written behind those there are, the head over the older of the two heads, and both
    /// are synced at once. Until then the newer of the two heads is not touched, and says how far the log
    /// reached before:
    /// - a crash that leaves the new head but not all its entries: they do not lead to its checkpoint, and
    ///   opening falls back to the head before;
    /// - one that leaves entries but not the new head: they lie behind the head there is, and are cut off;
    /// - one after the sync: opening finds the append, whether or not its caller was told.
    ///
    /// The confirmation written last, which the next append or a clean end syncs, tells the first case from
    /// damage to an append that somebody was told of: that is refused.
    pub(super) fn append(&mut self, entries: &[Vec<u8>], note: &str) -> Result<(), StoreError> {
        if !self.writable {
            return Err(StoreError::ReplicaOnly);
        }
        let mut positions = self.positions.clone_end();
        let mut at = self.head.end;
        for entry in entries {
            positions.push(at);
            let length = u64::try_from(entry.len()).unwrap_or(u64::MAX);
            at = at.saturating_add(LENGTH_BYTES).saturating_add(length);
        }
        let head = Head {
            sequence: self.head.sequence.saturating_add(1),
            end: at,
            entries: self
                .head
                .entries
                .saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX)),
            note: note.to_owned(),
        };
        self.write(entries, &head).map_err(StoreError::io)?;
        self.positions.extend(positions);
        self.head = head;
        Ok(())
    }

    fn write(&self, entries: &[Vec<u8>], head: &Head) -> io::Result<()> {
        let mut at = self.head.end;
        let mut buffer = Vec::new();
        let mut flush = |buffer: &mut Vec<u8>| {
            self.disk.write_at(at, buffer)?;
            at = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
            buffer.clear();
            io::Result::Ok(())
        };
        for entry in entries {
            let length = u32::try_from(entry.len()).map_err(|_| ErrorKind::InvalidInput)?;
            buffer.extend_from_slice(&length.to_le_bytes());
            buffer.extend_from_slice(entry);
            if buffer.len() >= WRITE_BYTES {
                flush(&mut buffer)?;
            }
        }
        flush(&mut buffer)?;
        self.seal(head)
    }

    /// Writes a head whose entries are written, syncs both, and confirms it.
    fn seal(&self, head: &Head) -> io::Result<()> {
        self.disk
            .write_at(head.offset(), &encode(head.offset(), head))?;
        self.disk.sync()?;
        let (offset, confirmation) = confirmation(head.sequence);
        self.disk.write_at(offset, &confirmation)
    }

    /// After a crash: cuts off what lies behind the head, and makes a head that is not confirmed durable, with
    /// its entries. They were read from the system's memory, which may hold what a failed sync never wrote, so
    /// they are written once more. The head before was synced before this one was written.
    fn finish_last_append(&mut self) -> Result<(), StoreError> {
        let slots = read_slots(&*self.disk)?;
        let confirmed = slots.confirmed == Some(self.head.sequence);
        if confirmed && self.unfinished == 0 {
            return Ok(());
        }
        let [newest, before] = &slots.heads;
        let from = match (newest, before) {
            _ if confirmed => self.head.end,
            (Some(newest), _) if *newest != self.head => self.head.end,
            (_, Some(before)) => before.end,
            (_, None) => self.entries_at,
        };
        let rewrite = || {
            self.disk.set_len(self.head.end)?;
            let mut at = from;
            while at < self.head.end {
                let left = usize::try_from(self.head.end.saturating_sub(at)).unwrap_or(usize::MAX);
                let mut buffer = vec![0; left.min(WRITE_BYTES)];
                if self.disk.read_at(at, &mut buffer)? < buffer.len() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                self.disk.write_at(at, &buffer)?;
                at = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
            }
            self.seal(&self.head)
        };
        rewrite().map_err(StoreError::io)
    }

    /// How many entries the file holds by now: more than were read, if a writer went on since.
    pub(super) fn entries_by_now(&self) -> Result<u64, StoreError> {
        let slots = read_slots(&*self.disk)?;
        let heads = slots.heads.iter().flatten();
        Ok(heads.map(|head| head.entries).max().unwrap_or(0))
    }

    /// Bytes of an append that did not come to its end; cut off by now if the log is open for writing.
    pub(super) fn unfinished(&self) -> u64 {
        self.unfinished
    }

    /// Where the entries end: the length of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.head.end
    }

    /// Where to begin to read for the entry `index`: the position of an entry at or before it, and how many entries
    /// come before it from there.
    pub(super) fn locate(&self, index: u64) -> Result<(u64, u64), StoreError> {
        let first = self.positions.first();
        if index < first || index >= self.head.entries {
            return Err(StoreError::NotHeld { first });
        }
        let skip = index.saturating_sub(self.positions.first_before(index));
        Ok((self.positions.before(index), skip))
    }

    /// Canonical bytes from entry `from` on: at least one, and then as many as stay within both limits.
    pub(super) fn encoded(
        &self,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut entries: Vec<Vec<u8>> = Vec::new();
        let first = self.positions.first();
        if from < first {
            return Err(StoreError::NotHeld { first });
        }
        if from >= self.head.entries || limit == 0 {
            return Ok(entries);
        }
        let mut reader = EntryReader::new(&*self.disk, self.positions.before(from), self.head.end);
        for _ in self.positions.first_before(from)..from {
            reader.next()?;
        }
        let mut left = max_bytes;
        while entries.len() < limit {
            let Some(bytes) = reader.next()? else { break };
            match left.checked_sub(bytes.len()) {
                Some(rest) => left = rest,
                None if entries.is_empty() => left = 0,
                None => break,
            }
            entries.push(bytes.to_vec());
        }
        Ok(entries)
    }
}

impl Drop for LogFile {
    /// The last confirmation is synced too, where that works: without it a damaged end of the file would be
    /// taken for an append that was cut short.
    fn drop(&mut self) {
        if self.writable {
            let _ = self.disk.sync();
        }
    }
}

/// Opens the file in which the log for `path` is made, for the one process that makes it. Its content is as it was.
fn lock_unfinished(path: &Path, unfinished: &Path) -> Result<File, StoreError> {
    let in_use = || StoreError::InUse {
        path: path.to_owned(),
    };
    for _ in 0..ATTEMPTS {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(unfinished)
            .map_err(StoreError::io)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(StoreError::io(error)),
        }
        // Before the lock was taken another process may have made its log of this very file.
        if path.exists() {
            return Err(StoreError::Exists {
                path: path.to_owned(),
            });
        }
        let locked = file.metadata().map_err(StoreError::io)?;
        let named = match std::fs::symlink_metadata(unfinished) {
            Ok(named) => named,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io(error)),
        };
        if (locked.dev(), locked.ino()) != (named.dev(), named.ino()) {
            continue;
        }
        if locked.nlink() == 1 {
            return Ok(file);
        }
        // A creation ended between its last two steps, and its log was moved elsewhere since: only this name goes.
        std::fs::remove_file(unfinished).map_err(StoreError::io)?;
    }
    Err(in_use())
}

fn missing(path: &Path, error: io::Error) -> StoreError {
    if error.kind() == ErrorKind::NotFound {
        return StoreError::Missing {
            path: path.to_owned(),
        };
    }
    StoreError::io(error)
}

fn read_slots(disk: &dyn Disk) -> Result<Slots, StoreError> {
    let mut header = vec![0; usize::try_from(SLOTS_END).unwrap_or_default()];
    let read = disk.read_at(0, &mut header).map_err(StoreError::io)?;
    header.truncate(read);
    Slots::parse(&header)
}

/// The head to read to, and if it may turn out to be one of an append cut short, the one before it.
fn choose(slots: &Slots, length: u64) -> Result<(Head, Option<Head>), StoreError> {
    let mut whole = slots
        .heads
        .iter()
        .flatten()
        .filter(|head| head.end >= slots.identity.entries_at() && head.end <= length);
    let damaged = |reason: &str| StoreError::Damaged {
        reason: reason.to_owned(),
    };
    let newest = whole
        .next()
        .ok_or_else(|| damaged("neither of its two heads is whole"))?;
    if slots
        .confirmed
        .is_some_and(|confirmed| confirmed > newest.sequence)
    {
        return Err(damaged("its end is missing"));
    }
    let before = whole.next().filter(|before| {
        slots.confirmed != Some(newest.sequence)
            && before.sequence.checked_add(1) == Some(newest.sequence)
            && before.end <= newest.end
    });
    Ok((newest.clone(), before.cloned()))
}

fn load(
    disk: Box<dyn Disk>,
    writable: bool,
    begin: &mut dyn FnMut(&Replica),
    visit: &mut dyn FnMut(u64, &SignedEntry),
) -> Result<Loaded, StoreError> {
    let mut attempt = 1_usize;
    let (slots, length, (newest, before)) = loop {
        let found = read_slots(&*disk).and_then(|slots| {
            let length = disk.len().map_err(StoreError::io)?;
            let chosen = choose(&slots, length)?;
            Ok((slots, length, chosen))
        });
        match found {
            Err(StoreError::Damaged { .. }) if !writable && attempt < ATTEMPTS => {
                attempt = attempt.saturating_add(1)
            }
            found => break found?,
        }
    };
    let identity = &slots.identity;
    let entries_at = identity.entries_at();
    let replica = match &identity.start {
        None => Replica::new(identity.coordinator, identity.federation),
        Some(start) => Replica::from_snapshot(&read_snapshot(&*disk, identity, start)?),
    };
    begin(&replica);
    let mut loading = Loading::new(&*disk, entries_at, replica);
    let head = match before {
        None => {
            loading.read_to(&newest, visit)?;
            newest
        }
        Some(before) => {
            loading.read_to(&before, visit)?;
            let mut further = loading.clone();
            let mut last = Vec::new();
            let mut hold = |index, entry: &SignedEntry| last.push((index, entry.clone()));
            match further.read_to(&newest, &mut hold) {
                Ok(()) => {
                    loading = further;
                    for (index, entry) in &last {
                        visit(*index, entry);
                    }
                    newest
                }
                Err(StoreError::Io(error)) => return Err(StoreError::Io(error)),
                // Nobody was told of it.
                Err(_) => before,
            }
        }
    };
    let (positions, replica) = loading.into_parts();
    let file = LogFile {
        disk,
        writable,
        entries_at,
        unfinished: length.saturating_sub(head.end),
        head,
        positions,
    };
    Ok(Loaded { file, replica })
}

/// The snapshot at the beginning of a log, verified as when it was fetched.
fn read_snapshot(
    disk: &dyn Disk,
    identity: &Identity,
    start: &Start,
) -> Result<VerifiedSnapshot, StoreError> {
    let damaged = |reason: &str| StoreError::Damaged {
        reason: reason.to_owned(),
    };
    let federation = identity
        .federation
        .ok_or_else(|| damaged("it has a snapshot and no federation"))?;
    let length = usize::try_from(start.bytes).unwrap_or(usize::MAX);
    if length > MAX_SNAPSHOT_BYTES {
        return Err(SnapshotError::TooLong { bytes: length }.into());
    }
    let mut bytes = vec![0; length];
    let read = disk
        .read_at(SLOTS_END, &mut bytes)
        .map_err(StoreError::io)?;
    if read < length || snapshot_hash(&bytes) != start.hash {
        return Err(damaged(
            "the snapshot it begins with was altered or cut off",
        ));
    }
    let snapshot = LogSnapshot::from_bytes(&bytes)?;
    Ok(snapshot.verify(&identity.coordinator, &federation)?)
}
