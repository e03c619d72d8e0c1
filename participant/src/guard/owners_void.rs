//! Voids that a person of the company signs for its owner, beside the running node: the one record that the command and the
//! node share.
//!
//! The node alone may open the other guard records. So the void and the opening of a sum, which exclude each other, are
//! noted here as well, by whoever comes first, under a lock, and durably before the act. The node takes what it finds here
//! into its records before it does anything else.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

use super::{GuardConflict, Record};
use crate::{error::NodeError, keystore};

/// Where both note what they do. Cheap to make; nothing is read before [`OwnersVoids::hold`].
#[derive(Clone, Debug)]
pub struct OwnersVoids {
    path: PathBuf,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Noted {
    /// Rounds whose owners' void was signed. As many as people signed.
    voided: BTreeSet<u64>,
    /// The last round whose sum the node opened; it opens none of an earlier one any more.
    opened: Option<u64>,
}

impl OwnersVoids {
    /// Those that belong to the guard records at `guards`.
    #[must_use]
    pub fn beside(guards: &Path) -> Self {
        Self {
            path: guards.with_file_name("owners-voids"),
        }
    }

    /// Keeps the other process from noting anything until the value is dropped, or this process ends. Waits for it: nobody
    /// holds this for longer than a write to disk takes.
    ///
    /// # Errors
    /// [`NodeError::Store`] if what is noted cannot be read: then nothing may be done that it could forbid.
    pub fn hold(&self) -> Result<Held, NodeError> {
        let lock_path = self.path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(NodeError::io("lock", &lock_path))?;
        let noted = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Noted::default(),
            Err(error) => return Err(NodeError::io("read", &self.path)(error)),
            Ok(_) => {
                let bytes = keystore::read(&self.path)?;
                borsh::from_slice(&bytes).map_err(|error| NodeError::Store {
                    store: "owners' voids",
                    reason: format!("{} cannot be read: {error}", self.path.display()),
                })?
            }
        };
        Ok(Held {
            path: self.path.clone(),
            noted,
            _lock: lock,
        })
    }
}

/// The shared record, while nobody else may change it.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    noted: Noted,
    /// The operating system drops the lock with the file.
    _lock: File,
}

impl Held {
    /// Rounds whose owners' void was signed, ascending.
    pub fn voided(&self) -> impl Iterator<Item = u64> {
        self.noted.voided.iter().copied()
    }

    /// Notes that the owners' void of `round` is signed; durable when it returns. `closed` says whether the void is one of a
    /// closed round, a day past its last deadline: no answer is given any more then, and one that was given does not
    /// exclude it (otherwise nobody could end a round whose opened sum fits nothing).
    ///
    /// # Errors
    /// [`VoidRefused::Opened`] if the node opened the round's sum: nothing may be signed then.
    pub fn sign(&mut self, round: u64, closed: bool) -> Result<(), VoidRefused> {
        if !closed && self.noted.opened >= Some(round) {
            return Err(VoidRefused::Opened { round });
        }
        if self.noted.voided.contains(&round) {
            return Ok(());
        }
        let mut noted = self.noted.clone();
        noted.voided.insert(round);
        self.note(noted).map_err(VoidRefused::Disk)
    }

    /// Notes what of the record the other process must know; durable when it returns.
    ///
    /// # Errors
    /// [`RecordRefused::Conflict`] if a void that was signed excludes it.
    pub(super) fn admit(&mut self, record: &Record) -> Result<(), RecordRefused> {
        if let Some(round) = record.excluded_by_void()
            && self.noted.voided.contains(&round)
        {
            return Err(RecordRefused::Conflict(GuardConflict::VoidOrOpened(round)));
        }
        match record {
            Record::Opened(opening) if self.noted.opened < Some(opening.round) => {
                let mut noted = self.noted.clone();
                noted.opened = Some(opening.round);
                self.note(noted).map_err(RecordRefused::Disk)
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, noted: Noted) -> Result<(), NodeError> {
        // Writing to a Vec cannot fail; an empty file would be refused by whoever reads it.
        let bytes = borsh::to_vec(&noted).unwrap_or_default();
        keystore::write(&self.path, &bytes)?;
        self.noted = noted;
        Ok(())
    }
}

/// Why no void is signed.
#[derive(Debug, thiserror::Error)]
pub enum VoidRefused {
    /// The node has opened the sum.
    #[error(
        "this company's node has opened the sum of round {round}, and so it signs no void of it"
    )]
    Opened {
        /// The round.
        round: u64,
    },
    /// It cannot be recorded.
    #[error(transparent)]
    Disk(NodeError),
}

/// Why a record is not made.
#[derive(Debug)]
pub(super) enum RecordRefused {
    Conflict(GuardConflict),
    Disk(NodeError),
}
