//! What a simulation says: means over the seeds, each round, each seed, and the other rules.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;
use unsilo_train::Dataset;

use super::{
    baselines::Baseline,
    federation::{Federation, Quality, Setting},
    payout::{EMISSION, Paid},
    play::{Played, Round, play, play_baseline},
};
use crate::attack::Attack;

/// One setting, played with every seed. Shares and rates run from 0 to 1; means are over the seeds, and over the rounds
/// where a thing is there in every round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) participants: usize,
    pub(crate) attackers: usize,
    pub(crate) attack: Attack,
    /// Whether the attackers also lied as raters.
    pub(crate) colluding: bool,
    pub(crate) split: String,
    pub(crate) rounds: usize,
    /// Rounds at the beginning in which attackers were honest.
    #[serde(skip)]
    pub(crate) honest_rounds: usize,
    pub(crate) seeds: usize,
    /// Of the last model, on rows that nobody has.
    pub(crate) accuracy: f64,
    /// The same, of the last class alone.
    pub(crate) last_class_accuracy: f64,
    /// How often the last model does what the attackers want; null where they want nothing in particular.
    pub(crate) attack_success: Option<f64>,
    /// The attackers' part of sum z_j |u_j|.
    pub(crate) attacker_weight_share: f64,
    /// Their part of what was paid.
    pub(crate) attacker_reward_share: f64,
    /// Their part of what was paid for contributions.
    pub(crate) attacker_contributor_share: f64,
    /// The part of the honest whose contributions had no weight.
    pub(crate) honest_excluded: f64,
    /// How often the consensus on an honest contribution is above that on an attacker's; null without both.
    pub(crate) auc: Option<f64>,
    /// Rounds whose sum was not opened, since too few contributions or owners had weight.
    pub(crate) rounds_not_opened: f64,
    /// Contributions a round that the committee rejected before anybody scored them.
    pub(crate) rejected: f64,
    /// What the checks did with the attack, where they never let it be scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<&'static str>,
    /// Each owner's part of what was paid.
    pub(crate) reward_shares: Vec<f64>,
    /// What the owner that was paid least in a seed has, as a part of an equal share; the mean over the seeds.
    pub(crate) least_relative_reward: f64,
    /// What was paid of what could have been; the rest is never minted.
    pub(crate) paid_share: f64,
    /// Each of the other rules by itself on the same data, batches and attacks, its updates in the clear.
    pub(crate) baselines: BTreeMap<Baseline, OfBaseline>,
    pub(crate) per_round: PerRound,
    pub(crate) per_epoch: PerEpoch,
    pub(crate) per_seed: Vec<OfSeed>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfBaseline {
    pub(crate) accuracy: f64,
    pub(crate) last_class_accuracy: f64,
    pub(crate) attack_success: Option<f64>,
}

/// One value a round, the mean over the seeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PerRound {
    pub(crate) accuracy: Vec<f64>,
    pub(crate) attack_success: Vec<Option<f64>>,
    pub(crate) attacker_weight_share: Vec<f64>,
    pub(crate) honest_excluded: Vec<f64>,
    pub(crate) auc: Vec<Option<f64>>,
}

/// One value an epoch, the mean over the seeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PerEpoch {
    pub(crate) attacker_reward_share: Vec<f64>,
    pub(crate) attacker_contributor_share: Vec<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfSeed {
    pub(crate) seed: u64,
    pub(crate) accuracy: f64,
    pub(crate) attack_success: Option<f64>,
    pub(crate) attacker_weight_share: f64,
    pub(crate) attacker_reward_share: f64,
    pub(crate) honest_excluded: f64,
    pub(crate) auc: Option<f64>,
}

/// What one thread plays.
#[derive(Clone, Copy)]
enum Part {
    Rule,
    Baseline(Baseline),
}

enum Outcome {
    Rule(Played),
    Baseline(Baseline, Quality),
}

