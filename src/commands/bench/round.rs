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
use unsilo_participant::{JoinOptions, Node, NodeOptions, Progress, join, rating::DEFAULT_SHARE};
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
    sent: Sent,
    steps: u32,
    rounds: u64,
}

/// How updates are sent, and whether companies rate them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sent {
    /// Encrypted, and everybody rates.
    Rated,
    /// Encrypted, and nobody rates: what scoring is measured against.
    Unrated,
    /// As plain f32: nothing can be checked or asked about.
    Plain,
}

impl Sent {
    fn in_words(self) -> &'static str {
        match self {
            Self::Rated => "encrypted",
            Self::Unrated => "encrypted, nobody rates",
            Self::Plain => "plain f32",
        }
    }
}

/// Steps of a round, in their order; a kind of round may lack some.
const STEPS: usize = 8;

/// Measured rounds of one kind.
#[derive(Default)]
struct Rounds {
    /// Whole rounds.
    seconds: Vec<f64>,
    /// The steps of each, [`Moments`] says which; none of one that did not happen.
    steps: [Vec<f64>; STEPS],
    /// What the slowest rater took for its directions, of each round.
    rater_training: Vec<f64>,
    bytes: u64,
}

/// The last moment at which each step of a round ended, seconds since the federation started: contributed, cosigned,
/// answered, judged, weighed, opened, signed, published. `None` if it did not happen.
#[derive(Clone, Copy, Default)]
struct Moments {
    ended: [Option<f64>; STEPS],
    /// What the slowest rater took for its directions, seconds.
    rater_training: f64,
}

impl Moments {
    fn published(&self) -> Option<f64> {
        self.ended[STEPS - 1]
    }

