//! Free riders: what was public already, sent as one's own work.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};

use super::{Scene, norm, simple, with_norm};

/// The part of an oscillating update that swings, its whole length being 1. From .3 to .9 the attack pays alike
/// (docs/simulation.md).
const SWING: f64 = 0.5;
/// Differences of models that a mixture is made of.
const MIXED: usize = 5;

/// The last public difference, as long as an honest update; noise in the first round, when there is none: who worked then
/// would have earned something.
pub(super) fn last(scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    match scene.history.last() {
        Some(last) => with_norm(last, norm(scene.own)),
        None => simple::noise(scene.own, random),
    }
}

/// [`last`] in even rounds, its opposite in odd ones: whatever one of them costs, the other may earn.
pub(super) fn alternating(scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let sign = if scene.round.is_multiple_of(2) {
        1.0
    } else {
        -1.0
    };
    simple::scaled(&last(scene, random), sign)
}

/// [`last`], and beside it the model without what the last differences explain of it, forth in even rounds and back in odd
/// ones. Raters cannot tell it from work: at right angles to what the last models brought it is new, and since all that swing
/// move the model too far each time, held-out rows want it back in the next round.
pub(super) fn oscillating(scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let last = last(scene, random);
    if scene.history.is_empty() {
        return last;
    }
    let aside = without(scene.weights, scene.history);
    let sign = if scene.round.is_multiple_of(2) {
        1.0
    } else {
        -1.0
    };
    let length = norm(&last);
    let along = with_norm(&last, (1.0 - SWING * SWING).sqrt() * length);
    let aside = with_norm(&aside, SWING * length);
    along
        .iter()
        .zip(&aside)
        .map(|(x, y)| x + sign * y)
        .collect()
}

/// `vector` minus its projection on the span of `others`.
fn without(vector: &[f32], others: &[Vec<f32>]) -> Vec<f32> {
    let mut basis: Vec<Vec<f32>> = Vec::with_capacity(others.len());
    let take_away = |from: &mut Vec<f32>, basis: &[Vec<f32>]| {
        // Twice, for what rounding leaves.
        for one in basis.iter().chain(basis) {
            let pairs = from.iter().zip(one);
            let along: f64 = pairs.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            from.iter_mut()
                .zip(one)
                .for_each(|(x, y)| *x -= along as f32 * y);
        }
    };
    for other in others {
        let mut one = other.clone();
        take_away(&mut one, &basis);
        if norm(&one) > 1e-4 * norm(other) {
            basis.push(with_norm(&one, 1.0));
        }
    }
    let mut left = vector.to_vec();
    take_away(&mut left, &basis);
    left
}

/// A random mixture of the last differences, as long as an honest update.
pub(super) fn mixture(scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    if scene.history.is_empty() {
        return simple::noise(scene.own, random);
    }
    let mut mixed = vec![0.0_f32; scene.own.len()];
    for old in scene.history.iter().rev().take(MIXED) {
        let part: f32 = random.random();
        mixed
            .iter_mut()
            .zip(old)
            .for_each(|(sum, x)| *sum += part * x);
    }
    with_norm(&mixed, norm(scene.own))
}
