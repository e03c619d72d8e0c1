//! The file of a case: reading, limits, and what its fields mean to each rule.

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;
use unsilo_ledger::mechanism::{Epoch, MAX_ROWS, Ratings, Row, fixed::I32F32, trust, yuma};

use crate::exit::CommandError;

/// The largest file: one dense epoch of as many rows as the rules allow takes 100 MB.
const MAX_BYTES: u64 = 128 << 20;

/// Epochs of a case.
const MAX_EPOCHS: usize = 100_000;

/// A case that was checked: all rows and columns fit.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) emission: u64,
    pub(super) owners: Vec<u64>,
    pub(super) epochs: Vec<EpochOfCase>,
    activity_cutoff: u32,
    parameters: Parameters,
}

/// An epoch that was checked.
#[derive(Debug)]
pub(super) struct EpochOfCase {
    stake: Vec<u64>,
    weights: Vec<Option<Vec<u16>>>,
}

/// The file, with the names of the vectors.
#[derive(Deserialize)]
struct File {
    #[serde(default = "default_emission")]
    emission: u64,
    owner_group: Option<Vec<u64>>,
    epochs: Vec<FileEpoch>,
    activity_cutoff: Option<u32>,
    kappa_u16: Option<u16>,
    bonds_moving_average_ppm: Option<u32>,
    bonds_penalty_u16: Option<u16>,
    liquid_alpha: Option<bool>,
    alpha_low: Option<f64>,
    alpha_high: Option<f64>,
    alpha_sigmoid_steepness: Option<u16>,
    rho: Option<f64>,
    kappa: Option<f64>,
    tau: Option<f64>,
}

#[derive(Deserialize)]
struct FileEpoch {
    stake: Option<Vec<u64>>,
    weights_u16: Vec<Option<Vec<u16>>>,
}

fn default_emission() -> u64 {
    1_000_000_000
}

/// Reads and checks a case. Also returns the fields that no rule uses, by their paths without indices.
pub(super) fn read(path: &Path) -> Result<(Case, Vec<String>), CommandError> {
    let wrong = |text: String| CommandError::Input(format!("{}: {text}", path.display()));
    let size = fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > MAX_BYTES {
        return Err(wrong(format!(
            "{size} bytes; a case has at most {MAX_BYTES}: split it into several"
        )));
    }
    let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    parse(&bytes).map_err(wrong)
}

fn parse(bytes: &[u8]) -> Result<(Case, Vec<String>), String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let mut track = serde_path_to_error::Track::new();
    let mut ignored = BTreeSet::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let file: Result<File, _> = serde_ignored::deserialize(tracked, |path| {
        ignored.insert(without_indices(&path.to_string()));
    });
    let file = file.map_err(|error| {
        let path = track.path().to_string();
        let hint = hint(&path);
        format!("{path}: {error}. {hint}")
    })?;
    json.end()
        .map_err(|error| format!("{error}: the file must hold one case and nothing else"))?;
    Ok((file.check()?, ignored.into_iter().collect()))
}

/// `epochs.3.note` is `epochs.note`.
fn without_indices(path: &str) -> String {
    path.split('.')
        .filter(|part| part.parse::<usize>().is_err())
        .collect::<Vec<_>>()
        .join(".")
}

/// The next step for whoever wrote a value that does not fit its field.
fn hint(path: &str) -> &'static str {
    if path.contains("weights_u16") {
        "Weights are whole numbers from 0 to 65535, a list for each participant, or null for one that rated nobody"
    } else if path.contains("stake") || path.contains("emission") {
        "Amounts are whole numbers: multiply all of them by the same factor"
    } else if path.contains("owner_group") {
        "Give one number for each participant, equal numbers for one owner"
    } else {
        "`unsilo ledger simulate --help` shows the form of a case"
    }
}

