//! The root that a participant signs: over every chunk, every sealed share and the linear hash.

use crate::{
    context::RoundContext,
    hash::{hash, hasher},
    linear_hash::LinearHasher,
    params::{CHUNK_BYTES, Params},
};
use sha2::{Digest, Sha256};
use thiserror::Error;

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

/// The bytes hashed are not whole contributions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a ciphertext for these parameters has {expected} bytes, not {actual}")]
pub struct ChunkHashError {
    /// Bytes that the parameters ask for.
    pub expected: u64,
    /// Bytes hashed.
    pub actual: u64,
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
/// [`ChunkHashError`] if the ciphertext has the wrong length.
pub fn commitment(
    params: &Params,
    context: &RoundContext,
    participant: u32,
    ciphertext: &[u8],
    sealed_shares: &[Vec<u8>],
) -> Result<ContributionCommitment, ChunkHashError> {
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

/// Merkle root of a ciphertext that arrives in pieces of any size, in order.
///
/// The tree has the shape of RFC 6962: leaf `H("chunk leaf", chunk)`, node `H("chunk node", left, right)`.
#[derive(Clone)]
pub struct ChunkHasher {
    expected: u64,
    taken: u64,
    leaf: Sha256,
    /// Roots of complete subtrees, largest first: one for each bit set in the number of chunks taken.
    subtrees: Vec<[u8; 32]>,
}

impl ChunkHasher {
    /// A hasher for one ciphertext of `params`.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            expected: params.ciphertext_bytes() as u64,
            taken: 0,
            leaf: hasher("chunk leaf"),
            subtrees: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        const CHUNK: u64 = CHUNK_BYTES as u64;
        while !bytes.is_empty() {
            let room = (CHUNK - self.taken % CHUNK) as usize;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.leaf.update(now);
            self.taken += now.len() as u64;
            if self.taken.is_multiple_of(CHUNK) {
                let leaf = std::mem::replace(&mut self.leaf, hasher("chunk leaf"));
                self.push(leaf.finalize().into(), self.taken / CHUNK);
            }
            bytes = later;
        }
    }

    /// Takes the `count`-th leaf: every trailing zero of `count` completes a subtree.
    fn push(&mut self, leaf: [u8; 32], count: u64) {
        let mut root = leaf;
        for _ in 0..count.trailing_zeros() {
            if let Some(left) = self.subtrees.pop() {
                root = node(&left, &root);
            }
        }
        self.subtrees.push(root);
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The root.
    ///
    /// # Errors
    /// [`ChunkHashError`] if more or fewer bytes were taken than the ciphertext has.
    pub fn finish(self) -> Result<[u8; 32], ChunkHashError> {
        let root = self
            .subtrees
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node(&left, &right));
        match root {
            Some(root) if self.taken == self.expected => Ok(root),
            _ => Err(ChunkHashError {
                expected: self.expected,
                actual: self.taken,
            }),
        }
    }
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash("chunk node", &[left, right])
}
