//! Near-duplicates among the accepted contributions: whose copy counts.

use std::collections::BTreeMap;

/// Whose contribution is a copy of whose, from the ascending pairs that are all but the same ([`unsilo_fhe::Verdict::copies`]).
/// The one that was committed earlier counts; a copy of a copy is one of the original, if it is one of that too.
///
/// `accepted` gives participant and position in the log. The same for every member.
#[must_use]
pub fn collapse(
    pairs: &[(u32, u32)],
    accepted: impl Iterator<Item = (u32, u32)>,
) -> BTreeMap<u32, u32> {
    let mut in_order: Vec<_> = accepted.collect();
    in_order.sort_unstable_by_key(|(_, position)| *position);
    let alike = |a: u32, b: u32| pairs.binary_search(&(a.min(b), a.max(b))).is_ok();
    let mut originals: Vec<u32> = Vec::new();
    let mut copies = BTreeMap::new();
    for (id, _) in in_order {
        match originals.iter().find(|of| alike(id, **of)) {
            Some(of) => {
                copies.insert(id, *of);
            }
            None => originals.push(id),
        }
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(pairs: &[(u32, u32)], accepted: &[(u32, u32)]) -> Vec<(u32, u32)> {
        collapse(pairs, accepted.iter().copied())
            .into_iter()
            .collect()
    }

    #[test]
    fn the_later_of_two_alike_is_the_copy_whatever_its_number() {
        assert_eq!(copies(&[(1, 2)], &[(1, 5), (2, 4), (3, 0)]), [(1, 2)]);
    }

    #[test]
    fn all_copies_are_of_the_one_original() {
        let all = [(3, 5), (3, 7), (5, 7)];
        assert_eq!(copies(&all, &[(7, 0), (3, 1), (5, 2)]), [(3, 7), (5, 7)]);
    }

    #[test]
    fn who_is_like_a_copy_but_not_like_the_original_counts() {
        assert_eq!(
            copies(&[(1, 2), (2, 3)], &[(1, 0), (2, 1), (3, 2)]),
            [(2, 1)]
        );
    }
}
