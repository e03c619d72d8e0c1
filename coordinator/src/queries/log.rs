//! The file of answered queries.
//!
//! # What a crash leaves behind
//! Records lie one after another behind a head, in space that is zeroed and synced beforehand. A group of records is
//! written and synced; then its receipts are given out. A crash before the sync is done may leave any part of that
//! group, of which nobody was told; the file goes on over it. Each record says how many were synced when it was
//! written, so a damaged record that was synced before a later one is told from an unfinished one, and refused.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::{mpsc, oneshot};
use unsilo_ledger::Query;

use super::record::{NewQuery, RECORD_BYTES, Receipt, Record, checksum};
use crate::{
    durable,
    error::{CoordinatorError, is_full},
    owner::now_ms,
};

/// What the file begins with, and its version.
const MAGIC: &[u8; 16] = b"unsilo/queries/1";
/// The magic, the number of the first query, the fees before it, a checksum.
const HEAD_BYTES: usize = 16 + 8 + 8 + 8;
/// Zeroed at a time: growing costs a sync of its own, so it is rare (about every 5,800 queries).
const GROWTH_BYTES: u64 = 1 << 20;
/// Queries that wait for the disk; more callers wait for a place.
const QUEUE: usize = 4096;
/// Records of one write.
const GROUP: usize = 1024;
/// Milliseconds of a day: quotas count by days of UTC.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// Why a query could not be noted. Nothing is answered then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNoted {
    /// There is no room on the disk.
    Full,
    /// Anything else; it is logged.
    Failed,
}

type Reply = oneshot::Sender<Result<Receipt, NotNoted>>;

/// The file, shared. Cloning is cheap; the writer ends with the last clone.
#[derive(Clone)]
pub(crate) struct QueryLog {
    work: mpsc::Sender<(NewQuery, Reply)>,
    kept: Arc<Kept>,
}

struct Kept {
    file: File,
    path: PathBuf,
    /// Number of the first query in the file, and the fees of all before it.
    first: u64,
    fees_before: u64,
    /// Number of the next query: all below are synced.
    next: AtomicU64,
}

impl QueryLog {
    /// Opens the file at `path`, or begins one. The ledger has entered `entered` queries with `fees`.
    ///
    /// # Errors
    /// [`CoordinatorError`] if it is damaged, or shorter than the ledger says: restore it.
    pub(crate) fn open(path: &Path, entered: u64, fees: u64) -> Result<Self, CoordinatorError> {
        let mut writer = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if entered > 0 {
                    tracing::warn!(
                        entered,
                        "queries.log is gone: receipts given out before cannot be proved any more"
                    );
                }
                begin(path, entered, fees)?
            }
            metadata => {
                metadata.map_err(CoordinatorError::io("read", path))?;
                resume(path, entered)?
            }
        };
        let kept = writer.kept.clone();
        let (work, mut queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("queries".into())
            .spawn(move || {
                let mut group = Vec::with_capacity(GROUP);
                while queue.blocking_recv_many(&mut group, GROUP) > 0 {
                    writer.commit(std::mem::take(&mut group));
                }
            })
            .map_err(CoordinatorError::io("create", "the queries' thread"))?;
        Ok(Self { work, kept })
    }

    /// Keeps a query; it is on disk when this returns.
    ///
    /// # Errors
    /// [`NotNoted`]; then it was not kept, or nobody knows.
    pub(crate) async fn note(&self, query: NewQuery) -> Result<Receipt, NotNoted> {
        let (reply, answer) = oneshot::channel();
        self.work
            .send((query, reply))
            .await
            .map_err(|_| NotNoted::Failed)?;
        answer.await.map_err(|_| NotNoted::Failed)?
    }

    /// How many queries there are, ever.
    pub(crate) fn len(&self) -> u64 {
        self.kept.next.load(Ordering::Acquire)
    }

    /// The fees of the first `count` queries, ever; `None` if the file begins later.
    pub(crate) fn fees_of(&self, count: u64) -> Result<Option<u64>, CoordinatorError> {
        if count == self.kept.first {
            return Ok(Some(self.kept.fees_before));
        }
        let Some(last) = count.checked_sub(1).filter(|last| *last >= self.kept.first) else {
            return Ok(None);
        };
        Ok(Some(self.kept.record(last)?.fees))
    }

    /// The queries `from..from + count`, all of them in the file.
    pub(crate) fn queries(&self, from: u64, count: u32) -> Result<Vec<Query>, CoordinatorError> {
        (from..from.saturating_add(u64::from(count)))
            .map(|number| Ok(self.kept.record(number)?.query))
            .collect()
    }

    /// The query that a receipt is for; `None` if there is none, or its salt is another.
    pub(crate) fn find(&self, receipt: Receipt) -> Result<Option<Query>, CoordinatorError> {
        use subtle::ConstantTimeEq;
        if receipt.number < self.kept.first || receipt.number >= self.len() {
            return Ok(None);
        }
        let query = self.kept.record(receipt.number)?.query;
        let same: bool = query.salt.ct_eq(&receipt.salt).into();
        Ok(same.then_some(query))
    }

    /// The rows of every query of the day of `now_ms`, with the token it counts against: for quotas after a restart.
    pub(crate) fn rows_of_day(&self, now_ms: u64) -> Result<Vec<([u8; 8], u32)>, CoordinatorError> {
        let mut rows = Vec::new();
        for number in (self.kept.first..self.len()).rev() {
            let record = self.kept.record(number)?;
            if record.query.at_ms / DAY_MS != now_ms / DAY_MS {
                break;
            }
            rows.push((record.token, record.query.rows));
        }
        Ok(rows)
    }
}

