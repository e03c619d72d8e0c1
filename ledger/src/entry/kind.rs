//! What an entry is, in one word, and which round it is about.

use super::Entry;
use crate::violation::Violation;

impl Entry {
    /// The kind, as one word with underscores: for tables and filters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FederationCreated { .. } => "federation_created",
            Self::ParticipantAdmitted { .. } => "participant_admitted",
            Self::RoundOpened { .. } => "round_opened",
            Self::ContributionCommitted { .. } => "contribution_committed",
            Self::RoundClosed { .. } => "round_closed",
            Self::DirectionsCommitted { .. } => "directions_committed",
            Self::ContributionsJudged { .. } => "contributions_judged",
            Self::RatingsCommitted { .. } => "ratings_committed",
            Self::RatingsRevealed { .. } => "ratings_revealed",
            Self::RatingStepEnded { .. } => "rating_step_ended",
            Self::ModelPublished { .. } => "model_published",
            Self::RoundVoided { .. } => "round_voided",
            Self::ParticipantEvicted { .. } => "participant_evicted",
            Self::ParticipantReadmitted { .. } => "participant_readmitted",
            Self::OwnerChanged { .. } => "owner_changed",
            Self::StakeDeposited { .. } => "stake_deposited",
            Self::StakeWithdrawn { .. } => "stake_withdrawn",
            Self::QueryBatch { .. } => "query_batch",
            Self::ViolationReported { .. } => "violation_reported",
            Self::Appealed { .. } => "appealed",
            Self::FeedbackFiled { .. } => "feedback_filed",
            Self::StatisticsPublished { .. } => "statistics_published",
        }
    }

    /// The round that it names; `None` for an entry that names none.
    pub fn round(&self) -> Option<u64> {
        match self {
            Self::RoundOpened { round, .. }
            | Self::ContributionCommitted { round, .. }
            | Self::RoundClosed { round, .. }
            | Self::DirectionsCommitted { round, .. }
            | Self::ContributionsJudged { round, .. }
            | Self::RatingsCommitted { round, .. }
            | Self::RatingsRevealed { round, .. }
            | Self::RatingStepEnded { round, .. }
            | Self::ModelPublished { round, .. }
            | Self::StatisticsPublished { round, .. }
            | Self::RoundVoided { round, .. } => Some(*round),
            Self::ViolationReported {
                violation:
                    Violation::WrongAnswer { round, .. } | Violation::WrongShare { round, .. },
            } => Some(*round),
            _ => None,
        }
    }
}
