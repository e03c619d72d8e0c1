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

/// The hashes beside the way from leaf `index` to the root, lowest first.
pub(crate) fn path(what: &str, leaves: &[[u8; 32]], index: usize) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, beside) = match index.checked_sub(left.len()) {
        None => (path(what, left, index), root(what, right)),
        Some(index) => (path(what, right, index), root(what, left)),
    };
    below.push(beside);
    below
}

/// The root that `leaf` at `index` of `count` and the hashes beside its way lead to; `None` if there are too many or too
/// few of them, or the index is out of range.
pub(crate) fn root_of_path(
    what: &str,
    leaf: [u8; 32],
    index: usize,
    count: usize,
    path: &[[u8; 32]],
) -> Option<[u8; 32]> {
    if index >= count {
        return None;
    }
    if count == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (beside, below) = path.split_last()?;
    let left = split(count);
    match index.checked_sub(left) {
        None => root_of_path(what, leaf, index, left, below).map(|root| node(what, &root, beside)),
        Some(index) => root_of_path(what, leaf, index, count - left, below)
            .map(|root| node(what, beside, &root)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_leads_to_the_root_and_no_other_place_does() {
        for count in 1..20_u8 {
            let leaves: Vec<_> = (0..count).map(|i| [i; 32]).collect();
            let count = leaves.len();
            let expected = root("test node", &leaves);
            for index in 0..count {
                let path = path("test node", &leaves, index);
                let found = |index, path: &[_]| {
                    root_of_path("test node", leaves[index % count], index, count, path)
                };
                assert_eq!(found(index, &path), Some(expected));
                for other in 0..count + 2 {
                    assert_eq!(found(other, &path) == Some(expected), other == index);
                }
                assert_eq!(found(index, &[&path[..], &[[9; 32]]].concat()), None);
                if let Some((_, shorter)) = path.split_last() {
                    assert_ne!(found(index, shorter), Some(expected));
                }
            }
        }
    }
}