impl File {
    fn check(self) -> Result<Case, String> {
        if self.epochs.is_empty() {
            return Err("epochs is empty: give at least one".to_owned());
        }
        if self.epochs.len() > MAX_EPOCHS {
            return Err(format!(
                "epochs has {} elements; at most {MAX_EPOCHS} are allowed: split the case",
                self.epochs.len()
            ));
        }
        let count = self.epochs[0].weights_u16.len();
        if count == 0 || count > MAX_ROWS {
            return Err(format!(
                "epochs[0].weights_u16 has {count} rows: give one for each participant, from 1 to {MAX_ROWS}"
            ));
        }
        let owners = self
            .owner_group
            .unwrap_or_else(|| (0..).take(count).collect());
        if owners.len() != count {
            return Err(format!(
                "owner_group has {} elements for {count} participants (the rows of epochs[0].weights_u16): give one \
                 for each",
                owners.len()
            ));
        }
        let mut epochs: Vec<EpochOfCase> = Vec::with_capacity(self.epochs.len());
        for (index, epoch) in self.epochs.into_iter().enumerate() {
            let stake = match (epoch.stake, epochs.last()) {
                (Some(stake), _) => stake,
                (None, Some(before)) => before.stake.clone(),
                (None, None) => {
                    return Err(
                        "epochs[0] has no stake: give one number for each participant".to_owned(),
                    );
                }
            };
            if stake.len() != count {
                return Err(format!(
                    "epochs[{index}].stake has {} elements for {count} participants: give one for each, 0 for those \
                     without stake",
                    stake.len()
                ));
            }
            if epoch.weights_u16.len() != count {
                return Err(format!(
                    "epochs[{index}].weights_u16 has {} rows for {count} participants: give one for each, null for \
                     those that rated nobody",
                    epoch.weights_u16.len()
                ));
            }
            for (row, weights) in epoch.weights_u16.iter().enumerate() {
                if let Some(weights) = weights
                    && weights.len() != count
                {
                    return Err(format!(
                        "epochs[{index}].weights_u16[{row}] has {} weights for {count} participants: give one for \
                         each, 0 for itself",
                        weights.len()
                    ));
                }
            }
            epochs.push(EpochOfCase {
                stake,
                weights: epoch.weights_u16,
            });
        }
        let parameters = Parameters {
            kappa_u16: self.kappa_u16,
            bonds_moving_average_ppm: self.bonds_moving_average_ppm,
            bonds_penalty_u16: self.bonds_penalty_u16,
            liquid_alpha: self.liquid_alpha.unwrap_or(false),
            alpha_low: self.alpha_low,
            alpha_high: self.alpha_high,
            alpha_sigmoid_steepness: self.alpha_sigmoid_steepness,
            rho: self.rho,
            kappa: self.kappa,
            tau: self.tau,
        };
        Ok(Case {
            emission: self.emission,
            owners,
            epochs,
            activity_cutoff: self.activity_cutoff.unwrap_or(u32::MAX),
            parameters,
        })
    }
}

/// What only some rules use.
#[derive(Debug)]
struct Parameters {
    kappa_u16: Option<u16>,
    bonds_moving_average_ppm: Option<u32>,
    bonds_penalty_u16: Option<u16>,
    liquid_alpha: bool,
    alpha_low: Option<f64>,
    alpha_high: Option<f64>,
    alpha_sigmoid_steepness: Option<u16>,
    rho: Option<f64>,
    kappa: Option<f64>,
    tau: Option<f64>,
}

impl Case {
    /// Calls `settle` with epoch `index`, which must exist.
    pub(super) fn with_epoch<T>(&self, index: usize, settle: impl FnOnce(&Epoch<'_>) -> T) -> T {
        let epoch = &self.epochs[index];
        let rows: Vec<Row<'_>> = epoch
            .stake
            .iter()
            .zip(&self.owners)
            .zip(&epoch.weights)
            .map(|((stake, owner), weights)| Row {
                owner: *owner,
                stake: *stake,
                joined: 0,
                ratings: weights
                    .as_deref()
                    .map(|weights| Ratings { weights, given: 0 }),
            })
            .collect();
        settle(&Epoch {
            emission: self.emission,
            rows: &rows,
            activity_cutoff: self.activity_cutoff,
        })
    }

    /// The parameters of a version of `yuma`; the chain's defaults for what the case leaves out.
    pub(super) fn yuma(&self, version: yuma::Version) -> Result<yuma::Parameters, String> {
        let given = &self.parameters;
        let default = yuma::Parameters::default();
        let liquid_alpha = if given.liquid_alpha {
            Some(yuma::LiquidAlpha {
                low: proportion("alpha_low", given.alpha_low, 45_875)?,
                high: proportion("alpha_high", given.alpha_high, 58_982)?,
                steepness: given.alpha_sigmoid_steepness.unwrap_or(1_000),
            })
        } else {
            None
        };
        Ok(yuma::Parameters {
            version,
            kappa: given.kappa_u16.unwrap_or(default.kappa),
            bonds_moving_average_ppm: given
                .bonds_moving_average_ppm
                .unwrap_or(default.bonds_moving_average_ppm),
            bonds_penalty: given.bonds_penalty_u16.unwrap_or(default.bonds_penalty),
            liquid_alpha,
        })
    }

    /// The parameters of `trust`; the paper's for what the case leaves out.
    pub(super) fn trust(&self) -> Result<trust::Parameters, String> {
        let given = &self.parameters;
        let default = trust::Parameters::default();
        Ok(trust::Parameters {
            // Up to 40 the sigmoid is exact; above, it only becomes a step.
            rho: fixed("rho", given.rho, 1_000.0)?.unwrap_or(default.rho),
            kappa: fixed("kappa", given.kappa, 1.0)?.unwrap_or(default.kappa),
            tau: fixed("tau", given.tau, 1.0)?.unwrap_or(default.tau),
        })
    }
}

/// A fraction up to 1, cut to 65,535ths as the chain does, or a whole number of 65,535ths.
fn proportion(name: &str, value: Option<f64>, default: u16) -> Result<u16, String> {
    match value {
        None => Ok(default),
        Some(value) if (0.0..=1.0).contains(&value) => Ok(bits(value).to_proportion()),
        Some(value) if value.fract() == 0.0 && (0.0..=65_535.0).contains(&value) => {
            Ok(value as u16)
        }
        Some(value) => Err(format!(
            "{name} is {value}: give a fraction from 0 to 1, or a whole number of 65,535ths"
        )),
    }
}

fn fixed(name: &str, value: Option<f64>, top: f64) -> Result<Option<I32F32>, String> {
    match value {
        None => Ok(None),
        Some(value) if (0.0..=top).contains(&value) => Ok(Some(bits(value))),
        Some(value) => Err(format!("{name} is {value}: give a number from 0 to {top}")),
    }
}

/// The nearest number of 32 bits behind the point.
fn bits(value: f64) -> I32F32 {
    I32F32::from_bits((value * 4_294_967_296.0).round_ties_even() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).expect_err("refused")
    }

