//! The rule in floating point, beside the integers of the encrypted path: how far do they lie apart?

use std::collections::BTreeMap;

use unsilo_ledger::ParticipantId;
use unsilo_participant::{
    Opinion,
    rating::{DIRECTION_STEPS, HISTORY},
};
use unsilo_train::TrainConfig;

use super::{
    federation::Federation,
    payout::{Paid, Payout},
    play::{Played, play},
    rater::Rated,
};

/// How near the integers are to the float rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearness {
    /// Pearson correlation of a_ij and b_ij over all raters, contributions and rounds.
    pub(super) correlation: f64,
    /// Half the sum of absolute differences of what is paid, as a part of all.
    pub(super) distance: f64,
}

/// Plays a federation by the integers, and beside it rates what was sent in floating point: directions of length 1 that
/// were not rounded, updates that were not quantised or encrypted. Two things are the same in both, since they are part of
/// the rule and not of its rounding: norms are the committee's estimates, and an update longer than the norm bound is brought
/// down to it before it is sent. (Label flippers' updates are in later rounds: rated as long as they were trained, beside an
/// estimate of what was sent, they alone took the correlation from .9999 to .99.)
pub(super) fn nearness(federation: &Federation<'_>) -> anyhow::Result<Nearness> {
    let setting = federation.setting;
    let mut floats = Floats {
        averages: vec![BTreeMap::new(); setting.participants],
        pairs: Vec::new(),
        rows: BTreeMap::new(),
        failed: None,
    };
    let played = play(federation, &mut |rated| floats.observe(federation, rated))?;
    if let Some(error) = floats.failed {
        return Err(error);
    }
    let mut payout = Payout::new(setting.owners());
    let mut paid = Vec::new();
    for (round, of_round) in (1..).zip(&played.rounds) {
        let (mut owners, mut rated) = (Vec::new(), Vec::new());
        for (rater, (accepted, opinions)) in floats.rows.remove(&round).unwrap_or_default() {
            let ids = accepted.iter().map(|(id, _)| id.0 as usize);
            owners = ids.map(|id| setting.owner(id)).collect();
            payout.revealed(round, setting.owner(rater), &owners, &opinions);
            // Its scores are not written down here, but who asked says something of somebody.
            rated.push(setting.owner(rater));
        }
        payout.weighed(&of_round.drawn, &rated);
        if of_round.opened {
            payout.published(&owners);
        }
        paid.extend(payout.after_round(round == setting.rounds)?);
    }
    Ok(Nearness {
        correlation: correlation(&floats.pairs),
        distance: distance(&played, &paid),
    })
}

type FloatRow = (Vec<(ParticipantId, u16)>, Vec<Opinion>);

/// What a rater remembers of one contributor.
#[derive(Clone, Copy, Default)]
struct Average {
    /// The long memory of what helps, and the short one with its spread.
    helps: f64,
    recent: f64,
    spread: f64,
    /// What rounds earned.
    earns: f64,
    /// What the square of `helps` would be of updates in random directions.
    chance: f64,
    rounds: i32,
}

struct Floats {
    /// Of each rater.
    averages: Vec<BTreeMap<u32, Average>>,
    /// A product by the integers, and in floating point.
    pairs: Vec<(f64, f64)>,
    /// What each rater says, by round.
    rows: BTreeMap<usize, BTreeMap<usize, FloatRow>>,
    failed: Option<anyhow::Error>,
}

impl Floats {
    fn observe(&mut self, federation: &Federation<'_>, rated: &Rated<'_>) {
        if let Err(error) = self.rate(federation, rated) {
            self.failed = Some(error);
        }
    }

