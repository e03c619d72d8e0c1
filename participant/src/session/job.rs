//! What is needed for the work that takes long: everything from the ledger, nothing from the coordinator's word.

use std::collections::BTreeMap;

use unsilo_ledger::{Hash, OwnerId, ParticipantId, PublicKey};
use zeroize::Zeroize;

use super::facts::RaterFacts;
use crate::{progress::Score, rater::Contributor};

/// What is needed to make a contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContributionJob {
    /// The round.
    pub round: u64,
    /// The model to start from; in the store.
    pub model: Hash,
    /// One quantisation step is 2^unit_log2.
    pub unit_log2: i8,
    /// Who contributes.
    pub participant: ParticipantId,
    /// Round keys in seat order.
    pub round_keys: Vec<Vec<u8>>,
    /// Members that must act.
    pub threshold: usize,
    /// Whether the statistics of the rows are contributed, and no update: `model` then stands for none.
    pub measures: bool,
}

/// What a company asks about: one number a parameter in the model's order, at most two vectors. Read off data that is
/// nobody else's, so wiped when dropped, and not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DirectionValues(pub Vec<Vec<i8>>);

impl std::fmt::Debug for DirectionValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DirectionValues({} of them)", self.0.len())
    }
}

impl Drop for DirectionValues {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What is needed to commit to directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionsJob {
    /// The round.
    pub round: u64,
    /// The model it starts from.
    pub model: Hash,
    /// Who asks.
    pub participant: ParticipantId,
    /// What about.
    pub values: DirectionValues,
}

/// What is needed to learn what the committee answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveJob {
    /// The round.
    pub round: u64,
    /// The model it started from.
    pub model: Hash,
    /// The challenge seed.
    pub challenge: Hash,
    /// Who asked.
    pub participant: ParticipantId,
    /// Members that must have answered.
    pub threshold: usize,
    /// Seats of the committee: a contribution's root covers as many shares.
    pub committee: usize,
    /// Seats whose answers count, ascending, each with its member's identity and the root of its sheet.
    pub seats: Vec<(u16, PublicKey, Hash)>,
    /// Hashes of the directions, as committed.
    pub directions: Vec<Hash>,
    /// Accepted contributions of other owners: participant, root as on the ledger, exponent of its norm; ascending.
    pub set: Vec<(ParticipantId, Hash, u16)>,
}

/// What a row is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowJob {
    /// The round.
    pub round: u64,
    /// Which accepted contributions are rated: those of other owners, ascending.
    pub contributors: Vec<Contributor>,
    /// What the committee answered about them.
    pub scores: Vec<Score>,
}

/// A seat in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sitting {
    /// The round.
    pub round: u64,
    /// The model it started from.
    pub model: Hash,
    /// The seat, from 1.
    pub seat: u16,
    /// Round keys in seat order.
    pub round_keys: Vec<Vec<u8>>,
    /// Members that must act.
    pub threshold: usize,
}

/// What is needed to answer the scalars of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerJob {
    /// Where.
    pub at: Sitting,
    /// Hash of the closed set with its roots and committed directions.
    pub contributions_hash: Hash,
    /// The challenge seed.
    pub challenge: Hash,
    /// Every closed contribution: participant, owner, root as on the ledger; ascending.
    pub set: Vec<(ParticipantId, OwnerId, Hash)>,
    /// Committed directions, ascending by participant.
    pub raters: Vec<RaterFacts>,
}

/// What is needed to judge the contributions of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgingJob {
    /// Where.
    pub at: Sitting,
    /// The challenge seed.
    pub challenge: Hash,
    /// Every closed contribution: participant, root as on the ledger, position in the log; ascending by participant.
    pub set: Vec<(ParticipantId, Hash, u32)>,
    /// Seats whose answers are judged, ascending, each with its member's identity.
    pub seats: Vec<(u16, PublicKey)>,
    /// Hash of the answers that this node sent, if it did: its own sheet is among them.
    pub sent: Option<Hash>,
    /// Whose contribution is the one in this node's outbox, if it made one.
    pub own: Option<ParticipantId>,
}

/// What is needed to show one disputed share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealJob {
    /// The round.
    pub round: u64,
    /// The model it started from.
    pub model: Hash,
    /// Whose contribution.
    pub participant: ParticipantId,
    /// The seat whose share is disputed.
    pub seat: u16,
    /// Round keys in seat order.
    pub round_keys: Vec<Vec<u8>>,
    /// Members that must act.
    pub threshold: usize,
}

/// What is needed to find out who is to blame in an appeal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealsJob {
    /// What was judged.
    pub judging: JudgingJob,
    /// Contributions rejected for a bad share whose dealers' appeals are not decided yet; ascending by dealer.
    pub disputed: Vec<Disputed>,
    /// Ledger identities of contributors: an appeal counts only under its dealer's signature.
    pub dealers: BTreeMap<ParticipantId, PublicKey>,
    /// How many answers counted: those given without the erased seats.
    pub counted: usize,
}

/// A contribution that was rejected because one seat's answers do not fit the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disputed {
    /// Whose contribution.
    pub dealer: ParticipantId,
    /// Its root, as on the ledger.
    pub root: Hash,
    /// The disputed seat, from 1.
    pub seat: u16,
    /// Who sits there.
    pub member: ParticipantId,
}

/// What is needed to make the one answer of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningJob {
    /// Where.
    pub at: Sitting,
    /// The set: participant, root as on the ledger, weight; ascending, weights above 0 only.
    pub set: Vec<(ParticipantId, Hash, u16)>,
    /// Hash of the set and weights.
    pub digest: Hash,
}
