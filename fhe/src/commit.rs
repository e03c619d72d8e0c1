//! The root that a participant signs: over every chunk, every sealed share and the linear hash.

use crate::{
    chunk_tree::{ChunkTree, LEAF, leaf},
    context::RoundContext,
    hash::{hash, hasher},
    linear_hash::LinearHasher,
    pack::CiphertextError,
    params::{CHUNK_BYTES, Params},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// What a participant signs about its contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContributionCommitment {
    /// Merkle root of the chunks.
    pub chunks_root: [u8; 32],
    /// Hash of the hashes of the sealed shares, in seat order.
    pub shares_hash: [u8; 32],
    /// [`LinearHash::digest`](crate::LinearHash::digest) of the ciphertext's linear hash.
    pub linear_hash: [u8; 32],
    /// Hash of context, participant, number of parameters and the three above: the value to sign.
    pub root: [u8; 32],
}

impl ContributionCommitment {
    /// Puts the commitment together from its parts; the share hashes ([`share_hash`]) are in seat order,
    /// `linear_hash` is the digest of the linear hash.
    #[must_use]
    pub fn new(
        params: &Params,
        context: &RoundContext,
        participant: u32,
        chunks_root: [u8; 32],
        share_hashes: &[[u8; 32]],
        linear_hash: &[u8; 32],
    ) -> Self {
        let count = share_hashes.len() as u64;
        let shares_hash = hash(
            "sealed shares",
            &[&count.to_le_bytes(), share_hashes.as_flattened()],
        );
        Self::from_hashes(
            params,
            context,
            participant,
            chunks_root,
            shares_hash,
            *linear_hash,
        )
    }

    /// [`ContributionCommitment::new`] for those to whom the single shares do not matter.
    #[must_use]
    pub fn from_hashes(
        params: &Params,
        context: &RoundContext,
        participant: u32,
        chunks_root: [u8; 32],
        shares_hash: [u8; 32],
        linear_hash: [u8; 32],
    ) -> Self {
        let root = hash(
            "contribution",
            &[
                &context.to_bytes(),
                &participant.to_le_bytes(),
                &(params.parameters() as u64).to_le_bytes(),
                &chunks_root,
                &shares_hash,
                &linear_hash,
            ],
        );
        Self {
            chunks_root,
            shares_hash,
            linear_hash,
            root,
        }
    }
}

/// Hash of one sealed share.
#[must_use]
pub fn share_hash(sealed: &[u8]) -> [u8; 32] {
    hash("sealed share", &[sealed])
}

/// The commitment to a whole contribution.
///
/// # Errors
/// [`CiphertextError::Length`] if the ciphertext has the wrong length.
pub fn commitment(
    params: &Params,
    context: &RoundContext,
    participant: u32,
    ciphertext: &[u8],
    sealed_shares: &[Vec<u8>],
) -> Result<ContributionCommitment, CiphertextError> {
    let mut chunks = ChunkHasher::new(params);
    chunks.update(ciphertext);
    let mut linear = LinearHasher::new(params);
    linear.update(ciphertext);
    let hashes: Vec<_> = sealed_shares
        .iter()
        .map(|sealed| share_hash(sealed))
        .collect();
    Ok(ContributionCommitment::new(
        params,
        context,
        participant,
        chunks.finish()?,
        &hashes,
        &linear.finish()?.digest(),
    ))
}

const CHUNK: u64 = CHUNK_BYTES as u64;
/// Chunks that one thread hashes at least: fewer are not worth handing over.
const TASK: usize = 8;

/// Merkle root of a ciphertext that arrives in pieces of any size, in order.
///
/// The tree has the shape of RFC 6962: leaf `H("chunk leaf", chunk)`, node `H("chunk node", left, right)`. The leaves of a
/// piece of many chunks are hashed on the threads of rayon's current pool.
#[derive(Clone)]
pub struct ChunkHasher {
    expected: u64,
    taken: u64,
    leaf: Sha256,
    /// Of the whole chunks taken: 32 bytes for 12,288.
    leaves: Vec<[u8; 32]>,
}

impl ChunkHasher {
    /// A hasher for one ciphertext of `params`.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            expected: params.ciphertext_bytes() as u64,
            taken: 0,
            leaf: hasher(LEAF),
            leaves: Vec::with_capacity(params.chunks()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        // To the end of a chunk that was begun, then whole chunks, then the beginning of one.
        let begun = (self.taken % CHUNK) as usize;
        let missing = (CHUNK_BYTES - begun) % CHUNK_BYTES;
        let (now, later) = bytes.split_at(missing.min(bytes.len()));
        self.part(now);
        let (chunks, rest) = later.as_chunks::<CHUNK_BYTES>();
        self.leaves
            .par_extend(chunks.par_iter().with_min_len(TASK).map(leaf));
        self.taken += chunks.as_flattened().len() as u64;
        self.part(rest);
    }

    /// Takes bytes of one chunk.
    fn part(&mut self, bytes: &[u8]) {
        self.leaf.update(bytes);
        self.taken += bytes.len() as u64;
        if !bytes.is_empty() && self.taken.is_multiple_of(CHUNK) {
            let leaf = std::mem::replace(&mut self.leaf, hasher(LEAF));
            self.leaves.push(leaf.finalize().into());
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The root.
    ///
    /// # Errors
    /// [`CiphertextError::Length`] if more or fewer bytes were taken than the ciphertext has.
    pub fn finish(self) -> Result<[u8; 32], CiphertextError> {
        Ok(self.finish_tree()?.root())
    }

    /// The whole tree, to show some of the chunks with their way to the root.
    ///
    /// # Errors
    /// [`CiphertextError::Length`] if more or fewer bytes were taken than the ciphertext has.
    pub fn finish_tree(self) -> Result<ChunkTree, CiphertextError> {
        if self.taken == self.expected {
            Ok(ChunkTree::new(self.leaves))
        } else {
            Err(CiphertextError::length(self.expected, self.taken))
        }
    }
}
