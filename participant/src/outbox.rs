//! What is on its way: contributions, directions and a member's answers. Durable before the first byte is sent, so that
//! the same bytes are sent again after a crash. A one-time key must never encrypt twice, so nothing here is ever recomputed.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};
use unsilo_ledger::Hash;
use zeroize::{Zeroize, Zeroizing};

use crate::{error::NodeError, keystore};

/// The directory of what is on its way, a few files a round.
#[derive(Clone, Debug)]
pub(crate) struct Outbox(PathBuf);

/// What a contribution has beside its ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Beside {
    /// One for each seat, in seat order.
    pub(crate) sealed_shares: Vec<Vec<u8>>,
    /// Canonical bytes; empty for a contribution that is not encrypted.
    pub(crate) linear_hash: Vec<u8>,
}

/// A member's answers, sealed.
#[derive(PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct KeptAnswers {
    /// The seat that answers.
    pub(crate) seat: u16,
    /// Root over the answers on the projections.
    pub(crate) sheet_root: Hash,
    /// They themselves, encrypted.
    pub(crate) sheet: Vec<u8>,
    /// The sheet's key for each other seat, in seat order.
    pub(crate) sheet_keys: Vec<Vec<u8>>,
    /// Rater and what is sealed to it, ascending.
    pub(crate) directions: Vec<(u32, Vec<u8>)>,
    /// What the sheet was sealed with: its author opens its own sheet with it. Secret.
    pub(crate) entropy: [u8; 32],
}

impl Drop for KeptAnswers {
    fn drop(&mut self) {
        self.entropy.zeroize();
    }
}

/// A rater's directions of a round, and the key that answers are sealed to. Secret.
#[derive(PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct KeptDirections {
    /// Secret bytes of the key.
    pub(crate) key: Vec<u8>,
    /// The values and the entropy that each was blinded with.
    pub(crate) directions: Vec<(Vec<i8>, [u8; 32])>,
}

impl Drop for KeptDirections {
    fn drop(&mut self) {
        self.key.zeroize();
        for (values, entropy) in &mut self.directions {
            values.zeroize();
            entropy.zeroize();
        }
    }
}

const CIPHERTEXT: &str = "ciphertext";
const BESIDE: &str = "shares";
const SEAL_SEEDS: &str = "seeds";
const APPEAL: &str = "appeal";
const ANSWERS: &str = "answers";
const DIRECTIONS: &str = "directions";

impl Outbox {
    pub(crate) fn open(directory: PathBuf) -> Result<Self, NodeError> {
        keystore::private_directory(&directory)?;
        Ok(Self(directory))
    }

    /// Keeps a contribution and the seeds that its shares were sealed with, for an appeal; durable when it returns. One
    /// that was made before, and not recorded, is replaced.
    pub(crate) fn keep(
        &self,
        round: u64,
        ciphertext: &[u8],
        beside: &Beside,
        seal_seeds: &[u8],
    ) -> Result<(), NodeError> {
        keystore::write(&self.path(round, SEAL_SEEDS), seal_seeds)?;
        keystore::write(&self.path(round, CIPHERTEXT), ciphertext)?;
        self.write(round, BESIDE, beside)
    }

    /// What the contribution to `round` has beside its ciphertext.
    pub(crate) fn beside(&self, round: u64) -> Result<Beside, NodeError> {
        let path = self.path(round, BESIDE);
        let bytes = fs::read(&path).map_err(NodeError::io("read", &path))?;
        parse(&path, &bytes)
    }

    /// The seeds that the shares of the contribution to `round` were sealed with. Secret.
    pub(crate) fn seal_seeds(&self, round: u64) -> Result<Zeroizing<Vec<u8>>, NodeError> {
        keystore::read(&self.path(round, SEAL_SEEDS))
    }

    /// Keeps the one appeal of the round; the seeds of all shares are erased, so that no other is ever made.
    pub(crate) fn keep_appeal(&self, round: u64, appeal: &[u8]) -> Result<(), NodeError> {
        keystore::write(&self.path(round, APPEAL), appeal)?;
        keystore::erase(&self.path(round, SEAL_SEEDS))
    }

    /// The appeal that was made. Should the process have died before the seeds were erased, they are now.
    pub(crate) fn appeal(&self, round: u64) -> Result<Option<Vec<u8>>, NodeError> {
        let path = self.path(round, APPEAL);
        match fs::read(&path) {
            Ok(appeal) => {
                keystore::erase(&self.path(round, SEAL_SEEDS))?;
                Ok(Some(appeal))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NodeError::io("read", &path)(error)),
        }
    }

