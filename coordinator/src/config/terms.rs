//! `terms.toml`: the federation's terms for money and stake, fixed at its founding.

use std::path::Path;

use serde::Deserialize;
use unsilo_ledger::Incentive;

use crate::error::CoordinatorError;

/// The version of the file's form that this program reads.
const VERSION: u32 = 1;
/// Every owner's equal grant of stake. A round number of small parts: only ratios matter.
const GRANT: u64 = 1_000_000;

/// What every owner is granted, what is paid, and what a violation costs. Ranges are checked with the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The stake that every owner is given at admission.
    pub grant: u64,
    /// The rest.
    pub incentive: Incentive,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            grant: GRANT,
            incentive: Incentive::default(),
        }
    }
}

/// The file as written. Unknown keys are refused; what is left out has its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    grant: Option<u64>,
    emission: Option<u64>,
    epoch_rounds: Option<u32>,
    max_round_fees: Option<u64>,
    slash_ppm: Option<u32>,
    rejected_contributions: Option<u16>,
    rejected_within_rounds: Option<u16>,
    appeal_epochs: Option<u16>,
    activity_epochs: Option<u16>,
}

impl Terms {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Names the file and the field, and says what is expected.
    pub fn read(path: &Path) -> Result<Self, CoordinatorError> {
        Self::parse(&super::read(path)?).map_err(|message| CoordinatorError::config(path, message))
    }

    /// Checks the text of a file of terms.
    ///
    /// # Errors
    /// The field, what is wrong with it, and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!(
                "version = {} is not read by this program: it reads version = {VERSION}",
                written.version
            ));
        }
        let default = Incentive::default();
        let incentive = Incentive {
            emission: written.emission.unwrap_or(default.emission),
            epoch_rounds: written.epoch_rounds.unwrap_or(default.epoch_rounds),
            max_round_fees: written.max_round_fees.unwrap_or(default.max_round_fees),
            slash_ppm: written.slash_ppm.unwrap_or(default.slash_ppm),
            rejected_contributions: written
                .rejected_contributions
                .unwrap_or(default.rejected_contributions),
            rejected_within_rounds: written
                .rejected_within_rounds
                .unwrap_or(default.rejected_within_rounds),
            appeal_epochs: written.appeal_epochs.unwrap_or(default.appeal_epochs),
            activity_epochs: written.activity_epochs.unwrap_or(default.activity_epochs),
        };
        incentive.validate().map_err(|error| error.to_string())?;
        Ok(Self {
            grant: written.grant.unwrap_or(GRANT),
            incentive,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_file_holds_the_defaults() {
        let example = include_str!("../../../data/terms.toml");
        assert_eq!(Terms::parse(example), Ok(Terms::default()));
        assert_eq!(Terms::parse("version = 1"), Ok(Terms::default()));
    }

    #[test]
    fn mistakes_name_their_field() {
        for (line, word) in [
            ("emission = -1", "emission"),
            ("emission = 1099511627777", "emission"),
            ("emission = 1.5", "emission"),
            ("epoch_rounds = 19", "epoch_rounds"),
            ("epoch_rounds = 4294967296", "epoch_rounds"),
            ("slash_ppm = 1000001", "slash_ppm"),
            ("appeal_epochs = 0", "appeal_epochs"),
            ("activity_epochs = 70000", "activity_epochs"),
            ("emision = 1", "emision"),
        ] {
            let error = Terms::parse(&format!("version = 1\n{line}")).expect_err("refused");
            assert!(error.contains(word), "{line}: {error}");
        }
        assert!(Terms::parse("version = 2").is_err_and(|error| error.contains("version")));
        assert!(Terms::parse("").is_err_and(|error| error.contains("version")));
    }
}
