//! Does the pay follow what contributions are worth? Compared with their exact Shapley values, which only a simulator that
//! sees every update in the clear can compute.

use super::{federation::Federation, play::play, rater::Accepted};

/// Contributions at most: every coalition is tried in every round.
const MOST: usize = 12;

/// Spearman's rank correlation of what each participant was paid for its contributions and the sum over the rounds of its
/// Shapley value: that of the game in which a coalition wins by how much the mean of its updates lowers the loss on the
/// test rows (Wang et al. 2020, "A principled approach to data valuation for federated learning").
pub(super) fn correlation_with_pay(federation: &Federation<'_>) -> anyhow::Result<f64> {
    let count = federation.setting.participants;
    anyhow::ensure!(
        count <= MOST,
        "{count} contributions have too many coalitions"
    );
    let mut values = vec![0.0; count];
    let (mut last, mut failed) = (0, None);
    let played = play(federation, &mut |rated| {
        if rated.round != last {
            last = rated.round;
            match values_of(federation, rated.weights, rated.accepted) {
                Ok(of_round) => values
                    .iter_mut()
                    .zip(of_round)
                    .for_each(|(sum, x)| *sum += x),
                Err(error) => failed = Some(error),
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let paid: Vec<f64> = (0..count)
        .map(|one| {
            played
                .paid
                .iter()
                .map(|epoch| epoch.contributor[one])
                .sum::<u64>() as f64
        })
        .collect();
    Ok(spearman(&paid, &values))
}

/// Each participant's Shapley value in a round; 0 for those whose contribution was not accepted.
fn values_of(
    federation: &Federation<'_>,
    weights: &[f32],
    accepted: &Accepted<'_>,
) -> anyhow::Result<Vec<f64>> {
    let count = accepted.of.len();
    let worth = (0..1_usize << count)
        .map(|coalition| {
            let members: Vec<&[f32]> = (0..count)
                .filter(|at| coalition >> at & 1 == 1)
                .map(|at| accepted.updates[at])
                .collect();
            let mut model = weights.to_vec();
            for update in &members {
                let part = 1.0 / members.len() as f32;
                model
                    .iter_mut()
                    .zip(*update)
                    .for_each(|(x, u)| *x += part * u);
            }
            Ok(-federation.loss(&model)?)
        })
        .collect::<anyhow::Result<Vec<f64>>>()?;
    let mut values = vec![0.0; federation.setting.participants];
    for (at, value) in shapley(count, &worth).into_iter().enumerate() {
        values[accepted.of[at].0.0 as usize] = value;
    }
    Ok(values)
}

/// The Shapley values of a game; `worth` is that of each coalition, member i being bit i.
fn shapley(count: usize, worth: &[f64]) -> Vec<f64> {
    // |S|! (n - |S| - 1)! / n! = 1 / (n · C(n - 1, |S|)).
    let mut weight = vec![1.0 / count.max(1) as f64; count];
    for size in 1..count {
        weight[size] = weight[size - 1] * size as f64 / (count - size) as f64;
    }
    (0..count)
        .map(|one| {
            (0..worth.len())
                .filter(|coalition| coalition >> one & 1 == 0)
                .map(|coalition: usize| {
                    let gain = worth[coalition | 1 << one] - worth[coalition];
                    weight[coalition.count_ones() as usize] * gain
                })
                .sum()
        })
        .collect()
}

/// Pearson's correlation of the ranks; equal values share the mean of theirs.
fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let ranks = |values: &[f64]| -> Vec<f64> {
        let rank = |value: &f64| {
            let below = values.iter().filter(|other| *other < value).count() as f64;
            let equal = values.iter().filter(|other| *other == value).count() as f64;
            below + (equal - 1.0) / 2.0
        };
        values.iter().map(rank).collect()
    };
    let pairs: Vec<(f64, f64)> = ranks(x).into_iter().zip(ranks(y)).collect();
    super::exact::correlation(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glove_game_has_its_known_values() {
        // Members 0 and 1 hold left gloves, 2 a right one: a pair is worth 1.
        let worth = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let values = shapley(3, &worth);
        for (value, expected) in values.iter().zip([1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0]) {
            assert!((value - expected).abs() < 1e-12, "{values:?}");
        }
        assert!(shapley(0, &[0.0]).is_empty());
    }

    #[test]
    fn ranks_are_compared_and_not_values() {
        assert!((spearman(&[1.0, 2.0, 30.0], &[-5.0, 0.0, 0.1]) - 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert!((spearman(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]) - 0.866).abs() < 1e-3);
    }
}
