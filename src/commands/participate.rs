//! `unsilo participate DIR`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use unsilo_participant::{Node, NodeOptions, parse_founders};
use unsilo_train::DeviceChoice;

use super::{Global, interrupted};
use crate::{exit::CommandError, output, progress::Display};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory that `unsilo join` made.
    dir: PathBuf,
    /// Where to train: auto takes a CUDA GPU where there is one, else the CPU.
    #[arg(long, value_name = "auto|cpu|cuda")]
    device: Option<DeviceChoice>,
    /// The list of founders that you agreed on by another channel (a line each: key, two spaces, name); any
    /// other list is refused.
    #[arg(long, value_name = "FILE")]
    founders: Option<PathBuf>,
    /// Keep the whole ledger and replay all of it, instead of beginning with a snapshot that more than half of the
    /// companies signed where that saves much; completes a copy that began with one.
    #[arg(long)]
    full_log: bool,
}

pub(crate) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<()> {
    let founders_pin =
        match &arguments.founders {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                Some(parse_founders(&text).map_err(|message| {
                    CommandError::Input(format!("{}: {message}", path.display()))
                })?)
            }
        };
    let node = Node::open(
        &arguments.dir,
        NodeOptions {
            device: arguments.device,
            founders_pin,
            full_log: arguments.full_log,
            ..NodeOptions::default()
        },
    )?;
    let name = node.config().name.clone();
    let device = node.device().to_owned();
    let rounds = node.draft().training.rounds;
    if !global.quiet {
        output::say(format_args!("{name}: training on {device}"));
    }
    let display = Display::new(global.quiet, rounds, std::slice::from_ref(&name));
    let (sender, mut progress) = unbounded_channel();
    let run = node.run(sender, interrupted());
    let show = async {
        while let Some(event) = progress.recv().await {
            display.show(&name, &event);
        }
    };
    let (summary, ()) = tokio::join!(run, show);
    display.finish();
    let summary = summary?;
    let document = json!({
        "name": name,
        "device": device,
        "finished": summary.finished,
        "contributions": summary.contributions,
        "models": summary.models,
        "model": summary.model.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
        "accuracy": summary.evaluation.as_ref().map(|evaluation| evaluation.shared_accuracy),
        "accuracy_alone": summary.evaluation.as_ref().and_then(|evaluation| evaluation.alone_accuracy),
    });
    output::print(global.json, &document, || {
        let ended = if summary.finished {
            "The federation has run all its rounds."
        } else {
            "Stopped; run the same command to go on."
        };
        let accuracy = summary
            .evaluation
            .as_ref()
            .map(|evaluation| {
                format!(
                    " The shared model is right on {:.1} % of your evaluation rows.",
                    100.0 * evaluation.shared_accuracy
                )
            })
            .unwrap_or_default();
        format!(
            "{ended} {} contributions, {} models verified.{accuracy}\n",
            summary.contributions, summary.models
        )
    })
}
