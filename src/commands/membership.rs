//! `unsilo evict|readmit|reassign DIR NAME`.

use std::path::PathBuf;

use clap::Args;
use unsilo_ledger::Entry;
use unsilo_participant::signing::{Signing, membership};

use super::{Global, pending};

#[derive(Args)]
pub(crate) struct Evict {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// The participant that loses its say, once more than half of the other owners have signed. What it has stays on its
    /// company's account.
    name: String,
    /// Sign without being asked.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
pub(crate) struct Readmit {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// The participant, once more than half of the owners have signed.
    name: String,
    /// Its new identity, as it told you by another channel, if it lost the one it had.
    #[arg(long, value_name = "KEY")]
    identity: Option<String>,
    /// Sign without being asked.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
pub(crate) struct Reassign {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// The participant, once more than half of the owners have signed.
    name: String,
    /// The company that it belongs to, which must be among those that sign: any participant of it.
    #[arg(long, value_name = "NAME", required_unless_present = "alone")]
    to: Option<String>,
    /// It is a company of its own.
    #[arg(long, conflicts_with = "to")]
    alone: bool,
    /// Sign without being asked.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn evict(global: &Global, arguments: &Evict) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let entry = membership::eviction(session.state(), &arguments.name)?;
    let explained = "More than half of the other owners must sign; then it has no say and its contributions are refused, \
                     until it is readmitted.";
    pending::sign(global, &mut session, entry, arguments.yes, explained).await
}

pub(crate) async fn readmit(global: &Global, arguments: &Readmit) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let identity = arguments.identity.as_deref();
    let entry = membership::readmission(session.state(), &arguments.name, identity)?;
    let key = match &entry {
        Entry::ParticipantReadmitted { key, .. } => key.to_hex(),
        _ => String::new(),
    };
    let explained = format!(
        "More than half of the owners must sign; then whoever holds the identity {key} speaks as {}: compare it by another \
         channel.",
        arguments.name
    );
    pending::sign(global, &mut session, entry, arguments.yes, &explained).await
}

pub(crate) async fn reassign(global: &Global, arguments: &Reassign) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let owner = arguments.to.as_deref();
    let entry = membership::owner_change(session.state(), &arguments.name, owner)?;
    let explained = match owner {
        Some(_) => {
            "More than half of the owners must sign, among them the company it is to belong to: they are one voice then."
        }
        None => {
            "More than half of the owners must sign; then it has a voice and a grant of stake of its own."
        }
    };
    pending::sign(global, &mut session, entry, arguments.yes, explained).await
}
