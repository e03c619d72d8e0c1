//! The lines of the table: who colludes, how, what is measured, and what it may be at most.

use rayon::prelude::*;
use unsilo_ledger::mechanism::EpochError;

use super::{
    attack::{Attack, Lie, Timing},
    federation::{Federation, Paid, Rule},
    noise::Noise,
    search::{Effort, Found, search},
    speed,
};

/// The first seed that a search trains on; seeds from 0 up are measured on.
const TRAINING: u64 = 1 << 32;

/// Federations of a run of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) participants: usize,
    pub(crate) epochs: usize,
    pub(crate) seeds: usize,
}

/// A setting with its randomness.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) setting: Setting,
    measuring: Vec<Noise>,
    training: Vec<Noise>,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scenario {
    Cabal,
    Dust,
    FairShare,
    Stealth,
    SearchLarge,
    SearchSmall,
    SearchWithLargeErrors,
    Whales,
    Half,
    Copier,
    Speed,
}

/// What was measured of a rule: the worst case of the line, as the mean over the seeds.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) value: f64,
    /// The highest seed of that case.
    pub(super) highest: f64,
    /// Which case it is.
    pub(super) case: String,
    /// What a search found, for each family of lies.
    pub(super) found: Vec<Found>,
}

/// A federation, an attack, and what is asked of the payouts.
struct Case {
    name: String,
    federation: Federation,
    attack: Attack,
    /// What a colluders' share of 1 is called here.
    unit: f64,
}

impl Setting {
    /// The largest group that the rule promises to withstand: less than half of those who rate a colluder.
    pub(super) fn large_group(self) -> usize {
        self.participants.saturating_sub(2) / 2
    }

    /// A quarter.
    pub(super) fn small_group(self) -> usize {
        self.participants / 4
    }
}

impl Bench {
    pub(super) fn new(setting: Setting) -> Self {
        let noise = |seed| Noise::new(seed, setting.epochs, setting.participants);
        Self {
            setting,
            measuring: (0..setting.seeds as u64)
                .into_par_iter()
                .map(noise)
                .collect(),
            training: (TRAINING..TRAINING + 2)
                .into_par_iter()
                .map(noise)
                .collect(),
        }
    }

    /// The worst of some cases.
    fn worst<R: Rule>(&self, rule: &R, cases: &[Case]) -> Result<Measured, EpochError> {
        self.worst_by(rule, cases, |case, paid| {
            paid.share(case.attack.colluders) / case.unit
        })
    }

    fn worst_by<R: Rule>(
        &self,
        rule: &R,
        cases: &[Case],
        value: impl Fn(&Case, &Paid) -> f64 + Sync,
    ) -> Result<Measured, EpochError> {
        let measured = cases
            .par_iter()
            .map(|case| {
                let values = self
                    .measuring
                    .par_iter()
                    .map(|noise| {
                        let paid = case.federation.play(rule, &case.attack, noise)?;
                        Ok(value(case, &paid))
                    })
                    .collect::<Result<Vec<f64>, EpochError>>()?;
                Ok(Measured {
                    value: values.iter().sum::<f64>() / values.len() as f64,
                    highest: values.iter().copied().fold(f64::MIN, f64::max),
                    case: case.name.clone(),
                    found: Vec::new(),
                })
            })
            .collect::<Result<Vec<_>, EpochError>>()?;
        let worst = measured
            .into_iter()
            .max_by(|a, b| a.value.total_cmp(&b.value));
        Ok(worst.unwrap_or(Measured {
            value: 0.0,
            highest: 0.0,
            case: "no group of this size".to_owned(),
            found: Vec::new(),
        }))
    }

