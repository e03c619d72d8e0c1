//! The log told for readers: rounds and payouts as they came to their ends, followed entry by entry beside the owner.
//!
//! Nothing is computed here that the ledger's rules do not compute: [`unsilo_ledger::explain::History`] replays the
//! log, and what it tells is kept in the shape in which pages and apps ask for it.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::Serialize;
use unsilo_ledger::{
    Outcome, OwnerId, Rejected, SignedEntry, State,
    explain::{EpochFacts, History, RoundFacts, Told, Weighed},
};
use utoipa::ToSchema;

/// Owners in a matrix that is shown. A federation may have 4,096; `unsilo ledger export` writes them all.
pub(super) const MATRIX_OWNERS: usize = 200;

/// A round that is over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndedRound)]
pub(super) struct Round {
    pub(super) round: u64,
    /// The epoch that it counts in.
    epoch: u64,
    /// `published`, `void`, or `measured`: the statistics of the data, and no model.
    outcome: &'static str,
    /// Why it is void, in words.
    reason: Option<&'static str>,
    /// The entry that ended it.
    entry: Option<u64>,
    /// When this coordinator ended it, milliseconds since 1970; absent for rounds from before it was started. The ledger
    /// knows no clock.
    pub(super) ended_ms: Option<u64>,
    /// How many participants contributed.
    contributions: u32,
    /// Hash of the model that it published, hex.
    model: Option<String>,
    /// Who sat in the committee, by number.
    seats: Vec<u32>,
    /// How many contributions were accepted; absent if the round was not judged.
    accepted: Option<usize>,
    /// Who was rejected, and why, in words.
    rejected: Vec<Rejection>,
    /// The weight of each accepted contribution in the sum, by participant's number, in units of 1/256 of a full vote.
    #[schema(value_type = Vec<[u32; 2]>)]
    weights: Vec<(u32, u16)>,
    /// How many participants rated the contributions.
    raters: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct Rejection {
    participant: u32,
    reason: &'static str,
}

/// Money that was paid: an epoch that was settled, or fees after the training plan's end.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Payment {
    /// `epoch` or `fees`.
    kind: &'static str,
    epoch: u64,
    /// The round that ended it; absent for fees.
    round: Option<u64>,
    /// Rounds published in it.
    rounds: u32,
    /// What could be minted for it.
    emission: u64,
    /// Fees in the pool.
    fees: u64,
    /// What was paid out in all.
    paid: u64,
    /// What was not: the raters' consensus did not bear it.
    withheld: u64,
    /// What each owner was paid, by number; owners that got nothing are left out.
    payouts: Vec<Payout>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Payout {
    owner: u32,
    amount: u64,
    /// Its parts: for contributing, for rating, and from raters that value it far above the others. Absent for fees.
    contributor: Option<u64>,
    rater: Option<u64>,
    niche: Option<u64>,
}

/// The ratings that were revealed last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revealed {
    pub(super) round: u64,
    /// The columns: who was rated, by participant's number.
    rated: Vec<u32>,
    rows: Vec<RevealedRow>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RevealedRow {
    /// Who rates.
    participant: u32,
    /// How much its word weighs, 0 to 1.
    power: f64,
    /// One for each column: its opinion of the contribution, in 1/32768; it decides the weights.
    scores: Vec<i16>,
    /// One for each column, relative to each other; they decide the rewards.
    rewards: Vec<u16>,
}

/// The matrices of the epoch that was settled last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settled {
    pub(super) epoch: u64,
    /// Rows and columns, by owner's number: the first [`MATRIX_OWNERS`].
    owners: Vec<u32>,
    /// How many owners take part in all.
    all: usize,
    /// Consensus on each column, 0 to 1: what a majority of the others' power says that it is worth at least.
    consensus: Vec<f64>,
    /// How each row rates each column, smoothed over epochs, 0 to 1; a row sums to 1.
    ratings: Vec<Vec<f64>>,
    /// How far each row supports the consensus on each column, 0 to 1.
    trust: Vec<Vec<f64>>,
}

