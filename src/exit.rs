//! Exit codes: numbered, documented, the same for every command.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | unexpected failure |
//! | 2 | wrong command line |
//! | 3 | a configuration, invitation or data file is wrong |
//! | 4 | the other side cannot be reached, or its certificate is not the federation's |
//! | 5 | the other side refused, or a rule of the ledger does |
//! | 6 | alarm: a signature, hash or rule of the federation is broken |
//! | 7 | a file or directory cannot be read or written, or the disk is full |
//! | 8 | the address cannot be listened on |
//! | 9 | another process already uses the directory |

use std::process::ExitCode;

use unsilo_coordinator::CoordinatorError;
use unsilo_ledger::store::StoreError;
use unsilo_participant::NodeError;
use unsilo_proto::{InviteError, Rejected};

use crate::output;

const UNEXPECTED: u8 = 1;
const CONFIG: u8 = 3;
const UNREACHABLE: u8 = 4;
const REFUSED: u8 = 5;
const ALARM: u8 = 6;
const STORAGE: u8 = 7;
const LISTEN: u8 = 8;
const LOCKED: u8 = 9;

/// An error of the command line's own, with its exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// A file or argument that a person gave is wrong.
    #[error("{0}")]
    Input(String),
    /// The other side cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The other side said no.
    #[error("{0}")]
    Refused(String),
    /// A rule of the federation is broken.
    #[error("{0}")]
    Alarm(String),
}

/// Prints an error with its chain and turns it into the exit code.
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(format_args!("error: {}", words(&error)));
            ExitCode::from(number(&error))
        }
    }
}

/// The error and what caused it. Many errors name their cause themselves: it is not said twice.
fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn number(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<CommandError>() {
            return match error {
                CommandError::Input(_) => CONFIG,
                CommandError::Unreachable(_) => UNREACHABLE,
                CommandError::Refused(_) => REFUSED,
                CommandError::Alarm(_) => ALARM,
            };
        }
        if let Some(error) = cause.downcast_ref::<NodeError>() {
            return node(error);
        }
        if let Some(error) = cause.downcast_ref::<CoordinatorError>() {
            return coordinator(error);
        }
        if cause.is::<InviteError>() {
            return CONFIG;
        }
        if cause.is::<Rejected>() {
            return REFUSED;
        }
        if let Some(error) = cause.downcast_ref::<StoreError>() {
            return match error {
                StoreError::Io(_) => STORAGE,
                // Nothing is wrong with the ledger: another copy of it is needed, or this one is in use.
                StoreError::NotHeld { .. } | StoreError::Missing { .. } => CONFIG,
                StoreError::InUse { .. } => LOCKED,
                _ => ALARM,
            };
        }
        if cause.is::<std::io::Error>() {
            return STORAGE;
        }
    }
    UNEXPECTED
}

fn node(error: &NodeError) -> u8 {
    match error {
        NodeError::Config { .. }
        | NodeError::Data { .. }
        | NodeError::Invite(_)
        | NodeError::Directory(_) => CONFIG,
        NodeError::Locked { .. } => LOCKED,
        NodeError::Unreachable { .. } | NodeError::Certificate { .. } => UNREACHABLE,
        NodeError::Rejected(_) | NodeError::Rules(_) => REFUSED,
        NodeError::Alarm(_) => ALARM,
        NodeError::DiskFull { .. }
        | NodeError::Permission { .. }
        | NodeError::Io { .. }
        | NodeError::Store { .. } => STORAGE,
        NodeError::Computation(_) => UNEXPECTED,
    }
}

fn coordinator(error: &CoordinatorError) -> u8 {
    match error {
        CoordinatorError::Config { .. } | CoordinatorError::Directory(_) => CONFIG,
        CoordinatorError::Io { .. } | CoordinatorError::LedgerNotWritten(_) => STORAGE,
        CoordinatorError::Ledger(_) => ALARM,
        CoordinatorError::Listen { .. } => LISTEN,
        CoordinatorError::Locked { .. } => LOCKED,
        CoordinatorError::Certificates(_) | CoordinatorError::Randomness(_) => UNEXPECTED,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_copy_that_does_not_hold_an_entry_is_no_alarm() {
        let number_of = |error: StoreError| number(&anyhow::Error::new(error).context("ledger"));
        assert_eq!(number_of(StoreError::NotHeld { first: 7 }), CONFIG);
        let path = std::path::PathBuf::from("ledger.tlog");
        assert_eq!(number_of(StoreError::InUse { path }), LOCKED);
        let reason = "altered".to_owned();
        assert_eq!(number_of(StoreError::Damaged { reason }), ALARM);
    }

    #[test]
    fn a_cause_is_named_once() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = anyhow::Error::new(full()).context("cannot write a file");
        assert_eq!(words(&error), format!("cannot write a file: {}", full()));
        assert_eq!(number(&error), STORAGE);
        let listen: Result<(), _> = Err(CoordinatorError::Listen {
            address: "here".to_owned(),
            source: std::io::ErrorKind::AddrInUse.into(),
        });
        let error = listen.context("demo").expect_err("an error");
        let text = words(&error);
        assert!(text.starts_with("demo: cannot listen on here"), "{text}");
        assert_eq!(text.matches("address in use").count(), 1, "{text}");
        assert_eq!(number(&error), LISTEN);
    }
}
