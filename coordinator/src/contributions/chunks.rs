//! Some chunks of a stored contribution, with their way to its signed root.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use unsilo_fhe::{CHUNK_BYTES, ChunkTree};

use super::{Contributions, upload::check_file};
use crate::{error::CoordinatorError, payload::Payload};

/// Chunks as they are handed out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SomeChunks {
    /// One after the other.
    pub(crate) bytes: Vec<u8>,
    /// Their way to the root over all.
    pub(crate) paths: Vec<[u8; 32]>,
}

impl Contributions {
    /// Keeps the hashes of a contribution's chunks, so that they need not be made again. Not synced: what a crash leaves of
    /// it does not lead to the contribution's root, and is then made again from the ciphertext.
    pub(super) fn keep_chunk_tree(&self, round: u64, participant: u32, tree: &ChunkTree) {
        let path = self.chunk_tree_path(round, participant);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(tree.to_bytes()));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "the hashes of a contribution's chunks are not kept");
        }
    }

    /// The chunks with these numbers of a complete contribution; `None` if the numbers do not ascend or there is no such
    /// chunk.
    pub(crate) fn some_chunks(
        &self,
        payload: Payload,
        (round, participant): (u64, u32),
        chunks: &[usize],
    ) -> Result<Option<SomeChunks>, CoordinatorError> {
        let Some(tree) = self.chunk_tree(payload, round, participant)? else {
            return Ok(None);
        };
        let Some(paths) = tree.paths(chunks) else {
            return Ok(None);
        };
        let file = self.ciphertext(round, participant)?;
        let mut bytes = vec![0; chunks.len() * CHUNK_BYTES];
        for (chunk, part) in chunks.iter().zip(bytes.chunks_exact_mut(CHUNK_BYTES)) {
            let read = file.read_exact_at(part, (chunk * CHUNK_BYTES) as u64);
            let path = || self.ciphertext_path(round, participant);
            read.map_err(|error| CoordinatorError::io("read", path())(error))?;
        }
        Ok(Some(SomeChunks { bytes, paths }))
    }

    /// The hashes of the chunks: those that are kept, if they lead to the root that was checked, or else made anew. `None`
    /// for a payload that has no chunks.
    fn chunk_tree(
        &self,
        payload: Payload,
        round: u64,
        participant: u32,
    ) -> Result<Option<ChunkTree>, CoordinatorError> {
        let root = self.leaves(round, participant)?.chunks_root;
        let kept = std::fs::read(self.chunk_tree_path(round, participant))
            .ok()
            .and_then(|bytes| ChunkTree::from_bytes(payload.params(), &bytes))
            .filter(|tree| tree.root() == root);
        if kept.is_some() {
            return Ok(kept);
        }
        let path = self.ciphertext_path(round, participant);
        let check = check_file(payload, &mut self.ciphertext(round, participant)?)
            .map_err(CoordinatorError::io("read", &path))?;
        let tree = check.finish().ok().and_then(|checked| checked.chunk_tree);
        if let Some(tree) = tree.as_ref().filter(|tree| tree.root() == root) {
            self.keep_chunk_tree(round, participant, tree);
        }
        Ok(tree)
    }
}