/// What was told so far. Cloning copies one pointer a round.
#[derive(Clone, Default)]
pub(super) struct Chronicle {
    /// Entries of the log that it tells.
    pub(super) entries: u64,
    pub(super) rounds: Vec<Arc<Round>>,
    pub(super) payments: Vec<Arc<Payment>>,
    pub(super) revealed: Option<Arc<Revealed>>,
    pub(super) settled: Option<Arc<Settled>>,
    pub(super) published: u64,
    pub(super) voided: u64,
}

/// A fraction in Q32 as a number, for display.
#[expect(
    clippy::cast_precision_loss,
    reason = "a fraction of 2^32 for display: 52 bits are more than anybody sees"
)]
pub(super) fn fraction(q32: u64) -> f64 {
    q32 as f64 / 4_294_967_296.0
}

impl Chronicle {
    /// Follows the log by these entries, whose signatures the owner has verified. `now_ms` is when rounds that end with
    /// them ended, if that was now.
    pub(super) fn follow(
        &mut self,
        history: &mut History,
        entries: &[SignedEntry],
        now_ms: Option<u64>,
    ) -> Result<(), Rejected> {
        for signed in entries {
            for told in history.follow(signed)? {
                match told {
                    Told::Round(facts) => self.round(&facts, now_ms),
                    Told::Epoch(facts) => self.epoch(&facts),
                    Told::FeesPaid { payouts, .. } => {
                        self.payments
                            .push(Arc::new(fees(history.state(), &payouts)));
                    }
                }
            }
            self.entries = history.entries();
        }
        Ok(())
    }

    fn round(&mut self, facts: &RoundFacts, now_ms: Option<u64>) {
        let before = facts.before.round();
        let (outcome, reason, model) = match &facts.outcome {
            Some(Outcome::Published { model, .. }) => {
                self.published += 1;
                ("published", None, Some(HEXLOWER.encode(model)))
            }
            Some(Outcome::Measured { .. }) => ("measured", None, None),
            other => {
                self.voided += 1;
                let reason = other.as_ref().and_then(Outcome::void);
                (
                    "void",
                    reason.map(unsilo_ledger::VoidReason::in_words),
                    None,
                )
            }
        };
        let judgement = before.and_then(|round| round.judgement.as_deref());
        let weighed = facts.weighed.as_ref();
        if let Some(weighed) = weighed.filter(|weighed| !weighed.rows.is_empty()) {
            self.revealed = Some(Arc::new(revealed(facts.round, weighed)));
        }
        self.rounds.push(Arc::new(Round {
            round: facts.round,
            epoch: facts.epoch,
            outcome,
            reason,
            entry: facts.ended_at,
            ended_ms: now_ms,
            contributions: before.map_or(0, |round| {
                u32::try_from(round.contributions.len()).unwrap_or(u32::MAX)
            }),
            model,
            seats: before.map_or_else(Vec::new, |round| {
                let seats = round.opening.seats.iter();
                seats.map(|seat| seat.participant.0).collect()
            }),
            accepted: judgement.map(|judgement| judgement.accepted.len()),
            rejected: judgement.map_or_else(Vec::new, |judgement| {
                let rejected = judgement.rejected.iter();
                rejected
                    .map(|(participant, reason)| Rejection {
                        participant: participant.0,
                        reason: reason.in_words(),
                    })
                    .collect()
            }),
            weights: weighed.map_or_else(Vec::new, |weighed| {
                let weights = weighed.weights.iter();
                weights
                    .filter(|(_, weight)| *weight > 0)
                    .map(|(participant, weight)| (participant.0, *weight))
                    .collect()
            }),
            raters: weighed.map_or(0, |weighed| weighed.rows.len()),
        }));
    }

