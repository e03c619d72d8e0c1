//! The design's bounds, measured: every line of its table on the built-in digits, with the other rules beside it.

use std::{collections::BTreeMap, path::PathBuf};

use rayon::prelude::*;
use serde::Serialize;
use unsilo_train::Dataset;

use super::{
    Report, Setting,
    baselines::Baseline,
    exact::nearness,
    federation::Federation,
    lines::{LINES, Line, Measure, Quantity},
    play_all, shapley,
    source::{Found, Source},
};
use crate::exit::CommandError;

/// How much is played.
#[derive(Clone, Debug)]
pub(crate) struct Effort {
    pub(crate) seeds: usize,
    /// Instead of the rounds of each line.
    pub(crate) rounds: Option<usize>,
    /// Where the data is that the program does not bring.
    pub(crate) data: Option<PathBuf>,
    /// Only the lines with these ids; all if there are none.
    pub(crate) only: Vec<String>,
}

/// All lines, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Bounds {
    pub(crate) seeds: usize,
    /// What was played instead of the rounds of each line; null as it should be.
    pub(crate) rounds: Option<usize>,
    pub(crate) lines: Vec<Measured>,
}

/// A line, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) id: &'static str,
    pub(crate) scenario: &'static str,
    /// Why it was not played; null where it was.
    pub(crate) skipped: Option<String>,
    pub(crate) values: Vec<Value>,
    /// The least accuracy over the line's cases of each other rule. Empty where none is compared.
    pub(crate) baselines: BTreeMap<Baseline, f64>,
    /// Each case as it was played.
    pub(crate) cases: Vec<Case>,
}

/// A quantity with its bound: that of the worst of the line's cases.
#[derive(Debug, Serialize)]
pub(crate) struct Value {
    pub(crate) quantity: Quantity,
    /// At least or at most this; null where the design sets no bound.
    pub(crate) bound: Option<f64>,
    /// Whether the bound is a least value.
    pub(crate) at_least: bool,
    pub(crate) measured: f64,
    /// Null without a bound.
    pub(crate) passes: Option<bool>,
    /// The case that it was measured in.
    pub(crate) case: String,
}

/// One case of a line.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) accuracy: f64,
    pub(crate) last_class_accuracy: f64,
    pub(crate) attack_success: Option<f64>,
    pub(crate) attacker_weight_share: f64,
    pub(crate) attacker_reward_share: f64,
    pub(crate) attacker_contributor_share: f64,
    pub(crate) honest_excluded: f64,
    pub(crate) auc: Option<f64>,
    pub(crate) first_reward_share: f64,
    pub(crate) baselines: BTreeMap<Baseline, f64>,
}

impl Bounds {
    /// Plays everything whose data is there. `done` is told the part of it that is done.
    ///
    /// # Errors
    /// An id that no line has; files that are there, but are not what they should be.
    pub(crate) fn measure(effort: &Effort, done: impl Fn(f64) + Sync) -> anyhow::Result<Self> {
        let is_id = |id: &&String| LINES.iter().any(|line| line.id == id.as_str());
        if let Some(id) = effort.only.iter().find(|id| !is_id(id)) {
            let ids: Vec<&str> = LINES.iter().map(|line| line.id).collect();
            return Err(CommandError::Input(format!(
                "--line {id}: there is no such line; give one of {}",
                ids.join(", ")
            ))
            .into());
        }
        let is_wanted =
            |line: &Line| effort.only.is_empty() || effort.only.iter().any(|id| id == line.id);
        let mut measured = BTreeMap::new();
        for (at, source) in Source::ALL.into_iter().enumerate() {
            let part = |part: f64| done((at as f64 + part) / Source::ALL.len() as f64);
            let lines: Vec<(usize, &Line)> = LINES
                .iter()
                .enumerate()
                .filter(|(_, line)| line.source == source && is_wanted(line))
                .collect();
            if lines.is_empty() {
                continue;
            }
            match source.rows(effort.data.as_deref())? {
                Found::Missing(file) => {
                    let skipped = |(place, line)| (place, Measured::skipped(line, &file));
                    measured.extend(lines.into_iter().map(skipped));
                }
                Found::Rows(data) => measured.extend(of_source(lines, &data, effort, part)?),
            }
        }
        Ok(Self {
            seeds: effort.seeds,
            rounds: effort.rounds,
            lines: measured.into_values().collect(),
        })
    }

