//! The lines of the design's table: what is played, and what must come of it.

use serde::Serialize;

use super::{Report, Setting, Split};
use crate::attack::Attack::{
    self, Alie, Backdoor, Boost, ColludingRaters, Copycat, Inflate, LabelFlip, MinMax, MinSum,
    Noise, Replay, ReplayMix, ReplaySign, SignFlip, Stealth, Sybils, Zero,
};

/// What a bound is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quantity {
    Accuracy,
    /// Of the worst seed.
    LeastAccuracy,
    /// Above FedAvg's.
    AccuracyAboveFedAvg,
    LastClassAccuracy,
    AttackSuccess,
    WeightShare,
    Excluded,
    RewardShare,
    ContributorShare,
    /// What the first participant earns, as a part of an equal share.
    FirstRelativeReward,
    ShapleyCorrelation,
    ScoreCorrelation,
    RewardDistance,
}

/// How a quantity is measured.
pub(super) enum Measure {
    OfReport(fn(&Report) -> f64),
    /// Not from a report.
    Apart,
}

impl Quantity {
    pub(super) fn measure(self) -> Measure {
        Measure::OfReport(match self {
            Self::Accuracy => |report| report.accuracy,
            Self::LeastAccuracy => |report| {
                report
                    .per_seed
                    .iter()
                    .map(|one| one.accuracy)
                    .fold(1.0, f64::min)
            },
            Self::AccuracyAboveFedAvg => |report| {
                let fedavg = report.baselines.get(&super::Baseline::FedAvg);
                report.accuracy - fedavg.map_or(0.0, |fedavg| fedavg.accuracy)
            },
            Self::LastClassAccuracy => |report| report.last_class_accuracy,
            Self::AttackSuccess => |report| report.attack_success.unwrap_or(0.0),
            Self::WeightShare => |report| report.attacker_weight_share,
            Self::Excluded => |report| report.honest_excluded,
            Self::RewardShare => |report| report.attacker_reward_share,
            Self::ContributorShare => |report| report.attacker_contributor_share,
            Self::FirstRelativeReward => |report| {
                let first = report.reward_shares.first().copied().unwrap_or(0.0);
                first * report.reward_shares.len() as f64
            },
            Self::ShapleyCorrelation | Self::ScoreCorrelation | Self::RewardDistance => {
                return Measure::Apart;
            }
        })
    }

    /// For people.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::LeastAccuracy => "accuracy, every seed",
            Self::AccuracyAboveFedAvg => "accuracy - FedAvg's",
            Self::LastClassAccuracy => "accuracy, niche class",
            Self::AttackSuccess => "attack success",
            Self::WeightShare => "attackers' weight",
            Self::Excluded => "honest excluded",
            Self::RewardShare => "attackers' pay",
            Self::ContributorShare => "attackers' contributor pay",
            Self::FirstRelativeReward => "first one's pay / equal",
            Self::ShapleyCorrelation => "Spearman with Shapley",
            Self::ScoreCorrelation => "score correlation",
            Self::RewardDistance => "pay, total variation",
        }
    }
}

/// A bound on a quantity.
pub(super) struct Bound {
    pub(super) quantity: Quantity,
    pub(super) at_least: bool,
    /// `None` where the design sets none.
    pub(super) limit: Option<f64>,
}

const fn least(quantity: Quantity, limit: f64) -> Bound {
    Bound {
        quantity,
        at_least: true,
        limit: Some(limit),
    }
}

const fn most(quantity: Quantity, limit: f64) -> Bound {
    Bound {
        quantity,
        at_least: false,
        limit: Some(limit),
    }
}

/// Measured without a bound; the worst is the least, or the most.
const fn seen(quantity: Quantity, at_least: bool) -> Bound {
    Bound {
        quantity,
        at_least,
        limit: None,
    }
}

/// A line of the table.
pub(super) struct Line {
    pub(super) id: &'static str,
    pub(super) scenario: &'static str,
    cases: fn() -> Vec<Setting>,
    pub(super) bounds: &'static [Bound],
}

impl Line {
    /// What is played; with so many `rounds` instead of its own.
    pub(super) fn settings(&self, rounds: Option<usize>) -> Vec<Setting> {
        let mut settings = (self.cases)();
        if let Some(rounds) = rounds {
            settings
                .iter_mut()
                .for_each(|setting| setting.rounds = rounds);
        }
        settings
    }
}

const SKEWED: Split = Split::Dirichlet(0.3);
const FOUR: [Attack; 4] = [LabelFlip, SignFlip, Boost, Noise];

