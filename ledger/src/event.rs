//! What follows from an entry: derived by `apply`, the same for everybody, never signed.

use crate::committee_draw::CommitteeDraw;
use crate::draft::FederationId;
use crate::hash::Hash;
use crate::member::{OwnerId, ParticipantId};

/// A consequence of an accepted entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The federation exists.
    FederationFounded {
        /// Its id.
        federation: FederationId,
        /// The founders' seed.
        seed: Hash,
        /// The hash of the first model, whose weights come from that seed.
        model: Hash,
    },
    /// A participant is in, founders included.
    ParticipantAdmitted {
        /// Its number.
        participant: ParticipantId,
        /// Whom it belongs to.
        owner: OwnerId,
        /// The stake granted, 0 for an affiliate.
        granted: u64,
    },
    /// Who may take the seats of the next round.
    CommitteeDrawn(CommitteeDraw),
    /// A round accepts contributions.
    RoundOpened {
        /// Its number.
        round: u64,
        /// Who sits, in order of seats.
        seats: Vec<ParticipantId>,
    },
    /// A contribution counts.
    ContributionCommitted {
        /// The round.
        round: u64,
        /// Whose.
        participant: ParticipantId,
    },
    /// A round accepts no more contributions.
    RoundClosed {
        /// The round.
        round: u64,
        /// Its challenge seed.
        challenge: Hash,
    },
    /// The weights by which the round's contributions are summed.
    RoundWeighed {
        /// The round.
        round: u64,
        /// In ascending order of participants.
        weights: Vec<(ParticipantId, u16)>,
    },
    /// There is a new current model.
    ModelPublished {
        /// The round it came from.
        round: u64,
        /// Its hash.
        model: Hash,
    },
    /// A round ended without a model.
    RoundVoided {
        /// The round.
        round: u64,
    },
}
