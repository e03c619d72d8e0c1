//! `coordinator.toml`: where to listen, and the three time settings.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unsilo_ledger::{LEAST_ANSWER_MS, MOST_ANSWER_MS, MOST_CONTRIBUTE_MS};

use crate::error::CoordinatorError;

/// The longest pause, seconds (30 days).
const MAX_PAUSE_SECONDS: u64 = 30 * 24 * 3600;

/// Settings of a running coordinator. Unknown keys are refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of this file's form.
    pub version: u32,
    /// `host:port` to listen on.
    pub listen: String,
    /// `host:port` that goes into invitations: how participants reach this machine.
    pub address: String,
    /// Longest time for training and uploading in a round, at most [`MOST_CONTRIBUTE_MS`]; it closes earlier once everybody contributed, and without
    /// everybody no member closes it before it has seen it for [`unsilo_ledger::LEAST_CONTRIBUTE_MS`].
    pub contribute_seconds: u64,
    /// Longest time for each step of the committee, at least [`LEAST_ANSWER_MS`] and at most [`MOST_ANSWER_MS`]; a step
    /// ends earlier once everybody answered.
    pub answer_seconds: u64,
    /// Pause between rounds.
    pub pause_seconds: u64,
    /// Who may ask the shared model, and what it costs.
    #[serde(default)]
    pub endpoint: EndpointSettings,
}

/// Who may ask the shared model, and what it costs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointSettings {
    /// Who may ask.
    pub access: Access,
    /// What the coordinator owes the federation for each row that it answers, in the federation's unit; a token may
    /// say otherwise. It is entered on the ledger and paid out with the rewards.
    pub fee_per_row: u64,
    /// Evaluation keys of encrypted queries that are kept in memory, 120 MB each, 30 MB more for each of at most eight that
    /// arrive and 250 MB for the one of them that is made ready; 0 turns encrypted queries off, at most
    /// [`MAX_ENCRYPTED_KEYS`].
    pub encrypted_keys: u32,
    /// Rows that one encrypted query counts as, of its token's quota and for its fee: 1 to
    /// [`MAX_ROWS_PER_ENCRYPTED_QUERY`].
    pub rows_per_encrypted_query: u32,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            access: Access::default(),
            fee_per_row: 0,
            encrypted_keys: 8,
            rows_per_encrypted_query: 100,
        }
    }
}

/// The most rows that an encrypted query counts as.
pub const MAX_ROWS_PER_ENCRYPTED_QUERY: u32 = 1_000_000;

/// The most evaluation keys in memory: 31 GB.
pub const MAX_ENCRYPTED_KEYS: u32 = 256;

/// Who may ask the shared model.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everybody who reaches the address, until the admin makes the first token; from then on holders of one. So a
    /// trial needs nothing, and who begins to hand out tokens need not also remember to close the door.
    #[default]
    Auto,
    /// Everybody who reaches the address.
    Open,
    /// Holders of a token.
    Token,
}

/// The highest fee for a row: with the most rows of a request it stays far from the end of 64 bits.
const MAX_FEE_PER_ROW: u64 = 1_000_000_000_000;