impl Kept {
    fn offset(&self, number: u64) -> u64 {
        HEAD_BYTES as u64 + (number - self.first) * RECORD_BYTES as u64
    }

    fn read(&self, number: u64) -> Result<[u8; RECORD_BYTES], CoordinatorError> {
        let mut bytes = [0; RECORD_BYTES];
        self.file
            .read_exact_at(&mut bytes, self.offset(number))
            .map_err(CoordinatorError::io("read", &self.path))?;
        Ok(bytes)
    }

    fn record(&self, number: u64) -> Result<Record, CoordinatorError> {
        let record = Record::decode(&self.read(number)?);
        record
            .filter(|record| record.query.number == number)
            .ok_or_else(|| damaged(&self.path, number))
    }
}

fn damaged(path: &Path, number: u64) -> CoordinatorError {
    CoordinatorError::config(
        path,
        format!(
            "query {number} is damaged: restore the file from a backup. Moved away, a new one is begun, and receipts given \
             out before cannot be proved any more"
        ),
    )
}

/// The one that writes.
struct Writer {
    kept: Arc<Kept>,
    /// Bytes that are zeroed or written, and synced.
    room: u64,
    fees: u64,
    /// After a failed sync nobody knows what the disk holds: nothing is taken until the next start.
    uncertain: bool,
}

fn begin(path: &Path, first: u64, fees: u64) -> Result<Writer, CoordinatorError> {
    let mut head = MAGIC.to_vec();
    head.extend(first.to_le_bytes());
    head.extend(fees.to_le_bytes());
    head.extend(checksum(&head));
    durable::write(path, &head, durable::Readers::Owner)?;
    let file = open(path)?;
    Ok(Writer {
        kept: Arc::new(Kept {
            file,
            path: path.to_owned(),
            first,
            fees_before: fees,
            next: AtomicU64::new(first),
        }),
        room: HEAD_BYTES as u64,
        fees,
        uncertain: false,
    })
}

fn open(path: &Path) -> Result<File, CoordinatorError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(CoordinatorError::io("open", path))
}

