//! What follows from an entry: derived by `apply`, the same for everybody, never signed.

use crate::case::Case;
use crate::committee_draw::CommitteeDraw;
use crate::draft::FederationId;
use crate::entry::VoidReason;
use crate::feedback::FeedbackKind;
use crate::hash::Hash;
use crate::member::{OwnerId, ParticipantId};
use crate::rating::RatingStep;
use crate::settlement::Settlement;
use crate::weights::Derivation;

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
    /// A rater's directions count.
    DirectionsCommitted {
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
    /// The contributions of a round are judged.
    ContributionsJudged {
        /// The round.
        round: u64,
        /// How many were accepted.
        accepted: usize,
        /// How many were rejected.
        rejected: usize,
    },
    /// A rater committed to its ratings or revealed them.
    Rated {
        /// The round.
        round: u64,
        /// Who.
        participant: ParticipantId,
        /// Which of the two.
        step: RatingStep,
    },
    /// No more ratings are taken in this step.
    RatingStepEnded {
        /// The round.
        round: u64,
        /// The step that is over.
        step: RatingStep,
    },
    /// The weights by which the round's contributions are summed.
    RoundWeighed {
        /// The round.
        round: u64,
        /// Of every closed contribution, in ascending order of participants.
        weights: Vec<(ParticipantId, u16)>,
        /// Why the sum must not be opened, if so.
        void_due: Option<VoidReason>,
        /// How the weights came about.
        derivation: Box<Derivation>,
    },
    /// There is a new current model.
    ModelPublished {
        /// The round it came from.
        round: u64,
        /// Its hash.
        model: Hash,
    },
    /// A participant has no say any more.
    ParticipantEvicted {
        /// Who.
        participant: ParticipantId,
        /// Whom it belongs to.
        owner: OwnerId,
    },
    /// A participant has its say again, or a new key.
    ParticipantReadmitted {
        /// Who.
        participant: ParticipantId,
        /// Whom it belongs to.
        owner: OwnerId,
    },
    /// A participant belongs to another owner.
    OwnerChanged {
        /// Who.
        participant: ParticipantId,
        /// Before.
        from: OwnerId,
        /// Now.
        to: OwnerId,
        /// The stake granted, if the owner is new.
        granted: u64,
    },
    /// An owner staked some of its balance.
    StakeDeposited {
        /// Who.
        owner: OwnerId,
        /// How much.
        amount: u64,
    },
    /// An owner withdrew some of its stake.
    StakeWithdrawn {
        /// Who.
        owner: OwnerId,
        /// How much.
        amount: u64,
    },
    /// Fees are in the pool.
    FeesEntered {
        /// How much.
        fees: u64,
    },
    /// Fees entered after the end of the training plan are paid by the shares of its last epoch.
    FeesPaid {
        /// To whom.
        payouts: Vec<(OwnerId, u64)>,
    },
    /// An epoch ended.
    EpochSettled(Box<Settlement>),
    /// A violation is on the books: reported, or found by the ledger.
    ViolationFound(Case),
    /// An appeal was upheld.
    Appealed {
        /// The case that is cancelled.
        case: u64,
    },
    /// Feedback was filed.
    FeedbackFiled {
        /// By whom.
        participant: ParticipantId,
        /// What it is.
        kind: FeedbackKind,
    },
    /// The statistics of the federation's data are known, or it is known that they will not be.
    StatisticsPublished {
        /// The round.
        round: u64,
    },
    /// A round ended without a model.
    RoundVoided {
        /// The round.
        round: u64,
    },
}