/// Ten participants of whom so many attack, each of these ways.
fn ten(attackers: usize, attacks: &[Attack], split: Split) -> Vec<Setting> {
    attacks
        .iter()
        .map(|attack| Setting::new(10, attackers, *attack, split))
        .collect()
}

fn colluding(settings: Vec<Setting>) -> Vec<Setting> {
    let liars = settings.into_iter().map(|setting| Setting {
        colluding: true,
        ..setting
    });
    liars.collect()
}

/// The other sizes of a federation, under collusion.
fn of(participants: usize, attackers: usize) -> Vec<Setting> {
    let splits = [Split::Iid, SKEWED];
    colluding(
        splits
            .map(|split| Setting::new(participants, attackers, LabelFlip, split))
            .to_vec(),
    )
}

fn niche(rare_class_offset: f32) -> Vec<Setting> {
    let plain = Setting::new(10, 0, Attack::None, Split::Niche);
    vec![Setting {
        rare_class_offset,
        ..plain
    }]
}

/// Raters that keep back next to nothing.
fn tiny(all_rows_rate: bool) -> Vec<Setting> {
    let small = |setting| Setting {
        rows_kept_back: 10,
        all_rows_rate: Some(all_rows_rate),
        ..setting
    };
    let mut settings = ten(3, &[Attack::None, LabelFlip, SignFlip], SKEWED);
    settings.extend(colluding(ten(3, &[LabelFlip], SKEWED)));
    settings.into_iter().map(small).collect()
}

use Quantity::*;

