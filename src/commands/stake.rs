//! `unsilo stake|withdraw DIR AMOUNT`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use unsilo_ledger::Entry;
use unsilo_participant::signing::{Signing, stake};

use super::{
    Global,
    account::{self, View},
};
use crate::{consent, output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a participant that is a member: it signs for its company.
    dir: PathBuf,
    /// How much, in the federation's unit. What is staked gives power from the next epoch on; what is withdrawn gives none
    /// from now on, can still be slashed, and is free at the end of the next epoch. A grant cannot be withdrawn.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    amount: u64,
    /// Sign without being asked.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn deposit(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let entry = stake::deposit(session.state(), session.me()?, arguments.amount);
    sign(global, &mut session, entry, arguments.yes).await
}

pub(crate) async fn withdraw(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let entry = stake::withdrawal(session.state(), session.me()?, arguments.amount);
    sign(global, &mut session, entry, arguments.yes).await
}

async fn sign(
    global: &Global,
    session: &mut Signing,
    entry: Entry,
    yes: bool,
) -> anyhow::Result<()> {
    let owner = session.me()?.owner;
    let words = session.state().describe_entry(&entry);
    let after = session.try_entry(&entry)?;
    let view = View::of(after.as_ref().unwrap_or(session.state()), owner);
    consent::ask(&format!("{words}. Afterwards:\n{}", view.text()), yes)?;
    let proposal = session.sign(entry).await?;
    let view = View::of(session.state(), owner);
    let document = json!({
        "entry": proposal.words,
        "on_ledger": proposal.entered,
        "account": view,
    });
    output::print(global.json, &document, || {
        if proposal.entered {
            format!("On the ledger: {}.\n{}", proposal.words, view.text())
        } else {
            format!(
                "Signed: {}. It goes on the ledger when the round ends; `unsilo {} DIR` shows it then.\n",
                proposal.words,
                account::NAME
            )
        }
    })
}
