//! `unsilo ledger show`: the entries, and what follows from them.

mod follows;

use std::cell::RefCell;

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;
use unsilo_ledger::{Replica, SignedEntry, State, store::read_from};

use super::place::{Place, needs_full_log};
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
    /// First entry to print; by default the first that this copy holds.
    #[arg(long)]
    from: Option<u64>,
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
    let state = RefCell::new(State::new());
    let mut failed = None;
    let begin = |replica: &Replica| *state.borrow_mut() = replica.state().clone();
    let from = arguments.from.unwrap_or(0);
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let replica = read_from(&arguments.place.file()?, begin, |index, entry| {
        if failed.is_some() {
            return;
        }
        let state = &mut *state.borrow_mut();
        // Verified already; here for what follows.
        match state.apply_with_known_signatures(entry) {
            Err(rejected) => failed = Some(rejected),
            Ok(events) => {
                if index >= from && shown.len() < limit {
                    shown.push(Shown {
                        index,
                        entry: entry.clone(),
                        follows: events
                            .iter()
                            .filter_map(|event| follows::in_words(state, event))
                            .collect(),
                    });
                }
            }
        }
    })?;
    if let Some(rejected) = failed {
        anyhow::bail!("the ledger could not be replayed: {rejected}");
    }
    let first = replica.first();
    if arguments.from.is_some_and(|from| from < first) {
        return Err(needs_full_log(&format!("entry {from}"), first).into());
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
        "first": first,
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
        if first > 0 {
            text.push_str(&format!(
                "(begins with a snapshot: the {first} entries before are not in this copy)\n"
            ));
        }
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
