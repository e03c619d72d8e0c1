//! Who belongs to a federation: participants (keys) and owners (legal entities).

use crate::identity::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// A participant's number, in order of admission from 0.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct ParticipantId(pub u32);

/// An owner's number, in order of admission from 0. Everything that counts people counts owners.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct OwnerId(pub u32);

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A founder, as listed in the genesis.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// The legal name; as invited in the draft, in the same order.
    pub name: String,
    /// Its ledger identity.
    pub key: PublicKey,
    /// `None` for a company of its own; else the earlier owner that it is an affiliate of.
    pub owner: Option<OwnerId>,
}

/// A participant: one machine of one owner, with one ledger identity.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Participant {
    /// Its number.
    pub id: ParticipantId,
    /// Its legal name.
    pub name: String,
    /// Its ledger identity.
    pub key: PublicKey,
    /// Whom it belongs to.
    pub owner: OwnerId,
    /// Whether it has a say: false once it was evicted.
    pub is_present: bool,
    /// How many times it was evicted, readmitted or moved: an entry that does so names this number, so that
    /// none can be entered twice.
    pub changes: u32,
    /// Keys it had before; what they signed still counts as evidence.
    pub former_keys: Vec<PublicKey>,
}

/// A legal entity: one voice, one seat, one grant, however many participants it runs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Owner {
    /// Its number.
    pub id: OwnerId,
    /// The name of its first participant.
    pub name: String,
    /// The first round that it could contribute to, since it last joined.
    pub admitted_round: u64,
    /// How many participants of it are present.
    pub participants: u32,
}

impl Owner {
    /// Whether it counts as an owner now: it has a participant in the federation.
    pub fn is_present(&self) -> bool {
        self.participants > 0
    }
}
