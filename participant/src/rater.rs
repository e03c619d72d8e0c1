//! What a company thinks of the others' contributions: the seam behind which its own data and model stand.

use std::fmt;

use unsilo_ledger::ParticipantId;

use crate::progress::Score;

/// Says what to ask about each contribution of a round, and what to make of the answers. Given to a node with
/// [`crate::NodeOptions`]; a node without one rates nobody.
///
/// It is called on a thread of its own and may take long; what it asks must be committed before the round's contributions
/// end, and the node holds back its own contribution until then.
pub trait Rater: fmt::Debug + Send + Sync {
    /// Directions for `round`, which starts from the model with these `weights`: one or two, each with one number a
    /// parameter in the model's order and within the norm that [`unsilo_fhe::Direction::quantise`] keeps. They must depend on
    /// nothing that others could know in advance. None: this company does not rate in the round.
    ///
    /// # Errors
    /// Why it cannot say; told, and asked again with the coordinator's next step.
    fn directions(&self, round: u64, weights: &[f32]) -> Result<Vec<Vec<i8>>, String>;

    /// What follows from the `scores` for each of `contributors`, in their order: the accepted ones of other owners,
    /// ascending.
    ///
    /// # Errors
    /// Why it cannot say; then this company's row is missing from the round.
    fn row(
        &self,
        round: u64,
        contributors: &[ParticipantId],
        scores: &[Score],
    ) -> Result<Vec<Opinion>, String>;
}

/// A rater's word on one contribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// For the weights of the sum: how much the update helps, negative if it harms. Only ratios count.
    pub score: i16,
    /// For the rewards. Only ratios count.
    pub reward: u16,
}
