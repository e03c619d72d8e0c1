//! `unsilo account DIR [NAME]`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use unsilo_ledger::{
    Case, CaseStanding, OwnerId, State,
    store::{FILE_NAME, read},
};
use unsilo_participant::Config;

use super::Global;
use crate::{exit::CommandError, output};

/// The command, for others that refer to it.
pub(super) const NAME: &str = "account";
/// 1 in the ledger's fixed point (Q32).
const ONE: f64 = 4_294_967_296.0;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of a coordinator or participant: its copy of the ledger is read, and says how many entries it has. A
    /// running node's copy is up to date.
    dir: PathBuf,
    /// The company; without it, the one whose directory this is.
    name: Option<String>,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let path = arguments.dir.join(FILE_NAME);
    if !path.exists() {
        return Err(CommandError::Input(format!(
            "{} holds no ledger yet: give the directory of a coordinator or participant that has run",
            arguments.dir.display()
        ))
        .into());
    }
    let replica = read(&path, |_, _| {})?;
    let state = replica.state();
    let owner = owner(state, &arguments.dir, arguments.name.as_deref())?;
    let view = View::of(state, owner);
    let document = json!({"ledger_entries": replica.len(), "account": view});
    output::print(global.json, &document, || {
        format!("After {} entries:\n{}", replica.len(), view.text())
    })
}

/// The company that is meant.
fn owner(state: &State, dir: &Path, name: Option<&str>) -> anyhow::Result<OwnerId> {
    let config = dir.join("participant.toml");
    let name = match name {
        Some(name) => name.to_owned(),
        None if config.exists() => Config::read(&config)?.name,
        None => {
            return Err(CommandError::Input(
                "whose account? Give a company's name, or the directory of a participant"
                    .to_owned(),
            )
            .into());
        }
    };
    let unknown = || CommandError::Input(format!("the ledger knows no company called {name:?}"));
    let participant = state.participant_by_name(&name).ok_or_else(unknown)?;
    Ok(participant.owner)
}

/// What a company has, as the ledger knows it. All amounts are in the federation's unit.
#[derive(Serialize)]
pub(super) struct View {
    owner: String,
    present: bool,
    epoch: Epoch,
    balance: u64,
    /// What is left of the grant: power that is never withdrawn.
    grant: u64,
    /// Own money that counts as stake.
    staked: u64,
    /// Own money that counts from the next epoch.
    pending_stake: u64,
    pending_counts_from_epoch: Option<u64>,
    /// What may be withdrawn now.
    withdrawable: u64,
    /// Withdrawn; can still be slashed until it is free.
    leaving: Vec<Leaving>,
    /// The part of all power, at most 3/2 of an equal one.
    power: f64,
    /// Trust in it as a rater, 0 to 1; none before its first epoch.
    reputation: Option<f64>,
    /// What a majority says it is worth at least, of 1 for all; none before the first epoch.
    consensus: Option<f64>,
    /// For the last epoch; none before the first ended.
    last_payout: Option<u64>,
    cases: Vec<CaseView>,
}

/// The epoch under way, and what the federation has minted.
#[derive(Serialize)]
struct Epoch {
    number: u64,
    rounds: u32,
    of_rounds: u32,
    pool_emission: u64,
    pool_fees: u64,
    minted: u64,
    /// All rounds of the plan are published: nothing waits for the end of an epoch any more.
    training_ended: bool,
}

#[derive(Serialize)]
struct Leaving {
    amount: u64,
    free_after_epoch: u64,
}

#[derive(Serialize)]
struct CaseView {
    number: u64,
    standing: &'static str,
    words: String,
}

