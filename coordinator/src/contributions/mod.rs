//! Contributions on disk: received in parts, resumable, checked before they are acknowledged, and summed
//! in bounded memory.
//!
//! One directory a round, for each participant: `P.header` (the signed entry and the sealed shares,
//! written first), `P.part` (ciphertext bytes received so far), `P.chunks-root` and `P.linear-hash` (what its root
//! covers beside the shares, once checked), and `P.ciphertext` (the part, complete, checked against its signed root, fsynced and renamed). Only the last is ever summed. The seam is
//! (round, participant, chunk range): another store can stand behind it.

mod sum;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_fhe::LinearHash;

pub(crate) use sum::sum_round;
pub(crate) use upload::UploadError;

use upload::Upload;

use crate::{durable, error::CoordinatorError, payload::Payload};

/// What came before the ciphertext.
#[derive(BorshSerialize, BorshDeserialize, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The root the participant signed.
    pub(crate) root: [u8; 32],
    /// The signed ledger entry, canonical bytes.
    pub(crate) entry: Vec<u8>,
    /// One sealed key share a seat, in seat order.
    pub(crate) sealed_shares: Vec<Vec<u8>>,
}

/// The directory of all contributions.
#[derive(Clone, Debug)]
pub(crate) struct Contributions {
    directory: PathBuf,
}

impl Contributions {
    /// The store under `directory`, created if it is not there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self { directory })
    }

    /// The stored part of a contribution with this root: bytes of ciphertext that survive a crash. Zero if
    /// nothing, or something else, is there.
    pub(crate) fn stored_bytes(&self, round: u64, participant: u32, root: &[u8; 32]) -> u64 {
        let same = self
            .header(round, participant)
            .is_ok_and(|header| header.root == *root);
        if !same {
            return 0;
        }
        let size = |path: PathBuf| fs::metadata(path).map(|metadata| metadata.len());
        size(self.ciphertext_path(round, participant))
            .or_else(|_| size(self.part_path(round, participant)))
            .unwrap_or(0)
    }

    /// Whether all of a contribution arrived and was what its root says.
    pub(crate) fn is_complete(&self, round: u64, participant: u32) -> bool {
        self.ciphertext_path(round, participant).exists()
    }

    /// Starts or resumes receiving a contribution. The caller sees to it that there is one upload of a
    /// participant at a time, and none of a complete contribution that is on the ledger.
    pub(crate) fn upload(
        &self,
        payload: Payload,
        round: u64,
        participant: u32,
        header: Header,
        offset: u64,
    ) -> Result<Upload, UploadError> {
        Upload::start(self, payload, round, participant, header, offset)
    }

    /// The header of a contribution.
    pub(crate) fn header(&self, round: u64, participant: u32) -> Result<Header, CoordinatorError> {
        let path = self.header_path(round, participant);
        let bytes = fs::read(&path).map_err(CoordinatorError::io("read", &path))?;
        borsh::from_slice(&bytes).map_err(|error| CoordinatorError::config(path, error.to_string()))
    }

    /// The complete ciphertext of a contribution.
    pub(crate) fn ciphertext(
        &self,
        round: u64,
        participant: u32,
    ) -> Result<File, CoordinatorError> {
        let path = self.ciphertext_path(round, participant);
        File::open(&path).map_err(CoordinatorError::io("read", path))
    }

    /// The Merkle root of a complete contribution's chunks, as it was checked.
    pub(crate) fn chunks_root(
        &self,
        round: u64,
        participant: u32,
    ) -> Result<[u8; 32], CoordinatorError> {
        let path = self.chunks_root_path(round, participant);
        let bytes = fs::read(&path).map_err(CoordinatorError::io("read", &path))?;
        <[u8; 32]>::try_from(bytes)
            .map_err(|_| CoordinatorError::config(path, "does not hold a hash of 32 bytes"))
    }

    /// The linear hash of a complete contribution, as it was checked.
    pub(crate) fn linear_hash(
        &self,
        round: u64,
        participant: u32,
    ) -> Result<LinearHash, CoordinatorError> {
        let path = self.linear_hash_path(round, participant);
        let bytes = fs::read(&path).map_err(CoordinatorError::io("read", &path))?;
        LinearHash::from_bytes(&bytes)
            .map_err(|error| CoordinatorError::config(path, error.to_string()))
    }

    /// Where the weighted sum of a round is kept.
    pub(crate) fn sum_path(&self, round: u64) -> PathBuf {
        self.round_directory(round).join("sum")
    }

    /// Where the opened key of a round's sum is kept.
    pub(crate) fn key_sum_path(&self, round: u64) -> PathBuf {
        self.round_directory(round).join("key-sum")
    }

    /// Removes the contributions of rounds before `round`; sums stay, so that a participant that was away
    /// can still recompute the models. Failing to remove costs only space.
    pub(crate) fn discard_before(&self, round: u64) {
        let Ok(rounds) = fs::read_dir(&self.directory) else {
            return;
        };
        for directory in rounds.flatten() {
            let old = directory
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix("round-")?.parse::<u64>().ok())
                .is_some_and(|number| number < round);
            if !old {
                continue;
            }
            for file in fs::read_dir(directory.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                let path = file.path();
                if path.extension().is_some() && fs::remove_file(&path).is_err() {
                    tracing::warn!(path = %path.display(), "cannot remove an old contribution");
                }
            }
        }
    }

    fn round_directory(&self, round: u64) -> PathBuf {
        self.directory.join(format!("round-{round}"))
    }

    fn header_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "header")
    }

    fn part_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "part")
    }

    fn ciphertext_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "ciphertext")
    }

    fn chunks_root_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "chunks-root")
    }

    fn linear_hash_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "linear-hash")
    }

    fn file(&self, round: u64, participant: u32, extension: &str) -> PathBuf {
        self.round_directory(round)
            .join(format!("{participant}.{extension}"))
    }
}

fn create_directory(path: &Path) -> Result<(), CoordinatorError> {
    durable::private_directory(path)?;
    durable::sync_parent(path).map_err(CoordinatorError::io("create", path))
}
