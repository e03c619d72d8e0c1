//! `unsilo ledger verify`: what was checked, and what it came to.

mod forks;

use data_encoding::HEXLOWER;
use serde_json::json;
use unsilo_ledger::{
    Phase, RatingStep,
    store::{Report, verify},
};

use self::forks::KeptFork;
use super::place::{Place, needs_full_log};
use crate::{commands::Global, exit::CommandError, output};

/// Replay the log and check every signature, hash and rule, the signed checkpoint, and the books.
///
/// Says what was checked and counted, and what was not: a copy that began with a snapshot is verified from there on, and
/// what came before is the word of the owners who signed it. Exit code 0: this copy is right. 6: a signature, hash, rule or sum in it is
/// not, or it is damaged; the message says where. Proofs that the coordinator signed two histories are listed if a
/// participant keeps any; they say nothing against this copy and do not change the exit code.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Insist on every entry from the first on: refuse a copy that begins with a snapshot.
    #[arg(long)]
    full: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let report = verify(&arguments.place.file()?)?;
    if let Some(start) = report.start.as_ref().filter(|_| arguments.full) {
        return Err(needs_full_log("verifying every entry", start.entries).into());
    }
    let totals = &report.totals;
    if !totals.are_conserved() {
        return Err(CommandError::Alarm(format!(
            "the books do not add up: {} on balances, {} staked, {} in the pool and {} burned, but {} minted and {} of fees",
            totals.balances,
            totals.staked,
            totals.pool_fees,
            totals.burned,
            totals.minted,
            totals.fees_entered
        ))
        .into());
    }
    let forks = forks::kept(arguments.place.directory(), &report.coordinator);
    output::print(global.json, &document(&report, &forks), || {
        text(&report, &forks)
    })
}

fn document(report: &Report, forks: &[KeptFork]) -> serde_json::Value {
    let totals = &report.totals;
    json!({
        "verified": true,
        "coordinator": report.coordinator.to_hex(),
        "federation": report.federation.map(|id| id.to_string()),
        "entries": report.entries,
        // Null if every entry was verified.
        "start": report.start.as_ref().map(|start| json!({
            "entries": start.entries,
            "owners": start.owners,
            "cosigners": start.cosigners,
            "agreed_at": start.agreed_at_s,
            "membership_changes": start.membership_changes,
            "genesis": HEXLOWER.encode(&start.genesis),
            "founders": start.founders.iter().map(|(name, key)| json!({
                "name": name,
                "key": key.to_hex(),
            })).collect::<Vec<_>>(),
        })),
        "signatures": report.signatures,
        "participants": report.participants,
        "owners": report.owners,
        "published": report.published,
        "voided": report.voided,
        "in_progress": report.in_progress.map(|(round, phase)| json!({
            "round": round,
            "phase": phase_in_words(phase),
        })),
        "epoch": report.epoch,
        "books": {
            "balances": totals.balances,
            "staked": totals.staked,
            "pool_fees": totals.pool_fees,
            "burned": totals.burned,
            "minted": totals.minted,
            "fees_entered": totals.fees_entered,
            "grants": totals.grants,
        },
        "violations": {
            "open": report.cases.0,
            "cancelled": report.cases.1,
            "executed": report.cases.2,
        },
        "root": HEXLOWER.encode(&report.root),
        "state_root": HEXLOWER.encode(&report.state_root),
        "checkpoint": report.checkpoint,
        // What lies beside the log, and may differ from one copy to another.
        "kept": {
            "cosignatures": report.cosignatures,
            "checkpoints": report.cosigned.iter().map(|kept| json!({
                "entries": kept.size,
                "participants": kept.participants,
                "owners": kept.owners,
                "majority": kept.owners >= report.majority,
            })).collect::<Vec<_>>(),
            "majority_owners": report.majority,
            "unfinished_bytes": report.unfinished,
            "fork_proofs": forks.iter().map(|fork| json!({
                "file": fork.path,
                "proven": fork.sizes.is_some(),
                "entries": fork.sizes,
            })).collect::<Vec<_>>(),
        },
    })
}

