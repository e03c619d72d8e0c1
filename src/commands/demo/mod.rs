//! `unsilo demo`: a whole federation on this machine. Nothing is faked for it: the coordinator and every
//! participant run the code of `coordinator serve` and `participate`, each in its own directory, with its own
//! keys, over TLS and gRPC on the loopback interface.

mod attack;
mod data;
mod report;
mod verdict;
mod weights;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Context;
use clap::Args;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    task::JoinSet,
};
use unsilo_coordinator::{InitOptions, ServeOptions, Server, init};
use unsilo_participant::{
    JoinOptions, Node, NodeOptions, Progress, RoundEvaluation, Summary, join, rating::DEFAULT_SHARE,
};
use unsilo_proto::Invite;
use unsilo_train::DeviceChoice;

use self::{
    attack::{Attackers, state_one_owner},
    data::{COMPANIES, DemoData},
};
use super::{Global, interrupted};
use crate::{attack::Attack, exit::CommandError, output, progress::Display};

/// Rounds in a row without a model after which the demo ends: an attack by most of the companies would have it go on for
/// ever, since the raters support too few and every round starts from the same model.
const MOST_IN_VAIN: u32 = 3;

#[derive(Args)]
pub(crate) struct Arguments {
    /// End after the table instead of serving the model until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Training rounds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Chooses the split of the data and the order of rows in training.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep everything in this directory instead of a temporary one. It must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port of the coordinator on the loopback interface; by default a free one.
    #[arg(long)]
    port: Option<u16>,
    /// Where to train.
    #[arg(long, default_value = "auto", value_name = "auto|cpu|cuda")]
    device: DeviceChoice,
    /// Let the last companies do this, and see what checks and ratings make of it.
    #[arg(long, value_enum, value_name = "KIND")]
    attack: Option<Attack>,
    /// The attackers also lie as raters: only they help, all others harm. Without it they rate by held-out rows, as agreed.
    #[arg(long, requires = "attack")]
    colluding: bool,
    /// How many of the five companies attack [default: 1; of alie and sybils 2]
    #[arg(long, value_name = "N", requires = "attack", value_parser = attackers)]
    attackers: Option<usize>,
}

/// All but one of the companies at most.
fn attackers(text: &str) -> Result<usize, String> {
    let most = COMPANIES.len() - 1;
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        _ => Err(format!(
            "give 1 to {most}: there are {} companies, and one at least is honest",
            COMPANIES.len()
        )),
    }
}

/// A company's node after its last round.
pub(super) struct Outcome {
    name: String,
    summary: Summary,
    evaluation: Option<RoundEvaluation>,
    device: String,
    /// Rows held out for rating.
    held_out: usize,
    attack: Option<Attack>,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let attack = arguments.attack.unwrap_or(Attack::None);
    let attackers = Attackers::new(attack, arguments.attackers, arguments.colluding)?;
    let temporary;
    let dir: &Path = match &arguments.dir {
        Some(dir) => {
            create_empty(dir)?;
            dir
        }
        None => {
            temporary = tempfile::Builder::new()
                .prefix("unsilo-demo-")
                .tempdir()
                .context("cannot create a temporary directory; choose one with --dir")?;
            temporary.path()
        }
    };
    let mut data = data::write(dir, arguments.seed)?;
    for (company, whose) in attackers.iter().flat_map(Attackers::copies) {
        data.copy(dir, (company, whose), arguments.seed)?;
    }
    let (server, coordinator_dir, invitations) = start_coordinator(dir, arguments).await?;
    let url = format!("https://{}", server.address());
    if !global.quiet {
        output::say(format_args!(
            "Five companies, one coordinator at {url}/ (watch it there while it runs)"
        ));
    }

    let finished = tokio::select! {
        outcomes = run_companies(global, (arguments, attackers.as_ref()), dir, &data, &invitations) => Some(outcomes?),
        () = interrupted() => None,
    };
    let Some(outcomes) = finished else {
        server.stop().await?;
        anyhow::bail!("interrupted before the last round; nothing is kept unless you chose --dir");
    };
    let report = report::Report::new(
        (
            &outcomes,
            attackers.is_some_and(|attackers| attackers.lie()),
        ),
        &data,
        (&coordinator_dir, &company_dir(dir, 0)),
        &url,
        started.elapsed(),
    )?;
    output::print(global.json, &report, || report.to_text(arguments.once))?;
    if !arguments.once {
        interrupted().await;
    }
    server.stop().await?;
    Ok(())
}

async fn start_coordinator(
    dir: &Path,
    arguments: &Arguments,
) -> anyhow::Result<(Server, PathBuf, Vec<(String, String)>)> {
    let model = dir.join("model.toml");
    std::fs::write(&model, data::MODEL)
        .with_context(|| format!("cannot write {}", model.display()))?;
    let address = match arguments.port {
        Some(port) => format!("127.0.0.1:{port}"),
        None => free_address()?,
    };
    let coordinator_dir = dir.join("coordinator");
    let created = init(
        &coordinator_dir,
        &InitOptions {
            name: "Handwritten digits".into(),
            model,
            founders: COMPANIES.map(str::to_owned).to_vec(),
            listen: address.clone(),
            address,
            rounds: Some(arguments.rounds),
            terms: None,
        },
    )?;
    let server = Server::start(&coordinator_dir, &ServeOptions::default()).await?;
    Ok((server, coordinator_dir, created.invitations))
}

