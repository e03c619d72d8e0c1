//! `unsilo bench join`: how long it takes from an invitation to the first contribution on the ledger, and how many commands.
//! A coordinator and founders run as processes of their own, with the commands of the README; so does the newcomer.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::endpoint::{DIGITS, MODEL};
use crate::{
    commands::{Global, demo::free_address, interrupted},
    output,
};

/// Between two looks at what a process has said.
const LOOK: Duration = Duration::from_millis(10);
/// Longest wait for any one step.
const PATIENCE: Duration = Duration::from_secs(300);
/// Who comes when the federation runs.
const NEWCOMER: &str = "Newcomer";

#[derive(Args)]
pub(super) struct Arguments {
    /// Companies that found the federation; more than half of them approve the newcomer.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=20))]
    founders: u16,
}

/// What was measured. Times in seconds of the wall clock.
#[derive(Serialize)]
struct Report {
    processors: usize,
    founders: u16,
    /// From the start of all founders' `join` to the first contribution on the ledger: no approval is needed.
    founding_seconds: f64,
    /// What the newcomer types: `join` and `participate`.
    newcomer_commands: usize,
    /// What others type for it: the admin's `invite`, and `approve` by more than half of the founders.
    admin_commands: usize,
    approve_commands: usize,
    /// `join`: keys, certificate, the check of the data.
    join_seconds: f64,
    /// From the start of `participate` until the last `approve` has ended: it syncs, then the others approve.
    admission_seconds: f64,
    /// From then to the receipt of its first contribution: the round under way ends, it trains and sends.
    contribution_seconds: f64,
    /// All of it: from the invitation to the first contribution.
    seconds: f64,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let report = tokio::select! {
        report = measure(global, arguments) => report?,
        () = interrupted() => anyhow::bail!("interrupted"),
    };
    output::print(global.json, &report, || {
        format!(
            "{} processors, {} founders and a coordinator on them\n\
             founding: from everybody's join to the first contribution   {:.1} s\n\
             a newcomer: from its invitation to its first contribution   {:.1} s\n\
             \x20 join {:.1} s, admission {:.1} s, contribution {:.1} s\n\
             \x20 {} commands of its own; {} of the admin (invite), {} of members (approve)\n",
            report.processors,
            report.founders,
            report.founding_seconds,
            report.seconds,
            report.join_seconds,
            report.admission_seconds,
            report.contribution_seconds,
            report.newcomer_commands,
            report.admin_commands,
            report.approve_commands,
        )
    })
}

async fn measure(global: &Global, arguments: &Arguments) -> anyhow::Result<Report> {
    let temporary = tempfile::Builder::new()
        .prefix("unsilo-bench-")
        .tempdir()
        .context("cannot create a temporary directory")?;
    let founders: Vec<String> = (1..=arguments.founders)
        .map(|number| format!("Company {number}"))
        .collect();
    if !global.quiet {
        output::say(format_args!(
            "founding a federation of {} companies, then one more joins",
            founders.len()
        ));
    }
    let federation = Federation::found(temporary.path(), &founders).await?;
    let founding = Instant::now();
    let mut nodes = Vec::new();
    for (number, (name, invitation)) in federation.invitations.iter().enumerate() {
        federation.join(name, invitation, number).await?;
        nodes.push(federation.participate(name)?);
    }
    let first = nodes.first_mut().context("there are founders")?;
    first.until("contribution on the ledger").await?;
    let founding_seconds = founding.elapsed().as_secs_f64();
    first.until("new model").await?;

    let fed = &federation.coordinator;
    let invited = federation
        .call(&["coordinator", "invite"], &[fed], &[NEWCOMER])
        .await?;
    let invitation = invited["invitation"].as_str().context("an invitation")?;
    let began = Instant::now();
    federation
        .join(NEWCOMER, invitation, founders.len())
        .await?;
    let join_seconds = began.elapsed().as_secs_f64();
    let mut newcomer = federation.participate(NEWCOMER)?;
    newcomer.until("must approve it").await?;
    let mut approve_commands = 0;
    for member in &founders[..=founders.len() / 2] {
        let dir = federation.dir(member);
        federation.call(&["approve"], &[&dir], &[NEWCOMER]).await?;
        approve_commands += 1;
    }
    let admitted = began.elapsed().as_secs_f64();
    newcomer.until("contribution on the ledger").await?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Report {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        founders: arguments.founders,
        founding_seconds,
        newcomer_commands: 2,
        admin_commands: 1,
        approve_commands,
        join_seconds,
        admission_seconds: admitted - join_seconds,
        contribution_seconds: seconds - admitted,
        seconds,
    })
}

