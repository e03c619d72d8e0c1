//! `unsilo bench`: this machine's rates and sizes, each rate beside a yardstick of the same run.

mod encryption;
mod endpoint;
mod join;
mod queries;
mod round;
mod turns;

use clap::{Args, Subcommand};

use super::Global;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    encryption: encryption::Arguments,
}

#[derive(Subcommand)]
enum What {
    /// Whole rounds of a federation on this machine, encrypted and (in a build for it) in plain.
    Round(round::Arguments),
    /// The endpoint: predictions a second in batches, and how long a single one takes.
    Endpoint(endpoint::Arguments),
    /// Encrypted queries of three models, beside the bare bootstraps that each of them needs.
    Queries(queries::Arguments),
    /// Joining: how long it takes a newcomer from its invitation to its first contribution, and how many commands.
    Join(join::Arguments),
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.what {
        Some(What::Round(arguments)) => super::asynchronous(round::run(global, arguments)),
        Some(What::Endpoint(arguments)) => super::asynchronous(endpoint::run(global, arguments)),
        Some(What::Queries(arguments)) => queries::run(global, arguments),
        Some(What::Join(arguments)) => super::asynchronous(join::run(global, arguments)),
        None => encryption::run(global, &arguments.encryption),
    }
}
