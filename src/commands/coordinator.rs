//! `unsilo coordinator init|serve|invite|suspend`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use unsilo_coordinator::{
    DEFAULT_VALID_HOURS, InitOptions, ServeOptions, Server, init, invite, rollback, suspend,
};

use super::{Global, feedback, interrupted, token};
use crate::output;

/// Commands of the coordinator's admin.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a federation: its directory, keys and draft, and an invitation for each founder.
    Init(Init),
    /// Run the federation in DIR: gRPC, page and endpoint on one port.
    Serve(Serve),
    /// Make an invitation (an earlier one for the same name stops working). It admits nobody: the owners do.
    Invite(Invite),
    /// Refuse a company's certificate from now on (a lost laptop); the ledger is not touched.
    Suspend(Suspend),
    /// Tokens for the endpoint: who may ask the shared model, how much, until when.
    #[command(subcommand)]
    Token(token::Command),
    /// Serve the model of an earlier round, or again the newest. Training goes on from the newest, always.
    Rollback(Rollback),
    /// What participants and users of the model have to say, and your answers.
    #[command(subcommand)]
    Feedback(feedback::Command),
}

#[derive(Args)]
pub(crate) struct Init {
    /// Directory to create.
    dir: PathBuf,
    /// What is trained, on which columns, and how (TOML).
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// A company that founds the federation; repeat for each, three at least.
    #[arg(long = "founder", value_name = "NAME", required = true)]
    founders: Vec<String>,
    /// Name of the federation.
    #[arg(long, default_value = "federation")]
    name: String,
    /// Where to listen; by default the port of --address on every network of this machine.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// How participants reach this machine; goes into the invitations.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Training rounds, instead of the model file's.
    #[arg(long)]
    rounds: Option<u64>,
    /// What is paid, granted and slashed (TOML, like data/terms.toml, which holds the defaults). It never changes.
    #[arg(long, value_name = "FILE")]
    terms: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The coordinator's directory.
    dir: PathBuf,
    /// Listen here instead of where coordinator.toml says.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

#[derive(Args)]
pub(crate) struct Invite {
    /// The coordinator's directory.
    dir: PathBuf,
    /// Legal name of the company.
    name: String,
    /// Hours until the invitation expires.
    #[arg(long, default_value_t = DEFAULT_VALID_HOURS)]
    valid_hours: u64,
}

#[derive(Args)]
pub(crate) struct Suspend {
    /// The coordinator's directory.
    dir: PathBuf,
    /// The company.
    name: String,
    /// Take the company in again.
    #[arg(long)]
    lift: bool,
}

#[derive(Args)]
pub(crate) struct Rollback {
    /// The coordinator's directory.
    dir: PathBuf,
    /// The round whose model is served from now on.
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "newest",
        conflicts_with = "newest"
    )]
    round: Option<u64>,
    /// Serve the newest model again, and from then on each new one.
    #[arg(long)]
    newest: bool,
}

pub(crate) async fn run(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(arguments) => initialise(global, arguments),
        Command::Serve(arguments) => serve(global, arguments).await,
        Command::Invite(arguments) => {
            let text = invite(&arguments.dir, &arguments.name, arguments.valid_hours)?;
            let document = json!({"name": arguments.name, "invitation": text});
            output::print(global.json, &document, || format!("{text}\n"))
        }
        Command::Feedback(command) => feedback::admin(global, &command),
        Command::Token(command) => token::run(global, command),
        Command::Rollback(Rollback { dir, round, .. }) => {
            let rounds = rollback(&dir, round)?;
            let document =
                json!({"served_round": round, "newest": round.is_none(), "rounds": rounds});
            output::print(global.json, &document, || {
                let what = round.map_or_else(
                    || "The newest model is served, and from now on each new one".to_owned(),
                    |round| format!("The model of round {round} is served from now on, also when rounds close"),
                );
                format!("{what}; a running coordinator does so within a second.\n")
            })
        }
        Command::Suspend(Suspend { dir, name, lift }) => {
            suspend(&dir, &name, !lift)?;
            let document = json!({"name": name, "suspended": !lift});
            output::print(global.json, &document, || {
                let now = if lift {
                    "is taken in again"
                } else {
                    "is suspended"
                };
                format!("{name} {now}; a running coordinator sees it at the next call.\n")
            })
        }
    }
}

fn initialise(global: &Global, arguments: Init) -> anyhow::Result<()> {
    let dir = arguments.dir;
    // An address without a port is refused with its own words.
    let port = arguments
        .address
        .rsplit_once(':')
        .map_or("7443", |(_, port)| port);
    let listen = arguments
        .listen
        .unwrap_or_else(|| format!("0.0.0.0:{port}"));
    let created = init(
        &dir,
        &InitOptions {
            name: arguments.name,
            model: arguments.model,
            founders: arguments.founders,
            listen,
            address: arguments.address,
            rounds: arguments.rounds,
            terms: arguments.terms,
        },
    )?;
    let invitations: serde_json::Map<_, _> = created
        .invitations
        .iter()
        .map(|(name, text)| (name.clone(), text.clone().into()))
        .collect();
    let incentive = created.terms.incentive;
    let document = json!({
        "directory": dir,
        "federation": created.federation,
        "parameters": created.parameters,
        "terms": {
            "grant": created.terms.grant,
            "emission": incentive.emission,
            "epoch_rounds": incentive.epoch_rounds,
            "max_round_fees": incentive.max_round_fees,
            "slash_ppm": incentive.slash_ppm,
            "rejected_contributions": incentive.rejected_contributions,
            "rejected_within_rounds": incentive.rejected_within_rounds,
            "appeal_epochs": incentive.appeal_epochs,
            "activity_epochs": incentive.activity_epochs,
        },
        "invitations": invitations,
    });
    output::print(global.json, &document, || {
        let mut text = format!(
            "Federation {} with a model of {} parameters, in {}.\n\
             Terms: {} a round, paid every {} rounds; a grant of {} for each company; a violation costs {} % of a stake.\n\
             Send each founder its invitation (a secret: one use, two weeks) by a channel you trust:\n",
            created.federation,
            created.parameters,
            dir.display(),
            incentive.emission,
            incentive.epoch_rounds,
            created.terms.grant,
            f64::from(incentive.slash_ppm) / 1e4,
        );
        for (name, invitation) in &created.invitations {
            text.push_str(&format!("\n{name}\n{invitation}\n"));
        }
        text.push_str(&format!(
            "\nThen run: unsilo coordinator serve {}\n",
            dir.display()
        ));
        text
    })
}

async fn serve(global: &Global, arguments: Serve) -> anyhow::Result<()> {
    let options = ServeOptions {
        listen: arguments.listen,
        ..ServeOptions::default()
    };
    // Signals are heard from before the first connection is taken.
    let mut interrupted = std::pin::pin!(interrupted());
    let mut server = tokio::select! {
        biased;
        () = &mut interrupted => return Ok(()),
        server = Server::start(&arguments.dir, &options) => server?,
    };
    let address = server.address();
    let document = json!({"listening": address.to_string()});
    output::print(global.json, &document, || {
        format!(
            "Listening on {address}: gRPC for participants, page and endpoint at https://{address}/\n\
             Ctrl-C stops; a restart goes on where it was.\n"
        )
    })?;
    tokio::select! {
        result = server.finished() => return Ok(result?),
        () = interrupted => {}
    }
    server.stop().await?;
    Ok(())
}