    fn epoch(&mut self, facts: &EpochFacts) {
        let settlement = &facts.settlement;
        let outcome = &settlement.outcome;
        let parts = outcome.payment.as_ref();
        let part = |of: Option<&Vec<u64>>, row: usize| of.and_then(|of| of.get(row)).copied();
        let payouts = settlement.owners.iter().zip(&outcome.payout).enumerate();
        let payouts = payouts
            .filter(|(_, (_, amount))| **amount > 0)
            .map(|(row, (owner, amount))| Payout {
                owner: owner.0,
                amount: *amount,
                contributor: part(parts.map(|parts| &parts.contributor), row),
                rater: part(parts.map(|parts| &parts.rater), row),
                niche: part(parts.map(|parts| &parts.niche), row),
            })
            .collect();
        self.payments.push(Arc::new(Payment {
            kind: "epoch",
            epoch: settlement.epoch,
            round: Some(settlement.round),
            rounds: settlement.rounds,
            emission: settlement.emission,
            fees: settlement.fees,
            paid: outcome.paid,
            withheld: outcome.withheld,
            payouts,
        }));
        self.settled = Some(Arc::new(settled(
            settlement.epoch,
            &facts.after,
            &settlement.owners,
        )));
    }
}

fn fees(state: &State, payouts: &[(OwnerId, u64)]) -> Payment {
    let paid = payouts
        .iter()
        .fold(0_u64, |sum, (_, amount)| sum.saturating_add(*amount));
    let payouts = payouts.iter().filter(|(_, amount)| *amount > 0);
    Payment {
        kind: "fees",
        epoch: state.epoch(),
        round: None,
        rounds: 0,
        emission: 0,
        fees: paid,
        paid,
        withheld: 0,
        payouts: payouts
            .map(|(owner, amount)| Payout {
                owner: owner.0,
                amount: *amount,
                contributor: None,
                rater: None,
                niche: None,
            })
            .collect(),
    }
}

fn revealed(round: u64, weighed: &Weighed) -> Revealed {
    let contributors = weighed.contributors().iter();
    Revealed {
        round,
        rated: contributors
            .take(MATRIX_OWNERS)
            .map(|contributor| contributor.participant.0)
            .collect(),
        rows: weighed
            .rows
            .iter()
            .take(MATRIX_OWNERS)
            .map(|row| RevealedRow {
                participant: row.participant.0,
                power: fraction(row.power),
                scores: row.scores.iter().take(MATRIX_OWNERS).copied().collect(),
                rewards: row.rewards.iter().take(MATRIX_OWNERS).copied().collect(),
            })
            .collect(),
    }
}

fn settled(epoch: u64, state: &State, all: &[OwnerId]) -> Settled {
    let owners = || all.iter().take(MATRIX_OWNERS);
    let consensus_on = |owner: &OwnerId| {
        let found = state.consensus().iter().find(|(of, _)| of == owner);
        found.map_or(0, |(_, consensus)| *consensus)
    };
    let consensus: Vec<u64> = owners().map(consensus_on).collect();
    let mut ratings = Vec::new();
    let mut trust = Vec::new();
    for rater in owners() {
        let row = state.ratings_by(*rater);
        let rating = |rated: &OwnerId| {
            let found = row.iter().find(|(of, _)| of == rated);
            found.map_or(0, |(_, rating)| *rating)
        };
        let row: Vec<u64> = owners().map(rating).collect();
        let supports = row.iter().zip(&consensus);
        trust.push(
            supports
                .map(|(rating, consensus)| {
                    fraction(unsilo_ledger::mechanism::median::trust(*rating, *consensus))
                })
                .collect(),
        );
        ratings.push(row.into_iter().map(fraction).collect());
    }
    Settled {
        epoch,
        owners: owners().map(|owner| owner.0).collect(),
        all: all.len(),
        consensus: consensus.into_iter().map(fraction).collect(),
        ratings,
        trust,
    }
}
