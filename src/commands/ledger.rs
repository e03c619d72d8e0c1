//! `unsilo ledger show|verify|explain|export|simulate`.

mod explain;
mod export;
mod place;
mod show;
mod simulate;
mod verify;

pub(super) use explain::figures::whole;

use clap::Subcommand;

use super::Global;

/// Commands on a coordinator's or participant's copy of the log, and on its rules.
#[derive(Subcommand)]
pub(crate) enum Command {
    Show(show::Arguments),
    Verify(verify::Arguments),
    Explain(explain::Arguments),
    Export(export::Arguments),
    Simulate(simulate::Arguments),
}

pub(crate) fn run(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Show(arguments) => show::run(global, &arguments),
        Command::Verify(arguments) => verify::run(global, &arguments),
        Command::Explain(arguments) => explain::run(global, &arguments),
        Command::Export(arguments) => export::run(global, &arguments),
        Command::Simulate(arguments) => simulate::run(global, &arguments),
    }
}
