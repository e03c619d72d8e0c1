//! `unsilo`: one binary for the company that takes part, the admin that coordinates, and whoever asks the
//! shared model.

// Both panic where nobody reads any more; `output` has what does not.
#![deny(clippy::print_stderr, clippy::print_stdout)]

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
use unsilo_participant::data::READER_THREAD;

fn main() -> std::process::ExitCode {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A damaged file; the reader's caller says so in words.
        let reader = std::thread::current().name() == Some(READER_THREAD);
        if !reader {
            usual(panic);
        }
    }));
    let cli = commands::Cli::parse();
    log::start(&cli.global);
    exit::code(commands::run(cli))
}
