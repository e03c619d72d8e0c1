//! `unsilo`: one binary for the company that takes part, the admin that coordinates, and whoever asks the
//! shared model.

mod attack;
mod commands;
mod consent;
mod exit;
mod https;
mod log;
mod output;
mod progress;
mod proof;
mod simulate;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let cli = commands::Cli::parse();
    log::start(&cli.global);
    exit::code(commands::run(cli))
}
