//! `unsilo bench round`: what encryption costs a whole round. Federations run in this process as in the demo: real
//! directories, keys, TLS and gRPC on the loopback interface.

mod report;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use clap::Args;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    task::JoinSet,
};
use unsilo_coordinator::{InitOptions, ServeOptions, Server, init};
use unsilo_participant::{JoinOptions, Node, NodeOptions, Progress, join};
use unsilo_proto::Invite;
use unsilo_train::DeviceChoice;

use self::report::{Kind, Report};
use crate::{
    commands::{Global, demo::free_address, interrupted},
    output,
};

/// Columns of the synthetic data, as many as the pixels of a handwritten digit of 28 x 28.
const COLUMNS: u64 = 784;
/// Classes of the synthetic data.
const CLASSES: u64 = 10;
/// Rows of each participant.
const ROWS: usize = 200;
/// Rows of a training step.
const BATCH: usize = 16;
/// Training steps of the transport-only rounds: the least that a training plan may have.
const LEAST_STEPS: u32 = 1;
/// Times each kind of round is run, in turns, so that a load that comes and goes meets all kinds.
const TURNS: usize = 2;

#[derive(Args)]
pub(super) struct Arguments {
    /// Parameters of the model, about: a perceptron with one hidden layer gets as near as it can.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=20_000_000))]
    parameters: u64,
    /// Participants, all in this process.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(3..=100))]
    participants: u16,
    /// Rounds measured of each kind; the first round of a federation is run and not measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Local training steps of a round.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,
    /// Where to train.
    #[arg(long, default_value = "cpu", value_name = "auto|cpu|cuda")]
    device: DeviceChoice,
}

/// What is measured of one federation.
#[derive(Clone, Copy)]
struct Plan {
    encrypted: bool,
    steps: u32,
    rounds: u64,
}

/// Measured rounds of one kind.
#[derive(Default)]
struct Rounds {
    /// Whole round, then its seven parts.
    seconds: [Vec<f64>; 8],
    bytes: u64,
}

/// The last moment at which each thing happened in a round, seconds since the federation started.
#[derive(Clone, Copy, Default)]
struct Moments {
    contributed: f64,
    cosigned: f64,
    answered: f64,
    judged: f64,
    opened: f64,
    signed: f64,
    published: f64,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let report = tokio::select! {
        report = measure(global, arguments) => report?,
        () = interrupted() => anyhow::bail!("interrupted"),
    };
    output::print(global.json, &report, || report.to_text())
}

async fn measure(global: &Global, arguments: &Arguments) -> anyhow::Result<Report> {
    let parameters = model_parameters(hidden_units(arguments.parameters));
    let payloads: &[bool] = if cfg!(feature = "plaintext-bench") {
        &[true, false]
    } else {
        &[true]
    };
    let mut measured: BTreeMap<(bool, bool), Rounds> = BTreeMap::new();
    for turn in 0..TURNS {
        // The measured rounds are shared out over the turns, the first has the odd one.
        let rounds = (usize::from(arguments.rounds) + TURNS - 1 - turn) / TURNS;
        if rounds == 0 {
            continue;
        }
        for steps in [arguments.steps, LEAST_STEPS] {
            let forwards = turn % 2 == 0;
            for at in 0..payloads.len() {
                let encrypted = payloads[if forwards {
                    at
                } else {
                    payloads.len() - 1 - at
                }];
                if !global.quiet {
                    eprintln!(
                        "{} participants, {parameters} parameters, {steps} steps, {}: {rounds} rounds after the first",
                        arguments.participants,
                        if encrypted { "encrypted" } else { "plain f32" },
                    );
                }
                let plan = Plan {
                    encrypted,
                    steps,
                    rounds: rounds as u64 + 1,
                };
                let full = steps == arguments.steps;
                let kind = measured.entry((encrypted, full)).or_default();
                federation(arguments, plan, kind).await?;
            }
            if arguments.steps == LEAST_STEPS {
                break;
            }
        }
    }
    let transport = arguments.steps == LEAST_STEPS;
    let kind = |encrypted: bool, full: bool| measured.get(&(encrypted, full)).map(Kind::new);
    let [encrypted, encrypted_transport_only] =
        [kind(true, true), kind(true, transport)].map(|kind| kind.context("nothing was measured"));
    let (encrypted, encrypted_transport_only) = (encrypted?, encrypted_transport_only?);
    let (plain, plain_transport_only) = (kind(false, true), kind(false, transport));
    let over = |encrypted: &Kind, plain: &Option<Kind>| {
        let plain = plain.as_ref()?;
        Some(encrypted.seconds_per_round / plain.seconds_per_round)
    };
    Ok(Report {
        parameters,
        participants: arguments.participants,
        rounds: arguments.rounds,
        steps: arguments.steps,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        ratio: over(&encrypted, &plain),
        transport_only_ratio: over(&encrypted_transport_only, &plain_transport_only),
        encrypted,
        plain,
        encrypted_transport_only,
        plain_transport_only,
    })
}

