//! The table: every line, for every rule.

use serde::Serialize;
use unsilo_ledger::mechanism::{EpochError, median::Median, trust, yuma};

use super::{
    federation::Rule,
    scenario::{Bench, Measured, Scenario, Setting},
    search::{Effort, Found},
};

/// The rules that are compared, in the order of [`Line::rules`]: `yuma` is version 3 with the chain's defaults,
/// `trust` has the paper's constants.
pub(crate) const RULES: [&str; 3] = ["median", "yuma", "trust"];

/// What the table says, with the names of its JSON document.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) participants: usize,
    pub(crate) epochs: usize,
    pub(crate) seeds: usize,
    pub(crate) lines: Vec<Line>,
}

/// A line for all rules.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) id: &'static str,
    pub(crate) scenario: String,
    /// At most this; none where the design sets none.
    pub(crate) bound: Option<f64>,
    pub(crate) rules: [OfRule; 3],
}

/// What was measured of one rule.
#[derive(Debug, Serialize)]
pub(crate) struct OfRule {
    pub(crate) rule: &'static str,
    /// The worst case of the line: the mean over the seeds.
    pub(crate) measured: f64,
    /// The highest seed of that case.
    pub(crate) highest: f64,
    pub(crate) case: String,
    /// Whether the measured value, as it is and not as it is printed, is within the bound.
    pub(crate) passes: Option<bool>,
    /// What an adversary's search found, for each family of lies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) found: Vec<Found>,
}

impl Table {
    /// Measures everything; tells `progress` the name of each line before it is measured.
    pub(crate) fn measure(setting: Setting, progress: impl Fn(&str)) -> Result<Self, EpochError> {
        // A search of about 40 lies a family: finer steps and more starts find nothing better at 16 participants.
        let effort = Effort {
            starts: 3,
            halvings: 4,
        };
        Self::measure_with(setting, effort, progress)
    }

    pub(super) fn measure_with(
        setting: Setting,
        effort: Effort,
        progress: impl Fn(&str),
    ) -> Result<Self, EpochError> {
        let bench = Bench::new(setting);
        let lines = Scenario::ALL
            .into_iter()
            .map(|scenario| {
                progress(scenario.id());
                Line::measure(scenario, &bench, effort)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            participants: setting.participants,
            epochs: setting.epochs,
            seeds: setting.seeds,
            lines,
        })
    }

    /// The lines in which `median` is above its bound.
    pub(crate) fn missed(&self) -> Vec<&'static str> {
        self.lines
            .iter()
            .filter(|line| line.rules[0].passes == Some(false))
            .map(|line| line.id)
            .collect()
    }
}

impl Line {
    fn measure(scenario: Scenario, bench: &Bench, effort: Effort) -> Result<Self, EpochError> {
        fn of<R: Rule>(
            name: &'static str,
            rule: &R,
            scenario: Scenario,
            bench: &Bench,
            effort: Effort,
        ) -> Result<OfRule, EpochError> {
            let Measured {
                value,
                highest,
                case,
                found,
            } = scenario.measure(rule, bench, effort)?;
            Ok(OfRule {
                rule: name,
                measured: value,
                highest,
                case,
                passes: scenario.bound().map(|bound| value <= bound),
                found,
            })
        }
        let [median, yuma, trust] = RULES;
        Ok(Self {
            id: scenario.id(),
            scenario: scenario.text(bench.setting),
            bound: scenario.bound(),
            rules: [
                of(median, &Median, scenario, bench, effort)?,
                of(yuma, &yuma::Parameters::default(), scenario, bench, effort)?,
                of(
                    trust,
                    &trust::Parameters::default(),
                    scenario,
                    bench,
                    effort,
                )?,
            ],
        })
    }
}

/// A measured value for people: with one digit behind the point from 10 on, else three, and more where fewer would
/// show it on the other side of its bound.
pub(crate) fn printed(value: f64, bound: Option<f64>) -> String {
    let least = if value < 10.0 { 3 } else { 1 };
    let rounded = |digits: usize| format!("{value:.digits$}");
    let same_side = |text: &String| match (bound, text.parse::<f64>()) {
        (Some(bound), Ok(shown)) => (shown <= bound) == (value <= bound),
        _ => true,
    };
    // A double is told from every other by 17 digits.
    (least..=17)
        .map(rounded)
        .find(same_side)
        .unwrap_or_else(|| rounded(17))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default run with one seed and a coarse search.
    #[test]
    fn median_keeps_the_bounds_and_the_others_do_not() {
        let setting = Setting {
            participants: 16,
            epochs: 200,
            seeds: 1,
        };
        let effort = Effort {
            starts: 1,
            halvings: 1,
        };
        let table = Table::measure_with(setting, effort, |_| ()).expect("settled");
        // How long an epoch takes says more about what else this machine does; it is a bench.
        let missed: Vec<_> = table
            .missed()
            .into_iter()
            .filter(|id| *id != "T10")
            .collect();
        assert_eq!(missed, Vec::<&str>::new(), "{table:#?}");
        let misses = |rule: usize| -> Vec<&str> {
            let lines = table.lines.iter();
            lines
                .filter(|line| line.rules[rule].passes == Some(false))
                .map(|line| line.id)
                .collect()
        };
        for id in ["T2", "T3", "T4", "T6", "T7"] {
            assert!(misses(1).contains(&id), "yuma: {:?}", misses(1));
        }
        for id in ["T1", "T2", "T3", "T4", "T5a", "T6", "T7"] {
            assert!(misses(2).contains(&id), "trust: {:?}", misses(2));
        }
        let searched: Vec<_> = table
            .lines
            .iter()
            .filter(|line| line.id.starts_with("T5"))
            .collect();
        assert_eq!(searched.len(), 3);
        for line in searched {
            // Lying pays a little even under median: an adversary that finds nothing does not search.
            assert!(line.rules[0].measured > 1.0, "{line:#?}");
            assert!(
                line.rules.iter().all(|rule| rule.found.len() == 5),
                "{line:#?}"
            );
        }
    }

    #[test]
    fn a_value_is_printed_on_its_side_of_the_bound() {
        for (value, bound, text) in [
            (0.00549, Some(0.005), "0.0055"),
            (0.005_001, Some(0.005), "0.005001"),
            (0.005, Some(0.005), "0.005"),
            (0.004_99, Some(0.005), "0.005"),
            (1.0604, Some(1.06), "1.0604"),
            (1.0606, Some(1.06), "1.061"),
            (1.0596, Some(1.06), "1.060"),
            (1.0604, None, "1.060"),
            (0.0, Some(0.005), "0.000"),
            (123.44, Some(100.0), "123.4"),
            (100.04, Some(100.0), "100.04"),
        ] {
            assert_eq!(printed(value, bound), text, "{value} under {bound:?}");
        }
    }

    #[test]
    fn what_median_misses_is_named() {
        let of = |passes| OfRule {
            rule: "median",
            measured: 0.0,
            highest: 0.0,
            case: String::new(),
            passes,
            found: Vec::new(),
        };
        let line = |id, median, others| Line {
            id,
            scenario: String::new(),
            bound: None,
            rules: [of(median), of(others), of(others)],
        };
        let table = Table {
            participants: 16,
            epochs: 1,
            seeds: 1,
            lines: vec![
                line("T1", Some(true), Some(false)),
                line("T2", Some(false), Some(true)),
                line("T3", None, None),
            ],
        };
        assert_eq!(table.missed(), ["T2"]);
    }
}
