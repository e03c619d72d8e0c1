//! The lines of the design's table: what is played, and what must come of it.

use serde::Serialize;

use super::{Report, Setting, Split, source::Source};
use crate::attack::Attack::{
    self, Alie, Backdoor, Boost, ColludingRaters, Copycat, Inflate, LabelFlip, MinMax, MinSum,
    Noise, Oscillate, Replay, ReplayAlternate, ReplayMix, ReplaySign, SignFlip, Stealth, Sybils,
    Zero,
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
    /// The least of any round after those in which attackers were honest.
    LeastAfterTurn,
    /// How many of those rounds the attackers have more than a fiftieth of the weight in.
    RoundsAfterTurn,
    AttackSuccess,
    WeightShare,
    Excluded,
    /// Rounds whose sum was not opened, of all.
    NotOpened,
    RewardShare,
    ContributorShare,
    /// What the first participant earns, as a part of an equal share.
    FirstRelativeReward,
    /// What the one that earns least earns, as a part of an equal share.
    LeastRelativeReward,
    /// What was paid of what could have been.
    PaidShare,
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
            Self::LeastAfterTurn => |report| {
                let rounds = report.per_round.accuracy.iter();
                rounds
                    .skip(report.honest_rounds)
                    .copied()
                    .fold(1.0, f64::min)
            },
            Self::RoundsAfterTurn => |report| {
                let shares = report.per_round.attacker_weight_share.iter();
                let turned = shares.skip(report.honest_rounds);
                turned.filter(|share| **share > 0.02).count() as f64
            },
            Self::AttackSuccess => |report| report.attack_success.unwrap_or(0.0),
            Self::WeightShare => |report| report.attacker_weight_share,
            Self::Excluded => |report| report.honest_excluded,
            Self::NotOpened => |report| report.rounds_not_opened / report.rounds.max(1) as f64,
            Self::RewardShare => |report| report.attacker_reward_share,
            Self::ContributorShare => |report| report.attacker_contributor_share,
            Self::FirstRelativeReward => |report| {
                let first = report.reward_shares.first().copied().unwrap_or(0.0);
                first * report.reward_shares.len() as f64
            },
            Self::LeastRelativeReward => |report| report.least_relative_reward,
            Self::PaidShare => |report| report.paid_share,
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
            Self::LeastAfterTurn => "accuracy, least round",
            Self::RoundsAfterTurn => "rounds they have weight",
            Self::AttackSuccess => "attack success",
            Self::WeightShare => "attackers' weight",
            Self::Excluded => "honest excluded",
            Self::NotOpened => "rounds not opened",
            Self::RewardShare => "attackers' pay",
            Self::ContributorShare => "attackers' contributor pay",
            Self::FirstRelativeReward => "first one's pay / equal",
            Self::LeastRelativeReward => "least one's pay / equal",
            Self::PaidShare => "paid of what could be",
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
    pub(super) source: Source,
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

/// One attacker among the demo's five companies.
fn one_of_five(attacks: &[Attack]) -> Vec<Setting> {
    let setting = |attack: &Attack| Setting::new(5, 1, *attack, Split::Thin10);
    attacks.iter().map(setting).collect()
}

/// A setting with 128 hidden units, as the design's lines on other data have.
fn wide(setting: Setting) -> Setting {
    Setting {
        hidden: 128,
        ..setting
    }
}

/// Free riders that work in the first round, and so begin with a good name.
fn after_one_honest_round(split: Split) -> Vec<Setting> {
    let settings = ten(3, &[Replay, ReplayMix, ReplaySign, Noise, Zero], split);
    let worked = settings.into_iter().map(|setting| Setting {
        honest_rounds: 1,
        ..setting
    });
    worked.collect()
}

use Quantity::*;

/// Ids `B` are the design's bounds, `N` other sizes, `O` open problems without a bound.
pub(super) const LINES: &[Line] = &[
    Line {
        id: "B1",
        scenario: "IID, 30 %: none, label flip, sign flip, boost, noise; the four also as lying raters",
        source: Source::Digits,
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
        source: Source::Digits,
        cases: || ten(4, &[Stealth], Split::Iid),
        bounds: &[least(Accuracy, 0.92), most(WeightShare, 0.03)],
    },
    Line {
        id: "B3",
        scenario: "Dirichlet(.3), no attack",
        source: Source::Digits,
        cases: || ten(0, &[Attack::None], SKEWED),
        bounds: &[least(AccuracyAboveFedAvg, -0.015), most(Excluded, 0.03)],
    },
    Line {
        id: "B4",
        scenario: "Dirichlet(.3), 30 %: the four, min-max",
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
        cases: || colluding(ten(3, &[Stealth], SKEWED)),
        bounds: &[least(Accuracy, 0.80), most(WeightShare, 0.12)],
    },
    Line {
        id: "B7",
        scenario: "the demo's split, one attacker of 5: label flip, boost, noise; the three also as a lying rater that praises nobody",
        source: Source::Digits,
        cases: || {
            let mut cases = one_of_five(&[LabelFlip, Boost, Noise]);
            let liars = colluding(cases.clone()).into_iter().map(|setting| Setting {
                alone_praises_one: false,
                ..setting
            });
            cases.extend(liars);
            cases
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
        source: Source::Digits,
        cases: || ten(3, &[Replay, ReplayMix, ReplaySign, Noise, Zero], Split::Iid),
        bounds: &[most(ContributorShare, 0.03)],
    },
    Line {
        id: "B8s",
        scenario: "Dirichlet(.3), the same free riders",
        source: Source::Digits,
        cases: || ten(3, &[Replay, ReplayMix, ReplaySign, Noise, Zero], SKEWED),
        bounds: &[most(ContributorShare, 0.06)],
    },
    Line {
        id: "B9",
        scenario: "IID, 30 or 40 % that send noise and rate each other",
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
        cases: || niche(2.0),
        bounds: &[
            least(Accuracy, 0.90),
            least(LastClassAccuracy, 0.70),
            seen(FirstRelativeReward, true),
        ],
    },
    Line {
        id: "B12",
        scenario: "MNIST, 101,770 parameters, IID, no attack",
        source: Source::Mnist,
        cases: || vec![wide(Setting::new(10, 0, Attack::None, Split::Iid))],
        bounds: &[least(Accuracy, 0.885)],
    },
    Line {
        id: "B12s",
        scenario: "the same, Dirichlet(.3), 30 %: label flip, sign flip, min-max",
        source: Source::Mnist,
        cases: || {
            let cases = ten(3, &[LabelFlip, SignFlip, MinMax], SKEWED);
            cases.into_iter().map(wide).collect()
        },
        bounds: &[least(Accuracy, 0.86)],
    },
    Line {
        id: "B13",
        scenario: "heart patients of four hospitals among 12 participants, 25 %: the four",
        source: Source::Heart,
        cases: || {
            FOUR.map(|attack| wide(Setting::new(12, 3, attack, Split::Hospitals)))
                .to_vec()
        },
        bounds: &[
            least(Accuracy, 0.76),
            most(WeightShare, 0.15),
            most(Excluded, 0.12),
        ],
    },
    Line {
        id: "O12",
        scenario: "the same patients, each hospital a participant: none, the four by one of them, the same as a lying rater",
        source: Source::Heart,
        cases: || {
            let of = |attack| wide(Setting::new(4, 1, attack, Split::Hospitals));
            let mut cases = vec![of(Attack::None)];
            cases.extend(FOUR.map(of));
            cases.extend(colluding(FOUR.map(of).to_vec()));
            cases
        },
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
            seen(NotOpened, false),
        ],
    },
    Line {
        id: "B14",
        scenario: "integers of the encrypted path against floating point, 30 % label flip, IID and Dirichlet(.3)",
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
        cases: || colluding(ten(4, &[Stealth], SKEWED)),
        bounds: &[seen(Accuracy, true), seen(WeightShare, false)],
    },
    Line {
        id: "O3",
        scenario: "niche class, offset 0 and 1: before line B11",
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
        source: Source::Digits,
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
    Line {
        id: "O9",
        scenario: "the same as a lying rater that puts its whole row on one honest company, and one that lies and trains honestly",
        source: Source::Digits,
        cases: || {
            let mut cases = colluding(one_of_five(&[LabelFlip, Boost, Noise]));
            cases.extend(one_of_five(&[ColludingRaters]));
            cases
        },
        bounds: &[
            seen(LeastAccuracy, true),
            seen(Excluded, false),
            seen(WeightShare, false),
        ],
    },
    Line {
        id: "O7",
        scenario: "free riders as in B8 that work in the first round, IID and Dirichlet(.3)",
        source: Source::Digits,
        cases: || {
            [
                after_one_honest_round(Split::Iid),
                after_one_honest_round(SKEWED),
            ]
            .concat()
        },
        bounds: &[seen(ContributorShare, false)],
    },
    Line {
        id: "O10",
        scenario: "free riders whose updates change their sign every round, IID and Dirichlet(.3): replay-alternate, oscillate",
        source: Source::Digits,
        cases: || {
            [Split::Iid, SKEWED]
                .map(|split| ten(3, &[ReplayAlternate, Oscillate], split))
                .concat()
        },
        bounds: &[
            seen(ContributorShare, false),
            seen(RewardShare, false),
            seen(Accuracy, true),
        ],
    },
    Line {
        id: "O11",
        scenario: "30 % that are honest for 20 rounds and attack for 40: boost, sign flip, noise, IID and Dirichlet(.3); boost +c",
        source: Source::Digits,
        cases: || {
            let attacks = [Boost, SignFlip, Noise];
            let mut cases = ten(3, &attacks, Split::Iid);
            cases.extend(ten(3, &attacks, SKEWED));
            cases.extend(colluding(ten(3, &[Boost], SKEWED)));
            let sleepers = cases.into_iter().map(|setting| Setting {
                honest_rounds: 20,
                rounds: 60,
                ..setting
            });
            sleepers.collect()
        },
        bounds: &[
            seen(Accuracy, true),
            seen(LeastAfterTurn, true),
            seen(RoundsAfterTurn, false),
            seen(Excluded, false),
        ],
    },
    Line {
        id: "O13",
        scenario: "Dirichlet(.3), 30 % that are honest for one round and boost from then on",
        source: Source::Digits,
        cases: || {
            let cases = ten(3, &[Boost], SKEWED).into_iter();
            let turned = cases.map(|setting| Setting {
                honest_rounds: 1,
                ..setting
            });
            turned.collect()
        },
        bounds: &[
            seen(Accuracy, true),
            seen(WeightShare, false),
            seen(Excluded, false),
        ],
    },
    Line {
        id: "O8",
        scenario: "the demo's split, five honest: what the least paid has of an equal share",
        source: Source::Digits,
        cases: || vec![Setting::new(5, 0, Attack::None, Split::Thin10)],
        bounds: &[
            seen(Excluded, false),
            seen(LeastRelativeReward, true),
            seen(PaidShare, true),
        ],
    },
];
