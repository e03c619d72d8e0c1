//! The members of a federation and the indexes over them.

use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::member::{Owner, OwnerId, Participant, ParticipantId};
use crate::name::fold;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::io::{Read, Result, Write};

const MEMBERS: Domain = Domain::new("members");

/// Participants and owners are numbered without gaps and never forgotten, so vectors hold them in order.
/// Those that were evicted stay listed, are not present, and have no say.
#[derive(Clone, Debug)]
pub(super) struct Members {
    participants: Vec<Participant>,
    owners: Vec<Owner>,
    /// How many owners are present.
    present: usize,
    /// Every key that was ever used: none comes back under another name.
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
        for participant in &participants {
            let keys = participant.former_keys.iter().chain([&participant.key]);
            members
                .by_key
                .extend(keys.map(|key| (*key, participant.id)));
            members
                .by_name
                .insert(fold(&participant.name), participant.id);
        }
        members.participants = participants;
        members.owners = owners;
        members.refresh();
        Ok(members)
    }
}

impl Members {
    pub(super) fn new() -> Self {
        let mut members = Self {
            participants: Vec::new(),
            owners: Vec::new(),
            present: 0,
            by_key: BTreeMap::new(),
            by_name: BTreeMap::new(),
            digest: [0; 32],
        };
        members.refresh();
        members
    }

    /// Adds participants, and the owners that some of them bring.
    pub(super) fn add(&mut self, admitted: impl IntoIterator<Item = (Participant, Option<Owner>)>) {
        for (participant, owner) in admitted {
            self.by_key.insert(participant.key, participant.id);
            self.by_name.insert(fold(&participant.name), participant.id);
            self.owners.extend(owner);
            self.count(participant.owner, 1);
            self.participants.push(participant);
        }
        self.refresh();
    }

    /// Takes a participant's say away.
    pub(super) fn evict(&mut self, id: ParticipantId) {
        if let Some(participant) = self.participant_mut(id)
            && participant.is_present
        {
            participant.is_present = false;
            participant.changes = participant.changes.saturating_add(1);
            let owner = participant.owner;
            self.count(owner, -1);
        }
        self.refresh();
    }

    /// Gives a participant a key, and its say back if it had none. Its owner, if it has nobody else, joins
    /// anew: from `round` on.
    pub(super) fn readmit(&mut self, id: ParticipantId, key: PublicKey, round: u64) {
        let Some(participant) = self.participant_mut(id) else {
            return;
        };
        if participant.key != key {
            participant.former_keys.push(participant.key);
            participant.key = key;
        }
        participant.changes = participant.changes.saturating_add(1);
        let (owner, was_present) = (participant.owner, participant.is_present);
        participant.is_present = true;
        self.by_key.insert(key, id);
        if !was_present {
            self.count(owner, 1);
        }
        if let Some(owner) = self.owner_mut(owner)
            && owner.participants == 1
        {
            owner.admitted_round = round;
        }
        self.refresh();
    }

    /// Moves a participant to another owner, new or not.
    pub(super) fn change_owner(&mut self, id: ParticipantId, owner: OwnerId, new: Option<Owner>) {
        self.owners.extend(new);
        if let Some(participant) = self.participant_mut(id) {
            let before = participant.owner;
            participant.owner = owner;
            participant.changes = participant.changes.saturating_add(1);
            self.count(before, -1);
            self.count(owner, 1);
        }
        self.refresh();
    }

    /// All, present or not.
    pub(super) fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.participants.iter()
    }

    /// All, present or not.
    pub(super) fn owners(&self) -> impl ExactSizeIterator<Item = &Owner> {
        self.owners.iter()
    }

    /// Those with a participant in the federation: what is counted where owners are.
    pub(super) fn present_owners(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter().filter(|owner| owner.is_present())
    }

    /// How many those are.
    pub(super) fn count_present_owners(&self) -> usize {
        self.present
    }

    pub(super) fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.participants.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn owner(&self, id: OwnerId) -> Option<&Owner> {
        self.owners.get(usize::try_from(id.0).ok()?)
    }

    pub(super) fn owner_of(&self, id: ParticipantId) -> Option<OwnerId> {
        Some(self.participant(id)?.owner)
    }

    /// The participant that signs with this key now, and has a say.
    pub(super) fn by_key(&self, key: &PublicKey) -> Option<&Participant> {
        self.participant(*self.by_key.get(key)?)
            .filter(|participant| participant.is_present && participant.key == *key)
    }

    /// Whether anybody ever had this key.
    pub(super) fn had_key(&self, key: &PublicKey) -> bool {
        self.by_key.contains_key(key)
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

    fn participant_mut(&mut self, id: ParticipantId) -> Option<&mut Participant> {
        self.participants.get_mut(usize::try_from(id.0).ok()?)
    }

    fn owner_mut(&mut self, id: OwnerId) -> Option<&mut Owner> {
        self.owners.get_mut(usize::try_from(id.0).ok()?)
    }

    fn count(&mut self, owner: OwnerId, change: i32) {
        if let Some(owner) = self.owner_mut(owner) {
            owner.participants = owner.participants.saturating_add_signed(change);
        }
    }

    fn refresh(&mut self) {
        self.present = self.present_owners().count();
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = (&self.participants, &self.owners).serialize(&mut bytes);
        self.digest = DomainHasher::new(MEMBERS).with(&bytes).finish();
    }
}
