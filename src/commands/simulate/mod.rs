//! `unsilo simulate`: of a federation under attack, of all the design's bounds, and of what rules pay colluders.

mod bounds;
mod rewards;
mod scores;

use clap::{Args, Subcommand};

use super::Global;
use crate::output;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    scores: scores::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Every bound of the design on scores, weights and rewards: measured, pass or miss, other rules beside it.
    ///
    /// Plays federations of 5 to 20 participants on handwritten digits under every attack, and prints the worst case of
    /// each line as the mean over the seeds. Ends with exit code 1 if a bound is missed.
    Bounds(bounds::Arguments),
    /// What each rule pays those who do not play fair: bounds, measured values, pass or miss.
    ///
    /// Plays federations with colluders, whales, copiers and a searching adversary under each rule, with the same
    /// randomness, and prints the worst of each line as the mean over the seeds. The bounds are those of the rule
    /// `median` with 16 participants over 200 epochs. Ends with exit code 1 if `median` misses one.
    Rewards(rewards::Arguments),
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => scores::run(global, &arguments.scores),
        Some(Command::Bounds(arguments)) => bounds::run(global, arguments),
        Some(Command::Rewards(arguments)) => rewards::run(global, arguments),
    }
}

/// Tells a person each time another twentieth is done; nothing if it is to be quiet.
fn progress(global: &Global, what: &'static str) -> impl Fn(f64) + Sync {
    let quiet = global.quiet;
    let told = std::sync::atomic::AtomicUsize::new(0);
    move |part: f64| {
        let twentieth = (part * 20.0) as usize;
        if !quiet && told.fetch_max(twentieth, std::sync::atomic::Ordering::Relaxed) < twentieth {
            output::say(format_args!("{what}: {} %", 5 * twentieth));
        }
    }
}
