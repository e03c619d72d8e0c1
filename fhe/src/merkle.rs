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

/// The hashes with which the leaves at `indices` lead to the root, from left to right: the roots of the largest subtrees
/// that hold none of them. The indices ascend and are in range.
pub(crate) fn paths(what: &str, leaves: &[[u8; 32]], indices: &[usize]) -> Vec<[u8; 32]> {
    let mut beside = Vec::new();
    add_paths(what, leaves, 0, indices, &mut beside);
    beside
}

/// [`paths`] of a subtree whose first leaf has the number `first`.
fn add_paths(
    what: &str,
    leaves: &[[u8; 32]],
    first: usize,
    indices: &[usize],
    beside: &mut Vec<[u8; 32]>,
) {
    if indices.is_empty() {
        beside.push(root(what, leaves));
    } else if leaves.len() > 1 {
        let (left, right) = leaves.split_at(split(leaves.len()));
        let second = first + left.len();
        let (below, above) = indices.split_at(indices.partition_point(|index| *index < second));
        add_paths(what, left, first, below, beside);
        add_paths(what, right, second, above, beside);
    }
}

/// The root that these leaves of `count`, with their numbers, and the hashes of [`paths`] lead to; `None` if the numbers do
/// not ascend or are out of range, or if there are too many or too few hashes.
pub(crate) fn root_of_paths(
    what: &str,
    leaves: &[(usize, [u8; 32])],
    count: usize,
    paths: &[[u8; 32]],
) -> Option<[u8; 32]> {
    let ascend = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !ascend || leaves.last().is_none_or(|(last, _)| *last >= count) {
        return None;
    }
    let mut beside = paths.iter();
    let root = root_of_subtree(what, leaves, 0, count, &mut beside)?;
    beside.next().is_none().then_some(root)
}

fn root_of_subtree(
    what: &str,
    leaves: &[(usize, [u8; 32])],
    first: usize,
    count: usize,
    beside: &mut std::slice::Iter<'_, [u8; 32]>,
) -> Option<[u8; 32]> {
    match leaves {
        [] => beside.next().copied(),
        [(_, leaf)] if count == 1 => Some(*leaf),
        _ => {
            let second = first + split(count);
            let (below, above) =
                leaves.split_at(leaves.partition_point(|(index, _)| *index < second));
            let left = root_of_subtree(what, below, first, split(count), beside)?;
            let right = root_of_subtree(what, above, second, count - split(count), beside)?;
            Some(node(what, &left, &right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn some_leaves_lead_to_the_root_and_nothing_else_does(
            chosen in prop::collection::vec(any::<bool>(), 1..40), at in any::<prop::sample::Index>(),
        ) {
            let leaves: Vec<_> = (0..chosen.len()).map(|i| [i as u8; 32]).collect();
            let indices: Vec<_> = (0..chosen.len()).filter(|i| chosen[*i]).collect();
            prop_assume!(!indices.is_empty());
            let expected = root("test node", &leaves);
            let known: Vec<_> = indices.iter().map(|i| (*i, leaves[*i])).collect();
            let beside = paths("test node", &leaves, &indices);
            let found = |known: &[_], count, beside: &[_]| root_of_paths("test node", known, count, beside);
            prop_assert_eq!(found(&known, leaves.len(), &beside), Some(expected));
            // Another leaf, in another place, with one hash too many, too few, or another one.
            let at = at.index(known.len());
            let mut other = known.clone();
            other[at].1 = [99; 32];
            prop_assert_ne!(found(&other, leaves.len(), &beside), Some(expected));
            let mut moved = known.clone();
            moved[at].0 += 1;
            prop_assert_ne!(found(&moved, leaves.len(), &beside), Some(expected));
            prop_assert_eq!(found(&known, leaves.len(), &[&beside[..], &[[9; 32]]].concat()), None);
            if let Some((_, fewer)) = beside.split_last() {
                prop_assert_eq!(found(&known, leaves.len(), fewer), None);
                let mut changed = beside.clone();
                changed[0] = [98; 32];
                prop_assert_ne!(found(&known, leaves.len(), &changed), Some(expected));
            }
            prop_assert_eq!(found(&[], leaves.len(), &[expected]), None);
            if known.len() > 1 {
                let backwards: Vec<_> = known.iter().rev().copied().collect();
                prop_assert_eq!(found(&backwards, leaves.len(), &beside), None);
            }
        }
    }

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
