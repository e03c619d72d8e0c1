//! The commands, one file each. A command parses its arguments, calls a crate, prints.

mod account;
mod appeal;
mod approve;
mod bench;
mod completions;
mod coordinator;
mod demo;
mod doctor;
mod feedback;
mod join;
mod ledger;
mod membership;
mod participate;
mod pending;
mod query;
mod report;
mod simulate;
mod stake;
mod token;
mod void;
mod watch;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Train one model together; show nobody your data or your update; be paid what it was worth.
///
/// Exit codes: 0 done, 1 unexpected failure, 2 wrong command line, 3 a configuration, invitation or data file
/// is wrong, 4 the other side cannot be reached or trusted, 5 the other side or a rule of the ledger refused, 6 alarm (a signature,
/// hash or rule is broken), 7 a file cannot be read or written or the disk is full, 8 the address cannot be
/// listened on, 9 another process already uses the directory.
#[derive(Parser)]
#[command(name = "unsilo", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Print exactly one JSON document on standard output; progress goes to standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Log more; twice for details. The variable UNSILO_LOG sets filters in full.
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Form of the log on standard error: a line of text, or a JSON object a line for log collectors.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
}

/// Form of the log. Its values have no words of their own: they would make the help of every command twice as long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole federation on this machine: five companies with real handwritten digits.
    Demo(demo::Arguments),
    /// Create and run a federation's coordinator.
    #[command(subcommand)]
    Coordinator(coordinator::Command),
    /// Join a federation with an invitation.
    Join(join::Arguments),
    /// Run a participant's node from the directory that `join` made.
    Participate(participate::Arguments),
    /// Sign the admission of a company that joined after the founding.
    Approve(approve::Arguments),
    /// Sign that a participant loses its say.
    Evict(membership::Evict),
    /// Sign that an evicted participant has its say again, or that one has a new identity.
    Readmit(membership::Readmit),
    /// Sign which company a participant belongs to.
    Reassign(membership::Reassign),
    /// Sign, as an owner, that a violation is not held against somebody.
    Appeal(appeal::Arguments),
    /// List the entries that owners are signing.
    Pending(pending::Arguments),
    /// Sign, as an owner, that a round which its committee cannot end is void.
    Void(void::Arguments),
    /// Print what a company has: balance, stake, power, last payout, violations.
    Account(account::Arguments),
    /// Stake some of your company's balance.
    Stake(stake::Arguments),
    /// Withdraw some of your company's stake.
    Withdraw(stake::Arguments),
    /// Check a node's or coordinator's directory and surroundings: each check ok, or a problem and how to fix it.
    Doctor(doctor::Arguments),
    /// Get a fresh certificate for a node now, with a new TLS key if others may have read the old one.
    Renew(doctor::Renew),
    /// Say something to the coordinator's admin, recorded on the ledger by its hash; or read the answers.
    Feedback(feedback::Arguments),
    /// Write a bundle for whoever helps you: checks, settings, newest entries; no secret.
    Report(report::Arguments),
    /// Where the federation stands, live: the round, who is late, when it is over, everybody's standing.
    Watch(watch::Arguments),
    /// Ask the shared model.
    Query(query::Arguments),
    /// Read and verify a ledger.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Play federations through on this machine: what would attackers do to the model, and be paid?
    ///
    /// Without a subcommand: one federation in memory, with attackers, by the code of the real round. Local training,
    /// encryption, the committee's checks, raters' directions and opinions, the weights of the sum and the payout are those of
    /// production; products and sums are the integers that decryption gives, noise included. Prints how good the model is, what weight
    /// and pay the attackers got, which honest participants were left out, and what FedAvg, the median, the trimmed mean,
    /// multi-Krum and FLTrust make of the same data and attacks with updates in the clear.
    ///
    /// Garbage and bad-shares never get as far as a score: the committee's checks reject them.
    Simulate(simulate::Arguments),
    /// Measure this machine: rates and sizes of the encryption, for capacity planning.
    Bench(bench::Arguments),
    /// Print a shell's completions for this program.
    Completions(completions::Completions),
    /// Write man pages for all commands.
    Man(completions::Man),
}

/// Runs what was asked for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(arguments) => asynchronous(demo::run(global, &arguments)),
        Command::Coordinator(command) => asynchronous(coordinator::run(global, command)),
        Command::Join(arguments) => asynchronous(join::run(global, arguments)),
        Command::Participate(arguments) => asynchronous(participate::run(global, arguments)),
        Command::Approve(arguments) => asynchronous(approve::run(global, &arguments)),
        Command::Evict(arguments) => asynchronous(membership::evict(global, &arguments)),
        Command::Readmit(arguments) => asynchronous(membership::readmit(global, &arguments)),
        Command::Reassign(arguments) => asynchronous(membership::reassign(global, &arguments)),
        Command::Appeal(arguments) => asynchronous(appeal::run(global, &arguments)),
        Command::Pending(arguments) => asynchronous(pending::run(global, &arguments)),
        Command::Void(arguments) => asynchronous(void::run(global, &arguments)),
        Command::Account(arguments) => account::run(global, &arguments),
        Command::Stake(arguments) => asynchronous(stake::deposit(global, &arguments)),
        Command::Withdraw(arguments) => asynchronous(stake::withdraw(global, &arguments)),
        Command::Doctor(arguments) => asynchronous(doctor::run(global, &arguments)),
        Command::Renew(arguments) => asynchronous(doctor::renew_certificate(global, &arguments)),
        Command::Feedback(arguments) => asynchronous(feedback::run(global, &arguments)),
        Command::Report(arguments) => asynchronous(report::run(global, &arguments)),
        Command::Watch(arguments) => asynchronous(watch::run(global, &arguments)),
        Command::Query(arguments) => asynchronous(query::run(global, &arguments)),
        Command::Ledger(command) => ledger::run(global, command),
        Command::Simulate(arguments) => simulate::run(global, &arguments),
        Command::Bench(arguments) => bench::run(global, &arguments),
        Command::Completions(arguments) => completions::completions(global, &arguments),
        Command::Man(arguments) => completions::man(global, &arguments),
    }
}

fn asynchronous<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// Completes on Ctrl-C or a termination signal.
async fn interrupted() {
    let mut terminate =
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(signal) => signal,
            Err(_) => {
                let _ = tokio::signal::ctrl_c().await;
                return;
            }
        };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
