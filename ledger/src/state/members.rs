//! The members of a federation and the indexes over them.

use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::member::{Owner, OwnerId, Participant, ParticipantId};
use crate::name::fold;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::io::{Read, Result, Write};

const MEMBERS: Domain = Domain::new("members");

/// Participants and owners are numbered without gaps, so vectors hold them in order.
#[derive(Clone, Debug)]
pub(super) struct Members {
    participants: Vec<Participant>,
    owners: Vec<Owner>,
    by_key: BTreeMap<PublicKey, ParticipantId>,
    by_name: BTreeMap<String, ParticipantId>,
    /// Hash of both lists; kept because it goes into every state root and seldom changes.
    digest: Hash,
}

/// As both lists: indexes and digest are made again when they are read.
impl BorshSerialize for Members {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        (&self.participants, &self.owners).serialize(writer)
    }
}

impl BorshDeserialize for Members {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let (participants, owners): (Vec<Participant>, Vec<Owner>) =
            BorshDeserialize::deserialize_reader(reader)?;
        let mut members = Self::new();
        members.owners = owners;
        members.add(
            participants
                .into_iter()
                .map(|participant| (participant, None)),
        );
        Ok(members)
    }
}

impl Members {
    pub(super) fn new() -> Self {
        let mut members = Self {
            participants: Vec::new(),
            owners: Vec::new(),
            by_key: BTreeMap::new(),
            by_name: BTreeMap::new(),
            digest: [0; 32],
        };
        members.digest = members.compute_digest();
        members
    }

    /// Adds participants, and the owners that some of them bring.
    pub(super) fn add(&mut self, admitted: impl IntoIterator<Item = (Participant, Option<Owner>)>) {
        for (participant, owner) in admitted {
            self.by_key.insert(participant.key, participant.id);
            self.by_name.insert(fold(&participant.name), participant.id);
            self.participants.push(participant);
            self.owners.extend(owner);
        }
        self.digest = self.compute_digest();
    }

    pub(super) fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.participants.iter()
    }

    pub(super) fn owners(&self) -> impl ExactSizeIterator<Item = &Owner> {
        self.owners.iter()
    }

    pub(super) fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn owner(&self, id: OwnerId) -> Option<&Owner> {
        self.owners.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn by_key(&self, key: &PublicKey) -> Option<&Participant> {
        self.participant(*self.by_key.get(key)?)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Participant> {
        self.participant(*self.by_name.get(&fold(name))?)
    }

    pub(super) fn next_participant(&self) -> Option<ParticipantId> {
        u32::try_from(self.participants.len())
            .ok()
            .map(ParticipantId)
    }

    pub(super) fn next_owner(&self) -> Option<OwnerId> {
        u32::try_from(self.owners.len()).ok().map(OwnerId)
    }

    pub(super) fn digest(&self) -> &Hash {
        &self.digest
    }

    fn compute_digest(&self) -> Hash {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = (&self.participants, &self.owners).serialize(&mut bytes);
        DomainHasher::new(MEMBERS).with(&bytes).finish()
    }
}
