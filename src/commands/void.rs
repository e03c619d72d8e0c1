//! `unsilo void DIR`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use unsilo_ledger::{Entry, VoidReason};
use unsilo_participant::signing::{Proposal, Signing, void};

use super::Global;
use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a participant that is a member.
    dir: PathBuf,
    /// Sign that the round under way is void, for this reason; without it, lists what others have signed. More than
    /// half of the owners void it when they give the same reason: at any time before the set of contributions is
    /// closed, afterwards from a day after the round's last deadline. Nothing of the round is published then. From the
    /// signature on, your node takes no further part in the round, whether enough others sign or not.
    #[arg(long, value_enum)]
    reason: Option<Reason>,
}

/// Why owners end a round without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Reason {
    /// Members of the committee are gone for good.
    TooFewMembers,
    /// The coordinator lost data that it cannot recover.
    LostData,
    /// The opened sum or the model failed a check.
    BadSum,
    /// A contribution was left out, or copies of the ledger disagree.
    Dispute,
}

impl Reason {
    fn of(self) -> VoidReason {
        match self {
            Self::TooFewMembers => VoidReason::TooFewMembers,
            Self::LostData => VoidReason::LostData,
            Self::BadSum => VoidReason::BadSum,
            Self::Dispute => VoidReason::Dispute,
        }
    }
}

/// The reason as it is given on the command line; others than these no owner signs.
fn word(reason: VoidReason) -> String {
    Reason::value_variants()
        .iter()
        .find(|known| known.of() == reason)
        .and_then(|known| Some(known.to_possible_value()?.get_name().to_owned()))
        .unwrap_or_else(|| format!("{reason:?}"))
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut session = Signing::open(&arguments.dir).await?;
    if let Some(reason) = arguments.reason {
        let entry = void::entry(session.state(), reason.of())?;
        session.sign(entry).await?;
    }
    let pending = session.pending().await?;
    let voids: Vec<_> = pending.iter().filter_map(Standing::of).collect();
    let signed = arguments.reason.is_some();
    let document = json!({
        "signed": signed,
        "voids": voids
            .iter()
            .map(|standing| json!({
                "round": standing.round,
                "reason": word(standing.reason),
                "signatures": standing.signatures,
                "signatures_needed": standing.needed,
            }))
            .collect::<Vec<_>>(),
    });
    output::print(global.json, &document, || text(signed, &voids))
}

/// A void that owners are signing.
struct Standing {
    round: u64,
    reason: VoidReason,
    signatures: usize,
    needed: usize,
}

impl Standing {
    fn of(proposal: &Proposal) -> Option<Self> {
        match &proposal.entry {
            Entry::RoundVoided { round, reason, .. } => Some(Self {
                round: *round,
                reason: *reason,
                signatures: proposal.signers.len(),
                needed: proposal.needed,
            }),
            _ => None,
        }
    }
}

fn text(signed: bool, voids: &[Standing]) -> String {
    let lines: String = voids
        .iter()
        .map(|standing| {
            format!(
                "round {}, {}: {} of {} signatures\n",
                standing.round,
                word(standing.reason),
                standing.signatures,
                standing.needed
            )
        })
        .collect();
    match (signed, lines.is_empty()) {
        (false, true) => "Nobody is signing that a round is void.\n".to_owned(),
        (true, true) => "Signed, and that was enough: the round is void.\n".to_owned(),
        (true, false) => format!("Signed.\n{lines}"),
        (false, false) => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_said_as_it_is_given() {
        for reason in Reason::value_variants() {
            let given = word(reason.of());
            assert_eq!(Reason::from_str(&given, false), Ok(*reason));
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let standing = Standing {
            round: 3,
            reason: VoidReason::LostData,
            signatures: 2,
            needed: 3,
        };
        let said = text(true, std::slice::from_ref(&standing));
        assert!(said.contains("round 3, lost-data: 2 of 3"), "{said}");
        assert!(text(true, &[]).contains("enough"));
        assert!(text(false, &[]).contains("Nobody"));
    }
}