/// Runs a federation for its rounds and adds what was measured to `kind`.
async fn federation(arguments: &Arguments, plan: Plan, kind: &mut Rounds) -> anyhow::Result<()> {
    let temporary = tempfile::Builder::new()
        .prefix("unsilo-bench-")
        .tempdir()
        .context("cannot create a temporary directory")?;
    let dir = temporary.path();
    let model = dir.join("model.toml");
    fs::write(&model, model_file(arguments, plan.steps))?;
    let founders: Vec<String> = (1..=arguments.participants)
        .map(|number| format!("Company {number}"))
        .collect();
    let address = free_address()?;
    let coordinator = dir.join("coordinator");
    let created = init(
        &coordinator,
        &InitOptions {
            name: "Benchmark".into(),
            model,
            founders,
            listen: address.clone(),
            address,
            rounds: Some(plan.rounds),
            terms: None,
        },
    )?;
    if !plan.encrypted {
        mark_coordinator(&coordinator)?;
    }
    let server = Server::start(&coordinator, &ServeOptions::default()).await?;
    let moments = run_nodes(arguments, plan, dir, &created.invitations, kind).await;
    server.stop().await?;
    let moments = moments?;
    for round in 2..=plan.rounds {
        let (Some(before), Some(now)) = (moments.get(&(round - 1)), moments.get(&round)) else {
            anyhow::bail!("round {round} gave no model");
        };
        let parts = [
            now.published - before.published,
            now.contributed - before.published,
            now.cosigned - now.contributed,
            now.answered - now.cosigned,
            now.judged - now.answered,
            now.opened - now.judged,
            now.signed - now.opened,
            now.published - now.signed,
        ];
        for (seconds, part) in kind.seconds.iter_mut().zip(parts) {
            seconds.push(part);
        }
    }
    Ok(())
}

/// Joins every participant and runs its node to the end of the federation.
async fn run_nodes(
    arguments: &Arguments,
    plan: Plan,
    dir: &Path,
    invitations: &[(String, String)],
    kind: &mut Rounds,
) -> anyhow::Result<BTreeMap<u64, Moments>> {
    // Dropped when this function is left, however: then every node stops.
    let (_running, stop) = watch::channel(());
    let (sender, mut progress) = unbounded_channel();
    let mut nodes = JoinSet::new();
    for (number, (name, invitation)) in (1..).zip(invitations) {
        let data = dir.join(format!("rows-{number}.csv"));
        write_rows(&data, number)?;
        let options = JoinOptions {
            seed: Some(number),
            ..JoinOptions::new(dir.join(format!("company-{number}")), &data)
        };
        let invite = Invite::from_text(invitation)?;
        let joined = join(&invite, &options)
            .await
            .with_context(|| format!("{name} cannot join"))?;
        if !plan.encrypted {
            mark_participant(&joined.dir)?;
        }
        let node = Node::open(
            &joined.dir,
            NodeOptions {
                device: Some(arguments.device),
                founders_pin: None,
                full_log: false,
                rater: None,
            },
        )?;
        let (name, sender, mut stop) = (name.clone(), sender.clone(), stop.clone());
        nodes.spawn(async move {
            let run = node.run(sender, async move {
                let _ = stop.changed().await;
            });
            run.await.with_context(|| format!("{name} stopped"))
        });
    }
    drop(sender);
    let began = Instant::now();
    let mut moments: BTreeMap<u64, Moments> = BTreeMap::new();
    let mut watch = async || {
        while let Some(event) = progress.recv().await {
            let now = began.elapsed().as_secs_f64();
            match event {
                Progress::Contributed { round, bytes, .. } => {
                    moments.entry(round).or_default().contributed = now;
                    kind.bytes = bytes;
                }
                Progress::Cosigned { round } => moments.entry(round).or_default().cosigned = now,
                Progress::Answered { round } => moments.entry(round).or_default().answered = now,
                Progress::Judged { round, .. } => moments.entry(round).or_default().judged = now,
                Progress::Opened { round } => moments.entry(round).or_default().opened = now,
                Progress::Signed { round } => moments.entry(round).or_default().signed = now,
                Progress::Published { round, .. } => {
                    moments.entry(round).or_default().published = now;
                }
                Progress::Warning { message } => tracing::warn!("{message}"),
                Progress::Voided { round, reason } => {
                    tracing::warn!(round, reason, "void");
                }
                _ => {}
            }
        }
    };
    let finish = async {
        while let Some(node) = nodes.join_next().await {
            node??;
        }
        anyhow::Ok(())
    };
    let (finished, ()) = tokio::join!(finish, watch());
    finished?;
    Ok(moments)
}

