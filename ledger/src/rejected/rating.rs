//! Why directions and ratings are refused.

use crate::member::{OwnerId, ParticipantId};
use crate::rating::RatingStep;
use thiserror::Error;

/// What is wrong with an entry about directions or ratings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RatingRejected {
    /// A rater whose owner is not drawn for this round.
    #[error("owner {owner} is not among the raters of this round")]
    NotDrawn {
        /// Whom it belongs to.
        owner: OwnerId,
    },
    /// Another participant of the owner rates already.
    #[error("participant {by} of the same owner has committed to directions: one rater an owner")]
    OwnerRates {
        /// Who.
        by: ParticipantId,
    },
    /// A second commitment to directions in a round.
    #[error("participant {participant} has committed to its directions already")]
    DirectionsAlready {
        /// Who.
        participant: ParticipantId,
    },
    /// No direction, more than two, or one twice.
    #[error("{count} directions: give one or two different ones")]
    Directions {
        /// In the entry.
        count: usize,
    },
    /// A key that is empty or too long.
    #[error("a key of {bytes} bytes to seal answers to is not possible")]
    RoundKey {
        /// Its length.
        bytes: usize,
    },
    /// An entry of a step that is not under way: too early, too late, or the round has no ratings.
    #[error("ratings are not in the step {step:?} now")]
    NotNow {
        /// The step that the entry belongs to.
        step: RatingStep,
    },
    /// A rating by somebody who committed to no directions.
    #[error("participant {participant} committed to no directions in this round")]
    NoDirections {
        /// Who.
        participant: ParticipantId,
    },
    /// A second commitment to ratings in a round.
    #[error("participant {participant} has committed to its ratings already")]
    CommittedAlready {
        /// Who.
        participant: ParticipantId,
    },
    /// Ratings that nobody committed to.
    #[error("participant {participant} committed to no ratings in this round")]
    NotCommitted {
        /// Who.
        participant: ParticipantId,
    },
    /// Other ratings than those committed to.
    #[error("the ratings of participant {participant} are not those it committed to")]
    Mismatch {
        /// Who.
        participant: ParticipantId,
    },
    /// Ratings revealed twice.
    #[error("participant {participant} has revealed its ratings already")]
    RevealedAlready {
        /// Who.
        participant: ParticipantId,
    },
    /// The end of a step over other rows than the ledger holds.
    #[error("the step {step:?} is ended over {rows} rows that are not the {on_log} on the ledger")]
    OtherRows {
        /// The step.
        step: RatingStep,
        /// In the entry.
        rows: u32,
        /// On the ledger.
        on_log: u32,
    },
    /// Ratings of more or fewer contributions than were accepted.
    #[error("{scores} scores and {rewards} rewards for {accepted} accepted contributions")]
    Length {
        /// Accepted.
        accepted: usize,
        /// In the entry.
        scores: usize,
        /// In the entry.
        rewards: usize,
    },
    /// A rater rates itself.
    #[error("participant {participant} rates its own contribution")]
    Itself {
        /// Who.
        participant: ParticipantId,
    },
    /// A rater rates a participant of its own owner.
    #[error("participant {participant} rates its affiliate {affiliate}")]
    Affiliate {
        /// The rater.
        participant: ParticipantId,
        /// The rated.
        affiliate: ParticipantId,
    },
}
