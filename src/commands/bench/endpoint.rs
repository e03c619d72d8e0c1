//! `unsilo bench endpoint`: how fast the endpoint answers, receipts on disk included. The demo's model is trained for one
//! round by a federation in this process, then asked over TLS on the loopback interface; client and server share the cores.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use hyper::{Method, StatusCode, body::Bytes};
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    task::JoinSet,
};
use unsilo_coordinator::{InitOptions, ServeOptions, Server, init};
use unsilo_participant::{JoinOptions, Node, NodeOptions, join};
use unsilo_proto::Invite;
use unsilo_train::DeviceChoice;

use crate::{
    commands::{Global, demo::free_address, interrupted},
    https::Endpoint,
    output,
};

/// The demo's data and model.
pub(super) const DIGITS: &str = include_str!("../../../data/digits.csv");
pub(super) const MODEL: &str = include_str!("../../../data/digits.model.toml");
/// The fewest companies that found a federation.
const COMPANIES: usize = 3;

#[derive(Args)]
pub(super) struct Arguments {
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rows of a batch.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,
    /// Callers at a time that send batches, each on a connection of its own.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    callers: u16,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    processors: usize,
    batch: u16,
    callers: u16,
    predictions_per_second: f64,
    batch_p50_ms: f64,
    batch_p99_ms: f64,
    /// Processor time of both sides, TLS included: what other load on the machine does not change much.
    batch_processor_us_per_prediction: f64,
    /// One caller, one row at a time.
    single_p50_ms: f64,
    single_p99_ms: f64,
    single_processor_us: f64,
    /// A write of 4 KiB and its sync, on the same disk: the least that an answer with a receipt takes.
    disk_sync_p50_ms: f64,
    disk_sync_p99_ms: f64,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let report = tokio::select! {
        report = measure(global, arguments) => report?,
        () = interrupted() => anyhow::bail!("interrupted"),
    };
    output::print(global.json, &report, || {
        format!(
            "{} processors, client and server on them\n\
             batches of {}, {} callers   {:.0} predictions/s   p50 {:.2} ms   p99 {:.2} ms   {:.1} µs of processor time each\n\
             single rows, one caller     p50 {:.2} ms   p99 {:.2} ms   {:.0} µs of processor time each\n\
             a sync of this disk         p50 {:.2} ms   p99 {:.2} ms\n",
            report.processors,
            report.batch,
            report.callers,
            report.predictions_per_second,
            report.batch_p50_ms,
            report.batch_p99_ms,
            report.batch_processor_us_per_prediction,
            report.single_p50_ms,
            report.single_p99_ms,
            report.single_processor_us,
            report.disk_sync_p50_ms,
            report.disk_sync_p99_ms,
        )
    })
}

async fn measure(global: &Global, arguments: &Arguments) -> anyhow::Result<Report> {
    let temporary = tempfile::Builder::new()
        .prefix("unsilo-bench-")
        .tempdir()
        .context("cannot create a temporary directory")?;
    let dir = temporary.path();
    if !global.quiet {
        output::say(format_args!(
            "training a model for one round, then two measurements of {} s",
            arguments.seconds
        ));
    }
    let server = trained(dir).await?;
    let authority = dir.join("coordinator/authority.der");
    let endpoint = Endpoint::new(&format!("https://{}", server.address()), &authority)?;
    let seconds = Duration::from_secs(arguments.seconds);
    let syncs = sorted(disk_syncs(dir, seconds / 4)?);
    let idle = processor_time();
    let singles = sorted(load(&endpoint, &body(1), 1, seconds).await?);
    let single = processor_time();
    let began = Instant::now();
    let batches = load(
        &endpoint,
        &body(arguments.batch.into()),
        arguments.callers,
        seconds,
    )
    .await?;
    let took = began.elapsed().as_secs_f64();
    let batch = processor_time();
    server.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let predictions = (batches.len() * usize::from(arguments.batch)) as f64;
    let batches = sorted(batches);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let asked = singles.len() as f64;
    let each = |time: Duration, count: f64| time.as_secs_f64() * 1e6 / count.max(1.0);
    Ok(Report {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        batch: arguments.batch,
        callers: arguments.callers,
        predictions_per_second: predictions / took,
        batch_p50_ms: quantile(&batches, 50),
        batch_p99_ms: quantile(&batches, 99),
        batch_processor_us_per_prediction: each(batch.saturating_sub(single), predictions),
        single_p50_ms: quantile(&singles, 50),
        single_p99_ms: quantile(&singles, 99),
        single_processor_us: each(single.saturating_sub(idle), asked),
        disk_sync_p50_ms: quantile(&syncs, 50),
        disk_sync_p99_ms: quantile(&syncs, 99),
    })
}

