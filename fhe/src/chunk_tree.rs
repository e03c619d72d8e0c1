//! Some chunks of a contribution, shown to be under its signed root without the others.

use crate::{
    hash::hash,
    merkle,
    params::{CHUNK_BYTES, Params},
};

pub(crate) const LEAF: &str = "chunk leaf";
const NODE: &str = "chunk node";

/// The hash of one chunk.
pub(crate) fn leaf(chunk: &[u8; CHUNK_BYTES]) -> [u8; 32] {
    hash(LEAF, &[chunk])
}

/// The hashes of all chunks of a ciphertext, blinding included: what paths to its root are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkTree {
    leaves: Vec<[u8; 32]>,
}

impl ChunkTree {
    pub(crate) fn new(leaves: Vec<[u8; 32]>) -> Self {
        Self { leaves }
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` if it is not of a ciphertext of these parameters.
    #[must_use]
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Option<Self> {
        match bytes.as_chunks() {
            (leaves, []) if leaves.len() == params.chunks() => Some(Self::new(leaves.to_vec())),
            _ => None,
        }
    }

    /// 32 bytes a chunk.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        self.leaves.as_flattened()
    }

    /// The Merkle root, which the contributor signed.
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        merkle::root(NODE, &self.leaves)
    }

    /// What shows that these chunks (ascending numbers) are under the root, for [`root_of_chunks`]: at most
    /// `log2(chunks)` hashes each. `None` if the numbers do not ascend, or one is of no chunk.
    #[must_use]
    pub fn paths(&self, chunks: &[usize]) -> Option<Vec<[u8; 32]>> {
        let ascend = chunks.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = chunks.last().is_some_and(|last| *last < self.leaves.len());
        (ascend && in_range).then(|| merkle::paths(NODE, &self.leaves, chunks))
    }
}

/// The root that some chunks of a ciphertext lead to: their numbers, ascending; their bytes, one after the other; and
/// their [`ChunkTree::paths`]. `None` if these do not belong together, whatever root is expected.
#[must_use]
pub fn root_of_chunks(
    params: &Params,
    chunks: &[usize],
    bytes: &[u8],
    paths: &[[u8; 32]],
) -> Option<[u8; 32]> {
    let (parts, []) = bytes.as_chunks::<CHUNK_BYTES>() else {
        return None;
    };
    if parts.len() != chunks.len() {
        return None;
    }
    let leaves: Vec<_> = chunks
        .iter()
        .zip(parts)
        .map(|(chunk, part)| (*chunk, leaf(part)))
        .collect();
    merkle::root_of_paths(NODE, &leaves, params.chunks(), paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commit::ChunkHasher, params::ParamsLiteral};

    #[test]
    fn chunks_lead_to_the_root_of_their_ciphertext_and_changed_or_exchanged_ones_to_none_of_it() {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: 9 * 2048 - 5,
        })
        .expect("valid");
        let ciphertext: Vec<u8> = (0..params.ciphertext_bytes())
            .map(|at| (at / 7 % 251) as u8)
            .collect();
        let mut hasher = ChunkHasher::new(&params);
        hasher.update(&ciphertext);
        let root = hasher.clone().finish().expect("whole");
        let tree = hasher.finish_tree().expect("whole");
        assert_eq!(tree.root(), root);
        let read = ChunkTree::from_bytes(&params, tree.to_bytes());
        assert_eq!(read.as_ref(), Some(&tree));
        assert_eq!(ChunkTree::from_bytes(&params, &tree.to_bytes()[32..]), None);
        let chosen = [1, 2, 6, 9, 10];
        let paths = tree.paths(&chosen).expect("in range");
        let bytes: Vec<u8> = chosen
            .iter()
            .flat_map(|chunk| &ciphertext[chunk * CHUNK_BYTES..][..CHUNK_BYTES])
            .copied()
            .collect();
        let found = |chunks: &[usize], bytes: &[u8]| root_of_chunks(&params, chunks, bytes, &paths);
        assert_eq!(found(&chosen, &bytes), Some(root));
        let mut changed = bytes.clone();
        changed[3 * CHUNK_BYTES + 17] ^= 1;
        assert_ne!(found(&chosen, &changed), Some(root));
        let mut exchanged = bytes.clone();
        exchanged.rotate_left(CHUNK_BYTES);
        assert_ne!(found(&chosen, &exchanged), Some(root));
        assert_ne!(found(&[1, 2, 6, 8, 10], &bytes), Some(root));
        assert_eq!(found(&chosen, &bytes[1..]), None);
        assert_eq!(found(&chosen[1..], &bytes), None);
        for bad in [&[2, 1][..], &[3, 3], &[11], &[]] {
            assert_eq!(tree.paths(bad), None, "{bad:?}");
        }
    }
}
