//! Which ledger a command is about, and whom a name on its command line means.

use std::path::{Path, PathBuf};

use clap::Args;
use unsilo_ledger::{ParticipantId, State, store::FILE_NAME};

use crate::exit::CommandError;

/// How alike two names must be (Jaro-Winkler, from 0 to 1) for one to be suggested in place of the other.
const ALIKE: f64 = 0.75;
/// Names listed before the rest is counted.
const NAMES_SHOWN: usize = 12;

/// Where the ledger is.
#[derive(Args)]
pub(super) struct Place {
    /// Directory of a coordinator or participant, or the ledger file itself.
    #[arg(default_value = ".")]
    pub(super) dir: PathBuf,
}

impl Place {
    /// The log's file.
    pub(super) fn file(&self) -> Result<PathBuf, CommandError> {
        let path = if self.dir.is_file() {
            self.dir.clone()
        } else {
            self.dir.join(FILE_NAME)
        };
        if path.is_file() {
            Ok(path)
        } else {
            Err(CommandError::Input(format!(
                "there is no ledger in {}: give the directory of a coordinator or of a participant, or its {FILE_NAME}",
                self.dir.display()
            )))
        }
    }

    /// The directory the log lies in.
    pub(super) fn directory(&self) -> &Path {
        if self.dir.is_file() {
            self.dir.parent().unwrap_or(&self.dir)
        } else {
            &self.dir
        }
    }
}

/// What is asked about lies before the snapshot that this copy of the ledger begins with.
pub(super) fn needs_full_log(what: &str, first: u64) -> CommandError {
    CommandError::Input(format!(
        "{what} needs the full log: this copy of the ledger begins with a snapshot of {first} entries and does not hold \
         them. Use the coordinator's copy or another company's, or run `unsilo participate DIR --full-log` once, which \
         fetches and verifies them"
    ))
}

/// The participant of this name, present or not.
pub(super) fn participant(state: &State, name: &str) -> Result<ParticipantId, CommandError> {
    if let Some(found) = state.participant_by_name(name) {
        return Ok(found.id);
    }
    let names: Vec<&str> = state
        .all_participants()
        .map(|participant| participant.name.as_str())
        .collect();
    if names.is_empty() {
        return Err(CommandError::Input(
            "this ledger has no participants yet: the federation is not founded".to_owned(),
        ));
    }
    let wanted = name.to_lowercase();
    // The ledger folds ASCII letters only. Here all are, where one name alone is meant.
    let mut alike = state
        .all_participants()
        .filter(|participant| participant.name.to_lowercase() == wanted);
    if let (Some(found), None) = (alike.next(), alike.next()) {
        return Ok(found.id);
    }
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        if !wanted.is_empty() && other.contains(&wanted) {
            1.0
        } else {
            strsim::jaro_winkler(&wanted, &other)
        }
    };
    let best = names
        .iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let guess = best.map_or_else(String::new, |(_, other)| {
        format!("; did you mean {other:?}?")
    });
    let mut listed = names[..names.len().min(NAMES_SHOWN)].join(", ");
    if names.len() > NAMES_SHOWN {
        listed.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    Err(CommandError::Input(format!(
        "there is no participant {name:?} on this ledger, which has {listed}{guess}"
    )))
}