fn text(report: &Report, forks: &[KeptFork]) -> String {
    let totals = &report.totals;
    let lines = [
        (
            "federation",
            report
                .federation
                .map_or_else(|| "not founded yet".to_owned(), |id| id.to_string()),
        ),
        ("coordinator", report.coordinator.to_hex()),
        ("entries", entries(report)),
        ("start", start(report)),
        (
            "signatures",
            format!(
                "{} verified, under entries, seats, closes and the checkpoint",
                report.signatures
            ),
        ),
        (
            "checkpoint",
            if report.checkpoint.is_some() {
                format!(
                    "signed by the coordinator over {} entries; root and state root derived again are its",
                    report.entries
                )
            } else {
                "none yet".to_owned()
            },
        ),
        ("cosigned", cosigned(report)),
        (
            "books",
            format!(
                "{} on balances + {} staked + {} of fees in the pool + {} burned = {} minted + {} of fees entered; {} \
                 of stake granted",
                totals.balances,
                totals.staked,
                totals.pool_fees,
                totals.burned,
                totals.minted,
                totals.fees_entered,
                totals.grants
            ),
        ),
        (
            "members",
            format!(
                "{} participants of {} owners",
                report.participants, report.owners
            ),
        ),
        ("rounds", rounds(report)),
        (
            "violations",
            format!(
                "{} open, {} cancelled on appeal, {} executed",
                report.cases.0, report.cases.1, report.cases.2
            ),
        ),
        ("unfinished", unfinished(report.unfinished)),
        ("forks", forks_in_words(forks)),
        ("root", HEXLOWER.encode(&report.root)),
        ("state root", HEXLOWER.encode(&report.state_root)),
    ];
    let mut text = format!(
        "Verified: {} entries{}, {} signatures, {} participants, {} rounds published, {} void.\n",
        report.entries,
        report.start.as_ref().map_or_else(String::new, |start| {
            format!(
                " but for the first {}, which a snapshot stands for",
                start.entries
            )
        }),
        report.signatures,
        report.participants,
        report.published,
        report.voided
    );
    for (what, found) in lines {
        text.push_str(&format!("{what:<12}{found}\n"));
    }
    text
}

fn entries(report: &Report) -> String {
    let rest = "allowed by the rules and by its signers, all under one Merkle root";
    match &report.start {
        None => format!("{}, each {rest}", report.entries),
        Some(start) => format!(
            "{}, each of the {} from the snapshot on {rest}",
            report.entries,
            report.entries.saturating_sub(start.entries)
        ),
    }
}

/// What stands for the entries that were not seen.
fn start(report: &Report) -> String {
    let Some(start) = &report.start else {
        return "the genesis: every entry is here and was verified".to_owned();
    };
    let founders: Vec<String> = start
        .founders
        .iter()
        .map(|(name, key)| format!("{name} {key}"))
        .collect();
    format!(
        "a snapshot of {} entries, NOT verified one by one: balances, stakes and the model there are the word of {} of \
         the {} owners of that time, who signed that they replayed to them. Verified: the genesis, the {} changes of \
         members since, that these owners are its owners, and that it is the ledger which the rest continues. Founders, \
         to be compared by another channel: {}. `--full` insists on every entry",
        start.entries,
        start.cosigners,
        start.owners,
        start.membership_changes,
        founders.join("; ")
    )
}

fn cosigned(report: &Report) -> String {
    let Some(newest) = report.cosigned.first() else {
        return "no participant's cosignature is kept beside this copy".to_owned();
    };
    let with_majority = report
        .cosigned
        .iter()
        .find(|kept| kept.owners >= report.majority);
    let quorum = match with_majority {
        Some(kept) => format!(
            "the newest that more than half of the owners ({}) replayed to: {} entries",
            report.majority, kept.size
        ),
        None => format!("none by more than half of the owners ({})", report.majority),
    };
    format!(
        "{} cosignatures verified under {} checkpoints; the newest: {} entries, {} participants of {} owners; {quorum}",
        report.cosignatures,
        report.cosigned.len(),
        newest.size,
        newest.participants,
        newest.owners
    )
}

fn rounds(report: &Report) -> String {
    let now = match report.in_progress {
        Some((round, phase)) => format!("round {round} in progress ({})", phase_in_words(phase)),
        None => "none in progress".to_owned(),
    };
    format!(
        "{} published, {} void, {now}; epoch {}",
        report.published, report.voided, report.epoch
    )
}

fn phase_in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Unfounded => "not founded",
        Phase::Idle => "idle",
        Phase::Open => "open",
        Phase::Closed => "closed",
        Phase::Rating(RatingStep::Commit) => "raters commit",
        Phase::Rating(RatingStep::Reveal) => "raters reveal",
        Phase::Weighed => "weighed",
    }
}

fn unfinished(bytes: u64) -> String {
    match bytes {
        0 => "nothing".to_owned(),
        bytes => format!(
            "{bytes} bytes behind the log, of an append under way or cut short; nobody was told of it"
        ),
    }
}

fn forks_in_words(forks: &[KeptFork]) -> String {
    if forks.is_empty() {
        return "no proof of a fork is kept here".to_owned();
    }
    let each: Vec<String> = forks
        .iter()
        .map(|fork| {
            let path = fork.path.display();
            match fork.sizes {
                Some([first, second]) => format!(
                    "ALARM: the coordinator signed two histories, of {first} and of {second} entries: {path} proves it"
                ),
                None => format!(
                    "ALARM: a fork was seen, without a proof that others can check: {path}"
                ),
            }
        })
        .collect();
    each.join("; ")
}