impl Settings {
    /// The defaults for a coordinator that listens on `listen` and is reached at `address`.
    #[must_use]
    pub fn new(listen: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            version: 1,
            listen: listen.into(),
            address: address.into(),
            contribute_seconds: 600,
            answer_seconds: 60,
            pause_seconds: 0,
            endpoint: EndpointSettings::default(),
        }
    }

    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Names the file and the field.
    pub fn read(path: &Path) -> Result<Self, CoordinatorError> {
        let settings: Self = toml::from_str(&super::read(path)?)
            .map_err(|error| CoordinatorError::config(path, error.to_string()))?;
        settings
            .check()
            .map_err(|message| CoordinatorError::config(path, message))?;
        Ok(settings)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The field and what is expected.
    pub fn check(&self) -> Result<(), String> {
        if self.version != 1 {
            return Err(format!(
                "version = {} is not read by this program: it reads version = 1",
                self.version
            ));
        }
        for (field, value, least, most) in [
            (
                "contribute_seconds",
                self.contribute_seconds,
                1,
                MOST_CONTRIBUTE_MS / 1000,
            ),
            (
                "answer_seconds",
                self.answer_seconds,
                LEAST_ANSWER_MS / 1000,
                MOST_ANSWER_MS / 1000,
            ),
            ("pause_seconds", self.pause_seconds, 0, MAX_PAUSE_SECONDS),
        ] {
            if value < least || value > most {
                return Err(format!(
                    "{field} = {value} is out of range: give {least} to {most}"
                ));
            }
        }
        if self.endpoint.fee_per_row > MAX_FEE_PER_ROW {
            return Err(format!(
                "endpoint.fee_per_row = {} is out of range: give 0 to {MAX_FEE_PER_ROW}",
                self.endpoint.fee_per_row
            ));
        }
        if self.endpoint.encrypted_keys > MAX_ENCRYPTED_KEYS {
            return Err(format!(
                "endpoint.encrypted_keys = {} is out of range: give 0 to {MAX_ENCRYPTED_KEYS}",
                self.endpoint.encrypted_keys
            ));
        }
        let rows = self.endpoint.rows_per_encrypted_query;
        if !(1..=MAX_ROWS_PER_ENCRYPTED_QUERY).contains(&rows) {
            return Err(format!(
                "endpoint.rows_per_encrypted_query = {rows} is out of range: give 1 to {MAX_ROWS_PER_ENCRYPTED_QUERY}"
            ));
        }
        for (field, value) in [("address", &self.address), ("listen", &self.listen)] {
            let port = value
                .rsplit_once(':')
                .and_then(|(host, port)| (!host.is_empty()).then_some(port)?.parse::<u16>().ok());
            if port.is_none() {
                return Err(format!("{field} = {value:?} is not of the form host:port"));
            }
        }
        Ok(())
    }

    /// The file's text, with a comment for each setting.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!(
            "version = {}\n\
             # Where this machine listens (one port for everything).\n\
             listen = {:?}\n\
             # How participants reach it; goes into invitations.\n\
             address = {:?}\n\
             # Longest time for training and uploading in a round; it closes earlier once everybody contributed.\n\
             contribute_seconds = {}\n\
             # Longest time for each step of the committee; a step ends earlier once everybody answered.\n\
             answer_seconds = {}\n\
             # Pause between rounds.\n\
             pause_seconds = {}\n\
             \n\
             [endpoint]\n\
             # Who may ask the shared model: \"token\" for holders of one (unsilo coordinator token), \"open\" for everybody\n\
             # who reaches the address, \"auto\" for open until the first token is made.\n\
             access = {:?}\n\
             # What this coordinator owes the federation for each row it answers; it goes to the rewards.\n\
             fee_per_row = {}\n\
             # Keys of encrypted queries kept in memory, 120 MB each; 0 turns encrypted queries off.\n\
             encrypted_keys = {}\n\
             # Rows that one encrypted query counts as, of a token's quota and for its fee: it is work for thousands.\n\
             rows_per_encrypted_query = {}\n",
            self.version,
            self.listen,
            self.address,
            self.contribute_seconds,
            self.answer_seconds,
            self.pause_seconds,
            match self.endpoint.access {
                Access::Auto => "auto",
                Access::Open => "open",
                Access::Token => "token",
            },
            self.endpoint.fee_per_row,
            self.endpoint.encrypted_keys,
            self.endpoint.rows_per_encrypted_query,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_file_reads_back_and_mistakes_are_named() {
        let settings = Settings::new("0.0.0.0:7443", "coordinator.example:7443");
        let read: Settings = toml::from_str(&settings.to_text()).expect("reads back");
        assert_eq!(read, settings);
        assert!(read.check().is_ok());
        let wrong = Settings {
            address: "coordinator.example".into(),
            ..settings.clone()
        };
        assert!(wrong.check().is_err_and(|error| error.contains("address")));
        for (field, changed) in [
            (
                "answer_seconds",
                Settings {
                    answer_seconds: 604_801,
                    ..settings.clone()
                },
            ),
            (
                "contribute_seconds",
                Settings {
                    contribute_seconds: 2_592_001,
                    ..settings.clone()
                },
            ),
        ] {
            assert!(changed.check().is_err_and(|error| error.contains(field)));
        }
        let unknown = format!("{}colour = 1\n", settings.to_text());
        assert!(toml::from_str::<Settings>(&unknown).is_err());
        // A file from before there were settings of the endpoint.
        let (before, _) = settings
            .to_text()
            .split_once("\n[endpoint]")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("there");
        assert_eq!(
            toml::from_str::<Settings>(&before).expect("reads"),
            settings
        );
        let dear = Settings {
            endpoint: EndpointSettings {
                access: Access::Token,
                fee_per_row: MAX_FEE_PER_ROW + 1,
                encrypted_keys: 0,
                ..EndpointSettings::default()
            },
            ..settings
        };
        assert!(
            dear.check()
                .is_err_and(|error| error.contains("endpoint.fee_per_row"))
        );
        assert!(dear.to_text().contains("access = \"token\""));
        let crowded = Settings {
            endpoint: EndpointSettings {
                encrypted_keys: MAX_ENCRYPTED_KEYS + 1,
                ..EndpointSettings::default()
            },
            ..dear
        };
        assert!(
            crowded
                .check()
                .is_err_and(|error| error.contains("endpoint.encrypted_keys"))
        );
        for rows in [0, MAX_ROWS_PER_ENCRYPTED_QUERY + 1] {
            let mut free = crowded.clone();
            free.endpoint = EndpointSettings {
                rows_per_encrypted_query: rows,
                ..EndpointSettings::default()
            };
            assert!(
                free.check()
                    .is_err_and(|error| error.contains("endpoint.rows_per_encrypted_query"))
            );
        }
    }
}
