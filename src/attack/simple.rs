//! What one attacker does by itself to its own honest update.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;

use super::{norm, with_norm};

pub(super) fn scaled(own: &[f32], factor: f32) -> Vec<f32> {
    own.iter().map(|x| x * factor).collect()
}

/// The noise, as a part of an update's length, that hides that several send the same: two of them then differ by 1.4 times
/// it, and all but exact copies (a tenth) are collapsed.
const DISGUISE: f64 = 0.1;

/// With a little noise of its own, so that it is no copy of a fellow's.
pub(super) fn disguised(mut update: Vec<f32>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let own = noise(&update, random);
    let part = DISGUISE as f32;
    update
        .iter_mut()
        .zip(&own)
        .for_each(|(x, noise)| *x += part * noise);
    update
}

/// Gaussian noise as long as the honest update.
pub(super) fn noise(own: &[f32], random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let noise: Vec<f32> = own.iter().map(|_| random.sample(StandardNormal)).collect();
    with_norm(&noise, norm(own))
}
