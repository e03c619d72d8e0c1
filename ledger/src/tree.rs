//! The Merkle tree over the log: RFC 6962 by `tlog_tiles`, kept in memory.

use crate::hash::Hash;
use thiserror::Error;
use tlog_tiles::{HashReader, tlog};

/// Hashes that prove an inclusion or a consistency, in RFC 6962's order.
pub type Proof = Vec<Hash>;

/// More levels than a tree of [`MAX_SIZE`] entries has.
const MAX_PROOF: usize = 128;
/// A limit that keeps the crate's index arithmetic far from overflow.
const MAX_SIZE: u64 = 1_099_511_627_776;

/// Why a proof cannot be made or is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The index or a size lies outside the tree.
    #[error("the log has {size} entries: {asked} is outside of it")]
    OutOfRange {
        /// What was asked for.
        asked: u64,
        /// What there is.
        size: u64,
    },
    /// The proof does not lead to the stated root.
    #[error("the proof does not lead to the stated root")]
    Invalid,
}

/// All node hashes of a tree, in the order of [`tlog::stored_hash_index`].
#[derive(Clone, Default)]
pub(crate) struct Tree {
    size: u64,
    nodes: Vec<tlog::Hash>,
}

/// Nodes to be added to a [`Tree`] once the entries under them are durable.
pub(crate) struct Growth {
    size: u64,
    nodes: Vec<tlog::Hash>,
}

impl Tree {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The growth by leaves of these bytes.
    pub(crate) fn growth<'a>(&self, leaves: impl Iterator<Item = &'a [u8]>) -> Growth {
        let mut growth = Growth {
            size: self.size,
            nodes: Vec::new(),
        };
        for leaf in leaves {
            let reader = Nodes {
                base: &self.nodes,
                more: &growth.nodes,
            };
            // Fails only for a node that is not there, and every node below `size` is.
            let added = tlog::stored_hashes(growth.size, leaf, &reader).unwrap_or_default();
            growth.nodes.extend(added);
            growth.size = growth.size.saturating_add(1);
        }
        growth
    }

    /// The root after `growth`.
    pub(crate) fn root_after(&self, growth: &Growth) -> Hash {
        let reader = Nodes {
            base: &self.nodes,
            more: &growth.nodes,
        };
        tlog::tree_hash(growth.size, &reader).map_or([0; 32], |root| root.0)
    }

    pub(crate) fn grow(&mut self, growth: Growth) {
        self.nodes.extend(growth.nodes);
        self.size = growth.size;
    }

    /// The root of the first `size` entries.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash, ProofError> {
        self.within(size)?;
        tlog::tree_hash(size, &self.reader())
            .map(|root| root.0)
            .map_err(|_| ProofError::Invalid)
    }

    pub(crate) fn root(&self) -> Hash {
        self.root_at(self.size).unwrap_or([0; 32])
    }

    pub(crate) fn prove_inclusion(&self, index: u64, size: u64) -> Result<Proof, ProofError> {
        self.within(size)?;
        if index >= size {
            return Err(ProofError::OutOfRange { asked: index, size });
        }
        let proof =
            tlog::prove_record(size, index, &self.reader()).map_err(|_| ProofError::Invalid)?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    pub(crate) fn prove_consistency(&self, old: u64, new: u64) -> Result<Proof, ProofError> {
        self.within(new)?;
        if old > new {
            return Err(ProofError::OutOfRange {
                asked: old,
                size: new,
            });
        }
        if old == 0 {
            // Everything extends the empty tree.
            return Ok(Proof::new());
        }
        let proof = tlog::prove_tree(new, old, &self.reader()).map_err(|_| ProofError::Invalid)?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    fn within(&self, size: u64) -> Result<(), ProofError> {
        if size > self.size {
            return Err(ProofError::OutOfRange {
                asked: size,
                size: self.size,
            });
        }
        Ok(())
    }

    fn reader(&self) -> Nodes<'_> {
        Nodes {
            base: &self.nodes,
            more: &[],
        }
    }
}

struct Nodes<'a> {
    base: &'a [tlog::Hash],
    more: &'a [tlog::Hash],
}

impl HashReader for Nodes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let node = |index: &u64| {
            let index = usize::try_from(*index).ok()?;
            match index.checked_sub(self.base.len()) {
                Some(beyond) => self.more.get(beyond),
                None => self.base.get(index),
            }
        };
        let nodes = indexes.iter().map(|index| node(index).copied());
        nodes
            .collect::<Option<Vec<_>>>()
            .ok_or(tlog::Error::IndexesNotInTree)
    }
}

/// The hash of a leaf: SHA-256(0x00 || bytes), RFC 6962, section 2.1.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    tlog::record_hash(entry).0
}

/// Checks that the log of `size` entries and this `root` holds `entry` (canonical bytes) at `index`.
///
/// # Errors
/// [`ProofError::Invalid`] or an index outside of the log.
pub fn verify_inclusion(
    proof: &[Hash],
    size: u64,
    root: &Hash,
    index: u64,
    entry: &[u8],
) -> Result<(), ProofError> {
    if index >= size || size > MAX_SIZE {
        return Err(ProofError::OutOfRange { asked: index, size });
    }
    let proof = parse(proof)?;
    tlog::check_record(
        &proof,
        size,
        tlog::Hash(*root),
        index,
        tlog::record_hash(entry),
    )
    .map_err(|_| ProofError::Invalid)
}

/// Checks that the log of `new_size` entries begins with the log of `old_size` entries.
///
/// # Errors
/// [`ProofError::Invalid`] or sizes that do not ascend.
pub fn verify_consistency(
    proof: &[Hash],
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old_size > new_size || new_size > MAX_SIZE {
        return Err(ProofError::OutOfRange {
            asked: old_size,
            size: new_size,
        });
    }
    let proof = parse(proof)?;
    if old_size == 0 {
        let starts_empty = *old_root == tlog::EMPTY_HASH.0 && proof.is_empty();
        return if starts_empty {
            Ok(())
        } else {
            Err(ProofError::Invalid)
        };
    }
    tlog::check_tree(
        &proof,
        new_size,
        tlog::Hash(*new_root),
        old_size,
        tlog::Hash(*old_root),
    )
    .map_err(|_| ProofError::Invalid)
}

fn parse(proof: &[Hash]) -> Result<Vec<tlog::Hash>, ProofError> {
    if proof.len() > MAX_PROOF {
        return Err(ProofError::Invalid);
    }
    Ok(proof.iter().map(|hash| tlog::Hash(*hash)).collect())
}
