//! `unsilo ledger show|verify|simulate`.

mod simulate;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::json;
use unsilo_ledger::store::{FILE_NAME, read, verify};

use super::Global;
use crate::{exit::CommandError, output};

/// Commands on a coordinator's or participant's copy of the log, and on its rules.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print what was recorded, a line an entry: what, and who signed it.
    Show(Show),
    /// Replay the log and check every signature, hash and rule, and the signed checkpoint.
    Verify(Verify),
    Simulate(simulate::Arguments),
}

#[derive(Args)]
pub(crate) struct Show {
    /// Directory of a coordinator or participant.
    dir: PathBuf,
    /// First entry to print.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Entries to print at most.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Directory of a coordinator or participant.
    dir: PathBuf,
}

pub(crate) fn run(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Show(arguments) => show(global, &arguments),
        Command::Verify(arguments) => check(global, &arguments),
        Command::Simulate(arguments) => simulate::run(global, &arguments),
    }
}

/// The log in a directory.
fn file(dir: &Path) -> Result<PathBuf, CommandError> {
    let path = dir.join(FILE_NAME);
    if path.exists() {
        Ok(path)
    } else {
        Err(CommandError::Input(format!(
            "there is no ledger in {}: give the directory of a coordinator or of a participant",
            dir.display()
        )))
    }
}

fn show(global: &Global, arguments: &Show) -> anyhow::Result<()> {
    let mut entries = Vec::new();
    let replica = read(&file(&arguments.dir)?, |index, entry| {
        if index >= arguments.from && index - arguments.from < arguments.limit {
            entries.push((index, entry.clone()));
        }
    })?;
    let described: Vec<_> = entries
        .iter()
        .map(|(index, entry)| {
            (
                index,
                HEXLOWER.encode(&entry.hash()),
                replica.state().describe(entry),
            )
        })
        .collect();
    let document = json!({
        "entries": described
            .iter()
            .map(|(index, hash, text)| json!({"index": index, "hash": hash, "description": text}))
            .collect::<Vec<_>>(),
    });
    output::print(global.json, &document, || {
        described
            .iter()
            .map(|(index, hash, text)| format!("{index:>6}  {}  {text}\n", &hash[..12]))
            .collect()
    })
}

fn check(global: &Global, arguments: &Verify) -> anyhow::Result<()> {
    let report = verify(&file(&arguments.dir)?)?;
    let document = json!({
        "verified": true,
        "coordinator": report.coordinator.to_hex(),
        "federation": report.federation.map(|id| id.to_string()),
        "entries": report.entries,
        "signatures": report.signatures,
        "participants": report.participants,
        "owners": report.owners,
        "published": report.published,
        "voided": report.voided,
        "root": HEXLOWER.encode(&report.root),
        "state_root": HEXLOWER.encode(&report.state_root),
        "checkpoint": report.checkpoint,
    });
    output::print(global.json, &document, || {
        format!(
            "Verified: {} entries, {} signatures, {} participants, {} rounds published, {} void.\n\
             federation  {}\ncoordinator {}\nroot        {}\nstate root  {}\n",
            report.entries,
            report.signatures,
            report.participants,
            report.published,
            report.voided,
            report
                .federation
                .map_or_else(|| "not founded yet".to_owned(), |id| id.to_string()),
            report.coordinator,
            HEXLOWER.encode(&report.root),
            HEXLOWER.encode(&report.state_root),
        )
    })
}
