//! Rules that need the updates in the clear, to compare with.

use serde::Serialize;

use crate::attack::norm;

/// A rule of the literature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Baseline {
    /// The mean (McMahan et al. 2017).
    FedAvg,
    /// The median of each coordinate (Yin et al. 2018).
    Median,
    /// The mean of each coordinate without its extremes (Yin et al. 2018).
    TrimmedMean,
    /// The mean of those nearest to their neighbours (Blanchard et al. 2017).
    MultiKrum,
    /// By cosine with an update on clean rows that the server has (Cao et al. 2021).
    FlTrust,
}

impl Baseline {
    pub(crate) const ALL: [Self; 5] = [
        Self::FedAvg,
        Self::Median,
        Self::TrimmedMean,
        Self::MultiKrum,
        Self::FlTrust,
    ];

    /// The step of the model. `attackers` is how many the rule is told of, `server` the update on the server's own rows.
    pub(super) fn step(self, updates: &[Vec<f32>], attackers: usize, server: &[f32]) -> Vec<f32> {
        match self {
            Self::FedAvg => weighted(updates, &vec![1.0; updates.len()]),
            Self::Median => by_coordinate(updates, updates.len().saturating_sub(1) / 2),
            Self::TrimmedMean => {
                by_coordinate(updates, attackers.min(updates.len().saturating_sub(1) / 2))
            }
            Self::MultiKrum => weighted(updates, &krum(updates, attackers)),
            Self::FlTrust => {
                let length = norm(server);
                let trust: Vec<f64> = updates
                    .iter()
                    .map(|update| {
                        let product: f64 = update
                            .iter()
                            .zip(server)
                            .map(|(x, y)| f64::from(*x) * f64::from(*y))
                            .sum();
                        let lengths = norm(update) * length;
                        if lengths > 0.0 {
                            (product / lengths).max(0.0)
                        } else {
                            0.0
                        }
                    })
                    .collect();
                let total: f64 = trust.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                let mut step = vec![0.0_f64; server.len()];
                for (update, trust) in updates
                    .iter()
                    .zip(&trust)
                    .filter(|(_, trust)| **trust > 0.0)
                {
                    let factor = trust / total * length / norm(update);
                    step.iter_mut()
                        .zip(update)
                        .for_each(|(sum, x)| *sum += factor * f64::from(*x));
                }
                step.into_iter().map(|x| x as f32).collect()
            }
        }
    }
}

impl std::fmt::Display for Baseline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::FedAvg => "FedAvg",
            Self::Median => "median",
            Self::TrimmedMean => "trimmed mean",
            Self::MultiKrum => "multi-Krum",
            Self::FlTrust => "FLTrust",
        })
    }
}

fn weighted(updates: &[Vec<f32>], weights: &[f64]) -> Vec<f32> {
    let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut step = vec![0.0_f64; updates.first().map_or(0, Vec::len)];
    for (update, weight) in updates.iter().zip(weights) {
        step.iter_mut()
            .zip(update)
            .for_each(|(sum, x)| *sum += weight / total * f64::from(*x));
    }
    step.into_iter().map(|x| x as f32).collect()
}

/// The mean of each coordinate without `trimmed` values at either end.
fn by_coordinate(updates: &[Vec<f32>], trimmed: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(updates.len());
    (0..updates.first().map_or(0, Vec::len))
        .map(|at| {
            values.clear();
            values.extend(updates.iter().map(|update| update[at]));
            values.sort_unstable_by(f32::total_cmp);
            let kept = &values[trimmed..values.len() - trimmed];
            kept.iter().sum::<f32>() / kept.len() as f32
        })
        .collect()
}

/// 1 for those that multi-Krum keeps.
fn krum(updates: &[Vec<f32>], attackers: usize) -> Vec<f64> {
    let count = updates.len();
    let neighbours = count.saturating_sub(attackers + 2).max(1);
    let mut scores: Vec<(f64, usize)> = updates
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let mut distances: Vec<f64> = updates
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index)
                .map(|(_, other)| {
                    one.iter()
                        .zip(other)
                        .map(|(x, y)| f64::from(x - y).powi(2))
                        .sum()
                })
                .collect();
            distances.sort_unstable_by(f64::total_cmp);
            (distances.iter().take(neighbours).sum(), index)
        })
        .collect();
    scores.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
    let mut kept = vec![0.0; count];
    for (_, index) in scores.iter().take(count.saturating_sub(attackers).max(1)) {
        kept[*index] = 1.0;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_does_what_its_paper_says_on_three_honest_updates_and_a_long_one() {
        let updates = vec![
            vec![1.0, 0.0],
            vec![2.0, 0.0],
            vec![3.0, 0.0],
            vec![-100.0, 50.0],
        ];
        let step = |rule: Baseline| rule.step(&updates, 1, &[4.0, 0.0]);
        assert_eq!(step(Baseline::FedAvg), [-23.5, 12.5]);
        assert_eq!(step(Baseline::Median), [1.5, 0.0]);
        assert_eq!(step(Baseline::TrimmedMean), [1.5, 0.0]);
        assert_eq!(step(Baseline::MultiKrum), [2.0, 0.0]);
        assert_eq!(step(Baseline::FlTrust), [4.0, 0.0]);
    }
}
