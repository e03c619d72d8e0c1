//! `GET /v1/progress`: where the federation stands, how far the round is and when it will be over; small, and pushed
//! by `GET /v1/events` whenever it changes.

use std::sync::PoisonError;

use serde::Serialize;
use unsilo_ledger::Outcome;
use utoipa::ToSchema;

use super::chronicle::Chronicle;
use crate::{
    owner::{Snapshot, now_ms},
    service::Connected,
};

/// Rounds that the pace is the median of.
const PACE_ROUNDS: usize = 9;

/// Where the federation stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Progress {
    /// When this was written, by the coordinator's clock, milliseconds since 1970; so are all times here.
    as_of_ms: u64,
    federation: String,
    name: String,
    /// The key that checkpoints are signed with, hex.
    coordinator_key: String,
    /// The step under way, as in `/v1/status`.
    phase: &'static str,
    /// The round under way; absent between rounds.
    round: Option<Current>,
    /// Rounds that are over: with a model, and without.
    published: u64,
    voided: u64,
    /// Rounds the federation was created for; 0 for no end.
    rounds_planned: u64,
    /// Rounds that are over and listed under `/v1/rounds/pages/…`.
    rounds_listed: usize,
    /// Payments listed under `/v1/rewards/pages/…`.
    payments_listed: usize,
    /// Evaluations that participants published.
    evaluations: usize,
    /// The round whose ratings `/v1/ratings` shows, and the epoch.
    #[schema(value_type = [Option<u64>; 2])]
    ratings: (Option<u64>, Option<u64>),
    ledger_entries: u64,
    participants: usize,
    owners: usize,
    connected: usize,
    /// Owners that must contribute for a round to count.
    cohort: usize,
    epoch: Option<Epoch>,
    /// The median time from one round's end to the next one's; absent before two rounds have ended under this process.
    round_ms: Option<u64>,
    /// When the round under way should be over at that pace; absent where no pace is known.
    round_eta_ms: Option<u64>,
    /// When the last planned round should be over at that pace.
    end_eta_ms: Option<u64>,
}

/// A round under way.
#[derive(Serialize, ToSchema)]
#[schema(as = CurrentRound)]
struct Current {
    round: u64,
    /// Contributions so far.
    contributed: usize,
    /// The committee's, and how many must act.
    seats: usize,
    threshold: u16,
    /// The deadlines.
    contribute_by_ms: u64,
    close_by_ms: u64,
    open_by_ms: u64,
}

/// The epoch under way.
#[derive(Serialize, ToSchema)]
struct Epoch {
    epoch: u64,
    /// Rounds published in it.
    rounds: u32,
    /// Rounds that it has.
    of: u32,
    /// What may be minted for it so far.
    emission: u64,
    fees: u64,
    /// Minted in all epochs before.
    minted: u64,
}

impl Progress {
    pub(super) fn now(
        snapshot: &Snapshot,
        draft: &unsilo_ledger::Draft,
        chronicle: &Chronicle,
        connected: &Connected,
        evaluations: usize,
    ) -> Self {
        let state = &snapshot.state;
        let now = now_ms();
        let round = state.round().map(|round| Current {
            round: round.opening.round,
            contributed: round.contributions.len(),
            seats: round.opening.seats.len(),
            threshold: round.opening.threshold,
            contribute_by_ms: round.opening.contribute_by_ms,
            close_by_ms: round.opening.close_by_ms,
            open_by_ms: round.opening.open_by_ms,
        });
        let published = state
            .history()
            .filter(|record| matches!(record.outcome, Outcome::Published { .. }))
            .count();
        let published = u64::try_from(published).unwrap_or(u64::MAX);
        let planned = draft.training.rounds;
        let ended: Vec<u64> = chronicle
            .rounds
            .iter()
            .rev()
            .map_while(|round| round.ended_ms)
            .take(PACE_ROUNDS + 1)
            .collect();
        let finished = snapshot.phase == "finished";
        let pace = pace(&ended).filter(|_| !finished);
        let round_eta_ms = match (pace, ended.first()) {
            // A round that takes longer than usual is expected any moment: no time is said then.
            (Some(pace), Some(last)) => Some(last.saturating_add(pace)).filter(|eta| *eta >= now),
            _ => None,
        };
        let end_eta_ms = match (pace, ended.first()) {
            (Some(pace), Some(last)) if planned > published => Some(
                last.saturating_add(pace.saturating_mul(planned - published))
                    .max(now),
            ),
            _ => None,
        };
        let connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            as_of_ms: now,
            federation: draft.federation_id().to_string(),
            name: draft.name.clone(),
            coordinator_key: draft.coordinator.to_hex(),
            phase: snapshot.phase,
            round,
            published,
            voided: (state.history().len() as u64).saturating_sub(published),
            rounds_planned: planned,
            rounds_listed: chronicle.rounds.len(),
            payments_listed: chronicle.payments.len(),
            evaluations,
            ratings: (
                chronicle.revealed.as_ref().map(|revealed| revealed.round),
                chronicle.settled.as_ref().map(|settled| settled.epoch),
            ),
            ledger_entries: snapshot.entries,
            participants: state.participants().count(),
            owners: state.owners().count(),
            connected: state
                .participants()
                .filter(|participant| {
                    connected
                        .get(&participant.key)
                        .is_some_and(|open| *open > 0)
                })
                .count(),
            cohort: state.required_cohort(),
            epoch: state.pool().map(|pool| Epoch {
                epoch: pool.epoch,
                rounds: pool.rounds,
                of: draft.incentive.epoch_rounds,
                emission: pool.emission,
                fees: pool.fees,
                minted: pool.minted,
            }),
            round_ms: pace,
            round_eta_ms,
            end_eta_ms,
        }
    }
}

/// The median of the differences of these times, which descend; `None` for fewer than two.
fn pace(ended: &[u64]) -> Option<u64> {
    let mut each: Vec<u64> = ended
        .windows(2)
        .map(|pair| pair[0].saturating_sub(pair[1]))
        .collect();
    each.sort_unstable();
    each.get(each.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_median_time_between_ends() {
        assert_eq!(pace(&[]), None);
        assert_eq!(pace(&[500]), None);
        assert_eq!(pace(&[900, 500]), Some(400));
        // One round that took ten times as long does not move it.
        assert_eq!(pace(&[10_000, 9_600, 5_600, 5_200, 4_800]), Some(400));
    }
}
