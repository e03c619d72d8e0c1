//! A person of a company at its node's directory: reads the books, sees what is being signed, and signs.
//!
//! Works beside a running node: of the directory it only reads, but for the note of an owners' void. The books are the node's own copy of the ledger and what
//! the coordinator's log adds to it, every entry and the checkpoint over them verified; nothing is signed that they do
//! not allow. What the coordinator says about signatures of others counts as far as they verify.

pub mod admission;
pub mod appeal;
pub mod feedback;
pub mod membership;
mod session;
pub mod stake;
pub mod void;

pub use session::Signing;

use std::collections::BTreeMap;

use unsilo_ledger::{Entry, FederationId, Rejected, SignedEntry, State};

use crate::error::NodeError;

/// An entry that is being signed, or was just put on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What it says.
    pub entry: Entry,
    /// The same for people, with names as the ledger knows them.
    pub words: String,
    /// The owners whose participants signed, in order of owners, each once.
    pub signers: Vec<String>,
    /// How many owners must sign at least.
    pub needed: usize,
    /// Whether all that must have signed: it goes on the ledger when the round under way allows it.
    pub complete: bool,
    /// Whether it is on the ledger.
    pub entered: bool,
}

impl Proposal {
    /// What the books make of an entry with some signatures; `None` if they do not allow it. Signatures that do not
    /// verify, are of nobody in the federation, or are a second one of an owner do not count.
    pub(crate) fn read(
        signed: &SignedEntry,
        federation: &FederationId,
        state: &State,
    ) -> Option<Self> {
        let needed = needed(&signed.entry, state).ok()?;
        let mut signers = BTreeMap::new();
        for signature in &signed.signatures {
            let signer = state.participant_by_key(&signature.signer);
            if let Some(owner) = signer.and_then(|signer| state.owner(signer.owner))
                && signed.entry.verify_signature(federation, signature)
            {
                signers.insert(owner.id, owner.name.clone());
            }
        }
        Some(Self {
            words: state.describe_entry(&signed.entry),
            entry: signed.entry.clone(),
            signers: signers.into_values().collect(),
            needed,
            complete: state.check(signed).is_ok(),
            entered: false,
        })
    }
}

/// How many owners must sign an entry.
///
/// # Errors
/// Why the books do not allow it, whoever signs.
fn needed(entry: &Entry, state: &State) -> Result<usize, Rejected> {
    match state.check(&SignedEntry::new(entry.clone(), Vec::new())) {
        Err(Rejected::TooFewSigners { need, .. }) => Ok(need),
        Ok(()) | Err(Rejected::MissingSignature { .. }) => Ok(1),
        Err(refused) => Err(refused),
    }
}

/// The participant of this name.
///
/// # Errors
/// [`NodeError::Directory`] if there never was one.
fn named<'a>(state: &'a State, name: &str) -> Result<&'a unsilo_ledger::Participant, NodeError> {
    state.participant_by_name(name).ok_or_else(|| {
        let known: Vec<&str> = state
            .participants()
            .take(NAMES_SHOWN)
            .map(|participant| participant.name.as_str())
            .collect();
        NodeError::Directory(format!(
            "the ledger knows no participant called {name:?}; there are {}; nothing was signed",
            known.join(", ")
        ))
    })
}

/// Names in a message.
const NAMES_SHOWN: usize = 12;
