//! What a company thinks of the others' contributions: the seam behind which its own data and model stand.

use std::fmt;

use unsilo_ledger::{Hash, ParticipantId};
use unsilo_train::StepReport;

use crate::progress::Score;

/// Public model differences that a rater is shown at most, D of the rule: what recent rounds already explain.
pub const RECENT_DIFFERENCES: usize = 5;

/// Says what to ask about each contribution of a round, and what to make of the answers. A node has a built-in one, trained
/// on rows held out from its training ([`crate::RatingSection`]); another is given with [`crate::NodeOptions`].
///
/// It is called on a thread of its own and may take long; what it asks must be committed before the round's contributions
/// end, and the node holds back its own contribution until then.
pub trait Rater: fmt::Debug + Send + Sync {
    /// Directions for a round: one or two, each with one number a parameter in the model's order and within the norm that
    /// [`unsilo_fhe::Direction::quantise`] keeps. They must depend on nothing that others could know in advance. None: this
    /// company does not rate in the round.
    ///
    /// `progress` may be called while it trains; such a call does not return if the node ends.
    ///
    /// # Errors
    /// Why it cannot say; told, and asked again with the coordinator's next step.
    fn directions(
        &self,
        start: &RoundStart<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String>;

    /// What follows from the answers for each contributor, in the order of [`Answered::contributors`]. Called again for the
    /// same round, it answers the same and changes nothing: a node that was killed before it recorded the row asks again.
    ///
    /// # Errors
    /// Why it cannot say; then this company's row of the round holds zeros, which the ledger takes as no word on anybody,
    /// and nobody waits for it.
    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String>;
}

/// The beginning of a round, as everybody knows it.
#[derive(Clone, Copy, Debug)]
pub struct RoundStart<'a> {
    /// The round.
    pub round: u64,
    /// Hash of the model it starts from.
    pub model: Hash,
    /// That model, one number a parameter.
    pub weights: &'a [f32],
    /// What the rounds before changed in the model, the oldest first: the last [`RECENT_DIFFERENCES`], fewer on a node that
    /// came late.
    pub differences: &'a [Vec<f32>],
}

/// What a rater asked in a round, and what the committee answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The round.
    pub round: u64,
    /// Who is rated: the accepted contributors of other owners, ascending.
    pub contributors: &'a [Contributor],
    /// The directions, as they were asked.
    pub directions: &'a [&'a [i8]],
    /// One number for each direction and contributor, by contributor, then by direction.
    pub scores: &'a [Score],
}

/// An accepted contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contributor {
    /// Whose.
    pub participant: ParticipantId,
    /// The members' estimate of its norm is 2^(e/8) quantisation steps.
    pub norm_exponent: u16,
}

/// A rater's word on one contribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// For the weights of the sum: how much the update helps, negative if it harms. Only ratios count.
    pub score: i16,
    /// For the rewards. Only ratios count.
    pub reward: u16,
}