    fn rate(&mut self, federation: &Federation<'_>, rated: &Rated<'_>) -> anyhow::Result<()> {
        let settings = TrainConfig {
            steps: rated.training.steps * DIRECTION_STEPS,
            without_rare_classes: true,
            balanced_classes: true,
            ..rated.training.clone()
        };
        let rows = federation.rating_rows(rated.rater);
        let trained = federation
            .trainer
            .train(rated.weights, rows, &settings, &mut |_| {})?;
        let pairs = trained.iter().zip(rated.weights);
        let moved: Vec<f64> = pairs
            .map(|(to, from)| f64::from(*to) - f64::from(*from))
            .collect();
        let known = rated.known.differences;
        let last = known.len().saturating_sub(HISTORY);
        // What it asked for is what it sent: bytes.
        let asked = rated.known.asked.iter();
        let asked = asked.map(|one| one.iter().map(|x| f32::from(*x)).collect());
        let known: Vec<Vec<f32>> = known[last..].iter().cloned().chain(asked).collect();
        let new = without(&moved, &known);
        let directions = [unit(moved), unit(new)];
        let step = 2_f64.powi(rated.unit_log2.into());
        // In a first round all that helps is new.
        let second = usize::from(rated.scores.iter().any(|score| score.direction == 1));
        let mut of_round = Vec::with_capacity(rated.rates.len());
        for at in rated.rates {
            let (id, exponent) = rated.accepted.of[*at];
            let norm = (f64::from(exponent) / 8.0).exp2();
            let (update, bounded) = (rated.accepted.updates[*at], rated.accepted.bounded[*at]);
            let products = directions.clone().map(|direction| {
                let pairs = direction.iter().zip(update);
                pairs.map(|(v, u)| v * f64::from(*u)).sum::<f64>() * bounded / step / norm
            });
            for score in rated.scores.iter().filter(|score| score.participant == id) {
                let exact = products[usize::from(score.direction)];
                self.pairs.push((score.value as f64 / norm, exact));
            }
            of_round.push((id.0, products[0], products[second]));
        }
        let positive =
            |values: &mut dyn Iterator<Item = f64>| values.map(|x| x.max(0.0)).sum::<f64>();
        let helping = positive(&mut of_round.iter().map(|(_, helps, _)| *helps));
        let new = positive(&mut of_round.iter().map(|(_, _, new)| *new));
        let exchange = if new > 0.0 {
            (helping / new).min(4.0)
        } else {
            0.0
        };
        for (id, helps, new) in &of_round {
            let worth = helps.min(new * exchange).max(0.0);
            let earns = if helping > 0.0 {
                worth / helping * of_round.len() as f64
            } else {
                0.0
            };
            let average = self.averages[rated.rater].entry(*id).or_default();
            average.rounds += 1;
            // Of what is earned, a round weighs .9 of the one after it; what helps starts with the first round's value.
            let rate = 0.1 / (1.0 - 0.9_f64.powi(average.rounds));
            average.earns += rate * (earns - average.earns);
            let first = average.rounds == 1;
            let of = |rate: f64| if first { 1.0 } else { rate };
            average.spread += of(0.1) * ((helps - average.recent).powi(2) - average.spread);
            average.recent += of(0.2) * (helps - average.recent);
            let rate = of(0.03);
            average.helps += rate * (helps - average.helps);
            average.chance =
                (1.0 - rate).powi(2) * average.chance + rate.powi(2) / rated.weights.len() as f64;
        }
        let opinions = self.opinions(rated);
        let of_round = self.rows.entry(rated.round).or_default();
        of_round.insert(rated.rater, (rated.accepted.of.clone(), opinions));
        Ok(())
    }

    /// What was earned, the largest 65535, by those above two deviations of random directions whose score is above 0.
    fn opinions(&self, rated: &Rated<'_>) -> Vec<Opinion> {
        let averages = &self.averages[rated.rater];
        let ids = rated.rates.iter().map(|at| rated.accepted.of[*at].0.0);
        let known: Vec<&Average> = ids.filter_map(|id| averages.get(&id)).collect();
        let learns = 2 * known.iter().filter(|one| one.recent > 0.0).count() > known.len();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let middle = values.len().saturating_sub(1) / 2;
            values.get(middle).copied().unwrap_or(0.0)
        };
        let slack = 2.0 * (median(known.iter().map(|one| one.spread).collect()) / 9.0).sqrt();
        let unless_less = |one: &Average| match learns {
            true => one.helps.min(one.recent + slack),
            false => one.helps,
        };
        let usual = known.iter().map(|one| unless_less(one));
        let usual = median(usual.filter(|score| *score > 0.0).collect());
        let enough = if learns && known.len() >= 4 {
            0.33 * usual
        } else {
            0.0
        };
        let scored = |one: &Average| match unless_less(one) {
            score if score < enough => 0.0,
            score => score,
        };
        let rewards: Vec<(usize, f64)> = rated
            .rates
            .iter()
            .filter_map(|at| Some((*at, averages.get(&rated.accepted.of[*at].0.0)?)))
            .filter(|(_, average)| average.helps > 2.0 * average.chance.sqrt())
            .filter(|(_, average)| scored(average) > 0.0)
            .map(|(at, average)| (at, average.earns))
            .collect();
        let most = rewards
            .iter()
            .map(|(_, reward)| *reward)
            .fold(0.0, f64::max);
        let mut opinions = vec![Opinion::default(); rated.accepted.of.len()];
        for (at, reward) in rewards.iter().filter(|_| most > 0.0) {
            opinions[*at].reward = (reward / most * f64::from(u16::MAX)).round() as u16;
        }
        opinions
    }
}