/// Creates the directory that the caller chose. What is in it already is not ours to overwrite.
fn create_empty(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut files =
        std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    if files.next().is_some() {
        let message = format!(
            "{} is not empty: choose another directory with --dir, or an empty one",
            dir.display()
        );
        return Err(CommandError::Input(message).into());
    }
    Ok(())
}

/// Where the company with this number, from 0, has its files.
fn company_dir(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("company-{}", number + 1))
}

/// A port that is free now. Another program may take it before we listen; then that fails with a clear error.
pub(super) fn free_address() -> anyhow::Result<String> {
    let probe =
        TcpListener::bind("127.0.0.1:0").context("no free port on the loopback interface")?;
    Ok(probe.local_addr()?.to_string())
}

/// Joins every company and runs its node until the federation has finished, or no round gives a model any more.
async fn run_companies(
    global: &Global,
    (arguments, attackers): (&Arguments, Option<&Attackers>),
    dir: &Path,
    data: &DemoData,
    invitations: &[(String, String)],
) -> anyhow::Result<Vec<Outcome>> {
    let names: Vec<String> = invitations.iter().map(|(name, _)| name.clone()).collect();
    let display = Arc::new(Display::new(global.quiet, arguments.rounds, &names));
    // Dropped when this function is left, however: then every node stops.
    let (_running, stop) = watch::channel(());
    let standstill = Arc::new(watch::Sender::new(false));
    let founded = Arc::new(watch::Sender::new(false));
    let mut nodes = JoinSet::new();
    for (number, (name, invitation)) in invitations.iter().enumerate() {
        let company = &data.companies[number];
        let rater = attackers.and_then(|attackers| attackers.rater(number));
        let options = JoinOptions {
            evaluation: Some(data.test.clone()),
            baseline: true,
            publish: true,
            // Who lies as a rater needs no rows for it.
            held_out: match rater {
                Some(_) => 0.0,
                None => DEFAULT_SHARE,
            },
            seed: Some(
                arguments
                    .seed
                    .wrapping_mul(1000)
                    .wrapping_add(number as u64),
            ),
            ..JoinOptions::new(company_dir(dir, number), &company.file)
        };
        let invite = Invite::from_text(invitation)?;
        let (name, display, device) = (name.clone(), display.clone(), arguments.device);
        let attack = attackers.and_then(|attackers| attackers.of(number));
        let node_options = NodeOptions {
            device: Some(device),
            training: attackers.and_then(|attackers| attackers.training(number)),
            dealer: attackers.and_then(|attackers| attackers.dealer(number)),
            rater,
            ..NodeOptions::default()
        };
        let mut stop = stop.clone();
        let (standstill, founded) = (standstill.clone(), founded.clone());
        nodes.spawn(async move {
            let joined = join(&invite, &options)
                .await
                .with_context(|| format!("{name} cannot join"))?;
            let node = Node::open(&joined.dir, node_options)?;
            let device = node.device().to_owned();
            let (sender, mut progress) = unbounded_channel();
            let mut still = standstill.subscribe();
            let run = node.run(sender, async move {
                tokio::select! {
                    _ = stop.changed() => {}
                    _ = still.wait_for(|still| *still) => {}
                }
            });
            let mut evaluation = None;
            let mut in_vain = 0;
            let show = async {
                while let Some(event) = progress.recv().await {
                    display.show(&name, &event);
                    match event {
                        // A seat is offered on the ledger of a federation.
                        Progress::Seated { .. } => _ = founded.send_replace(true),
                        Progress::Published {
                            evaluation: Some(measured),
                            ..
                        } => {
                            evaluation = Some(measured);
                            in_vain = 0;
                        }
                        Progress::Voided { .. } => {
                            in_vain += 1;
                            if in_vain == MOST_IN_VAIN {
                                standstill.send_replace(true);
                            }
                        }
                        _ => {}
                    }
                }
            };
            let (summary, ()) = tokio::join!(run, show);
            let summary = summary.with_context(|| format!("{name} stopped"))?;
            anyhow::Ok((
                number,
                Outcome {
                    name,
                    summary,
                    evaluation,
                    device,
                    held_out: joined.report.held_out.unwrap_or_default(),
                    attack,
                },
            ))
        });
    }
    let one_owner = async {
        let Some(sybils) = attackers.and_then(Attackers::one_owner) else {
            return Ok(());
        };
        let dirs: Vec<PathBuf> = (0..COMPANIES.len())
            .map(|number| company_dir(dir, number))
            .collect();
        founded.subscribe().wait_for(|founded| *founded).await?;
        state_one_owner(&dirs, sybils).await
    };
    let ended = async {
        let mut outcomes = Vec::new();
        while let Some(node) = nodes.join_next().await {
            outcomes.push(node??);
        }
        anyhow::Ok(outcomes)
    };
    let ((), mut outcomes) = tokio::try_join!(one_owner, ended)?;
    display.finish();
    outcomes.sort_by_key(|(number, _)| *number);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}
