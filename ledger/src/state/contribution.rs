//! A participant commits to an encrypted contribution.
//!
//! "At most once per model hash, unless the round is void" needs no list of its own: rounds do not
//! overlap, a published model is never one the federation had before, so a second round on the same
//! model can only follow a void one.

use super::books::Books;
use super::signers;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::Rejected;
use crate::round::Contribution;
use std::collections::BTreeMap;

const CONTRIBUTIONS: Domain = Domain::new("contributions so far");
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
    let contributor = signers::participant(books, participant, signed)?;
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
        contribution: Contribution {
            root,
            bytes,
            position: u32::try_from(current.contributions.len()).map_err(|_| Rejected::Overflow)?,
        },
    })
}

/// The rolling hash over these contributions, in the order of the log; `None` if their positions are not
/// 0, 1, 2 and so on.
pub(super) fn digest_of(contributions: &BTreeMap<ParticipantId, Contribution>) -> Option<Hash> {
    let mut ordered: Vec<_> = contributions.iter().collect();
    ordered.sort_by_key(|(_, contribution)| contribution.position);
    let in_place = (0_u32..)
        .zip(&ordered)
        .all(|(position, (_, contribution))| contribution.position == position);
    let digest = ordered
        .into_iter()
        .fold([0; 32], |last, (participant, contribution)| {
            next_digest(&last, *participant, contribution)
        });
    in_place.then_some(digest)
}

/// The rolling hash over the contributions of a round, in the order of the log.
fn next_digest(last: &Hash, participant: ParticipantId, contribution: &Contribution) -> Hash {
    DomainHasher::new(CONTRIBUTIONS)
        .with(last)
        .with(&participant.0.to_le_bytes())
        .with(&contribution.root)
        .with(&contribution.bytes.to_le_bytes())
        .finish()
}

impl Committed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        if let Some(current) = &mut books.current {
            current.contributions_digest = next_digest(
                &current.contributions_digest,
                self.participant,
                &self.contribution,
            );
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