fn resume(path: &Path, entered: u64) -> Result<Writer, CoordinatorError> {
    let file = open(path)?;
    let mut head = [0; HEAD_BYTES];
    let not_one = |_| {
        CoordinatorError::config(
            path,
            "this is not a file of queries: restore it from a backup",
        )
    };
    file.read_exact_at(&mut head, 0).map_err(not_one)?;
    let (start, found) = head.split_at(HEAD_BYTES - 8);
    if checksum(start) != found || !start.starts_with(MAGIC) {
        return Err(not_one(std::io::ErrorKind::InvalidData.into()));
    }
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&start[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    let (first, fees_before) = (number(16), number(24));
    let room = file
        .metadata()
        .map_err(CoordinatorError::io("read", path))?
        .len();
    let places = (room - HEAD_BYTES as u64) / RECORD_BYTES as u64;
    let kept = Kept {
        file,
        path: path.to_owned(),
        first,
        fees_before,
        next: AtomicU64::new(0),
    };
    if entered < first || entered - first > places {
        return Err(CoordinatorError::config(
            path,
            format!(
                "the ledger has entered {entered} queries and this file does not reach there: restore it from a backup. \
                 Moved away, a new one is begun, and receipts given out before cannot be proved any more"
            ),
        ));
    }
    // What the ledger has entered is not read again; the last of it must be there.
    let mut next = entered;
    let mut fees = fees_before;
    if entered > first {
        fees = kept.record(entered - 1)?.fees;
    }
    let end = first + places;
    while next < end {
        match Record::decode(&kept.read(next)?) {
            Some(record) if record.query.number == next => fees = record.fees,
            _ => break,
        }
        next += 1;
    }
    // Behind the last whole record may be pieces of one unfinished group, and nothing that knew of a synced one here.
    for number in next..end.min(next + GROUP as u64 + 1) {
        let later = Record::decode(&kept.read(number)?);
        if later.is_some_and(|record| record.query.number == number && record.synced > next) {
            return Err(damaged(path, next));
        }
    }
    kept.next.store(next, Ordering::Release);
    Ok(Writer {
        kept: Arc::new(kept),
        room,
        fees,
        uncertain: false,
    })
}

impl Writer {
    fn commit(&mut self, group: Vec<(NewQuery, Reply)>) {
        let first = self.kept.next.load(Ordering::Acquire);
        let mut fees = self.fees;
        let mut bytes = Vec::with_capacity(group.len() * RECORD_BYTES);
        let mut receipts = Vec::with_capacity(group.len());
        let at_ms = now_ms();
        for (number, (new, reply)) in (first..).zip(group) {
            let mut salt = [0; 16];
            if let Err(error) = getrandom::fill(&mut salt) {
                tracing::error!(%error, "no randomness for a receipt");
                // The callers' channels close: they are told that it failed.
                return;
            }
            fees = fees.saturating_add(new.fee);
            let query = Query {
                number,
                at_ms,
                round: new.round,
                model: new.model,
                request: new.request,
                answer: new.answer,
                rows: new.rows,
                fee: new.fee,
                salt,
            };
            let record = Record {
                query,
                token: new.token,
                fees,
                synced: first,
            };
            bytes.extend(record.encode());
            receipts.push((Receipt { number, salt }, reply));
        }
        let count = receipts.len() as u64;
        let written = self.write(first, &bytes);
        if written.is_ok() {
            self.fees = fees;
            self.kept.next.store(first + count, Ordering::Release);
        }
        for (receipt, reply) in receipts {
            // A caller that hung up has no receipt; its query is entered all the same.
            let _ = reply.send(written.map(|()| receipt));
        }
    }

    /// Writes behind the last synced record, over what an earlier failure left there, and syncs.
    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), NotNoted> {
        if self.uncertain {
            return Err(NotNoted::Failed);
        }
        let failed = |error: std::io::Error| {
            tracing::error!(%error, "queries.log cannot be written");
            if is_full(&error) {
                NotNoted::Full
            } else {
                NotNoted::Failed
            }
        };
        let offset = self.kept.offset(first);
        let file = &self.kept.file;
        while self.room < offset + bytes.len() as u64 {
            let zeros = vec![0; GROWTH_BYTES as usize];
            file.write_all_at(&zeros, self.room).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            self.room += GROWTH_BYTES;
        }
        file.write_all_at(bytes, offset).map_err(failed)?;
        file.sync_data().map_err(|error| {
            self.uncertain = true;
            failed(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(fee: u64) -> NewQuery {
        NewQuery {
            round: 1,
            model: [1; 32],
            request: [2; 32],
            answer: [3; 32],
            rows: 2,
            fee,
            token: [7; 8],
        }
    }

    async fn noted(log: &QueryLog, many: u64) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for _ in 0..many {
            receipts.push(log.note(query(3)).await.expect("kept"));
        }
        receipts
    }

    #[tokio::test]
    async fn what_was_noted_is_there_after_the_file_is_opened_again() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("queries.log");
        let log = QueryLog::open(&path, 0, 0).expect("begun");
        let receipts = noted(&log, 5).await;
        drop(log);
        let log = QueryLog::open(&path, 2, 6).expect("resumed");
        assert_eq!(log.len(), 5);
        assert_eq!(log.fees_of(5).expect("read"), Some(15));
        assert_eq!(log.fees_of(0).expect("read"), Some(0));
        for receipt in receipts {
            let found = log.find(receipt).expect("read").expect("there");
            assert_eq!(found.number, receipt.number);
            let guessed = Receipt {
                salt: [0; 16],
                ..receipt
            };
            assert_eq!(log.find(guessed).expect("read"), None);
        }
        assert_eq!(log.rows_of_day(now_ms()).expect("read").len(), 5);
        assert_eq!(log.note(query(1)).await.expect("kept").number, 5);
    }

    #[tokio::test]
    async fn an_unfinished_group_is_written_over_and_a_damaged_synced_record_is_refused() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("queries.log");
        let log = QueryLog::open(&path, 0, 0).expect("begun");
        noted(&log, 4).await;
        drop(log);
        let bytes = fs::read(&path).expect("read");
        let at = |number: usize| HEAD_BYTES + number * RECORD_BYTES;
        // The last record torn anywhere: three are left.
        for torn in [1, 90, RECORD_BYTES - 1] {
            let mut cut = bytes.clone();
            cut[at(3) + torn..at(4)].fill(0);
            fs::write(&path, &cut).expect("written");
            let log = QueryLog::open(&path, 0, 0).expect("resumed");
            assert_eq!(log.len(), 3);
            assert_eq!(log.note(query(3)).await.expect("kept").number, 3);
            assert_eq!(log.fees_of(4).expect("read"), Some(12));
        }
        // A record that was synced before a later one was written.
        let mut bad = bytes.clone();
        bad[at(1) + 5] ^= 1;
        fs::write(&path, &bad).expect("written");
        let error = QueryLog::open(&path, 0, 0).err().expect("refused");
        assert!(error.to_string().contains("query 1 is damaged"), "{error}");
        // The ledger says that there were more, or the head is another file's.
        fs::write(&path, &bytes[..at(2)]).expect("written");
        assert!(QueryLog::open(&path, 4, 0).is_err());
        fs::write(&path, b"something else").expect("written");
        assert!(QueryLog::open(&path, 0, 0).is_err());
    }

    #[tokio::test]
    async fn a_new_file_goes_on_at_the_ledgers_number() {
        let directory = tempfile::tempdir().expect("made");
        let path = directory.path().join("queries.log");
        let log = QueryLog::open(&path, 40, 100).expect("begun");
        assert_eq!(noted(&log, 1).await[0].number, 40);
        assert_eq!(log.fees_of(41).expect("read"), Some(103));
        assert_eq!(log.fees_of(39).expect("read"), None);
    }
}
