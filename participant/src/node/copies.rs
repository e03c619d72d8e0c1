//! Near-duplicates among the accepted contributions: no new opening is needed, the members hold the projections of all.

use std::collections::BTreeMap;

use unsilo_fhe::PROJECTIONS;

/// Whose contribution is a copy of whose: `|x_i - x_j|^2 <= min(|x_i|^2, |x_j|^2)/100`. The one that was committed earlier
/// counts; a copy of a copy is one of the original.
///
/// `accepted` gives participant, position in the log and projections. The same for every member: integers only.
pub(super) fn find<'a>(
    accepted: impl Iterator<Item = (u32, u32, &'a [i64; PROJECTIONS])>,
) -> BTreeMap<u32, u32> {
    let mut in_order: Vec<_> = accepted.collect();
    in_order.sort_unstable_by_key(|(_, position, _)| *position);
    let mut originals: Vec<(u32, &[i64; PROJECTIONS], u128)> = Vec::new();
    let mut copies = BTreeMap::new();
    for (id, _, sketch) in in_order {
        let square = length(sketch);
        let original = originals.iter().find(|(_, other, their_square)| {
            let difference: u128 = sketch
                .iter()
                .zip(other.iter())
                .map(|(a, b)| u128::from(a.abs_diff(*b)).pow(2))
                .sum();
            100 * difference <= square.min(*their_square)
        });
        match original {
            Some((of, ..)) => {
                copies.insert(id, *of);
            }
            None => originals.push((id, sketch, square)),
        }
    }
    copies
}

/// The squared length. Projections of accepted contributions are below 2^47, so nothing overflows.
fn length(sketch: &[i64; PROJECTIONS]) -> u128 {
    sketch
        .iter()
        .map(|x| u128::from(x.unsigned_abs()).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(seed: i64, scale: i64) -> [i64; PROJECTIONS] {
        std::array::from_fn(|k| scale * ((k as i64 + 1) * (2 * seed + 3) % 41 - 20))
    }

    fn copies(list: &[(u32, u32, [i64; PROJECTIONS])]) -> Vec<(u32, u32)> {
        let all = list.iter().map(|(id, position, x)| (*id, *position, x));
        find(all).into_iter().collect()
    }

    #[test]
    fn the_later_of_two_alike_is_the_copy_whatever_its_number() {
        let mut near = sketch(1, 1_000);
        near[0] += 500;
        assert_eq!(
            copies(&[
                (1, 5, sketch(1, 1_000)),
                (2, 4, near),
                (3, 0, sketch(2, 1_000))
            ]),
            [(1, 2)]
        );
    }

    #[test]
    fn all_copies_are_of_the_one_original() {
        let same = sketch(4, 1 << 30);
        assert_eq!(
            copies(&[(7, 0, same), (3, 1, same), (5, 2, same)]),
            [(3, 7), (5, 7)]
        );
    }

    #[test]
    fn a_negated_or_scaled_update_is_no_copy() {
        let own = sketch(4, 1_000);
        let negated = own.map(|x| -x);
        let scaled = own.map(|x| x * 6 / 5);
        assert_eq!(copies(&[(1, 0, own), (2, 1, negated), (3, 2, scaled)]), []);
    }

    #[test]
    fn empty_updates_are_copies_of_each_other() {
        let nothing = [0; PROJECTIONS];
        assert_eq!(copies(&[(1, 0, nothing), (2, 1, nothing)]), [(2, 1)]);
    }
}