    /// How long each step took after the one before, if it happened. A step of which somebody is done before the last is
    /// done with the one before ends no earlier than that.
    fn steps(&self, began: f64) -> [Option<f64>; STEPS] {
        let mut before = began;
        self.ended.map(|ended| {
            let ended = ended?.max(before);
            Some(ended - std::mem::replace(&mut before, ended))
        })
    }
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
    let kinds: &[Sent] = if cfg!(feature = "plaintext-bench") {
        &[Sent::Rated, Sent::Unrated, Sent::Plain]
    } else {
        &[Sent::Rated, Sent::Unrated]
    };
    let mut measured: BTreeMap<(Sent, bool), Rounds> = BTreeMap::new();
    for turn in 0..TURNS {
        // The measured rounds are shared out over the turns, the first has the odd one.
        let rounds = (usize::from(arguments.rounds) + TURNS - 1 - turn) / TURNS;
        if rounds == 0 {
            continue;
        }
        for steps in [arguments.steps, LEAST_STEPS] {
            let forwards = turn % 2 == 0;
            for at in 0..kinds.len() {
                let sent = kinds[if forwards { at } else { kinds.len() - 1 - at }];
                if !global.quiet {
                    output::say(format_args!(
                        "{} participants, {parameters} parameters, {steps} steps, {}: {rounds} rounds after the first",
                        arguments.participants,
                        sent.in_words(),
                    ));
                }
                let plan = Plan {
                    sent,
                    steps,
                    rounds: rounds as u64 + 1,
                };
                let full = steps == arguments.steps;
                let kind = measured.entry((sent, full)).or_default();
                federation(arguments, plan, kind).await?;
            }
            if arguments.steps == LEAST_STEPS {
                break;
            }
        }
    }
    let transport = arguments.steps == LEAST_STEPS;
    let kind = |sent: Sent, full: bool| measured.get(&(sent, full)).map(Kind::new);
    let encrypted = |sent, full| kind(sent, full).context("nothing was measured");
    let (unrated, unrated_transport_only) = (
        encrypted(Sent::Unrated, true)?,
        encrypted(Sent::Unrated, transport)?,
    );
    let (encrypted, encrypted_transport_only) = (
        encrypted(Sent::Rated, true)?,
        encrypted(Sent::Rated, transport)?,
    );
    let (plain, plain_transport_only) = (kind(Sent::Plain, true), kind(Sent::Plain, transport));
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
        added: encrypted.added(&unrated),
        added_transport_only: encrypted_transport_only.added(&unrated_transport_only),
        encrypted,
        unrated,
        plain,
        encrypted_transport_only,
        unrated_transport_only,
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
    if plan.sent == Sent::Plain {
        mark_coordinator(&coordinator)?;
    }
    let server = Server::start(&coordinator, &ServeOptions::default()).await?;
    let moments = run_nodes(arguments, plan, dir, &created.invitations, kind).await;
    server.stop().await?;
    let moments = moments?;
    for round in 2..=plan.rounds {
        let before = moments.get(&(round - 1)).and_then(Moments::published);
        let now = moments.get(&round);
        let (Some(before), Some(now)) = (before, now) else {
            anyhow::bail!("round {round} gave no model");
        };
        let published = now
            .published()
            .with_context(|| format!("round {round} gave no model"))?;
        kind.seconds.push(published - before);
        kind.rater_training.push(now.rater_training);
        for (seconds, step) in kind.steps.iter_mut().zip(now.steps(before)) {
            seconds.extend(step);
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
            held_out: match plan.sent {
                Sent::Rated => DEFAULT_SHARE,
                Sent::Unrated | Sent::Plain => 0.0,
            },
            ..JoinOptions::new(dir.join(format!("company-{number}")), &data)
        };
        let invite = Invite::from_text(invitation)?;
        let joined = join(&invite, &options)
            .await
            .with_context(|| format!("{name} cannot join"))?;
        if plan.sent == Sent::Plain {
            mark_participant(&joined.dir)?;
        }
        let node = Node::open(
            &joined.dir,
            NodeOptions {
                device: Some(arguments.device),
                ..NodeOptions::default()
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
            let mut ended = |step: usize, round| {
                moments.entry(round).or_default().ended[step] = Some(now);
            };
            match event {
                Progress::Contributed { round, bytes, .. } => {
                    ended(0, round);
                    kind.bytes = bytes;
                }
                Progress::Cosigned { round } => ended(1, round),
                Progress::Answered { round } => ended(2, round),
                Progress::Judged { round, .. } => ended(3, round),
                Progress::Weighed { round, raters, .. } if raters.0 > 0 => ended(4, round),
                Progress::Opened { round } => ended(5, round),
                Progress::Signed { round } => ended(6, round),
                Progress::Published { round, .. } => ended(7, round),
                Progress::Directed {
                    round,
                    milliseconds,
                    ..
                } => {
                    let of = moments.entry(round).or_default();
                    of.rater_training = of.rater_training.max(milliseconds as f64 / 1000.0);
                }
                Progress::Warning { message } => tracing::warn!("{message}"),
                // A round without all participants is not what is measured; and one that waits for them until its deadline
                // would look like a benchmark that hangs.
                Progress::ContributionRefused { round, reason } => anyhow::bail!(
                    "round {round}: a contribution was refused, nothing is measured: {reason}"
                ),
                Progress::Voided { round, reason } => {
                    anyhow::bail!(
                        "round {round} ended without a model, nothing is measured: {reason}"
                    )
                }
                Progress::Alarm(alarm) => anyhow::bail!("nothing is measured: {alarm}"),
                _ => {}
            }
        }
        Ok(())
    };
    let finish = async {
        while let Some(node) = nodes.join_next().await {
            node??;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(finish, watch())?;
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
    fn a_step_never_takes_less_than_nothing_and_one_that_did_not_happen_takes_none() {
        let mut moments = Moments::default();
        // Somebody opened before the last had judged; nobody rated.
        for (step, at) in [
            (0, 11.0),
            (1, 12.0),
            (2, 14.0),
            (3, 17.0),
            (5, 16.5),
            (6, 18.0),
            (7, 20.0),
        ] {
            moments.ended[step] = Some(at);
        }
        let steps = moments.steps(10.0);
        assert_eq!(
            steps,
            [
                Some(1.0),
                Some(1.0),
                Some(2.0),
                Some(3.0),
                None,
                Some(0.0),
                Some(1.0),
                Some(2.0)
            ]
        );
        let whole: f64 = steps.into_iter().flatten().sum();
        assert!((whole - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_model_is_as_near_to_the_asked_size_as_one_layer_allows() {
        for parameters in [10_000, 1_000_000, 20_000_000] {
            let found = model_parameters(hidden_units(parameters));
            assert!(found.abs_diff(parameters) <= 398, "{found}");
        }
    }
}
