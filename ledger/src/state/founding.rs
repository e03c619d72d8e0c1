//! Entry 0: a federation is created by its founders.

use super::admission::Admission;
use super::books::Books;
use super::conduct::Conduct;
use super::economy::Economy;
use super::members::Members;
use super::shelf::Shelf;
use super::signers;
use crate::draft::Draft;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::initial_weights::initial_model_hash;
use crate::member::Member;
use crate::name::check_names;
use crate::rejected::Rejected;
use crate::statistics::statistics_base;
use borsh::BorshSerialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const SEED: Domain = Domain::new("unsilo seed");

/// H('unsilo seed', hash of the fully signed genesis).
fn founders_seed(genesis: &Hash) -> Hash {
    DomainHasher::new(SEED).with(genesis).finish()
}

pub(super) fn check(
    draft: &Draft,
    founders: &[Member],
    signed: &SignedEntry,
) -> Result<Books, Rejected> {
    draft.validate()?;
    check_invited(draft, founders)?;
    check_names(
        "founder's name",
        founders.iter().map(|founder| founder.name.as_str()),
    )?;

    let federation = draft.federation_id();
    let mut members = Members::new();
    let mut required = BTreeMap::from([(draft.coordinator, "the coordinator".to_owned())]);
    for founder in founders {
        let admission = Admission::prepare(
            &members,
            draft,
            &founder.name,
            &founder.key,
            founder.owner,
            1,
        )?;
        members.add([admission.into_parts()]);
        required.insert(founder.key, format!("founder {:?}", founder.name));
    }
    // Affiliates may be among the founders; what counts is companies.
    let owners = members.owners().len();
    let cohort = usize::try_from(draft.min_cohort).unwrap_or(usize::MAX);
    if owners < crate::draft::MIN_FOUNDERS.max(cohort) {
        return Err(Rejected::TooFewOwners { owners });
    }
    signers::exactly(signed, &required)?;

    let genesis = signed.hash();
    let seed = founders_seed(&genesis);
    let economy = Economy::new(members.owners().map(|owner| (owner.id, draft.grant)));
    Ok(Books {
        federation,
        // Before anything is trained the data are measured, if they are to be.
        model: match draft.schema.measured().next() {
            Some(_) => statistics_base(&federation),
            None => initial_model_hash(&draft.model, &seed),
        },
        draft: Arc::new(draft.clone()),
        genesis,
        founders_seed: seed,
        seed,
        next_round: 1,
        current: None,
        last_contributed: filled(owners, 0),
        conduct: filled(founders.len(), Conduct::default()),
        economy,
        last_committee: None,
        members: Arc::new(members),
        unit_log2: draft.unit_log2,
        last_sum: None,
        history: Arc::default(),
        history_digest: [0; 32],
        published: 0,
    })
}

fn filled<T: Clone + BorshSerialize>(count: usize, value: T) -> Shelf<T> {
    let mut shelf = Shelf::default();
    for _ in 0..count {
        shelf.push(value.clone());
    }
    shelf
}

fn check_invited(draft: &Draft, founders: &[Member]) -> Result<(), Rejected> {
    let count = draft.founders.len().max(founders.len());
    for position in 0..count {
        let expected = draft.founders.get(position).map_or("", String::as_str);
        let found = founders
            .get(position)
            .map_or("", |founder| founder.name.as_str());
        if expected != found {
            return Err(Rejected::WrongFounder {
                position,
                expected: expected.to_owned(),
                found: found.to_owned(),
            });
        }
    }
    Ok(())
}

impl Books {
    pub(super) fn founding_events(&self) -> Vec<Event> {
        let founded = Event::FederationFounded {
            federation: self.federation,
            seed: self.founders_seed,
            model: self.model,
        };
        let mut events = vec![founded];
        let mut granted = std::collections::BTreeSet::new();
        for participant in self.members.participants() {
            let first_of_owner = granted.insert(participant.owner);
            events.push(Event::ParticipantAdmitted {
                participant: participant.id,
                owner: participant.owner,
                granted: if first_of_owner { self.draft.grant } else { 0 },
            });
        }
        events.push(Event::CommitteeDrawn(self.draw()));
        events
    }
}
