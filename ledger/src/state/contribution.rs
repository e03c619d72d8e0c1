//! A participant commits to an encrypted contribution.
//!
//! "At most once per model hash, unless the round is void" needs no list of its own: rounds do not
//! overlap, a published model is never one the federation had before, so a second round on the same
//! model can only follow a void one.

use super::books::Books;
use super::signers;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::Hash;
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::Rejected;
use crate::round::Contribution;
use std::collections::BTreeMap;

/// More than any model within the limits needs, 2^40 bytes.
const MAX_CONTRIBUTION_BYTES: u64 = 1_099_511_627_776;

/// An accepted contribution.
pub(super) struct Committed {
    round: u64,
    participant: ParticipantId,
    owner: OwnerId,
    contribution: Contribution,
}

pub(super) fn check(
    books: &Books,
    round: u64,
    participant: ParticipantId,
    root: Hash,
    bytes: u64,
    signed: &SignedEntry,
) -> Result<Committed, Rejected> {
    let current = books.current(round)?;
    if current.closing.is_some() {
        return Err(Rejected::RoundClosed { round });
    }
    let contributor = books
        .members
        .participant(participant)
        .ok_or(Rejected::UnknownParticipant { participant })?;
    let who = format!("participant {:?}", contributor.name);
    signers::exactly(signed, &BTreeMap::from([(contributor.key, who)]))?;
    if current.contributions.contains_key(&participant) {
        return Err(Rejected::ContributedAlready { participant, round });
    }
    if bytes == 0 || bytes > MAX_CONTRIBUTION_BYTES {
        return Err(Rejected::ContributionSize { bytes });
    }
    Ok(Committed {
        round,
        participant,
        owner: contributor.owner,
        contribution: Contribution { root, bytes },
    })
}

impl Committed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        if let Some(current) = &mut books.current {
            current
                .contributions
                .insert(self.participant, self.contribution);
            let of_owner = current.owners.entry(self.owner).or_insert(0);
            *of_owner = of_owner.saturating_add(1);
        }
        vec![Event::ContributionCommitted {
            round: self.round,
            participant: self.participant,
        }]
    }
}
