//! Owners evict a participant, readmit one, or state that one belongs to another owner.

use super::books::Books;
use super::signers;
use crate::draft::Draft;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::identity::PublicKey;
use crate::mechanism::MAX_ROWS;
use crate::member::{Owner, OwnerId, Participant, ParticipantId};
use crate::rejected::{MembershipRejected, Rejected};
use std::sync::Arc;

/// An accepted change of membership.
pub(super) enum Changed {
    Evicted {
        participant: ParticipantId,
        owner: OwnerId,
    },
    Readmitted {
        participant: ParticipantId,
        owner: OwnerId,
        key: PublicKey,
    },
    Moved {
        participant: ParticipantId,
        from: OwnerId,
        to: OwnerId,
        new: Option<Owner>,
    },
}

pub(super) fn check_eviction(
    books: &Books,
    participant: ParticipantId,
    change: u32,
    signed: &SignedEntry,
) -> Result<Changed, Rejected> {
    let evicted = named(books, participant, change)?;
    if !evicted.is_present {
        return Err(MembershipRejected::Absent { participant }.into());
    }
    let owner = evicted.owner;
    signers::majority_of_other_owners(books, owner, signed)?;
    Ok(Changed::Evicted { participant, owner })
}

pub(super) fn check_readmission(
    books: &Books,
    participant: ParticipantId,
    change: u32,
    key: PublicKey,
    signed: &SignedEntry,
) -> Result<Changed, Rejected> {
    let readmitted = named(books, participant, change)?;
    let keeps_key = readmitted.key == key;
    if keeps_key && readmitted.is_present {
        return Err(MembershipRejected::Present { participant }.into());
    }
    if !keeps_key {
        check_new_key(books, &books.draft, &key)?;
    }
    let owner = readmitted.owner;
    signers::majority_of_owners(books, signed)?;
    Ok(Changed::Readmitted {
        participant,
        owner,
        key,
    })
}

fn check_new_key(books: &Books, draft: &Draft, key: &PublicKey) -> Result<(), Rejected> {
    if !key.is_usable() {
        return Err(Rejected::UnusableKey { key: *key });
    }
    if books.members.had_key(key) || *key == draft.coordinator {
        return Err(Rejected::KeyTaken { key: *key });
    }
    Ok(())
}

pub(super) fn check_move(
    books: &Books,
    participant: ParticipantId,
    change: u32,
    owner: Option<OwnerId>,
    signed: &SignedEntry,
) -> Result<Changed, Rejected> {
    let moved = named(books, participant, change)?;
    if !moved.is_present {
        return Err(MembershipRejected::Absent { participant }.into());
    }
    let from = moved.owner;
    let alone = books
        .members
        .owner(from)
        .is_some_and(|owner| owner.participants == 1);
    let (to, new) = match owner {
        Some(owner) if owner == from => {
            return Err(MembershipRejected::SameOwner { owner }.into());
        }
        Some(owner) => {
            let present = books.members.owner(owner).is_some_and(Owner::is_present);
            if !present {
                return Err(Rejected::UnknownOwner { owner });
            }
            (owner, None)
        }
        // It is an owner of its own already: another grant is not to be had this way.
        None if alone => return Err(MembershipRejected::SameOwner { owner: from }.into()),
        None => {
            let new = new_owner(books, moved)?;
            (new.id, Some(new))
        }
    };
    let signers = signers::majority_of_owners(books, signed)?;
    // Nobody is made to speak for a company that did not agree.
    if new.is_none() && !signers.contains(&to) {
        return Err(Rejected::OwnerDidNotSign { owner: to });
    }
    Ok(Changed::Moved {
        participant,
        from,
        to,
        new,
    })
}

fn new_owner(books: &Books, participant: &Participant) -> Result<Owner, Rejected> {
    if books.members.owners().len() >= MAX_ROWS {
        return Err(Rejected::Full);
    }
    Ok(Owner {
        id: books.members.next_owner().ok_or(Rejected::Full)?,
        name: participant.name.clone(),
        admitted_round: books.first_round(),
        participants: 0,
    })
}

/// The participant that the entry is about, if it is up to date about it.
fn named(books: &Books, id: ParticipantId, change: u32) -> Result<&Participant, Rejected> {
    let participant = books
        .members
        .participant(id)
        .ok_or(Rejected::UnknownParticipant { participant: id })?;
    if participant.changes != change {
        return Err(MembershipRejected::Outdated {
            participant: id,
            expected: participant.changes,
            found: change,
        }
        .into());
    }
    Ok(participant)
}

impl Changed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let round = books.first_round();
        let members = Arc::make_mut(&mut books.members);
        let was_present = |books: &Books, owner| {
            let owner = books.members.owner(owner);
            owner.is_some_and(Owner::is_present)
        };
        let event = match self {
            Self::Evicted { participant, owner } => {
                members.evict(participant);
                if !was_present(books, owner) {
                    books.economy.leave(owner);
                }
                Event::ParticipantEvicted { participant, owner }
            }
            Self::Readmitted {
                participant,
                owner,
                key,
            } => {
                // Nobody of its owner is there besides: not one, or only its own former key.
                let replaced = members
                    .participant(participant)
                    .is_some_and(|one| one.is_present);
                let alone = members
                    .owner(owner)
                    .is_some_and(|owner| owner.participants <= u32::from(replaced));
                let new_key = members.participant(participant).map(|one| one.key) != Some(key);
                members.readmit(participant, key, round);
                if new_key {
                    // A new machine has a guard store of its own.
                    books.change_conduct(participant, |conduct| conduct.guard = None);
                }
                // An id that registers again starts without ratings, given or received.
                if alone {
                    books.economy.forget_ratings(owner);
                    books.economy.come_back(owner);
                }
                Event::ParticipantReadmitted { participant, owner }
            }
            Self::Moved {
                participant,
                from,
                to,
                new,
            } => {
                let grant = books.draft.grant;
                let is_new = new.is_some();
                members.change_owner(participant, to, new);
                if is_new {
                    books.economy.join(to, grant);
                    books.last_contributed.push(0);
                }
                if !was_present(books, from) {
                    books.economy.leave(from);
                }
                Event::OwnerChanged {
                    participant,
                    from,
                    to,
                    granted: if is_new { grant } else { 0 },
                }
            }
        };
        let mut events = vec![event];
        if books.current.is_none() {
            events.push(Event::CommitteeDrawn(books.draw()));
        }
        events
    }
}
