//! An owner's word on a company that wants to join.

use unsilo_ledger::{Entry, PublicKey};

use super::Proposal;
use crate::error::NodeError;

/// A company that has joined and waits for the owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Its legal name.
    pub name: String,
    /// Its ledger identity: compare it by another channel before you approve.
    pub identity: PublicKey,
    /// Its admission, as far as it is signed.
    pub proposal: Proposal,
}

impl Applicant {
    /// The applicant of an admission; `None` for every other entry. What the coordinator calls somebody is not what is
    /// signed: only the entry's own words count.
    #[must_use]
    pub fn of(proposal: Proposal) -> Option<Self> {
        match &proposal.entry {
            Entry::ParticipantAdmitted {
                name,
                key,
                owner: None,
            } => Some(Self {
                name: name.clone(),
                identity: *key,
                proposal,
            }),
            _ => None,
        }
    }
}

/// The applicant called `name`; with `identity` (hexadecimal), only if it has that identity.
///
/// # Errors
/// [`NodeError::Directory`] if nobody of that name (or with that identity) waits.
pub fn find(
    waiting: Vec<Applicant>,
    name: &str,
    identity: Option<&str>,
) -> Result<Applicant, NodeError> {
    let applicant = waiting
        .into_iter()
        .find(|applicant| applicant.name == name)
        .ok_or_else(|| {
            NodeError::Directory(format!(
                "no company called {name:?} waits for approval: `unsilo approve DIR` lists who does"
            ))
        })?;
    if let Some(expected) = identity
        && applicant.identity.to_hex() != expected.to_ascii_lowercase()
    {
        return Err(NodeError::Directory(format!(
            "{name:?} waits with the identity {}, not {expected}: somebody else may have used the invitation; \
             nothing was signed",
            applicant.identity
        )));
    }
    Ok(applicant)
}