/// A federation of processes under one directory.
struct Federation {
    program: PathBuf,
    root: PathBuf,
    coordinator: PathBuf,
    /// Of each founder, in the order in which they were named.
    invitations: Vec<(String, String)>,
    /// Last: it ends when everything that talks to it has ended.
    _serving: Option<Process>,
}

impl Federation {
    /// `coordinator init` and `coordinator serve`.
    async fn found(root: &Path, founders: &[String]) -> anyhow::Result<Self> {
        let model = root.join("model.toml");
        fs::write(&model, MODEL)?;
        let address = free_address()?;
        let coordinator = root.join("coordinator");
        let mut federation = Self {
            program: std::env::current_exe().context("this program cannot be found")?,
            root: root.to_owned(),
            coordinator: coordinator.clone(),
            invitations: Vec::new(),
            _serving: None,
        };
        let mut more = vec!["--address", &address];
        for name in founders {
            more.extend(["--founder", name]);
        }
        more.push("--model");
        let model = model.display().to_string();
        more.push(&model);
        let made = federation
            .call(&["coordinator", "init"], &[&coordinator], &more)
            .await?;
        for name in founders {
            let invitation = made["invitations"][name].as_str();
            let invitation = invitation.context("an invitation for each founder")?;
            federation
                .invitations
                .push((name.clone(), invitation.to_owned()));
        }
        let mut command = federation.command(&["coordinator", "serve"]);
        command.arg(&coordinator);
        federation._serving = Some(Process::start(root, "coordinator", &mut command)?);
        let began = Instant::now();
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "the coordinator does not listen"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(federation)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command with `--json` to its end.
    async fn call(&self, words: &[&str], paths: &[&Path], more: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.command(words);
        command.arg("--json").args(paths).args(more);
        let what = words.join(" ");
        let ran = tokio::task::spawn_blocking(move || command.output());
        let ran = ran
            .await?
            .with_context(|| format!("`unsilo {what}` cannot be run"))?;
        anyhow::ensure!(
            ran.status.success(),
            "`unsilo {what}` failed: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        serde_json::from_slice(&ran.stdout)
            .with_context(|| format!("`unsilo {what}` printed no JSON"))
    }

    /// `join` with every so many-th of the digits.
    async fn join(&self, name: &str, invitation: &str, number: usize) -> anyhow::Result<()> {
        let data = self.root.join(format!("rows-{number}.csv"));
        let mut lines = DIGITS.lines();
        let head = lines.next().unwrap_or_default();
        let parts = self.invitations.len() + 1;
        let rows: Vec<&str> = lines.skip(number).step_by(parts).collect();
        fs::write(&data, format!("{head}\n{}\n", rows.join("\n")))?;
        let (data, dir) = (
            data.display().to_string(),
            self.dir(name).display().to_string(),
        );
        let more = [
            invitation, "--data", &data, "--label", "label", "--dir", &dir,
        ];
        self.call(&["join"], &[], &more).await?;
        Ok(())
    }

    fn participate(&self, name: &str) -> anyhow::Result<Process> {
        let mut command = self.command(&["participate"]);
        command.arg(self.dir(name)).args(["--device", "cpu"]);
        Process::start(&self.root, name, &mut command)
    }
}

/// A process beside this one, with what it says in a file; killed when dropped.
struct Process {
    name: String,
    child: Child,
    said: PathBuf,
}

impl Process {
    fn start(dir: &Path, name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let said = dir.join(format!("{name}.log"));
        let child = command
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn();
        Ok(Self {
            name: name.to_owned(),
            child: child.with_context(|| format!("{name} cannot be started"))?,
            said,
        })
    }

    /// Waits until it has said `words`.
    async fn until(&mut self, words: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let said = fs::read(&self.said).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            if said.contains(words) {
                return Ok(());
            }
            let last = || said.lines().last().unwrap_or_default().to_owned();
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("{} ended with {status}: {}", self.name, last());
            }
            anyhow::ensure!(
                began.elapsed() < PATIENCE,
                "{} did not say {words:?} within {} s, but: {}",
                self.name,
                PATIENCE.as_secs(),
                last()
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