    /// The lines with a bound that was missed.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        let misses = |line: &&Measured| line.values.iter().any(|value| value.passes == Some(false));
        self.lines
            .iter()
            .filter(misses)
            .map(|line| line.id)
            .collect()
    }
}

/// The lines that are played on `data`, each with its place in the table.
fn of_source(
    lines: Vec<(usize, &Line)>,
    data: &Dataset,
    effort: &Effort,
    done: impl Fn(f64) + Sync,
) -> anyhow::Result<Vec<(usize, Measured)>> {
    // A setting of several lines is played once.
    let mut settings: Vec<Setting> = Vec::new();
    for setting in lines
        .iter()
        .flat_map(|(_, line)| line.settings(effort.rounds))
    {
        if !settings.contains(&setting) {
            settings.push(setting);
        }
    }
    let reports = play_all(&settings, data, effort.seeds, true, done)?;
    lines
        .into_iter()
        .map(|(place, line)| {
            let measured = Measured::new(line, &settings, &reports, data, effort)?;
            Ok((place, measured))
        })
        .collect()
}

impl Measured {
    fn skipped(line: &Line, file: &str) -> Self {
        Self {
            id: line.id,
            scenario: line.scenario,
            skipped: Some(format!("no data: {file}")),
            values: Vec::new(),
            baselines: BTreeMap::new(),
            cases: Vec::new(),
        }
    }

    fn new(
        line: &Line,
        settings: &[Setting],
        reports: &[Report],
        data: &Dataset,
        effort: &Effort,
    ) -> anyhow::Result<Self> {
        let played: Vec<(Setting, &Report)> = line
            .settings(effort.rounds)
            .into_iter()
            .filter_map(|setting| {
                let at = settings.iter().position(|one| *one == setting)?;
                Some((setting, &reports[at]))
            })
            .collect();
        let mut values = Vec::new();
        for bound in line.bounds {
            let of_cases = match bound.quantity.measure() {
                Measure::OfReport(of) => played
                    .iter()
                    .map(|(setting, report)| (of(report), name(setting)))
                    .collect(),
                Measure::Apart => apart(bound.quantity, &played, data, effort.seeds)?,
            };
            let worst = of_cases.into_iter().reduce(|worst, one| {
                let is_worse = if bound.at_least {
                    one.0 < worst.0
                } else {
                    one.0 > worst.0
                };
                if is_worse { one } else { worst }
            });
            let Some((measured, case)) = worst else {
                continue;
            };
            values.push(Value {
                quantity: bound.quantity,
                bound: bound.limit,
                at_least: bound.at_least,
                measured,
                passes: bound.limit.map(|limit| {
                    if bound.at_least {
                        measured >= limit
                    } else {
                        measured <= limit
                    }
                }),
                case,
            });
        }
        let mut baselines = BTreeMap::new();
        for (rule, of_rule) in played.iter().flat_map(|(_, report)| &report.baselines) {
            let least: &mut f64 = baselines.entry(*rule).or_insert(1.0);
            *least = least.min(of_rule.accuracy);
        }
        Ok(Self {
            id: line.id,
            scenario: line.scenario,
            skipped: None,
            values,
            baselines,
            cases: played
                .iter()
                .map(|(setting, report)| Case::new(setting, report))
                .collect(),
        })
    }
}

/// What is not in a report: each seed is played again, with somebody who sees the updates in the clear.
fn apart(
    quantity: Quantity,
    played: &[(Setting, &Report)],
    data: &Dataset,
    seeds: usize,
) -> anyhow::Result<Vec<(f64, String)>> {
    played
        .iter()
        .map(|(setting, _)| {
            let values = (1..=seeds as u64)
                .into_par_iter()
                .map(|seed| {
                    let federation = Federation::new(setting, data, seed)?;
                    match quantity {
                        Quantity::ShapleyCorrelation => shapley::correlation_with_pay(&federation),
                        Quantity::RewardDistance => Ok(nearness(&federation)?.distance),
                        _ => Ok(nearness(&federation)?.correlation),
                    }
                })
                .collect::<anyhow::Result<Vec<f64>>>()?;
            Ok((
                values.iter().sum::<f64>() / values.len().max(1) as f64,
                name(setting),
            ))
        })
        .collect()
}