/// Plays every setting with the seeds 1 to `seeds`, and the other rules beside it if asked for. `done` is told the part
/// that is done.
///
/// # Errors
/// Data that cannot be shared out as a setting asks.
pub(crate) fn play_all(
    settings: &[Setting],
    data: &Dataset,
    seeds: usize,
    baselines: bool,
    done: impl Fn(f64) + Sync,
) -> anyhow::Result<Vec<Report>> {
    let mut parts = vec![Part::Rule];
    if baselines {
        parts.extend(Baseline::ALL.map(Part::Baseline));
    }
    let mut tasks = Vec::new();
    for (at, setting) in settings.iter().enumerate() {
        for seed in 1..=seeds as u64 {
            tasks.extend(parts.iter().map(|part| (at, setting, seed, *part)));
        }
    }
    let count = std::sync::atomic::AtomicUsize::new(0);
    let outcomes = tasks
        .par_iter()
        .map(|(at, setting, seed, part)| {
            let federation = Federation::new(setting, data, *seed)?;
            let outcome = match part {
                Part::Rule => Outcome::Rule(play(&federation, &mut |_| ())?),
                Part::Baseline(rule) => {
                    Outcome::Baseline(*rule, play_baseline(&federation, *rule)?)
                }
            };
            let before = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            done((before + 1) as f64 / tasks.len() as f64);
            Ok((*at, outcome))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut by_setting = vec![(Vec::new(), BTreeMap::<_, Vec<_>>::new()); settings.len()];
    for (at, outcome) in outcomes {
        match outcome {
            Outcome::Rule(played) => by_setting[at].0.push(played),
            Outcome::Baseline(rule, quality) => {
                by_setting[at].1.entry(rule).or_default().push(quality);
            }
        }
    }
    Ok(settings
        .iter()
        .zip(by_setting)
        .map(|(setting, (played, baselines))| Report::new(setting, &played, &baselines))
        .collect())
}

impl Report {
    fn new(
        setting: &Setting,
        played: &[Played],
        baselines: &BTreeMap<Baseline, Vec<Quality>>,
    ) -> Self {
        let per_seed: Vec<OfSeed> = (1..)
            .zip(played)
            .map(|(seed, one)| OfSeed::new(setting, seed, one))
            .collect();
        let rounds = || played.iter().flat_map(|one| &one.rounds);
        let last = || played.iter().filter_map(|one| one.rounds.last());
        let by_round = |of: &dyn Fn(&Round) -> Option<f64>| -> Vec<Option<f64>> {
            (0..setting.rounds)
                .map(|at| mean_of(played.iter().filter_map(|one| of(&one.rounds[at]))))
                .collect()
        };
        let always = |of: fn(&Round) -> f64| -> Vec<f64> {
            by_round(&|round| Some(of(round)))
                .into_iter()
                .flatten()
                .collect()
        };
        // A round that is not opened counts for no epoch: some seeds have more of them than others.
        let epochs = played.iter().map(|one| one.paid.len()).max().unwrap_or(0);
        let by_epoch = |of: fn(&Paid) -> &[u64]| -> Vec<f64> {
            let in_epoch = |at: usize| {
                let paid = played.iter().filter_map(move |one| one.paid.get(at));
                paid.map(|paid| share(setting, std::slice::from_ref(paid), of))
            };
            (0..epochs).map(|at| mean(in_epoch(at))).collect()
        };
        let reward_shares = (0..setting.owners())
            .map(|owner| {
                mean(played.iter().map(|one| {
                    let all: u64 = one.paid.iter().flat_map(|epoch| &epoch.all).sum();
                    let own: u64 = one.paid.iter().map(|epoch| epoch.all[owner]).sum();
                    own as f64 / all.max(1) as f64
                }))
            })
            .collect();
        let rejected = mean(rounds().map(|round| round.rejected as f64));
        Self {
            participants: setting.participants,
            attackers: setting.attackers,
            attack: setting.attack,
            colluding: setting.lies(),
            split: setting.split.to_string(),
            rounds: setting.rounds,
            honest_rounds: setting.honest_rounds,
            seeds: played.len(),
            accuracy: mean(per_seed.iter().map(|one| one.accuracy)),
            last_class_accuracy: mean(last().map(|round| round.quality.last_class)),
            attack_success: mean_of(per_seed.iter().filter_map(|one| one.attack_success)),
            attacker_weight_share: mean(per_seed.iter().map(|one| one.attacker_weight_share)),
            attacker_reward_share: mean(per_seed.iter().map(|one| one.attacker_reward_share)),
            attacker_contributor_share: mean(
                played
                    .iter()
                    .map(|one| share(setting, &one.paid, |paid| &paid.contributor)),
            ),
            honest_excluded: mean(per_seed.iter().map(|one| one.honest_excluded)),
            auc: mean_of(rounds().filter_map(|round| round.auc)),
            rounds_not_opened: rounds().filter(|round| !round.opened).count() as f64
                / played.len().max(1) as f64,
            rejected,
            note: (rejected > 0.0).then_some(
                "the committee's checks reject these contributions before anybody scores them",
            ),
            reward_shares,
            least_relative_reward: mean(played.iter().map(least_relative)),
            paid_share: mean(played.iter().map(|one| {
                let paid: u64 = one.paid.iter().flat_map(|epoch| &epoch.all).sum();
                paid as f64 / (EMISSION as f64 * setting.rounds as f64)
            })),
            baselines: baselines
                .iter()
                .map(|(rule, qualities)| (*rule, OfBaseline::new(qualities)))
                .collect(),
            per_round: PerRound {
                accuracy: always(|round| round.quality.accuracy),
                attack_success: by_round(&|round| round.quality.success),
                attacker_weight_share: always(|round| round.attacker_share),
                honest_excluded: always(|round| round.excluded),
                auc: by_round(&|round| round.auc),
            },
            per_epoch: PerEpoch {
                attacker_reward_share: by_epoch(|paid| &paid.all),
                attacker_contributor_share: by_epoch(|paid| &paid.contributor),
            },
            per_seed,
        }
    }
}

impl OfBaseline {
    fn new(qualities: &[Quality]) -> Self {
        Self {
            accuracy: mean(qualities.iter().map(|one| one.accuracy)),
            last_class_accuracy: mean(qualities.iter().map(|one| one.last_class)),
            attack_success: mean_of(qualities.iter().filter_map(|one| one.success)),
        }
    }
}

impl OfSeed {
    fn new(setting: &Setting, seed: u64, played: &Played) -> Self {
        let last = played.rounds.last().map(|round| &round.quality);
        let rounds = || played.rounds.iter();
        Self {
            seed,
            accuracy: last.map_or(0.0, |quality| quality.accuracy),
            attack_success: last.and_then(|quality| quality.success),
            attacker_weight_share: mean(rounds().map(|round| round.attacker_share)),
            attacker_reward_share: share(setting, &played.paid, |paid| &paid.all),
            honest_excluded: mean(rounds().map(|round| round.excluded)),
            auc: mean_of(rounds().filter_map(|round| round.auc)),
        }
    }
}

/// What the least paid owner has, as a part of an equal share; 0 of nothing.
fn least_relative(played: &Played) -> f64 {
    let owners = played.paid.first().map_or(0, |epoch| epoch.all.len());
    let of = |owner: usize| {
        played
            .paid
            .iter()
            .map(|epoch| epoch.all[owner])
            .sum::<u64>()
    };
    let all: Vec<u64> = (0..owners).map(of).collect();
    let least = all.iter().min().copied().unwrap_or(0) as f64;
    least * owners as f64 / all.iter().sum::<u64>().max(1) as f64
}

/// The attackers' part of what was paid; 0 of nothing.
fn share(setting: &Setting, paid: &[Paid], of: fn(&Paid) -> &[u64]) -> f64 {
    let (mut theirs, mut all) = (0_u64, 0_u64);
    for epoch in paid {
        let payout = of(epoch);
        all += payout.iter().sum::<u64>();
        if setting.attackers > 0 {
            let first = setting.owner(setting.participants - setting.attackers).0 as usize;
            theirs += payout[first..].iter().sum::<u64>();
        }
    }
    theirs as f64 / all.max(1) as f64
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    mean_of(values).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::{Split, digits};

    #[test]
    fn a_report_has_every_seed_every_round_and_every_other_rule() {
        let data = digits().expect("digits");
        let setting = Setting {
            rounds: 3,
            colluding: true,
            ..Setting::new(5, 2, Attack::LabelFlip, Split::Iid)
        };
        let plain = Setting::new(5, 0, Attack::None, Split::Thin10);
        let plain = Setting { rounds: 2, ..plain };
        let done = std::sync::Mutex::new(Vec::new());
        let reports = play_all(&[setting, plain], &data, 2, true, |part| {
            done.lock().expect("no panic").push(part);
        })
        .expect("played");
        let report = &reports[0];
        assert_eq!(
            (report.seeds, report.rounds, report.per_seed.len()),
            (2, 3, 2)
        );
        assert_eq!(report.baselines.len(), 5);
        assert!(report.attack_success.is_some() && report.colluding);
        assert_eq!(report.per_round.accuracy.len(), 3);
        assert_eq!(report.per_round.accuracy[2], report.accuracy);
        assert_eq!(
            report.per_epoch.attacker_reward_share,
            [report.attacker_reward_share]
        );
        let halves = report
            .per_seed
            .iter()
            .map(|one| one.accuracy / 2.0)
            .sum::<f64>();
        assert!((halves - report.accuracy).abs() < 1e-12);
        // Nothing is paid where there is no consensus yet.
        assert!(report.reward_shares.iter().sum::<f64>() <= 1.0 + 1e-9);
        assert!((0.0..=1.0).contains(&report.paid_share));
        assert!((0.0..=1.0).contains(&report.least_relative_reward));
        let theirs: f64 = report.reward_shares[3..].iter().sum();
        assert!((theirs - report.attacker_reward_share).abs() < 1e-9);
        assert_eq!((reports[1].attackers, reports[1].auc), (0, None));
        assert_eq!(
            (reports[1].attacker_reward_share, reports[1].attack_success),
            (0.0, None)
        );
        // Two settings, two seeds, six rules.
        assert_eq!(done.lock().expect("no panic").len(), 24);
    }
}