    /// The best lie of an adversary that searches, among `colluders` that are worth as much as others.
    fn searched<R: Rule>(
        &self,
        rule: &R,
        colluders: usize,
        error: f64,
        effort: Effort,
    ) -> Result<Measured, EpochError> {
        let mut federation = Federation::equal(self.setting.participants, colluders, 1.0);
        federation.error = error;
        let found = search(
            rule,
            &federation,
            colluders,
            effort,
            &self.training,
            &self.measuring,
        )?;
        let best = found.iter().max_by(|a, b| a.gain.total_cmp(&b.gain));
        let (value, highest, case) = best.map_or((1.0, 1.0, String::new()), |best| {
            (
                best.gain,
                best.highest,
                format!("{}: {}", best.family, best.lie),
            )
        });
        Ok(Measured {
            value,
            highest,
            case,
            found,
        })
    }
}

impl Scenario {
    pub(super) const ALL: [Self; 11] = [
        Self::Cabal,
        Self::Dust,
        Self::FairShare,
        Self::Stealth,
        Self::SearchLarge,
        Self::SearchSmall,
        Self::SearchWithLargeErrors,
        Self::Whales,
        Self::Half,
        Self::Copier,
        Self::Speed,
    ];

    /// The name in the design's table.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Cabal => "T1",
            Self::Dust => "T2",
            Self::FairShare => "T3",
            Self::Stealth => "T4",
            Self::SearchLarge => "T5a",
            Self::SearchSmall => "T5b",
            Self::SearchWithLargeErrors => "T5c",
            Self::Whales => "T6",
            Self::Half => "T7",
            Self::Copier => "T9",
            Self::Speed => "T10",
        }
    }

    /// What happens, and what is measured.
    pub(super) fn text(self, setting: Setting) -> String {
        let (large, small) = (setting.large_group(), setting.small_group());
        match self {
            Self::Cabal => format!(
                "up to {large} worthless colluders rate only each other; others rate them 0 or up to .001: share"
            ),
            Self::Dust => format!("the same, others rate them up to .05: share (up to {large})"),
            Self::FairShare => format!(
                "up to {large} colluders worth .5 or 1, errors of .2 or .4, rows all or three quarters for each \
                 other: part of their share of the utility"
            ),
            Self::Stealth => format!(
                "up to {large} worthless colluders with 1 % honest rows, per (xi + eta) of their heads: part"
            ),
            Self::SearchLarge => {
                format!("adversary search, {large} colluders worth 1: gain over honest conduct")
            }
            Self::SearchSmall => {
                format!("adversary search, {small} colluders worth 1: gain over honest conduct")
            }
            Self::SearchWithLargeErrors => {
                format!("the search with {large} colluders where ratings err by .4 instead of .2")
            }
            Self::Whales => {
                "60 % of the stake in 2 that rate only each other: part of their share of the utility".to_owned()
            }
            Self::Half => format!(
                "half of the heads ({}) collude, others rate them up to .001: share",
                setting.participants / 2
            ),
            Self::Copier => "one rates by copying the last consensus: multiple of an honest one".to_owned(),
            Self::Speed => format!("an epoch of {} participants on one core: ms", speed::PARTICIPANTS),
        }
    }

    /// What the measured value may be at most; `None` where the design sets no bound.
    pub(super) fn bound(self) -> Option<f64> {
        match self {
            Self::Cabal => Some(0.005),
            Self::Dust => Some(0.02),
            Self::FairShare | Self::Stealth | Self::Whales => Some(1.0),
            Self::SearchLarge => Some(1.06),
            Self::SearchSmall | Self::Copier => Some(1.02),
            Self::SearchWithLargeErrors => None,
            Self::Half => Some(0.01),
            Self::Speed => Some(100.0),
        }
    }

    pub(super) fn measure<R: Rule>(
        self,
        rule: &R,
        bench: &Bench,
        effort: Effort,
    ) -> Result<Measured, EpochError> {
        let setting = bench.setting;
        let (large, small) = (setting.large_group(), setting.small_group());
        match self {
            Self::Cabal => bench.worst(rule, &worthless(setting, &[0.0, 0.001], 0.0)),
            Self::Dust => bench.worst(rule, &worthless(setting, &[0.05], 0.0)),
            Self::FairShare => bench.worst(rule, &fair_share(setting)),
            Self::Stealth => {
                let mut cases = worthless(setting, &[0.0, 0.001], 0.01);
                for case in &mut cases {
                    // xi + eta, of the colluders' part of the heads.
                    case.unit = 0.3 * case.attack.colluders as f64 / setting.participants as f64;
                }
                bench.worst(rule, &cases)
            }
            Self::SearchLarge => bench.searched(rule, large, 0.2, effort),
            Self::SearchSmall => bench.searched(rule, small, 0.2, effort),
            Self::SearchWithLargeErrors => bench.searched(rule, large, 0.4, effort),
            Self::Whales => bench.worst(rule, &[whales(setting)]),
            Self::Half => {
                let colluders = setting.participants / 2;
                let mut federation = Federation::equal(setting.participants, colluders, 0.0);
                federation.dust = 0.001;
                bench.worst(
                    rule,
                    &[Case {
                        name: format!("{colluders} colluders"),
                        federation,
                        attack: Attack::mix(colluders, 0.0),
                        unit: 1.0,
                    }],
                )
            }
            Self::Copier => bench.worst_by(rule, &copiers(setting), |case, paid| {
                let last = case.federation.participants() - 1;
                paid.mean(last..last + 1) / paid.mean(0..last)
            }),
            Self::Speed => speed::epoch(rule),
        }
    }
}

