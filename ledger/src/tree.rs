//! The Merkle tree over the log: RFC 6962 by `tlog_tiles`, kept in memory.

use crate::hash::Hash;
use std::collections::BTreeMap;
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
    /// It is about entries that this replica does not hold: it began with a snapshot.
    #[error(
        "this replica holds the log from entry {first} on: what is asked about entry or size {asked} needs the \
         full log"
    )]
    NotHeld {
        /// What was asked for.
        asked: u64,
        /// The first entry held.
        first: u64,
    },
    /// The proof does not lead to the stated root.
    #[error("the proof does not lead to the stated root")]
    Invalid,
}

/// The node hashes of a tree, in the order of [`tlog::stored_hash_index`]: all, or those of the entries from some
/// entry on and the frontier before it.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    size: u64,
    before: Before,
    nodes: Vec<tlog::Hash>,
}

/// What is held of the entries before the first that is held.
#[derive(Clone, Default)]
struct Before {
    /// How many entries there are.
    size: u64,
    /// How many nodes a tree of them has.
    nodes: usize,
    /// The frontier: by index, the roots of the largest whole subtrees that they make up.
    roots: BTreeMap<u64, tlog::Hash>,
}

/// Nodes to be added to a [`Tree`] once the entries under them are durable.
pub(crate) struct Growth {
    size: u64,
    nodes: Vec<tlog::Hash>,
}

impl Tree {
    /// The tree of `size` entries with this frontier (see [`Tree::frontier`]), to be grown; `None` if it is not
    /// one of so many entries. Which entries they are, its root says.
    pub(crate) fn from_frontier(size: u64, frontier: &[Hash]) -> Option<Self> {
        if size > MAX_SIZE {
            return None;
        }
        let indexes = frontier_indexes(size);
        if indexes.len() != frontier.len() {
            return None;
        }
        let hashes = frontier.iter().map(|hash| tlog::Hash(*hash));
        let before = Before {
            size,
            nodes: usize::try_from(tlog::stored_hash_count(size)).ok()?,
            roots: indexes.into_iter().zip(hashes).collect(),
        };
        Some(Self {
            size,
            before,
            nodes: Vec::new(),
        })
    }

    /// The roots of the largest whole subtrees that the first `size` entries make up, from the left: all that is
    /// needed to go on from there.
    pub(crate) fn frontier(&self, size: u64) -> Result<Vec<Hash>, ProofError> {
        self.within(size)?;
        let hashes = self.reader().read_hashes(&frontier_indexes(size));
        let hashes = hashes.map_err(|_| self.not_held(size))?;
        Ok(hashes.into_iter().map(|hash| hash.0).collect())
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The first entry that is held; 0 for a whole tree.
    pub(crate) fn first(&self) -> u64 {
        self.before.size
    }

    /// The growth by leaves of these bytes.
    pub(crate) fn growth<'a>(&self, leaves: impl Iterator<Item = &'a [u8]>) -> Growth {
        self.growth_of(leaves.map(leaf_hash))
    }

    /// The growth by leaves with these hashes.
    pub(crate) fn growth_of(&self, leaves: impl Iterator<Item = Hash>) -> Growth {
        let mut growth = Growth {
            size: self.size,
            nodes: Vec::new(),
        };
        for leaf in leaves {
            let reader = Nodes {
                tree: self,
                more: &growth.nodes,
            };
            let leaf = tlog::Hash(leaf);
            // Fails only for a node that is not there, and all that a new leaf is put together with are.
            let added =
                tlog::stored_hashes_for_record_hash(growth.size, leaf, &reader).unwrap_or_default();
            growth.nodes.extend(added);
            growth.size = growth.size.saturating_add(1);
        }
        growth
    }

