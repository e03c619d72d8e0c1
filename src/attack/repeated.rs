//! Free riders: what was public already, sent as one's own work.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};

use super::{Scene, norm, simple, with_norm};

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
