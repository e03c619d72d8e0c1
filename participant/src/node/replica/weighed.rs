//! What this node's own ledger says of a round's weights, in words.

use unsilo_ledger::{Derivation, Event, Judgement, ParticipantId, State};

use crate::progress::{Progress, RoundWeight};

/// What is told about those of `events` that weigh a round; `state` is the books after them.
pub(super) fn told(state: &State, events: &[Event], me: Option<ParticipantId>) -> Vec<Progress> {
    let weighed = events.iter().filter_map(|event| match event {
        Event::RoundWeighed {
            round,
            weights,
            void_due,
            derivation,
        } => Some((*round, weights, *void_due, derivation)),
        _ => None,
    });
    weighed
        .map(|(round, weights, void_due, derivation)| {
            let (heard, agreeing) = derivation.rows_heard();
            Progress::Weighed {
                round,
                weights: weights
                    .iter()
                    .map(|(id, weight)| RoundWeight {
                        participant: *id,
                        name: name(state, *id),
                        own: Some(*id) == me,
                        weight: *weight,
                        left_out: left_out(judgement(state, round), derivation, *id),
                    })
                    .collect(),
                raters: (heard, agreeing),
                void: void_due.map(|reason| reason.in_words().to_owned()),
            }
        })
        .collect()
}

fn name(state: &State, id: ParticipantId) -> String {
    state
        .participant(id)
        .map_or_else(|| format!("participant {id}"), |one| one.name.clone())
}

/// The judgement of `round`, whether it goes on or was published with the same entries.
fn judgement(state: &State, round: u64) -> Option<&Judgement> {
    let current = state.round().filter(|one| one.opening.round == round);
    let published = state.last_sum().filter(|one| one.opening.round == round);
    current
        .and_then(|one| one.judgement.as_deref())
        .or_else(|| published.map(|one| &one.judgement))
}

fn left_out(
    judgement: Option<&Judgement>,
    derivation: &Derivation,
    id: ParticipantId,
) -> Option<&'static str> {
    let rejected = judgement.into_iter().flat_map(|judged| &judged.rejected);
    let reason = rejected
        .filter(|(of, _)| *of == id)
        .map(|(_, reason)| reason.in_words())
        .next();
    reason.or_else(|| derivation.left_out(id).map(|reason| reason.in_words()))
}
