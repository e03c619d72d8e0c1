//! Merkle trees in the shape of RFC 6962, over leaves that are hashes already.

use crate::hash::hash;

/// Roots of the complete subtrees of `count` leaves lie left of the rest: the largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn node(what: &str, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(what, &[left, right])
}

/// The root over at least one leaf; `what` names the tree's inner nodes. The root of nothing is all zero.
pub(crate) fn root(what: &str, leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => [0; 32],
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(what, &root(what, left), &root(what, right))
        }
    }
}