/// A coordinator that serves the demo's model after one round.
async fn trained(dir: &Path) -> anyhow::Result<Server> {
    let model = dir.join("model.toml");
    fs::write(&model, MODEL)?;
    let address = free_address()?;
    let coordinator = dir.join("coordinator");
    let created = init(
        &coordinator,
        &InitOptions {
            name: "Benchmark".into(),
            model,
            founders: (1..=COMPANIES)
                .map(|number| format!("Company {number}"))
                .collect(),
            listen: address.clone(),
            address,
            rounds: Some(1),
            terms: None,
        },
    )?;
    let server = Server::start(&coordinator, &ServeOptions::default()).await?;
    // Dropped when this function is left, however: then every node stops.
    let (_running, stop) = watch::channel(());
    let mut nodes = JoinSet::new();
    for (number, (name, invitation)) in created.invitations.iter().enumerate() {
        let data = dir.join(format!("rows-{number}.csv"));
        let mut lines = DIGITS.lines();
        let head = lines.next().unwrap_or_default();
        let rows: Vec<&str> = lines.skip(number).step_by(COMPANIES).collect();
        fs::write(&data, format!("{head}\n{}\n", rows.join("\n")))?;
        let options = JoinOptions::new(dir.join(format!("company-{number}")), &data);
        let joined = join(&Invite::from_text(invitation)?, &options).await?;
        let node = Node::open(
            &joined.dir,
            NodeOptions {
                device: Some(DeviceChoice::Cpu),
                ..NodeOptions::default()
            },
        )?;
        let (name, mut stop) = (name.clone(), stop.clone());
        nodes.spawn(async move {
            let (sender, mut progress) = unbounded_channel();
            let run = node.run(sender, async move {
                let _ = stop.changed().await;
            });
            let drain = async { while progress.recv().await.is_some() {} };
            let (ended, ()) = tokio::join!(run, drain);
            ended.with_context(|| format!("{name} stopped"))
        });
    }
    while let Some(node) = nodes.join_next().await {
        node??;
    }
    Ok(server)
}

/// A request of so many real rows.
fn body(rows: usize) -> Bytes {
    let rows: Vec<Vec<f64>> = DIGITS
        .lines()
        .skip(1)
        .cycle()
        .take(rows)
        .map(|line| {
            let (features, _) = line.rsplit_once(',').unwrap_or((line, ""));
            features
                .split(',')
                .map(|cell| cell.parse().unwrap_or(0.0))
                .collect()
        })
        .collect();
    json!({ "rows": rows }).to_string().into()
}

/// Callers that send the same request one after another; returns how long each took, milliseconds.
async fn load(
    endpoint: &Endpoint,
    body: &Bytes,
    callers: u16,
    seconds: Duration,
) -> anyhow::Result<Vec<f64>> {
    let deadline = Instant::now() + seconds;
    let caller = || async {
        let mut session = endpoint.open().await?;
        let mut times = Vec::new();
        while Instant::now() < deadline {
            let began = Instant::now();
            let (status, answer) = session
                .send(Method::POST, "/v1/predict", body.clone())
                .await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            anyhow::ensure!(
                status == StatusCode::OK,
                "the endpoint refused: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        Ok(times)
    };
    let callers = (0..callers).map(|_| caller());
    let times = futures_util::future::try_join_all(callers).await?;
    Ok(times.concat())
}

/// How long a small write and its sync take here, milliseconds.
fn disk_syncs(dir: &Path, seconds: Duration) -> anyhow::Result<Vec<f64>> {
    use std::os::unix::fs::FileExt;
    let file = fs::File::create(dir.join("sync"))?;
    file.write_all_at(&[0; 1 << 20], 0)?;
    file.sync_all()?;
    let deadline = Instant::now() + seconds;
    let mut times = Vec::new();
    for at in (0..1 << 20).step_by(4096).cycle() {
        let began = Instant::now();
        if began > deadline {
            break;
        }
        file.write_all_at(&[1; 4096], at)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Processor time of this process, in the system's steps of 10 ms; 0 where the system does not say.
fn processor_time() -> Duration {
    // Fields 14 and 15 of proc_pid_stat(5), user and system, counted behind the name in parentheses.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace());
    let ticks = fields.into_iter().flatten().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

/// The time that so many of a hundred stay below.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let before = processor_time();
        let began = Instant::now();
        while processor_time() < before + Duration::from_millis(20) {
            assert!(began.elapsed() < Duration::from_secs(60), "{before:?}");
        }
    }

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times = sorted((0..1000).rev().map(f64::from).collect());
        assert!((quantile(&times, 50) - 500.0).abs() < 0.5);
        assert!((quantile(&times, 99) - 990.0).abs() < 0.5);
        assert!(quantile(&[], 99).abs() < 0.5);
    }
}
