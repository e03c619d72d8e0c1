//! What the companies' ratings of each other came to: weights in the model and rewards, read off the ledger.

use std::collections::BTreeMap;

use serde::Serialize;
use unsilo_ledger::{
    Outcome, OwnerId, ParticipantId, RejectionReason, Settlement, SignedEntry, State,
    explain::{History, Told},
};

/// What one company's contributions weighed and earned.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Standing {
    /// Mean part of its contributions in the models of the published rounds, 0 to 1.
    pub(super) weight_share: f64,
    /// Its weight in each round that was weighed, 0 or 16 to 256; 0 if it did not contribute.
    pub(super) weights: Vec<u16>,
    /// Why the committee rejected contributions of it, and in how many rounds.
    pub(super) rejected: BTreeMap<&'static str, u64>,
    /// The owner that it belongs to at the end: a company of its own has its own name.
    pub(super) owner: String,
    /// Rounds in which it contributed and weighed nothing.
    pub(super) left_out: u64,
    /// What the owner of its name was paid, ledger units: what participants of one owner earn is paid to that.
    pub(super) paid: u64,
    /// Of this, for what its contributions are worth.
    pub(super) paid_for_contributing: u64,
    /// Of this, for rating like the others.
    pub(super) paid_for_rating: u64,
}

/// By participant, in the order of the ledger.
pub(super) fn standings(state: &State, entries: &[SignedEntry]) -> anyhow::Result<Vec<Standing>> {
    let ids: Vec<ParticipantId> = state.participants().map(|one| one.id).collect();
    let owner = |id: &ParticipantId| {
        let owner = state.participant(*id).map(|one| one.owner);
        owner.and_then(|owner| state.owner(owner))
    };
    let named = |id: &ParticipantId| -> Standing {
        Standing {
            owner: owner(id)
                .map(|owner| owner.name.clone())
                .unwrap_or_default(),
            ..Standing::default()
        }
    };
    let mut standings: Vec<Standing> = ids.iter().map(named).collect();
    let mut history = History::new();
    let mut published = 0_u32;
    for entry in entries {
        let told = history
            .follow(entry)
            .map_err(|rejected| anyhow::anyhow!("the ledger could not be replayed: {rejected}"))?;
        for told in told {
            match told {
                Told::Round(facts) => {
                    let Some(weighed) = &facts.weighed else {
                        continue;
                    };
                    let has_model = matches!(facts.outcome, Some(Outcome::Published { .. }));
                    published += u32::from(has_model);
                    let judged = facts
                        .before
                        .round()
                        .and_then(|round| round.judgement.as_ref());
                    for (id, reason) in judged.iter().flat_map(|judged| &judged.rejected) {
                        let of = ids.iter().position(|one| one == id);
                        if let Some(standing) = of.and_then(|of| standings.get_mut(of)) {
                            standing.reject(*reason);
                        }
                    }
                    for (id, standing) in ids.iter().zip(&mut standings) {
                        standing.weigh(&weighed.weights, *id, has_model);
                    }
                }
                Told::Epoch(facts) => {
                    for (id, standing) in ids.iter().zip(&mut standings) {
                        let name = state.participant(*id).map(|one| &one.name);
                        let own = state.all_owners().find(|owner| Some(&owner.name) == name);
                        standing.pay(&facts.settlement, own.map(|owner| owner.id));
                    }
                }
                Told::FeesPaid { .. } => {}
            }
        }
    }
    for standing in &mut standings {
        standing.weight_share /= f64::from(published.max(1));
    }
    Ok(standings)
}

impl Standing {
    /// Takes in a round with these weights. Its part of the model counts if there was one.
    fn weigh(&mut self, weights: &[(ParticipantId, u16)], id: ParticipantId, has_model: bool) {
        let found = weights.iter().find(|(of, _)| *of == id);
        let weight = found.map(|(_, weight)| *weight);
        self.left_out += u64::from(weight == Some(0));
        self.weights.push(weight.unwrap_or(0));
        if has_model {
            let total: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
            self.weight_share += f64::from(weight.unwrap_or(0)) / total.max(1) as f64;
        }
    }

    /// Takes in that its contribution was rejected.
    fn reject(&mut self, reason: RejectionReason) {
        *self.rejected.entry(reason.in_words()).or_default() += 1;
    }

    /// Takes in what `owner` was paid for an epoch.
    fn pay(&mut self, settlement: &Settlement, owner: Option<OwnerId>) {
        let row = settlement.owners.iter().position(|one| Some(*one) == owner);
        let at = |values: &[u64]| row.and_then(|row| values.get(row)).copied().unwrap_or(0);
        self.paid += at(&settlement.outcome.payout);
        if let Some(payment) = &settlement.outcome.payment {
            self.paid_for_contributing += at(&payment.contributor);
            self.paid_for_rating += at(&payment.rater);
        }
    }
}
