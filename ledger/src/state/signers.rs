//! Who signed an entry, against who must have.

use super::books::Books;
use crate::committee::majority_of;
use crate::entry::signed::SignedEntry;
use crate::identity::PublicKey;
use crate::member::{OwnerId, Participant, ParticipantId};
use crate::rejected::{MembershipRejected, Rejected, ViolationRejected};
use crate::round::{CurrentRound, Opening, SeatedMember};
use std::collections::{BTreeMap, BTreeSet};

/// Ascending and so without doubles: one set of signatures has one encoding.
pub(super) fn check_order(signed: &SignedEntry) -> Result<(), Rejected> {
    let mut last: Option<&PublicKey> = None;
    for key in signed.signers() {
        if last.is_some_and(|last| last >= key) {
            return Err(Rejected::SignatureOrder { key: *key });
        }
        last = Some(key);
    }
    Ok(())
}

/// Exactly these, each with a description for the error.
pub(super) fn exactly(
    signed: &SignedEntry,
    required: &BTreeMap<PublicKey, String>,
) -> Result<(), Rejected> {
    if let Some(key) = signed.signers().find(|key| !required.contains_key(key)) {
        return Err(Rejected::SurplusSignature { key: *key });
    }
    let present: BTreeSet<&PublicKey> = signed.signers().collect();
    match required.iter().find(|(key, _)| !present.contains(key)) {
        Some((key, who)) => Err(Rejected::MissingSignature {
            who: who.clone(),
            key: *key,
        }),
        None => Ok(()),
    }
}

/// The coordinator and nobody else.
pub(super) fn coordinator(books: &Books, signed: &SignedEntry) -> Result<(), Rejected> {
    let key = books.draft.coordinator;
    exactly(
        signed,
        &BTreeMap::from([(key, "the coordinator".to_owned())]),
    )
}

/// The participant with this number and nobody else.
pub(super) fn participant<'a>(
    books: &'a Books,
    participant: ParticipantId,
    signed: &SignedEntry,
) -> Result<&'a Participant, Rejected> {
    let found = books
        .members
        .participant(participant)
        .ok_or(Rejected::UnknownParticipant { participant })?;
    if !found.is_present {
        return Err(MembershipRejected::Absent { participant }.into());
    }
    if let Some(key) = signed.signers().find(|key| **key != found.key) {
        return Err(Rejected::SurplusSignature { key: *key });
    }
    if signed.signers().next().is_none() {
        return Err(Rejected::MissingSignature {
            who: format!("participant {:?}", found.name),
            key: found.key,
        });
    }
    Ok(found)
}

/// More than half of the owners, one participant each. Returns who they are.
pub(super) fn majority_of_owners(
    books: &Books,
    signed: &SignedEntry,
) -> Result<BTreeSet<OwnerId>, Rejected> {
    let owners = owners_of(books, signed)?;
    let need = majority_of(books.members.count_present_owners());
    if owners.len() < need {
        return Err(Rejected::TooFewSigners {
            have: owners.len(),
            need,
        });
    }
    Ok(owners)
}

/// The owners of the signers, of whom each signed once.
pub(super) fn owners_of(
    books: &Books,
    signed: &SignedEntry,
) -> Result<BTreeSet<OwnerId>, Rejected> {
    let mut owners = BTreeSet::new();
    for key in signed.signers() {
        let signer = books
            .members
            .by_key(key)
            .ok_or(Rejected::SurplusSignature { key: *key })?;
        if !owners.insert(signer.owner) {
            return Err(Rejected::OwnerSignedTwice {
                owner: signer.owner,
            });
        }
    }
    Ok(owners)
}

/// More than half of the owners but for this one, one participant each, and nobody of it.
pub(super) fn majority_of_other_owners(
    books: &Books,
    except: OwnerId,
    signed: &SignedEntry,
) -> Result<(), Rejected> {
    let owners = owners_of(books, signed)?;
    if owners.contains(&except) {
        return Err(MembershipRejected::OwnEviction { owner: except }.into());
    }
    // It may be gone already: then all that are there are others.
    let present = books.members.present_owners();
    let need = majority_of(present.filter(|owner| owner.id != except).count());
    if owners.len() < need {
        return Err(Rejected::TooFewSigners {
            have: owners.len(),
            need,
        });
    }
    Ok(())
}

/// Any one participant, or the coordinator, and nobody else.
pub(super) fn anyone(books: &Books, signed: &SignedEntry) -> Result<(), Rejected> {
    let known =
        |key: &PublicKey| *key == books.draft.coordinator || books.members.by_key(key).is_some();
    let mut signers = signed.signers();
    match signers.next() {
        None => return Err(Rejected::TooFewSigners { have: 0, need: 1 }),
        Some(key) if !known(key) => return Err(Rejected::SurplusSignature { key: *key }),
        Some(_) => {}
    }
    match signers.next() {
        Some(key) => Err(Rejected::SurplusSignature { key: *key }),
        None => Ok(()),
    }
}

/// Whether who sits there still has a say: not if evicted since, nor with a key that was replaced.
pub(super) fn speaks(books: &Books, seat: &SeatedMember) -> bool {
    let speaker = books.members.by_key(&seat.key);
    speaker.is_some_and(|participant| participant.id == seat.participant)
}

/// At least the threshold of the seated members, none of them of this owner, and nobody else.
pub(super) fn committee_without(
    books: &Books,
    committee: &Opening,
    except: OwnerId,
    signed: &SignedEntry,
) -> Result<(), Rejected> {
    let mut members = 0_usize;
    for key in signed.signers() {
        let seat = committee.seats.iter().find(|seat| seat.key == *key);
        let seat = seat.filter(|seat| speaks(books, seat));
        let owner = seat.and_then(|seat| books.members.owner_of(seat.participant));
        match owner {
            None => return Err(Rejected::SurplusSignature { key: *key }),
            Some(owner) if owner == except => {
                return Err(ViolationRejected::OwnCase { owner }.into());
            }
            Some(_) => members = members.saturating_add(1),
        }
    }
    let need = usize::from(committee.threshold);
    if members < need {
        return Err(Rejected::TooFewSigners {
            have: members,
            need,
        });
    }
    Ok(())
}

/// At least the threshold of the round's seated members, and besides them at most `also`, who must.
pub(super) fn committee(
    books: &Books,
    round: &CurrentRound,
    signed: &SignedEntry,
    also: Option<(PublicKey, &str)>,
) -> Result<(), Rejected> {
    let seats = round.opening.seats.iter();
    let seated: BTreeSet<&PublicKey> = seats
        .filter(|seat| speaks(books, seat))
        .map(|seat| &seat.key)
        .collect();
    let mut members = 0_usize;
    let mut missing = also;
    for key in signed.signers() {
        if also.is_some_and(|(expected, _)| expected == *key) {
            missing = None;
        } else if seated.contains(key) {
            members = members.saturating_add(1);
        } else {
            return Err(Rejected::SurplusSignature { key: *key });
        }
    }
    if let Some((key, who)) = missing {
        return Err(Rejected::MissingSignature {
            who: who.to_owned(),
            key,
        });
    }
    let need = usize::from(round.opening.threshold);
    if members < need {
        return Err(Rejected::TooFewSigners {
            have: members,
            need,
        });
    }
    Ok(())
}
