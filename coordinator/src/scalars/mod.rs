//! What members and raters said about a round's contributions, on disk: what is handed out to others, and what must
//! be the same after a restart.
//!
//! One directory a round: `answers/SEAT` (a member's answers), `answers/SEAT.second` (a second, different one: both
//! are signed, so together they are evidence), `directions/P-DIGEST` (direction keys that rater P sent, by a digest of their hashes), `evidence/P` (why P's
//! contribution was rejected), `appeals/P` (the share that dealer P shows), `shown/P-M` (the answers that P's appeal
//! is about, as member M showed them), and `notes` (what the round machine decided). Everything is written once, durably, before it is acknowledged.

mod answers;
mod evidence;
mod notes;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use borsh::BorshDeserialize;
use unsilo_ledger::{Domain, DomainHasher, Hash};

pub(crate) use answers::SeatAnswer;

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

const DIRECTIONS: Domain = Domain::new("stored direction keys");

/// The store of all rounds. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Scalars {
    directory: PathBuf,
    /// What is there is compared before something is written: one at a time.
    writing: Arc<Mutex<()>>,
}

/// What became of something that is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is on disk, now or since an earlier time.
    Kept,
    /// Something else is there, and stays.
    Differs,
}

impl Scalars {
    /// The store under `directory`, created if it is not there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self {
            directory,
            writing: Arc::default(),
        })
    }

    /// Keeps the direction keys of a rater, in the order of the `hashes` of its entry. Not on the ledger yet: a rater may send
    /// several, also at once, and none takes the place of another, for any may be the one that the ledger names.
    pub(crate) fn keep_directions(
        &self,
        round: u64,
        (rater, hashes): (u32, &[Hash]),
        keys: &[Vec<u8>],
    ) -> Result<(), CoordinatorError> {
        let path = self.directions_file(round, rater, hashes);
        self.replace(&path, &encode(&path, &keys)?)
    }

    /// The direction keys of a rater that have these hashes.
    pub(crate) fn directions(
        &self,
        round: u64,
        (rater, hashes): (u32, &[Hash]),
    ) -> Result<Vec<Vec<u8>>, CoordinatorError> {
        let path = self.directions_file(round, rater, hashes);
        decode(&path, &read(&path)?)
    }

    fn directions_file(&self, round: u64, rater: u32, hashes: &[Hash]) -> PathBuf {
        let digest = DomainHasher::new(DIRECTIONS).with(hashes.as_flattened());
        let digest = data_encoding::HEXLOWER.encode(&digest.finish());
        self.file(round, "directions", &format!("{rater}-{digest}"))
    }

    /// Keeps a dealer's appeal: one a round, for two shown shares would be two shares less that protect its key.
    pub(crate) fn keep_appeal(
        &self,
        round: u64,
        dealer: u32,
        appeal: &[u8],
    ) -> Result<Written, CoordinatorError> {
        self.write_once(&self.file(round, "appeals", &dealer.to_string()), appeal)
    }

    /// The appeals of a round, in no particular order.
    pub(crate) fn appeals(&self, round: u64) -> Result<Vec<Vec<u8>>, CoordinatorError> {
        files(&self.round_directory(round).join("appeals"))?
            .iter()
            .map(|path| read(path))
            .collect()
    }

    /// Keeps what a member showed of the answers that a dealer's appeal is about. Each member shows once: what one makes up
    /// does not keep out what the others show.
    pub(crate) fn keep_shown(
        &self,
        round: u64,
        (dealer, member): (u32, u32),
        shown: &[u8],
    ) -> Result<Written, CoordinatorError> {
        self.write_once(
            &self.file(round, "shown", &format!("{dealer}-{member}")),
            shown,
        )
    }

    /// What members showed in the disputes of a round, by dealer, each answer once.
    pub(crate) fn shown(&self, round: u64) -> Result<BTreeSet<(u32, Vec<u8>)>, CoordinatorError> {
        files(&self.round_directory(round).join("shown"))?
            .iter()
            .filter_map(|path| {
                let (dealer, _) = path.file_name()?.to_str()?.split_once('-')?;
                let dealer = dealer.parse().ok()?;
                Some(read(path).map(|shown| (dealer, shown)))
            })
            .collect()
    }

    /// Removes what only rounds before `round` needed to get to their end: answers, directions and notes. Evidence
    /// and appeals of rounds before `evidence` go too. Failing to remove costs only space.
    pub(crate) fn discard_before(&self, round: u64, evidence: u64) {
        for (number, directory) in durable::rounds(&self.directory) {
            let removed = if number < evidence {
                fs::remove_dir_all(&directory)
            } else if number < round {
                ["answers", "directions"]
                    .into_iter()
                    .map(|name| directory.join(name))
                    .filter(|path| path.exists())
                    .try_for_each(fs::remove_dir_all)
            } else {
                Ok(())
            };
            if let Err(error) = removed {
                tracing::warn!(path = %directory.display(), %error, "cannot remove what an old round left");
            }
        }
    }

    fn round_directory(&self, round: u64) -> PathBuf {
        self.directory.join(format!("round-{round}"))
    }

    fn file(&self, round: u64, kind: &str, name: &str) -> PathBuf {
        self.round_directory(round).join(kind).join(name)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), CoordinatorError> {
        let _writing = self.lock();
        write(path, bytes)
    }

    fn write_once(&self, path: &Path, bytes: &[u8]) -> Result<Written, CoordinatorError> {
        let _writing = self.lock();
        match fs::read(path) {
            Ok(there) if there == bytes => Ok(Written::Kept),
            Ok(_) => Ok(Written::Differs),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                write(path, bytes)?;
                Ok(Written::Kept)
            }
            Err(error) => Err(CoordinatorError::io("read", path)(error)),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CoordinatorError> {
    if let Some(directory) = path.parent() {
        durable::private_directory(directory)?;
        for directory in directory.ancestors().take(2) {
            durable::sync_parent(directory).map_err(CoordinatorError::io("create", directory))?;
        }
    }
    durable::write(path, bytes, Readers::Owner)
}

fn read(path: &Path) -> Result<Vec<u8>, CoordinatorError> {
    fs::read(path).map_err(CoordinatorError::io("read", path))
}

fn encode(path: &Path, value: &impl borsh::BorshSerialize) -> Result<Vec<u8>, CoordinatorError> {
    borsh::to_vec(value).map_err(CoordinatorError::io("write", path))
}

fn decode<T: BorshDeserialize>(path: &Path, bytes: &[u8]) -> Result<T, CoordinatorError> {
    borsh::from_slice(bytes).map_err(|error| CoordinatorError::config(path, error.to_string()))
}

/// The complete files of a directory; none if it is not there.
fn files(directory: &Path) -> Result<Vec<PathBuf>, CoordinatorError> {
    let found = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(CoordinatorError::io("read", directory))?,
    };
    let mut files = Vec::new();
    for file in found {
        let path = file
            .map_err(CoordinatorError::io("read", directory))?
            .path();
        if path.extension().is_none() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