/// Groups of different sizes: one, a quarter, and as many as the rule promises to withstand.
fn sizes(setting: Setting) -> Vec<usize> {
    let mut sizes = vec![1, setting.small_group(), setting.large_group()];
    sizes.dedup();
    sizes
}

/// Colluders whose contributions are worth nothing.
fn worthless(setting: Setting, dusts: &[f64], honest: f64) -> Vec<Case> {
    sizes(setting)
        .into_iter()
        .flat_map(|colluders| {
            dusts.iter().map(move |dust| {
                let mut federation = Federation::equal(setting.participants, colluders, 0.0);
                federation.dust = *dust;
                Case {
                    name: format!("{colluders} colluders, rated up to {dust}"),
                    federation,
                    attack: Attack::mix(colluders, honest),
                    unit: 1.0,
                }
            })
        })
        .collect()
}

fn fair_share(setting: Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for colluders in sizes(setting).into_iter().filter(|size| *size > 1) {
        for utility in [0.5, 1.0] {
            for error in [0.2, 0.4] {
                for honest in [0.0, 0.25] {
                    let mut federation =
                        Federation::equal(setting.participants, colluders, utility);
                    federation.error = error;
                    let theirs = colluders as f64 * utility;
                    cases.push(Case {
                        name: format!(
                            "{colluders} colluders worth {utility}, errors of {error}, rows {honest} honest"
                        ),
                        unit: theirs / federation.utility.iter().sum::<f64>(),
                        federation,
                        attack: Attack::mix(colluders, honest),
                    });
                }
            }
        }
    }
    cases
}

fn whales(setting: Setting) -> Case {
    let mut federation = Federation::equal(setting.participants, 2, 1.0);
    let others = setting.participants - 2;
    // 3/2 of what all others have is 60 % of all.
    let whale = 100 * others as u64 * 3 / 4;
    federation.stake[others..].fill(whale);
    Case {
        name: "2 whales".to_owned(),
        federation,
        attack: Attack::mix(2, 0.0),
        unit: 2.0 / setting.participants as f64,
    }
}

fn copiers(setting: Setting) -> Vec<Case> {
    [0.2, 0.4]
        .into_iter()
        .map(|error| {
            let mut federation = Federation::equal(setting.participants, 1, 1.0);
            federation.error = error;
            Case {
                name: format!("errors of {error}"),
                federation,
                attack: Attack {
                    colluders: 1,
                    timing: Timing::Always,
                    lie: Lie::Copy,
                },
                unit: 1.0,
            }
        })
        .collect()
}