/// Ids `B` are the design's bounds, `N` other sizes, `O` open problems without a bound.
pub(super) const LINES: &[Line] = &[
    Line {
        id: "B1",
        scenario: "IID, 30 %: none, label flip, sign flip, boost, noise; the four also as lying raters",
        cases: || {
            let mut cases = ten(3, &[Attack::None], Split::Iid);
            cases.extend(ten(3, &FOUR, Split::Iid));
            cases.extend(colluding(ten(3, &FOUR, Split::Iid)));
            cases
        },
        bounds: &[
            least(Accuracy, 0.92),
            most(WeightShare, 0.02),
            most(Excluded, 0.01),
        ],
    },
    Line {
        id: "B2",
        scenario: "IID, 40 % stealth",
        cases: || ten(4, &[Stealth], Split::Iid),
        bounds: &[least(Accuracy, 0.92), most(WeightShare, 0.03)],
    },
    Line {
        id: "B3",
        scenario: "Dirichlet(.3), no attack",
        cases: || ten(0, &[Attack::None], SKEWED),
        bounds: &[least(AccuracyAboveFedAvg, -0.015), most(Excluded, 0.03)],
    },
    Line {
        id: "B4",
        scenario: "Dirichlet(.3), 30 %: the four, min-max",
        cases: || {
            let mut cases = ten(3, &FOUR, SKEWED);
            cases.extend(ten(3, &[MinMax], SKEWED));
            cases
        },
        bounds: &[
            least(Accuracy, 0.86),
            most(WeightShare, 0.04),
            most(Excluded, 0.03),
        ],
    },
    Line {
        id: "B5",
        scenario: "Dirichlet(.3), 30 % that also lie as raters: noise, label flip, sign flip",
        cases: || colluding(ten(3, &[Noise, LabelFlip, SignFlip], SKEWED)),
        bounds: &[
            least(Accuracy, 0.84),
            most(WeightShare, 0.03),
            most(Excluded, 0.12),
        ],
    },
    Line {
        id: "B6",
        scenario: "Dirichlet(.3), 30 % stealth that also lie as raters",
        cases: || colluding(ten(3, &[Stealth], SKEWED)),
        bounds: &[least(Accuracy, 0.80), most(WeightShare, 0.12)],
    },
    Line {
        id: "B7",
        scenario: "the demo's split, one attacker of 5: label flip, boost, noise, colluding",
        cases: || {
            let attacks = [LabelFlip, Boost, Noise, ColludingRaters];
            attacks
                .map(|attack| Setting::new(5, 1, attack, Split::Thin10))
                .to_vec()
        },
        bounds: &[
            least(LeastAccuracy, 0.91),
            most(Excluded, 0.0),
            most(WeightShare, 0.02),
        ],
    },
    Line {
        id: "B8",
        scenario: "IID, 30 % free riders: replay, replay-mix, replay-sign, noise, zero",
        cases: || ten(3, &[Replay, ReplayMix, ReplaySign, Noise, Zero], Split::Iid),
        bounds: &[most(ContributorShare, 0.03)],
    },
    Line {
        id: "B8s",
        scenario: "Dirichlet(.3), the same free riders",
        cases: || ten(3, &[Replay, ReplayMix, ReplaySign, Noise, Zero], SKEWED),
        bounds: &[most(ContributorShare, 0.06)],
    },
    Line {
        id: "B9",
        scenario: "IID, 30 or 40 % that send noise and rate each other",
        cases: || {
            let mut cases = ten(3, &[Noise], Split::Iid);
            cases.extend(ten(4, &[Noise], Split::Iid));
            colluding(cases)
        },
        bounds: &[most(ContributorShare, 0.01)],
    },
    Line {
        id: "B10",
        scenario: "IID, 8 participants with more and more labels wrong: pay and exact Shapley values",
        cases: || {
            let clean = Setting::new(8, 0, Attack::None, Split::Iid);
            vec![Setting {
                graded_noise: true,
                ..clean
            }]
        },
        bounds: &[least(ShapleyCorrelation, 0.85)],
    },
    Line {
        id: "B11",
        scenario: "one holds 95 % of a class, offset 2",
        cases: || niche(2.0),
        bounds: &[
            least(Accuracy, 0.90),
            least(LastClassAccuracy, 0.70),
            seen(FirstRelativeReward, true),
        ],
    },
    Line {
        id: "B14",
        scenario: "integers of the encrypted path against floating point, 30 % label flip, IID and Dirichlet(.3)",
        cases: || {
            let mut cases = ten(3, &[LabelFlip], Split::Iid);
            cases.extend(ten(3, &[LabelFlip], SKEWED));
            cases
        },
        bounds: &[least(ScoreCorrelation, 0.999), most(RewardDistance, 0.005)],
    },
    Line {
        id: "N5",
        scenario: "5 participants, 1 label flipper that also lies as rater, IID and Dirichlet(.3)",
        cases: || of(5, 1),
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
            seen(RewardShare, false),
        ],
    },
    Line {
        id: "N10",
        scenario: "10 participants, 3 label flippers that also lie as raters, IID and Dirichlet(.3)",
        cases: || of(10, 3),
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
            seen(RewardShare, false),
        ],
    },
    Line {
        id: "N20",
        scenario: "20 participants, 6 label flippers that also lie as raters, IID and Dirichlet(.3)",
        cases: || of(20, 6),
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
            seen(RewardShare, false),
        ],
    },
    Line {
        id: "O1",
        scenario: "Dirichlet(.3), 30 % backdoor, without and with lying as raters",
        cases: || {
            let mut cases = ten(3, &[Backdoor], SKEWED);
            cases.extend(colluding(ten(3, &[Backdoor], SKEWED)));
            cases
        },
        bounds: &[
            seen(AttackSuccess, false),
            seen(WeightShare, false),
            seen(Accuracy, true),
        ],
    },
    Line {
        id: "O2",
        scenario: "Dirichlet(.3), 40 % stealth that also lie as raters",
        cases: || colluding(ten(4, &[Stealth], SKEWED)),
        bounds: &[seen(Accuracy, true), seen(WeightShare, false)],
    },
    Line {
        id: "O3",
        scenario: "niche class, offset 0 and 1: before line B11",
        cases: || [niche(0.0), niche(1.0)].concat(),
        bounds: &[
            seen(Accuracy, true),
            seen(LastClassAccuracy, true),
            seen(FirstRelativeReward, true),
        ],
    },
    Line {
        id: "O4a",
        scenario: "Dirichlet(.3), 10 rows kept back: none, label flip, sign flip, label flip +c",
        cases: || tiny(false),
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
        ],
    },
    Line {
        id: "O4b",
        scenario: "the same, raters ask by all their rows",
        cases: || tiny(true),
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
        ],
    },
    Line {
        id: "O5",
        scenario: "what else attackers do, IID and Dirichlet(.3), 30 %: ALIE, min-max (IID), min-sum, copycat, sybils",
        cases: || {
            let mut cases = ten(3, &[Alie, MinMax, MinSum, Copycat, Sybils], Split::Iid);
            cases.extend(ten(3, &[Alie, MinSum, Copycat, Sybils], SKEWED));
            cases
        },
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(RewardShare, false),
        ],
    },
    Line {
        id: "O6",
        scenario: "honest updates ten times as long, IID and Dirichlet(.3), 30 %; the demo's split, one of 5",
        cases: || {
            let mut cases = ten(3, &[Inflate], Split::Iid);
            cases.extend(ten(3, &[Inflate], SKEWED));
            cases.push(Setting::new(5, 1, Inflate, Split::Thin10));
            cases
        },
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(RewardShare, false),
        ],
    },
];