    #[test]
    fn what_the_vectors_carry_besides_is_listed_once() {
        let (case, ignored) = parse(
            br#"{"name": "x", "epochs": [
                {"stake": [1, 2], "weights_u16": [[0, 1], null], "v_bits": [1]},
                {"weights_u16": [null, [1, 0]], "v_bits": [2]}
            ]}"#,
        )
        .expect("a case");
        assert_eq!(ignored, ["epochs.v_bits", "name"]);
        assert_eq!(case.epochs[1].stake, [1, 2]);
        assert_eq!(case.owners, [0, 1]);
        assert_eq!(case.emission, 1_000_000_000);
    }

    #[test]
    fn errors_name_the_field_and_the_next_step() {
        for (text, words) in [
            (
                r#"{"epochs": []}"#,
                ["epochs is empty", "give at least one"],
            ),
            (
                r#"{"epochs": [{"weights_u16": []}]}"#,
                ["epochs[0].weights_u16", "from 1 to"],
            ),
            (
                r#"{"epochs": [{"weights_u16": [null]}]}"#,
                ["epochs[0] has no stake", "give"],
            ),
            (
                r#"{"epochs": [{"stake": [1], "weights_u16": [[70000]]}]}"#,
                ["epochs[0].weights_u16[0][0]", "65535"],
            ),
            (
                r#"{"epochs": [{"stake": [-1], "weights_u16": [[0]]}]}"#,
                ["epochs[0].stake[0]", "whole numbers"],
            ),
            (
                r#"{"epochs": [{"stake": [1], "weights_u16": [[0, 1]]}]}"#,
                ["epochs[0].weights_u16[0]", "give one for each"],
            ),
            (
                r#"{"epochs": [{"stake": [1, 1], "weights_u16": [[0]]}]}"#,
                ["epochs[0].stake", "give one for each"],
            ),
            (
                r#"{"epochs": [{"stake": [1], "weights_u16": [[0]]}, {"weights_u16": [null, null]}]}"#,
                ["epochs[1].weights_u16 has 2 rows", "give one for each"],
            ),
            (
                r#"{"owner_group": [1, 2], "epochs": [{"stake": [1], "weights_u16": [[0]]}]}"#,
                ["owner_group has 2", "give one for each"],
            ),
            (
                r#"{"owner_group": "x", "epochs": []}"#,
                ["owner_group: invalid type", "Give one number"],
            ),
            (
                r#"{"epochs": [{"stake": [1], "weights_u16": [[0]]}]} 1"#,
                ["trailing", "one case"],
            ),
            ("[", ["EOF", "--help"]),
        ] {
            let found = refused(text);
            for word in words {
                assert!(found.contains(word), "{text}: {found}");
            }
        }
    }

    #[test]
    fn fractions_are_cut_as_the_chain_cuts_them() {
        assert_eq!(proportion("x", Some(0.1), 0).ok(), Some(6_553));
        assert_eq!(proportion("x", Some(0.3), 0).ok(), Some(19_660));
        assert_eq!(proportion("x", Some(6_553.0), 0).ok(), Some(6_553));
        assert_eq!(proportion("x", None, 7).ok(), Some(7));
        for wrong in [-0.1, 1.5, 65_536.0, f64::NAN] {
            assert!(proportion("x", Some(wrong), 0).is_err());
            assert!(fixed("x", Some(wrong), 1.0).is_err());
        }
    }
}
