//! Receiving one contribution, in parts, over as many connections as it takes.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, ContributionCommitment, Params, RoundContext,
    commit::share_hash,
    pack::{CiphertextError, check_chunks},
};

use super::{Contributions, Header, create_directory};
use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
};

/// Chunks read at once when a stored ciphertext is checked (768 KiB).
const CHECK_CHUNKS: usize = 64;

/// A contribution being received.
pub(crate) struct Upload {
    store: Contributions,
    params: Params,
    round: u64,
    participant: u32,
    header: Header,
    file: File,
    stored: u64,
    complete: bool,
}

/// Why a part was not taken. What was stored before stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    /// The parts do not start where the stored ones end.
    #[error(
        "{stored} bytes of this contribution are stored, the parts start at {offset}: ask UploadState and go on from there"
    )]
    Offset { stored: u64, offset: u64 },
    /// More bytes than the parameters ask for.
    #[error(
        "a contribution has {expected} bytes of ciphertext, more were sent: nothing past them is kept"
    )]
    TooLong { expected: u64 },
    /// The parts ended early.
    #[error("{stored} of {expected} bytes arrived: go on from there")]
    Truncated { stored: u64, expected: u64 },
    /// The bytes are no ciphertext of these parameters; they are removed.
    #[error(
        "the ciphertext is not one of this federation's parameters: {0}; encrypt the update again"
    )]
    Ciphertext(CiphertextError),
    /// The bytes are not those that were signed; they are removed.
    #[error(
        "the bytes that arrived are not those that the signed root commits to: send the contribution again"
    )]
    Root,
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] CoordinatorError),
}

impl Upload {
    pub(super) fn start(
        store: &Contributions,
        params: Params,
        round: u64,
        participant: u32,
        header: Header,
        offset: u64,
    ) -> Result<Self, UploadError> {
        create_directory(&store.round_directory(round))?;
        let stored = store.stored_bytes(round, participant, &header.root);
        let known = (1..=params.ciphertext_bytes() as u64).contains(&stored)
            && store
                .header(round, participant)
                .is_ok_and(|stored| stored == header);
        let stored = if known { stored } else { 0 };
        if offset != stored {
            return Err(UploadError::Offset { stored, offset });
        }
        let part = store.part_path(round, participant);
        let complete = known && store.ciphertext_path(round, participant).exists();
        if !known {
            // A part that belongs to another header must not be continued: it goes before the header changes.
            let _ = fs::remove_file(&part);
            let _ = fs::remove_file(store.ciphertext_path(round, participant));
            let path = store.header_path(round, participant);
            let bytes = borsh::to_vec(&header).map_err(CoordinatorError::io("write", &path))?;
            durable::write(&path, &bytes, Readers::Owner)?;
        }
        let path = if complete {
            store.ciphertext_path(round, participant)
        } else {
            part
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(CoordinatorError::io("create", &path))?;
        file.seek(SeekFrom::Start(stored))
            .map_err(CoordinatorError::io("read", &path))?;
        Ok(Self {
            store: store.clone(),
            params,
            round,
            participant,
            header,
            file,
            stored,
            complete,
        })
    }

    /// Appends the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let expected = self.expected();
        let after = self.stored + bytes.len() as u64;
        if after > expected {
            return Err(UploadError::TooLong { expected });
        }
        self.file
            .write_all(bytes)
            .map_err(CoordinatorError::io("write", self.part()))?;
        self.stored = after;
        Ok(())
    }

    /// Checks that everything is there, well-formed and what was signed, and makes it durable.
    ///
    /// A crash before the rename leaves the part, from which the sender goes on; after it, the complete
    /// file, for which the sender asks again and gets its receipt.
    pub(crate) fn finish(mut self, context: &RoundContext) -> Result<(), UploadError> {
        let expected = self.expected();
        if self.stored < expected {
            let stored = self.stored;
            return Err(UploadError::Truncated { stored, expected });
        }
        if self.complete {
            return Ok(());
        }
        let chunks_root = match self.check(context) {
            Ok(chunks_root) => chunks_root,
            Err(error) => {
                if !matches!(error, UploadError::Store(_)) {
                    let _ = fs::remove_file(self.part());
                }
                return Err(error);
            }
        };
        let path = self.store.chunks_root_path(self.round, self.participant);
        durable::write(&path, &chunks_root, Readers::Owner)?;
        let part = self.part();
        let rename = || {
            self.file.sync_all()?;
            let complete = self.store.ciphertext_path(self.round, self.participant);
            fs::rename(&part, &complete)?;
            durable::sync_parent(&complete)
        };
        rename().map_err(CoordinatorError::io("write", &part))?;
        Ok(())
    }

    fn check(&mut self, context: &RoundContext) -> Result<[u8; 32], UploadError> {
        let path = self.part();
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(CoordinatorError::io("read", &path))?;
        let mut hasher = ChunkHasher::new(&self.params);
        let mut buffer = vec![0; CHECK_CHUNKS * CHUNK_BYTES];
        let chunks = self.params.chunks();
        for first in (0..chunks).step_by(CHECK_CHUNKS) {
            let length = CHECK_CHUNKS.min(chunks - first) * CHUNK_BYTES;
            let bytes = &mut buffer[..length];
            self.file
                .read_exact(bytes)
                .map_err(CoordinatorError::io("read", &path))?;
            hasher.update(bytes);
            check_chunks(first, bytes.as_chunks().0).map_err(UploadError::Ciphertext)?;
        }
        let chunks_root = hasher.finish().map_err(|_| UploadError::Root)?;
        let hashes: Vec<_> = self
            .header
            .sealed_shares
            .iter()
            .map(|sealed| share_hash(sealed))
            .collect();
        let commitment = ContributionCommitment::new(
            &self.params,
            context,
            self.participant,
            chunks_root,
            &hashes,
        );
        if commitment.root == self.header.root {
            Ok(chunks_root)
        } else {
            Err(UploadError::Root)
        }
    }

    fn expected(&self) -> u64 {
        self.params.ciphertext_bytes() as u64
    }

    fn part(&self) -> PathBuf {
        self.store.part_path(self.round, self.participant)
    }
}
