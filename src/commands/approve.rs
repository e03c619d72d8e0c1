//! `unsilo approve DIR NAME`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use unsilo_participant::signing::{
    Signing,
    admission::{self, Applicant},
};

use super::Global;
use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// The company to admit; without it, lists who waits.
    name: Option<String>,
    /// The company's identity as it told you by another channel; any other is refused.
    #[arg(long, value_name = "KEY", requires = "name")]
    identity: Option<String>,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    let waiting = session.pending().await?;
    let mut applicants: Vec<_> = waiting.into_iter().filter_map(Applicant::of).collect();
    if let Some(name) = &arguments.name {
        let applicant = admission::find(applicants, name, arguments.identity.as_deref())?;
        let signed = session.sign(applicant.proposal.entry).await?;
        applicants = Applicant::of(signed).into_iter().collect();
    }
    let signed = arguments.name.is_some();
    let document = json!({
        "signed": signed,
        "applicants": applicants
            .iter()
            .map(|applicant| json!({
                "name": applicant.name,
                "identity": applicant.identity.to_hex(),
                "approvals": applicant.proposal.signers.len(),
                "approvals_needed": applicant.proposal.needed,
            }))
            .collect::<Vec<_>>(),
    });
    output::print(global.json, &document, || {
        if applicants.is_empty() {
            return "Nobody waits for approval.\n".to_owned();
        }
        applicants
            .iter()
            .map(|applicant| {
                format!(
                    "{}{}  {}  {} of {} approvals{}\n",
                    if signed { "signed: " } else { "" },
                    applicant.identity,
                    applicant.name,
                    applicant.proposal.signers.len(),
                    applicant.proposal.needed,
                    if applicant.proposal.entered {
                        ": admitted"
                    } else {
                        ""
                    },
                )
            })
            .collect()
    })
}
