//! `unsilo pending DIR`, and how a proposal is shown.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use unsilo_ledger::Entry;
use unsilo_participant::signing::{Proposal, Signing};

use super::Global;
use crate::{consent, output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a participant.
    dir: PathBuf,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let pending = Signing::open(&arguments.dir).await?.pending().await?;
    let document = json!({"pending": pending.iter().map(document).collect::<Vec<_>>()});
    output::print(global.json, &document, || {
        if pending.is_empty() {
            return "Nothing is being signed.\n".to_owned();
        }
        pending.iter().map(text).collect()
    })
}

/// Asks for consent to `entry`, signs it and prints where it stands.
pub(super) async fn sign(
    global: &Global,
    session: &mut Signing,
    entry: Entry,
    yes: bool,
    explained: &str,
) -> anyhow::Result<()> {
    session.try_entry(&entry)?;
    let words = session.state().describe_entry(&entry);
    consent::ask(&format!("{words}. {explained}"), yes)?;
    let proposal = session.sign(entry).await?;
    output::print(global.json, &document(&proposal), || text(&proposal))
}

fn document(proposal: &Proposal) -> Value {
    json!({
        "entry": proposal.words,
        "signers": proposal.signers,
        "signatures_needed": proposal.needed,
        "complete": proposal.complete,
        "on_ledger": proposal.entered,
    })
}

fn text(proposal: &Proposal) -> String {
    let standing = if proposal.entered {
        "on the ledger".to_owned()
    } else if proposal.complete {
        "complete; it goes on the ledger when the round ends".to_owned()
    } else if proposal.signers.len() >= proposal.needed {
        "enough owners have signed, but not yet the company that it concerns".to_owned()
    } else {
        format!(
            "{} of {} owners have signed",
            proposal.signers.len(),
            proposal.needed
        )
    };
    let by = if proposal.signers.is_empty() {
        String::new()
    } else {
        format!(" ({})", proposal.signers.join(", "))
    };
    format!("{}: {standing}{by}\n", proposal.words)
}