    /// Keeps a member's answers; durable when it returns. Returns their hash.
    pub(crate) fn keep_answers(
        &self,
        round: u64,
        answers: &KeptAnswers,
    ) -> Result<Hash, NodeError> {
        let bytes = Zeroizing::new(borsh::to_vec(answers).unwrap_or_default());
        keystore::write(&self.path(round, ANSWERS), &bytes)?;
        Ok(Sha256::digest(&bytes).into())
    }

    /// The answers with this hash.
    pub(crate) fn answers(&self, round: u64, hash: &Hash) -> Result<KeptAnswers, NodeError> {
        let path = self.path(round, ANSWERS);
        let bytes = Zeroizing::new(fs::read(&path).map_err(NodeError::io("read", &path))?);
        if <Hash>::from(Sha256::digest(&bytes)) != *hash {
            return Err(NodeError::Computation(format!(
                "{} is not what this node recorded: other answers are never given",
                path.display()
            )));
        }
        parse(&path, &bytes)
    }

    /// Keeps a rater's directions; durable when it returns.
    pub(crate) fn keep_directions(
        &self,
        round: u64,
        directions: &KeptDirections,
    ) -> Result<(), NodeError> {
        self.write(round, DIRECTIONS, directions)
    }

    /// The directions of `round`.
    pub(crate) fn directions(&self, round: u64) -> Result<KeptDirections, NodeError> {
        let path = self.path(round, DIRECTIONS);
        let bytes = Zeroizing::new(fs::read(&path).map_err(NodeError::io("read", &path))?);
        parse(&path, &bytes)
    }

    fn write(&self, round: u64, what: &str, value: &impl BorshSerialize) -> Result<(), NodeError> {
        let bytes = Zeroizing::new(borsh::to_vec(value).unwrap_or_default());
        keystore::write(&self.path(round, what), &bytes)
    }

    /// The ciphertext from byte `offset` on, and its whole length.
    pub(crate) fn ciphertext(&self, round: u64, offset: u64) -> Result<(File, u64), NodeError> {
        let path = self.path(round, CIPHERTEXT);
        let mut file = File::open(&path).map_err(NodeError::io("read", &path))?;
        let length = file.metadata().map_err(NodeError::io("read", &path))?.len();
        file.seek(SeekFrom::Start(offset.min(length)))
            .map_err(NodeError::io("read", &path))?;
        Ok((file, length))
    }

    /// The whole ciphertext of the contribution to `round`.
    pub(crate) fn read_ciphertext(&self, round: u64) -> Result<Vec<u8>, NodeError> {
        let path = self.path(round, CIPHERTEXT);
        fs::read(&path).map_err(NodeError::io("read", &path))
    }

    /// Erases all that is kept for a round that is over.
    pub(crate) fn forget(&self, round: u64) -> Result<(), NodeError> {
        for secret in [APPEAL, ANSWERS, DIRECTIONS] {
            keystore::erase(&self.path(round, secret))?;
        }
        self.discard(round)
    }

