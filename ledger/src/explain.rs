//! Why a participant got its weight and its pay: every number that led there, and what would have changed it.
//!
//! Replay a log through a [`History`] and keep the [`RoundFacts`] and [`EpochFacts`] of interest. A
//! [`WeightStory`] and a [`RewardStory`] then hold what the rule made of them for one participant. Each
//! counterfactual is the rule itself, run again with one thing changed: nothing here estimates.
//!
//! Numbers only: `unsilo ledger explain` puts them into words.

mod history;
mod reward;
mod weight;

pub use history::{EpochFacts, History, RoundFacts, Told, Weighed};
pub use reward::{Projection, RewardChange, RewardRating, RewardStory, RewardWhatIf};
pub use weight::{ReceivedRating, WeightChange, WeightStory, WeightWhatIf};

use crate::entry::VoidReason;
use crate::judgement::RejectionReason;
use crate::member::ParticipantId;

/// What a participant had to do with a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It was not in the federation yet.
    NotYetAdmitted,
    /// It had been evicted.
    Evicted,
    /// The round was declared void before it opened.
    NeverOpened,
    /// It may still contribute: the round is open.
    MayContribute,
    /// Nothing of it is on the ledger. Why, the ledger cannot tell: late, away, or turned away.
    NothingSent,
    /// It contributed; nobody judged it (yet).
    NotJudged,
    /// Its contribution was rejected.
    Rejected(RejectionReason),
    /// Its contribution was accepted.
    Accepted,
}

impl RoundFacts {
    /// What `participant` had to do with this round.
    pub fn part_of(&self, participant: ParticipantId) -> Part {
        let there = self.before.participant(participant);
        let Some(current) = self.before.round() else {
            return match there {
                None => Part::NotYetAdmitted,
                Some(found) if !found.is_present => Part::Evicted,
                Some(_) => Part::NeverOpened,
            };
        };
        if !current.contributions.contains_key(&participant) {
            return match there {
                None => Part::NotYetAdmitted,
                Some(found) if !found.is_present => Part::Evicted,
                Some(_) if current.closing.is_none() && self.outcome.is_none() => {
                    Part::MayContribute
                }
                Some(_) => Part::NothingSent,
            };
        }
        let Some(judgement) = self.before.judged() else {
            return Part::NotJudged;
        };
        let rejected = judgement.rejected.iter().find(|(id, _)| *id == participant);
        rejected.map_or(Part::Accepted, |(_, reason)| Part::Rejected(*reason))
    }

    /// Why the round is void, or must be.
    pub fn void_reason(&self) -> Option<VoidReason> {
        match self.outcome {
            Some(crate::Outcome::Voided { reason }) => Some(reason),
            Some(crate::Outcome::Published { .. } | crate::Outcome::Measured { .. }) => None,
            None => self.weighed.as_ref().and_then(|weighed| weighed.void_due),
        }
    }
}
