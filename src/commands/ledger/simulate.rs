//! `unsilo ledger simulate`: what would each rule pay?

mod case;
mod document;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use unsilo_ledger::mechanism::{Mechanism, median::Median, yuma::Version};

use self::{case::Case, document::Describe};
use crate::{
    commands::Global,
    exit::CommandError,
    output::{self, table},
};

/// What would each rule pay?
///
/// The case is a JSON file: {"emission": 1000000000, "owner_group": [0, 1, 2], "epochs": [{"stake": [5, 5, 5],
/// "weights_u16": [[0, 9, 3], [4, 0, 4], null]}]}. A row of weights says how a participant rates each one; null is
/// a participant that rated nobody in that epoch. Without an owner group everybody is an owner; an epoch without
/// stake has that of the epoch before. Optional: "activity_cutoff" (epochs); for yuma kappa_u16,
/// bonds_moving_average_ppm, bonds_penalty_u16, liquid_alpha, alpha_low, alpha_high, alpha_sigmoid_steepness; for
/// trust rho, kappa, tau.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The rule.
    #[arg(long, value_enum)]
    mechanism: Rule,
    /// The case, a JSON file.
    #[arg(long, value_name = "FILE")]
    case: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rule {
    /// Two-sided consensus: what this federation runs.
    Median,
    /// Clipping at the weighted median, with bonds as shares of stake.
    Yuma2,
    /// The same, with bonds as averages of weights.
    Yuma3,
    /// The original paper's trust and sigmoid.
    Trust,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let (case, ignored) = case::read(&arguments.case)?;
    if !ignored.is_empty() && !global.quiet {
        output::say(format_args!(
            "ignored in {}: {}",
            arguments.case.display(),
            ignored.join(", ")
        ));
    }
    let epochs = case
        .settled_by(arguments.mechanism)
        .map_err(|error| CommandError::Input(format!("{}: {error}", arguments.case.display())))?;
    let documents: Vec<&Value> = epochs.iter().map(|epoch| &epoch.document).collect();
    output::print(global.json, &json!({"epochs": documents}), || {
        text(&case, &epochs)
    })
}

/// An epoch as it was settled.
struct Settled {
    payout: Vec<u64>,
    withheld: u64,
    document: Value,
}

impl Case {
    fn settled_by(&self, rule: Rule) -> Result<Vec<Settled>, String> {
        match rule {
            Rule::Median => settle(&Median, self),
            Rule::Yuma2 => settle(&self.yuma(Version::Two)?, self),
            Rule::Yuma3 => settle(&self.yuma(Version::Three)?, self),
            Rule::Trust => settle(&self.trust()?, self),
        }
    }
}

fn settle<M: Mechanism>(mechanism: &M, case: &Case) -> Result<Vec<Settled>, String>
where
    M::Outcome: Describe,
{
    let mut memory = M::Memory::default();
    (0..case.epochs.len())
        .map(|index| {
            let (next, outcome) = case
                .with_epoch(index, |epoch| mechanism.settle(&memory, epoch))
                .map_err(|error| format!("epochs[{index}]: {error}"))?;
            memory = next;
            let (payout, withheld) = M::payout(&outcome);
            let mut document = outcome.describe();
            document["epoch"] = json!(index);
            document["payout"] = json!(payout);
            document["withheld"] = json!(withheld);
            Ok(Settled {
                payout: payout.to_vec(),
                withheld,
                document,
            })
        })
        .collect()
}

/// A row for each participant: what it was paid over all epochs, and its last shares.
fn text(case: &Case, epochs: &[Settled]) -> String {
    let minted = u128::from(case.emission) * epochs.len() as u128;
    let percent = |amount: u128| {
        if minted == 0 {
            "-".to_owned()
        } else {
            format!("{:.2} %", 100.0 * amount as f64 / minted as f64)
        }
    };
    let last = epochs.last().map_or(&Value::Null, |epoch| &epoch.document);
    let share = |name: &str, row: usize| {
        last[name][row]
            .as_f64()
            .map_or_else(|| "-".to_owned(), |share| format!("{share:.4}"))
    };
    let mut rows = vec![
        [
            "participant",
            "owner",
            "paid",
            "of the emission",
            "incentive",
            "dividends",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for (row, owner) in case.owners.iter().enumerate() {
        let paid: u128 = epochs
            .iter()
            .filter_map(|epoch| epoch.payout.get(row))
            .map(|paid| u128::from(*paid))
            .sum();
        rows.push(vec![
            row.to_string(),
            owner.to_string(),
            paid.to_string(),
            percent(paid),
            share("incentive", row),
            share("dividends", row),
        ]);
    }
    let withheld: u128 = epochs.iter().map(|epoch| u128::from(epoch.withheld)).sum();
    format!(
        "{}\n{} epochs of {}; never minted: {withheld} ({}). Incentive (as a contributor) and dividends (as a \
         rater) are the shares of the last epoch.\n",
        table(&rows, &[0, 1, 2, 3, 4, 5]),
        epochs.len(),
        case.emission,
        percent(withheld),
    )
}
