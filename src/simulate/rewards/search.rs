//! An adversary that looks for the lie that pays best.
//!
//! Five families of lies, each with a few parameters from 0 to 1. A pattern search climbs from several starts on a
//! few seeds, the same for all attempts, so that attempts differ by the lie alone; what it finds is then measured
//! on other seeds, so that luck on the first is not counted as gain.

use rayon::prelude::*;
use serde::Serialize;
use unsilo_ledger::mechanism::EpochError;

use super::{
    attack::{Attack, Beneficiaries, Lie, Timing},
    federation::{Federation, Rule},
    noise::Noise,
};

/// A family of lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    /// Partly honest rows, the rest for the group.
    Mix,
    /// Rows that talk some of the others down, partly for the group.
    Undercut,
    /// Everybody lies for one of them.
    SingleBeneficiary,
    /// Honest for a while, to earn reputation.
    Sleeper,
    /// Lying and honest by turns.
    Oscillating,
}

impl Family {
    pub(crate) const ALL: [Self; 5] = [
        Self::Mix,
        Self::Undercut,
        Self::SingleBeneficiary,
        Self::Sleeper,
        Self::Oscillating,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Undercut => "undercut",
            Self::SingleBeneficiary => "single beneficiary",
            Self::Sleeper => "sleeper",
            Self::Oscillating => "oscillating",
        }
    }

    /// Parameters of a lie, each from 0 to 1.
    fn parameters(self) -> usize {
        match self {
            Self::Mix | Self::SingleBeneficiary => 1,
            Self::Sleeper => 2,
            Self::Undercut | Self::Oscillating => 3,
        }
    }

    /// The lie with these parameters; the first is how much of a row is honest.
    fn attack(self, at: &[f64], colluders: usize, participants: usize, epochs: usize) -> Attack {
        let part = |index: usize| at.get(index).copied().unwrap_or(1.0);
        let count = |index: usize, of: usize| (part(index) * of as f64).round() as usize;
        let (keep, victims) = match self {
            Self::Undercut => (part(1), count(2, participants)),
            _ => (1.0, 0),
        };
        Attack {
            colluders,
            timing: match self {
                // Awake at once would be one of the families above.
                Self::Sleeper => Timing::From(epochs / 20 + count(1, epochs / 2)),
                Self::Oscillating => {
                    let period = 2 + count(1, 38);
                    Timing::Periodic {
                        period,
                        lying: 1 + count(2, period - 2),
                    }
                }
                _ => Timing::Always,
            },
            lie: Lie::Row {
                honest: part(0),
                keep,
                victims,
                beneficiaries: match self {
                    Self::SingleBeneficiary => Beneficiaries::One,
                    _ => Beneficiaries::All,
                },
            },
        }
    }
}

/// The best lie of a family, and what it brings.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Found {
    pub(crate) family: &'static str,
    /// The lie in words.
    pub(crate) lie: String,
    /// What colluders are paid, as a multiple of what honest conduct pays them: the mean over the seeds it was
    /// measured on.
    pub(crate) gain: f64,
    /// The highest of them.
    pub(crate) highest: f64,
}

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Where it climbs from.
    pub(crate) starts: usize,
    /// How often it halves its step.
    pub(crate) halvings: usize,
}

/// Searches each family, on `training`, and measures what it finds on `measuring`.
pub(crate) fn search<R: Rule>(
    rule: &R,
    federation: &Federation,
    colluders: usize,
    effort: Effort,
    training: &[Noise],
    measuring: &[Noise],
) -> Result<Vec<Found>, EpochError> {
    let before = Gains::new(rule, federation, colluders, training)?;
    let after = Gains::new(rule, federation, colluders, measuring)?;
    Family::ALL
        .par_iter()
        .map(|family| {
            let attack = climb(*family, &before, effort)?;
            let gains = after.of(&attack)?;
            Ok(Found {
                family: family.name(),
                lie: attack.to_string(),
                gain: mean(&gains),
                highest: gains.iter().copied().fold(f64::MIN, f64::max),
            })
        })
        .collect()
}

/// What honest conduct pays on some seeds, to compare with.
struct Gains<'a, R> {
    rule: &'a R,
    federation: &'a Federation,
    colluders: usize,
    seeds: &'a [Noise],
    honest: Vec<f64>,
}

impl<'a, R: Rule> Gains<'a, R> {
    fn new(
        rule: &'a R,
        federation: &'a Federation,
        colluders: usize,
        seeds: &'a [Noise],
    ) -> Result<Self, EpochError> {
        let honest = seeds
            .par_iter()
            .map(|noise| {
                let paid = federation.play(rule, &Attack::none(colluders), noise)?;
                Ok(paid.share(colluders))
            })
            .collect::<Result<_, EpochError>>()?;
        Ok(Self {
            rule,
            federation,
            colluders,
            seeds,
            honest,
        })
    }

    /// One for each seed.
    fn of(&self, attack: &Attack) -> Result<Vec<f64>, EpochError> {
        self.seeds
            .par_iter()
            .zip(&self.honest)
            .map(|(noise, honest)| {
                let paid = self.federation.play(self.rule, attack, noise)?;
                Ok(paid.share(self.colluders) / honest)
            })
            .collect()
    }
}

/// The best lie that a pattern search finds: from each start it steps along one parameter at a time, and halves
/// its step when no step is better.
fn climb<R: Rule>(
    family: Family,
    gains: &Gains<'_, R>,
    effort: Effort,
) -> Result<Attack, EpochError> {
    let participants = gains.federation.participants();
    let epochs = gains.seeds.first().map_or(0, Noise::epochs);
    let attack = |at: &[f64]| family.attack(at, gains.colluders, participants, epochs);
    let value = |at: &[f64]| Ok::<_, EpochError>(mean(&gains.of(&attack(at))?));
    let mut best = (f64::MIN, vec![0.0; family.parameters()]);
    for start in 0..effort.starts {
        // Spread over the diagonal and off it: the first parameter, how honest a row is, matters most.
        let at = |index: usize| {
            let position = (start + index * (start + 1)) as f64 + 0.5;
            (position / effort.starts as f64).fract()
        };
        let mut here: Vec<f64> = (0..family.parameters()).map(at).collect();
        let mut height = value(&here)?;
        let mut step = 0.25;
        for _ in 0..effort.halvings {
            let mut climbed = true;
            while climbed {
                climbed = false;
                for index in 0..here.len() {
                    for direction in [step, -step] {
                        let mut there = here.clone();
                        there[index] = (there[index] + direction).clamp(0.0, 1.0);
                        if there == here {
                            continue;
                        }
                        let found = value(&there)?;
                        if found > height {
                            (here, height, climbed) = (there, found, true);
                        }
                    }
                }
            }
            step /= 2.0;
        }
        if height > best.0 {
            best = (height, here);
        }
    }
    Ok(attack(&best.1))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