impl Case {
    fn new(setting: &Setting, report: &Report) -> Self {
        Self {
            name: name(setting),
            accuracy: report.accuracy,
            last_class_accuracy: report.last_class_accuracy,
            attack_success: report.attack_success,
            attacker_weight_share: report.attacker_weight_share,
            attacker_reward_share: report.attacker_reward_share,
            attacker_contributor_share: report.attacker_contributor_share,
            honest_excluded: report.honest_excluded,
            auc: report.auc,
            first_reward_share: report.reward_shares.first().copied().unwrap_or(0.0),
            baselines: report
                .baselines
                .iter()
                .map(|(rule, of)| (*rule, of.accuracy))
                .collect(),
        }
    }
}

/// A setting in words.
fn name(setting: &Setting) -> String {
    let attack = clap::ValueEnum::to_possible_value(&setting.attack);
    let attack = attack.map_or_else(String::new, |value| value.get_name().to_owned());
    let mut name = format!("{} n={}", setting.split, setting.participants);
    if setting.attackers > 0 {
        name = format!("{name} {} {attack}", setting.attackers);
    }
    if setting.colluding {
        name.push_str(" +c");
    }
    if setting.lies() && setting.attackers == 1 {
        name.push_str(if setting.alone_praises_one {
            " praising one"
        } else {
            " praising nobody"
        });
    }
    if setting.honest_rounds > 0 {
        name = format!("{name} after {} honest", setting.honest_rounds);
    }
    if setting.graded_noise {
        name.push_str(" graded label noise");
    }
    if setting.rare_class_offset != 1.0 {
        name = format!("{name} offset {}", setting.rare_class_offset);
    }
    if setting.all_rows_rate == Some(true) {
        name.push_str(" all rows rate");
    }
    if setting.rows_kept_back != Setting::KEEP_DEFAULT {
        name = format!("{name} {} rows kept back", setting.rows_kept_back);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::Split;

    #[test]
    fn every_line_is_measured_and_a_setting_of_two_lines_once() {
        let effort = Effort {
            seeds: 1,
            rounds: Some(1),
            data: None,
            only: Vec::new(),
        };
        let bounds = Bounds::measure(&effort, |_| ()).expect("measured");
        assert_eq!(bounds.lines.len(), LINES.len());
        for (line, measured) in LINES.iter().zip(&bounds.lines) {
            assert_eq!(line.id, measured.id);
            if line.source != Source::Digits {
                let words = measured.skipped.as_deref().unwrap_or_default();
                assert!(words.starts_with("no data: "), "{}: {words}", line.id);
                assert!(measured.values.is_empty());
                continue;
            }
            assert_eq!(measured.skipped, None);
            assert_eq!(line.bounds.len(), measured.values.len(), "{}", line.id);
            assert_eq!(
                line.settings(Some(1)).len(),
                measured.cases.len(),
                "{}",
                line.id
            );
            for value in &measured.values {
                assert!(value.measured.is_finite(), "{}: {value:?}", line.id);
                let passes = value.bound.map(|bound| match value.at_least {
                    true => value.measured >= bound,
                    false => value.measured <= bound,
                });
                assert_eq!(passes, value.passes);
            }
            assert!(
                measured.cases.iter().all(|case| case.baselines.len() == 5),
                "{}",
                line.id
            );
        }
        // A model of one round is below .92.
        assert!(bounds.missed().contains(&"B1"), "{:?}", bounds.missed());
    }

    #[test]
    fn cases_have_different_names() {
        for line in LINES {
            let mut names: Vec<String> = line.settings(None).iter().map(name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", line.id);
        }
    }

    #[test]
    fn the_split_of_the_demo_is_for_its_five_companies() {
        let demo = LINES.iter().flat_map(|line| line.settings(None));
        let demo: Vec<_> = demo
            .filter(|setting| setting.split == Split::Thin10)
            .collect();
        assert!(!demo.is_empty() && demo.iter().all(|setting| setting.participants == 5));
    }
}
