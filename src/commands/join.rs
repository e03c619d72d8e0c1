//! `unsilo join INVITE --data FILE --label COLUMN`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use unsilo_participant::{JoinOptions, join, rating::DEFAULT_SHARE};
use unsilo_proto::Invite;

use super::Global;
use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The invitation that the coordinator's admin sent.
    invite: String,
    /// CSV or Parquet file with the rows to train on, or IDX file with images; it never leaves this machine.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// IDX file with the labels of the images.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Its label column, if it is not called as in the federation's schema.
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Directory to create for this participant; by default unsilo-NAME.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// File with rows to measure every new model on, here only.
    #[arg(long, value_name = "FILE")]
    evaluate: Option<PathBuf>,
    /// IDX file with the labels of its images.
    #[arg(long, value_name = "FILE", requires = "evaluate")]
    evaluate_labels: Option<PathBuf>,
    /// Also train a model on the own data alone, and measure it beside the shared one.
    #[arg(long, requires = "evaluate")]
    baseline: bool,
    /// Show the accuracies of every round to the whole federation, on the coordinator's page.
    #[arg(long, requires = "evaluate")]
    publish: bool,
    /// Share of the rows to hold out from training and rate the others' contributions with, at most 0.5 (at least 50
    /// rows where that is no more than half); 0 rates nobody.
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_SHARE, value_parser = share)]
    hold_out: f64,
}

pub(crate) async fn run(global: &Global, arguments: Arguments) -> anyhow::Result<()> {
    let invite = Invite::from_text(&arguments.invite)?;
    let dir = arguments
        .dir
        .unwrap_or_else(|| PathBuf::from(format!("unsilo-{}", directory_name(&invite.name))));
    let joined = join(
        &invite,
        &JoinOptions {
            label: arguments.label,
            labels: arguments.labels,
            evaluation: arguments.evaluate,
            evaluation_labels: arguments.evaluate_labels,
            baseline: arguments.baseline,
            publish: arguments.publish,
            held_out: arguments.hold_out,
            ..JoinOptions::new(&dir, arguments.data)
        },
    )
    .await?;
    let document = json!({
        "directory": joined.dir,
        "name": joined.config.name,
        "federation": joined.draft.federation_id().to_string(),
        "identity": joined.identity.to_hex(),
        "data": joined.report,
        "evaluation": joined.evaluation,
    });
    output::print(global.json, &document, || {
        let mut text = format!(
            "{} has joined {:?} (federation {}).\nidentity {}\n\nYour data, as this machine sees it; nothing of it was sent:\n{}",
            joined.config.name,
            joined.draft.name,
            joined.draft.federation_id(),
            joined.identity,
            joined.report,
        );
        if let Some(evaluation) = &joined.evaluation {
            text.push_str(&format!("\nEvaluation rows:\n{evaluation}"));
        }
        text.push_str(&format!(
            "\nThen run: unsilo participate {}\n",
            joined.dir.display()
        ));
        text
    })
}

/// A share of the rows that may be held out.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=0.5).contains(&share) => Ok(share),
        _ => Err("give a share from 0 to 0.5".to_owned()),
    }
}

/// A company's name as a directory's: letters and digits, the rest as dashes.
fn directory_name(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}
