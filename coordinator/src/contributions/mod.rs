//! Contributions on disk: received in parts, resumable, checked before they are acknowledged, and summed
//! in bounded memory.
//!
//! One directory a round, for each participant: `P.header` (the signed entry, the sealed shares and the linear hash,
//! written first), `P.part` (ciphertext bytes received so far), `P.leaves` (what the signed root covers, once
//! checked), and `P.ciphertext` (the part, complete, checked against its signed root, fsynced and renamed). Only the
//! last is ever projected and summed. `P.chunks` (the hashes of its chunks) only saves hashing it again. Beside them `projections` (the table of the projected ciphertexts), `sum` and
//! `key-sum`. The seam is (round, participant, chunk range): another store can stand behind it.
//!
//! Kept until when: [`Contributions::discard_before`].

mod chunks;
mod leaves;
mod project;
mod sum;
#[cfg(test)]
mod tests;
mod upload;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};

pub(crate) use leaves::Leaves;
pub(crate) use project::project_round;
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
    /// The linear hash of the ciphertext's digits.
    pub(crate) linear_hash: Vec<u8>,
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

    /// Where the table of a round's projected ciphertexts is kept.
    pub(crate) fn projections_path(&self, round: u64) -> PathBuf {
        self.round_directory(round).join("projections")
    }

    /// Where the weighted sum of a round is kept.
    pub(crate) fn sum_path(&self, round: u64) -> PathBuf {
        self.round_directory(round).join("sum")
    }

    /// Where the opened key of a round's sum is kept.
    pub(crate) fn key_sum_path(&self, round: u64) -> PathBuf {
        self.round_directory(round).join("key-sum")
    }

    /// Removes what is of no more use when `round` was published. Failing to remove costs only space.
    ///
    /// - Ciphertexts, the hashes of their chunks and sealed shares of rounds before `round`; those of contributions for which `disputed` says so
    ///   (rejected, with evidence that is re-checked from the ciphertext) stay with the proofs.
    /// - Proofs, that is leaves, projections, sums and their keys: of rounds before `proofs`. A participant that was
    ///   away longer than that fetches the model by its hash, which members signed.
    pub(crate) fn discard_before(
        &self,
        round: u64,
        proofs: u64,
        disputed: impl Fn(u64, u32) -> bool,
    ) {
        for (number, directory) in durable::rounds(&self.directory) {
            if number >= round {
                continue;
            }
            if number < proofs {
                remove(&directory, fs::remove_dir_all(&directory));
                continue;
            }
            for file in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let path = file.path();
                let of = path
                    .file_stem()
                    .and_then(|stem| stem.to_str()?.parse().ok());
                let goes = match path.extension().and_then(|extension| extension.to_str()) {
                    Some("ciphertext") => !of.is_some_and(|of| disputed(number, of)),
                    Some("header" | "part" | "new" | "chunks") => true,
                    _ => false,
                };
                if goes {
                    remove(&path, fs::remove_file(&path));
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

    fn leaves_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "leaves")
    }

    fn chunk_tree_path(&self, round: u64, participant: u32) -> PathBuf {
        self.file(round, participant, "chunks")
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

fn remove(path: &Path, removed: std::io::Result<()>) {
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "cannot remove what an old round left");
    }
}
