//! More than half of the owners admit a participant.

use super::books::Books;
use super::conduct::Conduct;
use super::members::Members;
use super::signers;
use crate::draft::{Draft, MAX_PARTICIPANTS};
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::identity::PublicKey;
use crate::mechanism::MAX_ROWS;
use crate::member::{Owner, OwnerId, Participant};
use crate::name::{NameError, check_name};
use crate::rejected::Rejected;
use std::sync::Arc;

/// A participant ready to be added, with its owner if that is new.
pub(super) struct Admission {
    participant: Participant,
    owner: Option<Owner>,
}

pub(super) fn check(
    books: &Books,
    name: &str,
    key: &PublicKey,
    owner: Option<OwnerId>,
    signed: &SignedEntry,
) -> Result<Admission, Rejected> {
    let first_round = books.first_round();
    let admission =
        Admission::prepare(&books.members, &books.draft, name, key, owner, first_round)?;
    let signers = signers::majority_of_owners(books, signed)?;
    match owner {
        // Nobody is made to speak for a company that did not agree.
        Some(owner) if !signers.contains(&owner) => Err(Rejected::OwnerDidNotSign { owner }),
        _ => Ok(admission),
    }
}

impl Admission {
    /// Checks all but the signatures.
    pub(super) fn prepare(
        members: &Members,
        draft: &Draft,
        name: &str,
        key: &PublicKey,
        owner: Option<OwnerId>,
        admitted_round: u64,
    ) -> Result<Self, Rejected> {
        let what = "participant name";
        check_name(what, name)?;
        if members.by_name(name).is_some() {
            return Err(NameError::Duplicate {
                what,
                name: name.to_owned(),
            }
            .into());
        }
        if !key.is_usable() {
            return Err(Rejected::UnusableKey { key: *key });
        }
        if members.had_key(key) || *key == draft.coordinator {
            return Err(Rejected::KeyTaken { key: *key });
        }
        if members.participants().len() >= MAX_PARTICIPANTS {
            return Err(Rejected::Full);
        }
        let id = members.next_participant().ok_or(Rejected::Full)?;
        let new_owner = match owner {
            Some(owner) if !members.owner(owner).is_some_and(Owner::is_present) => {
                return Err(Rejected::UnknownOwner { owner });
            }
            Some(_) => None,
            None if members.owners().len() >= MAX_ROWS => return Err(Rejected::Full),
            None => Some(Owner {
                id: members.next_owner().ok_or(Rejected::Full)?,
                name: name.to_owned(),
                admitted_round,
                participants: 0,
            }),
        };
        let owner = owner
            .or(new_owner.as_ref().map(|owner| owner.id))
            .ok_or(Rejected::Full)?;
        let participant = Participant {
            id,
            name: name.to_owned(),
            key: *key,
            owner,
            is_present: true,
            changes: 0,
            former_keys: Vec::new(),
        };
        Ok(Self {
            participant,
            owner: new_owner,
        })
    }

    pub(super) fn into_parts(self) -> (Participant, Option<Owner>) {
        (self.participant, self.owner)
    }

    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        let grant = books.draft.grant;
        let new_owner = self.owner.as_ref().map(|owner| owner.id);
        let admitted = Event::ParticipantAdmitted {
            participant: self.participant.id,
            owner: self.participant.owner,
            granted: new_owner.map_or(0, |_| grant),
        };
        if let Some(owner) = new_owner {
            books.economy.join(owner, grant);
            books.last_contributed.push(0);
        }
        books.conduct.push(Conduct::default());
        let redraws = new_owner.is_some() && books.current.is_none();
        Arc::make_mut(&mut books.members).add([self.into_parts()]);
        let mut events = vec![admitted];
        if redraws {
            events.push(Event::CommitteeDrawn(books.draw()));
        }
        events
    }
}
