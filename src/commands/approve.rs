//! `unsilo approve DIR NAME`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use unsilo_participant::approve;

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
    let applicants = match &arguments.name {
        None => approve::applicants(&arguments.dir).await?,
        Some(name) => {
            vec![approve::approve(&arguments.dir, name, arguments.identity.as_deref()).await?]
        }
    };
    let signed = arguments.name.is_some();
    let document = json!({
        "signed": signed,
        "applicants": applicants
            .iter()
            .map(|applicant| json!({
                "name": applicant.name,
                "identity": applicant.identity.to_hex(),
                "approvals": applicant.approvals,
                "approvals_needed": applicant.approvals_needed,
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
                    "{}{}  {}  {} of {} approvals\n",
                    if signed { "signed: " } else { "" },
                    applicant.identity,
                    applicant.name,
                    applicant.approvals,
                    applicant.approvals_needed,
                )
            })
            .collect()
    })
}
