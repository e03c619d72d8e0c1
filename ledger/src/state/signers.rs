//! Who signed an entry, against who must have.

use super::books::Books;
use crate::committee::majority_of;
use crate::entry::signed::SignedEntry;
use crate::identity::PublicKey;
use crate::member::{OwnerId, Participant, ParticipantId};
use crate::rejected::Rejected;
use crate::round::CurrentRound;
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
    let need = majority_of(books.members.owners().len());
    if owners.len() < need {
        return Err(Rejected::TooFewSigners {
            have: owners.len(),
            need,
        });
    }
    Ok(owners)
}

/// At least the threshold of the round's seated members, and besides them at most `also`, who must.
pub(super) fn committee(
    round: &CurrentRound,
    signed: &SignedEntry,
    also: Option<(PublicKey, &str)>,
) -> Result<(), Rejected> {
    let seated: BTreeSet<&PublicKey> = round.opening.seats.iter().map(|seat| &seat.key).collect();
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
