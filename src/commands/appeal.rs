//! `unsilo appeal DIR CASE`.

use std::path::PathBuf;

use clap::Args;
use unsilo_participant::signing::{Signing, appeal};

use super::{Global, account, pending};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// The number of the case, as `unsilo account DIR NAME` prints it.
    case: u64,
    /// Sign without being asked.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let entry = appeal::entry(arguments.case);
    session.try_entry(&entry)?;
    let held = session
        .state()
        .cases()
        .find(|case| case.number == arguments.case)
        .map(|case| account::case_words(session.state(), case))
        .unwrap_or_default();
    let explained = format!(
        "The case: {held}. More than half of the owners must sign, none of them the accused; then nothing is taken, and the \
         same cannot be reported again."
    );
    pending::sign(global, &mut session, entry, arguments.yes, &explained).await
}