/// `vector` minus its projection on the span of `others`.
fn without(vector: &[f64], others: &[Vec<f32>]) -> Vec<f64> {
    let mut left = vector.to_vec();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for other in others {
        let mut other: Vec<f64> = other.iter().map(|x| f64::from(*x)).collect();
        let whole = length(&other);
        for unit in basis.iter().chain(&basis) {
            take_away(&mut other, unit);
        }
        if length(&other) > 1e-4 * whole {
            basis.push(unit(other));
        }
    }
    for unit in basis.iter().chain(&basis) {
        take_away(&mut left, unit);
    }
    left
}

fn take_away(vector: &mut [f64], unit: &[f64]) {
    let along: f64 = vector.iter().zip(unit).map(|(x, u)| x * u).sum();
    vector
        .iter_mut()
        .zip(unit)
        .for_each(|(x, u)| *x -= along * u);
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn unit(mut vector: Vec<f64>) -> Vec<f64> {
    let length = length(&vector);
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

pub(super) fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (first, second) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|(x, y)| of(x - first, y - second)).sum()
    };
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

fn distance(played: &Played, floats: &[Paid]) -> f64 {
    let shares = |paid: &[Paid]| -> Vec<f64> {
        let all: u64 = paid.iter().flat_map(|epoch| &epoch.all).sum();
        let owners = paid.first().map_or(0, |epoch| epoch.all.len());
        let of = |owner: usize| paid.iter().map(|epoch| epoch.all[owner]).sum::<u64>();
        (0..owners)
            .map(|owner| of(owner) as f64 / all.max(1) as f64)
            .collect()
    };
    let (integers, floats) = (shares(&played.paid), shares(floats));
    integers
        .iter()
        .zip(&floats)
        .map(|(x, y)| (x - y).abs())
        .sum::<f64>()
        / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attack::Attack,
        simulate::scores::{Setting, Split, digits, payout::EPOCH_ROUNDS},
    };

    #[test]
    fn the_integers_of_the_encrypted_path_rate_and_pay_as_floating_point_does() {
        let data = digits().expect("digits");
        for split in [Split::Iid, Split::Dirichlet(0.3)] {
            // So long that attackers' updates pass the norm bound, which honest ones shrink away from.
            let setting = Setting {
                rounds: 2 * EPOCH_ROUNDS as usize,
                ..Setting::new(10, 3, Attack::LabelFlip, split)
            };
            let federation = Federation::new(&setting, &data, 1).expect("a federation");
            let near = nearness(&federation).expect("played");
            assert!(near.correlation >= 0.999, "{split}: {near:?}");
            assert!(near.distance <= 0.005, "{split}: {near:?}");
            // They are not the same numbers.
            assert!(
                near.correlation < 1.0 && near.distance > 0.0,
                "{split}: {near:?}"
            );
        }
    }

    #[test]
    fn a_residual_is_at_right_angles_to_what_was_known() {
        let left = without(
            &[3.0, 4.0, 5.0],
            &[
                vec![2.0, 0.0, 0.0],
                vec![1.0, 1.0, 0.0],
                vec![4.0, 0.0, 0.0],
            ],
        );
        assert!(
            left.iter()
                .zip([0.0, 0.0, 5.0])
                .all(|(x, y): (&f64, f64)| (x - y).abs() < 1e-12)
        );
    }

    #[test]
    fn correlations_and_distances_are_what_they_are_called() {
        assert!((correlation(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[(1.0, 6.0), (2.0, 4.0), (3.0, 2.0)]) + 1.0).abs() < 1e-12);
        let paid = |all: &[u64]| Paid {
            all: all.to_vec(),
            contributor: Vec::new(),
        };
        let played = Played {
            rounds: Vec::new(),
            paid: vec![paid(&[50, 50]), paid(&[100, 0])],
        };
        assert!((distance(&played, &[paid(&[10, 10])]) - 0.25).abs() < 1e-12);
    }
}
