//! Guard records: what this identity has done that may be done once. Written before anyone else can see the act.
//!
//! [`Guards`] is the pure rule book: it says which record may follow which. [`GuardStore`] makes a record durable
//! and applies the same rules again, so that a mistake elsewhere cannot answer twice, or contribute twice to one model. What
//! only the ledger knows (that an earlier round is void) a record states, and that is not checked a second time. The records
//! are chained, and the chain's head is shown on the ledger, so that a directory that was put back from a backup is noticed.

mod head;
mod owners_void;
mod records;
mod rules;
mod store;
#[cfg(test)]
mod tests;

pub use owners_void::{Held, OwnersVoids, VoidRefused};
pub use records::{
    AnswerRecord, ContributionRecord, DirectionsRecord, Duty, OpeningRecord, RatingRecord, Record,
    SeatRecord, WitnessRecord,
};
pub use store::GuardStore;

use std::collections::{BTreeMap, BTreeSet};

use unsilo_ledger::{GuardHead, Hash};

/// A record that may not follow those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardConflict {
    /// Another founding entry was signed.
    #[error("another founding entry was already signed")]
    Genesis,
    /// Another seat was offered for the round.
    #[error("round {0}: another seat was already offered")]
    Seat(u64),
    /// Another contribution of the round, or to the same model.
    #[error("round {0}: another contribution was already made to this round")]
    Contribution(u64),
    /// Another set was cosigned.
    #[error("round {0}: another set was already cosigned")]
    Cosigned(u64),
    /// Another checkpoint was cosigned for the same step.
    #[error("round {0}: another checkpoint was already cosigned for this step")]
    Witnessed(u64),
    /// Other scalars were answered.
    #[error("round {0}: other scalars were already answered")]
    Answered(u64),
    /// More directions than may be opened in one round.
    #[error("round {0}: more directions than may be opened in one round")]
    TooManyDirections(u64),
    /// Another judgement was signed.
    #[error("round {0}: another judgement was already signed")]
    Judged(u64),
    /// Another share of the same contribution was shown.
    #[error(
        "round {0}: another share was already shown: one at most, or the key could be put together"
    )]
    Appealed(u64),
    /// Other directions were committed.
    #[error("round {0}: other directions were already committed")]
    Directions(u64),
    /// Another row was committed to.
    #[error("round {0}: another row of ratings was already committed to")]
    Rated(u64),
    /// Another sum was opened.
    #[error("round {0}: another answer was already given")]
    Opened(u64),
    /// Void excludes an answer, and the reverse.
    #[error("round {0}: void and an answer exclude each other")]
    VoidOrOpened(u64),
    /// Another model was signed.
    #[error("round {0}: another model was already signed")]
    Published(u64),
    /// A receipt or an appeal for something that was never recorded.
    #[error("round {0}: the record refers to nothing that was recorded before")]
    Unfounded(u64),
}

/// All guard records of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// Hash of the founding entry that was signed.
    pub genesis: Option<Hash>,
    /// Seats offered, by round.
    pub seats: BTreeMap<u64, SeatRecord>,
    /// The chain's head right after each of them: part of the offer.
    pub seat_heads: BTreeMap<u64, GuardHead>,
    /// Contributions, by round.
    pub contributions: BTreeMap<u64, ContributionRecord>,
    /// Receipts, by round.
    pub receipts: BTreeMap<u64, Vec<u8>>,
    /// Sets cosigned, by round.
    pub cosigned: BTreeMap<u64, Hash>,
    /// The chain's head right after each of them: part of the cosignature.
    pub cosigned_heads: BTreeMap<u64, GuardHead>,
    /// Checkpoints cosigned for a step of a round, by both.
    pub witnessed: BTreeMap<(u64, Duty), WitnessRecord>,
    /// The newest publication cosigned. It is never forgotten: what is cosigned next continues it.
    pub vouched: Option<WitnessRecord>,
    /// Scalars answered, by round.
    pub answered: BTreeMap<u64, AnswerRecord>,
    /// Judgements signed, by round.
    pub judged: BTreeMap<u64, Hash>,
    /// Whose share of the own contribution was shown, by round.
    pub appealed: BTreeMap<u64, u16>,
    /// Directions committed, by round.
    pub directions: BTreeMap<u64, DirectionsRecord>,
    /// Rows committed to, by round.
    pub ratings: BTreeMap<u64, RatingRecord>,
    /// Openings, by round.
    pub opened: BTreeMap<u64, OpeningRecord>,
    /// Rounds signed as void, as a member or for the owner.
    pub voided: BTreeSet<u64>,
    /// Publishing entries signed, by round.
    pub published: BTreeMap<u64, Hash>,
    /// Rounds that are over.
    pub finished: BTreeSet<u64>,
    /// The last round whose model was evaluated.
    pub evaluated: Option<u64>,
    /// The last round that is sat out because records were lost.
    pub sits_out: Option<u64>,
    chain: head::Chain,
}

impl Guards {
    /// The chain's head: it says all that was ever recorded.
    #[must_use]
    pub fn head(&self) -> GuardHead {
        self.chain.head()
    }

    /// Whether these records lead to `head`, which the ledger has of this identity. If not, some were lost.
    #[must_use]
    pub fn leads_to(&self, head: &GuardHead) -> bool {
        self.chain.contains(head)
    }

    /// Whether nothing is done in `round`, because what was done in it is not known any more.
    #[must_use]
    pub fn sits_out(&self, round: u64) -> bool {
        self.sits_out >= Some(round)
    }

    /// The round in which this identity contributed to `model`, leaving out `round` itself and the rounds that
    /// `is_void` says have ended without a sum.
    #[must_use]
    pub fn contributed_to(
        &self,
        model: &Hash,
        round: u64,
        is_void: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        self.contributions
            .values()
            .find(|made| made.model == *model && made.round != round && !is_void(made.round))
            .map(|made| made.round)
    }
}
