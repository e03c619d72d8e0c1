//! Attacks that know the honest updates of the round, and hide among them.

use rand::rngs::Xoshiro256PlusPlus;

use super::{Scene, norm, simple, with_norm};

/// The part of a stealthy update that points where the honest one does.
const STEALTH: f64 = 0.15;

/// How far min-max and min-sum go.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// Not farther from any honest update than the farthest two are from each other.
    Farthest,
    /// Its sum of squared distances is not above that of the honest update with the largest.
    Sum,
}

/// The mean of the honest updates, and minus their deviation in each coordinate.
fn mean_and_away(honest: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let count = honest.len().max(1) as f64;
    let length = honest.first().map_or(0, Vec::len);
    (0..length)
        .map(|at| {
            let mean = honest.iter().map(|u| f64::from(u[at])).sum::<f64>() / count;
            let square = honest
                .iter()
                .map(|u| (f64::from(u[at]) - mean).powi(2))
                .sum::<f64>();
            (mean as f32, -(square / count).sqrt() as f32)
        })
        .unzip()
}

/// mean - z·deviation, z such that more than half of all updates seem to support it.
pub(super) fn little_is_enough(scene: &Scene<'_>) -> Vec<f32> {
    let (count, attackers) = (scene.count.0 as f64, scene.count.1 as f64);
    let supporters = (count / 2.0 + 1.0).floor() - attackers;
    let part = ((count - attackers - supporters) / (count - attackers)).clamp(0.51, 0.99);
    // The normal quantile by the logistic one; right to .02 where it is used.
    let z = ((part / (1.0 - part)).ln() / 1.702) as f32;
    let (mean, away) = mean_and_away(scene.honest);
    mean.iter()
        .zip(&away)
        .map(|(mean, away)| mean + z * away)
        .collect()
}

/// The honest mean, moved away by minus the deviation as far as `reach` allows.
pub(super) fn as_far_as(scene: &Scene<'_>, reach: Reach) -> Vec<f32> {
    let (mean, away) = mean_and_away(scene.honest);
    let limit = scene
        .honest
        .iter()
        .map(|one| distance(one, scene.honest, reach))
        .fold(0.0, f64::max);
    let at = |gamma: f64| -> Vec<f32> {
        let moved = mean.iter().zip(&away);
        moved
            .map(|(mean, away)| mean + gamma as f32 * away)
            .collect()
    };
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if distance(&at(middle), scene.honest, reach) <= limit {
            low = middle;
        } else {
            high = middle;
        }
    }
    at(low)
}

fn distance(from: &[f32], honest: &[Vec<f32>], reach: Reach) -> f64 {
    let squares = honest.iter().map(|one| {
        let differences = one.iter().zip(from);
        differences
            .map(|(x, y)| f64::from(x - y).powi(2))
            .sum::<f64>()
    });
    match reach {
        Reach::Farthest => squares.fold(0.0, f64::max),
        Reach::Sum => squares.sum(),
    }
}

/// Looks a little like an honest update, and is noise at right angles to it for the rest.
pub(super) fn stealth(scene: &Scene<'_>, random: &mut Xoshiro256PlusPlus) -> Vec<f32> {
    let length = norm(scene.own);
    let mut residue = simple::noise(scene.own, random);
    let product: f64 = residue
        .iter()
        .zip(scene.own)
        .map(|(x, y)| f64::from(x * y))
        .sum();
    let along = if length > 0.0 {
        (product / length.powi(2)) as f32
    } else {
        0.0
    };
    residue
        .iter_mut()
        .zip(scene.own)
        .for_each(|(x, y)| *x -= along * y);
    let residue = with_norm(&residue, length * (1.0 - STEALTH * STEALTH).sqrt());
    residue
        .iter()
        .zip(scene.own)
        .map(|(x, y)| x + STEALTH as f32 * y)
        .collect()
}
