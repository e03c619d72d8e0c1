//! `unsilo ledger show`: the entries, and what follows from them.

mod follows;

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;
use unsilo_ledger::{SignedEntry, State, store::read};

use super::place::Place;
use crate::{commands::Global, output};

/// Consequences of one entry shown: a genesis has one for each founder.
const FOLLOWS_SHOWN: usize = 8;

/// Print what was recorded, a line an entry: what, and who signed it.
///
/// What the ledger derives from an entry (weights, pay, cases) stands below it after an arrow: nobody signs it,
/// everybody computes the same.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// First entry to print.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Entries to print at most.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

/// An entry and what the ledger derived from it.
struct Shown {
    index: u64,
    entry: SignedEntry,
    follows: Vec<String>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut shown = Vec::new();
    let mut state = State::new();
    let mut failed = None;
    let replica = read(&arguments.place.file()?, |index, entry| {
        if failed.is_some() {
            return;
        }
        // Verified already; here for what follows.
        match state.apply_with_known_signatures(entry) {
            Err(rejected) => failed = Some(rejected),
            Ok(events) => {
                if index >= arguments.from && index - arguments.from < arguments.limit {
                    shown.push(Shown {
                        index,
                        entry: entry.clone(),
                        follows: events
                            .iter()
                            .filter_map(|event| follows::in_words(&state, event))
                            .collect(),
                    });
                }
            }
        }
    })?;
    if let Some(rejected) = failed {
        anyhow::bail!("the ledger could not be replayed: {rejected}");
    }
    let books = replica.state();
    let described: Vec<(&Shown, String, String)> = shown
        .iter()
        .map(|one| {
            let hash = HEXLOWER.encode(&one.entry.hash());
            (one, hash, books.describe(&one.entry))
        })
        .collect();
    let document = json!({
        "entries": described
            .iter()
            .map(|(one, hash, text)| json!({
                "index": one.index,
                "hash": hash,
                "kind": one.entry.entry.kind(),
                "round": one.entry.entry.round(),
                "description": text,
                "follows": one.follows,
            }))
            .collect::<Vec<_>>(),
    });
    output::print(global.json, &document, || {
        let mut text = String::new();
        for (one, hash, description) in &described {
            text.push_str(&format!(
                "{:>6}  {}  {description}\n",
                one.index,
                &hash[..12]
            ));
            for follows in one.follows.iter().take(FOLLOWS_SHOWN) {
                text.push_str(&format!("{:>20}  → {follows}\n", ""));
            }
            if one.follows.len() > FOLLOWS_SHOWN {
                let more = one.follows.len() - FOLLOWS_SHOWN;
                text.push_str(&format!("{:>20}  → and {more} more (--json has all)\n", ""));
            }
        }
        text
    })
}