    /// Erases a contribution that is never sent, and nothing else of its round.
    pub(crate) fn discard(&self, round: u64) -> Result<(), NodeError> {
        keystore::erase(&self.path(round, SEAL_SEEDS))?;
        for path in [self.path(round, CIPHERTEXT), self.path(round, BESIDE)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(NodeError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Erases all that is kept for any round before this one, also what was cut off while it was written.
    pub(crate) fn sweep(&self, before: u64) -> Result<(), NodeError> {
        let read = || NodeError::io("read", &self.0);
        for entry in fs::read_dir(&self.0).map_err(read())? {
            let path = entry.map_err(read())?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let round = name.and_then(|name| name.split_once('-')?.0.parse::<u64>().ok());
            if round.is_some_and(|round| round < before) {
                keystore::erase(&path)?;
            }
        }
        Ok(())
    }

    fn path(&self, round: u64, what: &str) -> PathBuf {
        // A file is written beside its place under its name with another extension: the names differ before that.
        self.0.join(format!("{round}-{what}.kept"))
    }
}

fn parse<T: BorshDeserialize>(path: &Path, bytes: &[u8]) -> Result<T, NodeError> {
    borsh::from_slice(bytes).map_err(|error| NodeError::Store {
        store: "outbox",
        reason: format!("{}: {error}", path.display()),
    })
}

/// The next part of at most `size` bytes; `None` at the end.
pub(crate) fn next_part(file: &mut File, size: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut part = Vec::with_capacity(size);
    file.by_ref().take(size as u64).read_to_end(&mut part)?;
    Ok((!part.is_empty()).then_some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contribution_comes_back_as_it_was_from_any_offset() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path().join("outbox")).unwrap();
        let ciphertext: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let beside = Beside {
            sealed_shares: vec![vec![1], vec![2, 3]],
            linear_hash: vec![4; 5],
        };
        outbox.keep(3, &ciphertext, &beside, &[7; 64]).unwrap();
        assert_eq!(outbox.beside(3).unwrap(), beside);
        assert_eq!(outbox.seal_seeds(3).unwrap()[..], [7; 64]);
        let (mut file, length) = outbox.ciphertext(3, 300).unwrap();
        assert_eq!(length, 1000);
        let mut read = Vec::new();
        while let Some(part) = next_part(&mut file, 256).unwrap() {
            read.extend(part);
        }
        assert_eq!(read, ciphertext[300..]);
        outbox.forget(3).unwrap();
        outbox.forget(3).unwrap();
        assert!(outbox.ciphertext(3, 0).is_err() && outbox.seal_seeds(3).is_err());
        assert_eq!(fs::read_dir(dir.path().join("outbox")).unwrap().count(), 0);
    }

    #[test]
    fn an_unsent_contribution_goes_alone_and_a_sweep_takes_whatever_older_rounds_left() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path().join("outbox")).unwrap();
        let beside = Beside {
            sealed_shares: Vec::new(),
            linear_hash: Vec::new(),
        };
        let directions = || KeptDirections {
            key: vec![1],
            directions: Vec::new(),
        };
        for round in [8, 9, 10] {
            outbox.keep(round, &[1; 10], &beside, &[2; 64]).unwrap();
            outbox.keep_directions(round, &directions()).unwrap();
        }
        let left = || {
            let mut names: Vec<String> = fs::read_dir(dir.path().join("outbox"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        outbox.discard(9).unwrap();
        assert!(outbox.directions(9).is_ok(), "they are a rater's");
        assert!(outbox.seal_seeds(9).is_err() && outbox.ciphertext(9, 0).is_err());
        // The process died while it wrote.
        fs::write(dir.path().join("outbox/8-seeds.new"), [2; 64]).unwrap();
        outbox.sweep(10).unwrap();
        assert_eq!(left().len(), 4);
        assert!(left().iter().all(|name| name.starts_with("10-")));
        outbox.sweep(10).unwrap();
        assert_eq!(outbox.seal_seeds(10).unwrap()[..], [2; 64]);
    }

    #[test]
    fn the_seeds_of_an_appeal_are_gone_also_if_the_process_died_between_the_two() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path().join("outbox")).unwrap();
        let beside = Beside {
            sealed_shares: Vec::new(),
            linear_hash: Vec::new(),
        };
        outbox.keep(3, &[1; 10], &beside, &[7; 64]).unwrap();
        assert_eq!(outbox.appeal(3).unwrap(), None);
        assert!(outbox.seal_seeds(3).is_ok(), "nothing is shown yet");
        // What `keep_appeal` does before it erases the seeds.
        keystore::write(&outbox.path(3, APPEAL), &[5; 8]).unwrap();
        assert_eq!(outbox.appeal(3).unwrap(), Some(vec![5; 8]));
        assert!(outbox.seal_seeds(3).is_err());
    }

    #[test]
    fn answers_other_than_those_recorded_are_never_read() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(dir.path().join("outbox")).unwrap();
        let answers = |seat| KeptAnswers {
            seat,
            sheet_root: [1; 32],
            sheet: vec![2; 100],
            sheet_keys: vec![vec![3]],
            directions: vec![(4, vec![5])],
            entropy: [6; 32],
        };
        let recorded = outbox.keep_answers(3, &answers(1)).unwrap();
        assert!(outbox.answers(3, &recorded).unwrap() == answers(1));
        outbox.keep_answers(3, &answers(2)).unwrap();
        assert!(matches!(
            outbox.answers(3, &recorded),
            Err(NodeError::Computation(_))
        ));
    }
}
