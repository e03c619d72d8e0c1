//! Why changes of membership are refused.

use crate::member::{OwnerId, ParticipantId};
use thiserror::Error;

/// What is wrong with an eviction, a readmission or a change of owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MembershipRejected {
    /// A participant that was evicted.
    #[error("participant {participant} was evicted and has no say")]
    Absent {
        /// Who.
        participant: ParticipantId,
    },
    /// A readmission of somebody who is there, with the key it has.
    #[error("participant {participant} is present with this key already")]
    Present {
        /// Who.
        participant: ParticipantId,
    },
    /// An entry written before another change of the same participant, or entered a second time.
    #[error(
        "participant {participant} has changed {expected} times, the entry was written after {found}"
    )]
    Outdated {
        /// Who.
        participant: ParticipantId,
        /// By the ledger.
        expected: u32,
        /// In the entry.
        found: u32,
    },
    /// A participant that belongs to this owner already, or is an owner of its own already.
    #[error("the participant belongs to owner {owner} already")]
    SameOwner {
        /// The owner.
        owner: OwnerId,
    },
    /// The owner of the participant to be evicted signed.
    #[error("owner {owner} has no say in evicting its own participant")]
    OwnEviction {
        /// The owner.
        owner: OwnerId,
    },
}
