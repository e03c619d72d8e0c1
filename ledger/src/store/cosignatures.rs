//! What participants cosigned, in a file beside the log: `ledger.cosignatures`.
//!
//! It is no part of the log. Records are written at once and left to the system to sync: what a crash of the
//! machine takes is asked for again, and a file that is gone is started anew. Only the newest
//! [`crate::KEPT_COSIGNED`] cosigned checkpoints are kept: the file is written anew when it holds much more.

use super::StoreError;
use super::disk::sync_directory;
use super::layout::{decode, encode};
use crate::checkpoint::{CheckpointCosignature, CosignatureError, CosignedCheckpoint};
use crate::diverged::AppendError;
use crate::replica::Replica;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file's extension, in place of the log's.
const EXTENSION: &str = "cosignatures";
/// A file may hold this much more than is kept before it is written anew.
const SLACK_BYTES: u64 = 4 * 1024 * 1024;
/// More is not read.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// What is appended to the file.
#[derive(BorshSerialize, BorshDeserialize)]
enum Record {
    /// A checkpoint, before the first cosignature of it.
    Checkpoint { note: String },
    /// A cosignature of a checkpoint that stands before it.
    Cosignature {
        size: u64,
        cosignature: CheckpointCosignature,
    },
}

/// The file, open in the process that writes the log.
pub(super) struct CosignatureFile {
    file: File,
    path: PathBuf,
    end: u64,
    /// Its length when it was last written anew.
    compact: u64,
}

impl CosignatureFile {
    /// An empty file beside a new log.
    pub(super) fn create(log: &Path) -> Result<Self, StoreError> {
        Self::at(log, true)
    }

    /// Reads the file back into `replica`, which verifies it all, and opens it for more.
    pub(super) fn open(log: &Path, replica: &mut Replica) -> Result<Self, StoreError> {
        let end = read(log, replica, || Ok(0))?;
        let mut opened = Self::at(log, false)?;
        opened.file.set_len(end).map_err(StoreError::io)?;
        opened.end = end;
        opened.tidy(replica)?;
        Ok(opened)
    }

    fn at(log: &Path, truncate: bool) -> Result<Self, StoreError> {
        let path = log.with_extension(EXTENSION);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(truncate)
            .open(&path)
            .map_err(StoreError::io)?;
        Ok(Self {
            file,
            path,
            end: 0,
            compact: 0,
        })
    }

    /// Appends what `after` has beyond `before`, which is what was kept of its size.
    pub(super) fn append(
        &mut self,
        before: Option<&CosignedCheckpoint>,
        after: &CosignedCheckpoint,
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        let known = before.filter(|before| before.cosigners().len() > 0);
        if known.is_none() {
            self.push(&mut bytes, &checkpoint(after));
        }
        for cosignature in after.cosignatures() {
            if !known.is_some_and(|known| known.has(cosignature.participant)) {
                let size = after.checkpoint().size;
                let cosignature = *cosignature;
                self.push(&mut bytes, &Record::Cosignature { size, cosignature });
            }
        }
        // A write that fails leaves what is not a record behind the end, and the next one goes over it.
        self.file
            .write_all_at(&bytes, self.end)
            .map_err(StoreError::io)?;
        self.end = self.end.saturating_add(length(&bytes));
        Ok(())
    }

    /// Writes the file anew if most of it is not kept any more.
    pub(super) fn tidy(&mut self, replica: &Replica) -> Result<(), StoreError> {
        if self.end > self.compact.saturating_mul(2).saturating_add(SLACK_BYTES) {
            self.rewrite(replica)?;
        }
        Ok(())
    }

    /// Writes what is kept to another file, which then takes this one's place.
    fn rewrite(&mut self, replica: &Replica) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        self.end = 0;
        let mut kept: Vec<&CosignedCheckpoint> = replica
            .checkpoints()
            .filter(|kept| kept.cosigners().len() > 0)
            .collect();
        kept.reverse();
        for cosigned in kept {
            self.push(&mut bytes, &checkpoint(cosigned));
            for cosignature in cosigned.cosignatures() {
                let (size, cosignature) = (cosigned.checkpoint().size, *cosignature);
                self.push(&mut bytes, &Record::Cosignature { size, cosignature });
            }
        }
        let beside = self.path.with_extension("cosignatures-new");
        let replace = || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&beside)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data()?;
            std::fs::rename(&beside, &self.path)?;
            sync_directory(&self.path)?;
            std::io::Result::Ok(file)
        };
        self.file = replace().map_err(StoreError::io)?;
        self.end = length(&bytes);
        self.compact = self.end;
        Ok(())
    }

    /// Adds a record to `bytes`, which will be written at the end.
    fn push(&self, bytes: &mut Vec<u8>, record: &Record) {
        let at = self.end.saturating_add(length(bytes));
        bytes.extend_from_slice(&encode(at, record));
    }
}

/// Reads the file beside `log` into `replica`: every checkpoint must be of this log, every cosignature valid.
/// Returns where the last whole record ends.
///
/// A writer may have gone on since the log was read: what is of a larger size is left out if the log reaches that
/// far by now (`entries_by_now`). If it does not, the log is an old copy.
pub(super) fn read(
    log: &Path,
    replica: &mut Replica,
    entries_by_now: impl Fn() -> Result<u64, StoreError>,
) -> Result<u64, StoreError> {
    let mut bytes = Vec::new();
    match File::open(log.with_extension(EXTENSION)) {
        Ok(file) => file
            .take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::io(error)),
    };
    // Asked for after the file was read: a cosignature is written after the entries it is about.
    let mut reached = None;
    let mut at = 0_u64;
    let mut rest = bytes.as_slice();
    // What follows the last whole record was cut short by a crash.
    while let Some((record, taken)) = decode::<Record>(at, rest) {
        let adopted = match record {
            Record::Checkpoint { note } => replica.adopt_checkpoint(&note),
            Record::Cosignature { size, cosignature } => {
                replica.adopt_cosignature(size, cosignature)
            }
        };
        if let Err(error) = adopted {
            let later = match &error {
                AppendError::Cosignature(CosignatureError::NoCheckpoint { size, .. }) => {
                    Some(*size).filter(|size| *size > replica.len())
                }
                _ => None,
            };
            let reached = match (later, reached) {
                (Some(_), None) => *reached.insert(entries_by_now()?),
                (_, known) => known.unwrap_or(0),
            };
            if later.is_none_or(|size| size > reached) {
                return Err(StoreError::Altered(error));
            }
        }
        at = at.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(at)
}

fn checkpoint(cosigned: &CosignedCheckpoint) -> Record {
    Record::Checkpoint {
        note: cosigned.signed().note().to_owned(),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
