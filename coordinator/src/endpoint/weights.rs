//! What each contribution weighs, and why some weigh nothing, in `/v1/status` and on the page.

use serde::Serialize;
use unsilo_ledger::{Derivation, Judgement, ParticipantId, State};
use utoipa::ToSchema;

use crate::owner::Snapshot;

/// Why an accepted contribution has no weight, as far as is known once the coordinator was started again: the ledger keeps
/// the weights, not how they came about. `unsilo ledger explain` replays it.
const LEFT_OUT: &str = "left out by the raters";

/// The newest round that was weighed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Weighed {
    pub(super) round: u64,
    /// Raters that said anything in anybody's favour; null if the coordinator was started since.
    pub(super) raters: Option<usize>,
    /// Those of them that agree with each other, and so decided the weights.
    pub(super) raters_agreeing: Option<usize>,
    /// Every contribution, in the order of participants.
    pub(super) contributions: Vec<Weight>,
    /// Why the round ends without a model, if so.
    pub(super) void: Option<&'static str>,
}

/// What one contribution weighs.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Weight {
    pub(super) name: String,
    /// 0 or 16 to 256.
    pub(super) weight: u16,
    /// Its part of the new model, 0 to 1.
    pub(super) share: f64,
    /// Why it weighs nothing: the members' reason for rejecting it, or the raters' for leaving it out.
    pub(super) left_out: Option<&'static str>,
}

impl Weighed {
    /// Of the round under way if it is weighed, else of the last one that was published.
    pub(super) fn newest(snapshot: &Snapshot) -> Option<Self> {
        let state = &snapshot.state;
        if let (Some(round), Some(weights)) = (state.round(), state.weights()) {
            let books = (weights, state.judged());
            let void = state.void_due().map(|reason| reason.in_words());
            return Some(Self::new(snapshot, round.opening.round, books, void));
        }
        let sum = state.last_sum()?;
        let books = (&sum.weights[..], Some(&sum.judgement));
        Some(Self::new(snapshot, sum.opening.round, books, None))
    }

    fn new(
        snapshot: &Snapshot,
        round: u64,
        (weights, judgement): (&[(ParticipantId, u16)], Option<&Judgement>),
        void: Option<&'static str>,
    ) -> Self {
        let weighed = snapshot.weighed.as_ref().filter(|(of, _)| *of == round);
        let derivation = weighed.map(|(_, derivation)| &**derivation);
        let raters = derivation.map(Derivation::rows_heard);
        Self {
            round,
            raters: raters.map(|(heard, _)| heard),
            raters_agreeing: raters.map(|(_, agreeing)| agreeing),
            contributions: contributions(&snapshot.state, weights, judgement, derivation),
            void,
        }
    }
}

fn contributions(
    state: &State,
    weights: &[(ParticipantId, u16)],
    judgement: Option<&Judgement>,
    derivation: Option<&Derivation>,
) -> Vec<Weight> {
    let total: u32 = weights.iter().map(|(_, weight)| u32::from(*weight)).sum();
    let rejected = |id: ParticipantId| {
        let mut of = judgement.into_iter().flat_map(|judged| &judged.rejected);
        let (_, reason) = of.find(|(rejected, _)| *rejected == id)?;
        Some(reason.in_words())
    };
    let outvoted = |id| Some(derivation?.left_out(id)?.in_words());
    weights
        .iter()
        .map(|(id, weight)| Weight {
            name: state
                .participant(*id)
                .map_or_else(String::new, |one| one.name.clone()),
            weight: *weight,
            share: f64::from(*weight) / f64::from(total.max(1)),
            left_out: (*weight == 0)
                .then(|| rejected(*id).or_else(|| outvoted(*id)).unwrap_or(LEFT_OUT)),
        })
        .collect()
}