#[cfg(feature = "plaintext-bench")]
fn mark_coordinator(dir: &Path) -> anyhow::Result<()> {
    Ok(unsilo_coordinator::mark_plaintext(dir)?)
}

#[cfg(feature = "plaintext-bench")]
fn mark_participant(dir: &Path) -> anyhow::Result<()> {
    Ok(unsilo_participant::mark_plaintext(dir)?)
}

#[cfg(not(feature = "plaintext-bench"))]
fn mark_coordinator(_: &Path) -> anyhow::Result<()> {
    anyhow::bail!("this build only encrypts")
}

#[cfg(not(feature = "plaintext-bench"))]
fn mark_participant(_: &Path) -> anyhow::Result<()> {
    anyhow::bail!("this build only encrypts")
}

/// Units of the hidden layer that bring a model nearest to so many parameters.
fn hidden_units(parameters: u64) -> u64 {
    let each = COLUMNS + 1 + CLASSES;
    (parameters.saturating_sub(CLASSES) + each / 2) / each
}

fn model_parameters(hidden: u64) -> u64 {
    hidden * (COLUMNS + 1 + CLASSES) + CLASSES
}

fn model_file(arguments: &Arguments, steps: u32) -> String {
    let list = |prefix: &str, count: u64| {
        let names: Vec<String> = (0..count).map(|at| format!("\"{prefix}{at}\"")).collect();
        names.join(", ")
    };
    format!(
        "version = 1\n\
         [model]\nkind = \"mlp\"\nhidden = [{}]\nactivation = \"relu\"\n\
         [data]\nlabel = \"label\"\nclasses = [{}]\nfeatures = [{{ names = [{}], min = 0, max = 9 }}]\n\
         [training]\nsteps = {steps}\nbatch = {BATCH}\nlearning_rate = 0.05\n",
        hidden_units(arguments.parameters),
        list("", CLASSES),
        list("x", COLUMNS),
    )
}

/// Rows in which each class has its own bright columns, with noise from a fixed generator.
fn write_rows(path: &PathBuf, participant: u64) -> anyhow::Result<()> {
    let mut state = participant.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) >> 40
    };
    let mut text = String::new();
    for column in 0..COLUMNS {
        write!(text, "x{column},")?;
    }
    text.push_str("label\n");
    for row in 0..ROWS as u64 {
        let class = row % CLASSES;
        for column in 0..COLUMNS {
            let bright = if column % CLASSES == class { 5 } else { 0 };
            write!(text, "{},", bright + draw() % 5)?;
        }
        writeln!(text, "{class}")?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_as_near_to_the_asked_size_as_one_layer_allows() {
        for parameters in [10_000, 1_000_000, 20_000_000] {
            let found = model_parameters(hidden_units(parameters));
            assert!(found.abs_diff(parameters) <= 398, "{found}");
        }
    }
}