    /// The root after `growth`.
    pub(crate) fn root_after(&self, growth: &Growth) -> Hash {
        let reader = Nodes {
            tree: self,
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
            .map_err(|_| self.not_held(size))
    }

    pub(crate) fn root(&self) -> Hash {
        self.root_at(self.size).unwrap_or([0; 32])
    }

    pub(crate) fn prove_inclusion(&self, index: u64, size: u64) -> Result<Proof, ProofError> {
        self.within(size)?;
        if index >= size {
            return Err(ProofError::OutOfRange { asked: index, size });
        }
        let proof = tlog::prove_record(size, index, &self.reader())
            .map_err(|_| self.not_held(index.min(size)))?;
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
        let proof = tlog::prove_tree(new, old, &self.reader()).map_err(|_| self.not_held(old))?;
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

    fn not_held(&self, asked: u64) -> ProofError {
        let first = self.first();
        ProofError::NotHeld { asked, first }
    }

    fn reader(&self) -> Nodes<'_> {
        Nodes {
            tree: self,
            more: &[],
        }
    }
}

/// Where the nodes of a frontier lie, from the left.
fn frontier_indexes(size: u64) -> Vec<u64> {
    tlog::sub_tree_index(0, size, Vec::new())
}

struct Nodes<'a> {
    tree: &'a Tree,
    more: &'a [tlog::Hash],
}

impl HashReader for Nodes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let node = |index: &u64| {
            let Tree { before, nodes, .. } = self.tree;
            let Some(held) = usize::try_from(*index).ok()?.checked_sub(before.nodes) else {
                return before.roots.get(index);
            };
            match held.checked_sub(nodes.len()) {
                Some(beyond) => self.more.get(beyond),
                None => nodes.get(held),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test may panic, that is how it fails")]

    use super::*;

    fn leaf(index: u64) -> [u8; 8] {
        index.to_le_bytes()
    }

    fn grown(mut tree: Tree, to: u64) -> Tree {
        let leaves: Vec<[u8; 8]> = (tree.size()..to).map(leaf).collect();
        let growth = tree.growth(leaves.iter().map(<[u8; 8]>::as_slice));
        tree.grow(growth);
        tree
    }

    /// Every start, every size up to 40: roots and proofs are those of the whole tree, or are said to need it.
    #[test]
    fn a_tree_from_its_frontier_grows_into_the_tree_that_it_is_the_frontier_of() {
        let whole = grown(Tree::default(), 40);
        for first in 0..=40_u64 {
            let frontier = whole.frontier(first).expect("whole");
            assert_eq!(u32::try_from(frontier.len()), Ok(first.count_ones()));
            let start = Tree::from_frontier(first, &frontier).expect("as many as it has bits");
            assert_eq!(start.root(), whole.root_at(first).expect("whole"));
            let tree = grown(start, 40);
            for size in first..=40 {
                let root = whole.root_at(size).expect("whole");
                assert_eq!(tree.root_at(size), Ok(root));
                assert_eq!(tree.frontier(size), whole.frontier(size));
                for old in first..=size {
                    let proof = whole.prove_consistency(old, size);
                    assert_eq!(tree.prove_consistency(old, size), proof, "{first}");
                }
                for index in first..size {
                    let proof = whole.prove_inclusion(index, size);
                    assert_eq!(tree.prove_inclusion(index, size), proof, "{first}");
                }
            }
            // What it does not know it does not make up.
            for asked in 0..first {
                match tree.prove_inclusion(asked, 40) {
                    Ok(proof) => assert_eq!(Ok(proof), whole.prove_inclusion(asked, 40)),
                    Err(error) => assert_eq!(error, ProofError::NotHeld { asked, first }),
                }
                if let Ok(root) = tree.root_at(asked) {
                    assert_eq!(Ok(root), whole.root_at(asked));
                }
                if let Ok(proof) = tree.prove_consistency(asked, 40) {
                    assert_eq!(Ok(proof), whole.prove_consistency(asked, 40));
                }
            }
        }
    }

    #[test]
    fn a_frontier_of_another_size_is_none() {
        let whole = grown(Tree::default(), 13);
        let frontier = whole.frontier(13).expect("whole");
        assert!(Tree::from_frontier(12, &frontier).is_none());
        assert!(Tree::from_frontier(15, &frontier).is_none());
        assert!(Tree::from_frontier(MAX_SIZE + 1, &[[0; 32]]).is_none());
        let mut swapped = frontier;
        swapped.swap(0, 1);
        let swapped = Tree::from_frontier(13, &swapped).expect("three");
        assert_ne!(swapped.root(), whole.root());
        assert_eq!(
            whole.root_at(0).map(|root| root[0]),
            Ok(0xe3),
            "SHA-256 of nothing"
        );
    }
}
