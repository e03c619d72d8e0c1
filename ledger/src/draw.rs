//! Drawing a committee: weighted sampling without replacement, in integers, from a public seed.

use crate::hash::{Domain, Hash, Xof};

const DRAW: Domain = Domain::new("committee draw");

/// Draws up to `count` of `candidates`, in the order drawn, each with a chance proportional to its
/// weight among those not yet drawn.
///
/// A draw is the integer `u = XOF(seed)` below the sum of the remaining weights; it takes the first
/// candidate, in the order given, at which the running sum of weights exceeds `u`. Candidates of
/// weight 0 are never drawn, so fewer than `count` may come back.
pub fn draw<T: Clone>(seed: &Hash, candidates: &[(T, u64)], count: usize) -> Vec<T> {
    draw_in(DRAW, seed, candidates, count)
}

/// [`draw`] for another purpose: with the same seed, another domain draws independently.
pub(crate) fn draw_in<T: Clone>(
    domain: Domain,
    seed: &Hash,
    candidates: &[(T, u64)],
    count: usize,
) -> Vec<T> {
    let mut xof = Xof::new(domain, seed);
    let mut remaining: Vec<(&T, u128)> = candidates
        .iter()
        .map(|(candidate, weight)| (candidate, u128::from(*weight)))
        .collect();
    // At most 2^32 candidates of 64-bit weights: the sum does not reach 2^128.
    let mut total = remaining
        .iter()
        .fold(0_u128, |sum, (_, weight)| sum.saturating_add(*weight));
    let mut drawn = Vec::new();
    while drawn.len() < count && total > 0 {
        let target = xof.below(total);
        let Some(at) = position_of(&remaining, target) else {
            break;
        };
        let (candidate, weight) = remaining.remove(at);
        drawn.push(candidate.clone());
        total = total.saturating_sub(weight);
    }
    drawn
}

fn position_of<T>(remaining: &[(T, u128)], target: u128) -> Option<usize> {
    let mut running = 0_u128;
    remaining.iter().position(|(_, weight)| {
        running = running.saturating_add(*weight);
        running > target
    })
}