impl View {
    pub(super) fn of(state: &State, owner: OwnerId) -> Self {
        let account = state.account(owner).copied().unwrap_or_default();
        let pool = state.pool().copied().unwrap_or_default();
        let named = state.owner(owner);
        let of = |values: &[(OwnerId, u64)]| {
            let found = values.iter().find(|(of, _)| *of == owner);
            found.map(|(_, value)| *value)
        };
        let leaving = [
            (account.left, pool.epoch),
            (account.leaving, pool.epoch.saturating_add(1)),
        ];
        Self {
            owner: named.map_or_else(|| owner.to_string(), |owner| owner.name.clone()),
            present: named.is_some_and(unsilo_ledger::Owner::is_present),
            epoch: Epoch {
                number: pool.epoch,
                rounds: pool.rounds,
                of_rounds: state
                    .draft()
                    .map_or(0, |draft| draft.incentive.epoch_rounds),
                pool_emission: pool.emission,
                pool_fees: pool.fees,
                minted: pool.minted,
                training_ended: state.training_ended(),
            },
            balance: account.balance,
            grant: account.grant,
            staked: account.staked,
            pending_stake: account.warming,
            pending_counts_from_epoch: (account.warming > 0)
                .then_some(pool.epoch.saturating_add(1)),
            withdrawable: account.staked.saturating_add(account.warming),
            leaving: leaving
                .into_iter()
                .filter(|(amount, _)| *amount > 0)
                .map(|(amount, free_after_epoch)| Leaving {
                    amount,
                    free_after_epoch,
                })
                .collect(),
            power: of(&state.powers()).map_or(0.0, fraction),
            reputation: state.reputation(owner).map(fraction),
            consensus: of(state.consensus()).map(fraction),
            last_payout: of(state.last_payouts()),
            cases: state
                .cases()
                .filter(|case| case.owner == owner)
                .map(|case| CaseView {
                    number: case.number,
                    standing: standing(case),
                    words: case_words(state, case),
                })
                .collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let epoch = &self.epoch;
        let mut rows = vec![
            ("balance", self.balance.to_string()),
            (
                "stake",
                format!(
                    "{} ({} granted, {} own, {} of it withdrawable)",
                    self.grant.saturating_add(self.staked),
                    self.grant,
                    self.staked,
                    self.withdrawable
                ),
            ),
        ];
        if let Some(from) = self.pending_counts_from_epoch {
            let pending = format!("{}, counts from epoch {from}", self.pending_stake);
            rows.push(("pending stake", pending));
        }
        for leaving in &self.leaving {
            rows.push((
                "withdrawn",
                format!(
                    "{}, free at the end of epoch {} (later while a case is open)",
                    leaving.amount, leaving.free_after_epoch
                ),
            ));
        }
        let percent = |value: f64| format!("{:.1} %", 100.0 * value);
        rows.push(("power", percent(self.power)));
        rows.push((
            "reputation",
            self.reputation.map_or_else(
                || "1 until its first epoch ends".to_owned(),
                |value| format!("{value:.3}"),
            ),
        ));
        rows.push((
            "last payout",
            match (self.last_payout, self.consensus) {
                (Some(payout), Some(worth)) => {
                    format!(
                        "{payout} for epoch {} (consensus {})",
                        epoch.number.saturating_sub(1),
                        percent(worth)
                    )
                }
                (Some(payout), None) => payout.to_string(),
                (None, _) => "none yet".to_owned(),
            },
        ));
        rows.push((
            "epoch",
            if epoch.training_ended {
                format!("{}: all rounds of the plan are published", epoch.number)
            } else {
                format!(
                    "{}: {} of {} rounds published; {} emission and {} fees in its pool, {} minted before",
                    epoch.number, epoch.rounds, epoch.of_rounds, epoch.pool_emission, epoch.pool_fees, epoch.minted
                )
            },
        ));
        let gone = if self.present {
            ""
        } else {
            " (evicted: no power)"
        };
        let mut text = format!("{}{gone}\n", self.owner);
        for (name, value) in rows {
            text.push_str(&format!("  {name:<14} {value}\n"));
        }
        for case in &self.cases {
            text.push_str(&format!(
                "  case {:<9} {}: {}\n",
                case.number, case.standing, case.words
            ));
        }
        text
    }
}

fn standing(case: &Case) -> &'static str {
    match case.standing {
        CaseStanding::Open => "open",
        CaseStanding::Cancelled => "cancelled",
        CaseStanding::Executed => "executed",
    }
}

/// What is held against whom, and what it costs.
pub(super) fn case_words(state: &State, case: &Case) -> String {
    let name = state
        .participant(case.participant)
        .map_or_else(|| "somebody".to_owned(), |one| one.name.clone());
    format!(
        "{name} {} (round {}); {} of stake, taken at the end of epoch {} unless an appeal is upheld",
        case.offence.in_words(),
        case.at,
        case.amount,
        case.executed_after
    )
}

/// A Q32 value.
fn fraction(value: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown to people with a few digits"
    )]
    let value = value as f64;
    value / ONE
}
