//! `GET /v1/participants`: everybody who is or was in the federation, with what the ledger says of each.

use std::{collections::BTreeMap, sync::PoisonError};

use axum::{Json, extract::State};
use serde::Serialize;
use unsilo_ledger::OwnerId;
use utoipa::ToSchema;

use super::{Endpoint, chronicle::fraction};

/// One participant. What belongs to the owner is repeated for each of its participants.
#[derive(Serialize, ToSchema)]
#[schema(as = ParticipantStanding)]
pub(super) struct Participant {
    number: u32,
    name: String,
    owner: u32,
    owner_name: String,
    /// The owner's number of participants.
    owner_participants: u32,
    /// Its ledger identity, hex.
    key: String,
    /// False once it was evicted.
    present: bool,
    /// Its node holds a connection.
    connected: bool,
    /// It contributed to the round under way.
    contributed: bool,
    /// It sits in the committee of the round under way.
    seated: bool,
    /// The owner's stake, in the federation's unit.
    stake: u64,
    /// The owner's capped share of all stake, 0 to 1: what its ratings weigh.
    power: f64,
    /// The owner's free money.
    balance: u64,
    /// The trust in the owner as a rater, 0 to 1; absent until it took part in a settled epoch.
    trust: Option<f64>,
    /// What a majority of the others' power says that the owner is worth at least, 0 to 1, in the last settled epoch.
    consensus: Option<f64>,
    /// What the owner was paid for the last settled epoch.
    incentive: Option<u64>,
    /// Its contributions' rejections that are not held against it yet.
    faults: usize,
}

/// Everybody who is or was in the federation, with what the ledger says of each.
#[utoipa::path(get, path = "/v1/participants", tag = "federation", responses((status = 200, body = Vec<Participant>)))]
pub(super) async fn participants(State(endpoint): State<Endpoint>) -> Json<Vec<Participant>> {
    let snapshot = endpoint.owner.now();
    let state = &snapshot.state;
    let powers: BTreeMap<OwnerId, u64> = state.powers().into_iter().collect();
    let consensus: BTreeMap<OwnerId, u64> = state.consensus().iter().copied().collect();
    let payouts: BTreeMap<OwnerId, u64> = state.last_payouts().iter().copied().collect();
    let current = state.round();
    let connected = endpoint
        .connected
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let one = |participant: &unsilo_ledger::Participant| {
        let owner = state.owner(participant.owner);
        Participant {
            number: participant.id.0,
            name: participant.name.clone(),
            owner: participant.owner.0,
            owner_name: owner.map(|owner| owner.name.clone()).unwrap_or_default(),
            owner_participants: owner.map_or(0, |owner| owner.participants),
            key: participant.key.to_hex(),
            present: participant.is_present,
            connected: connected
                .get(&participant.key)
                .is_some_and(|open| *open > 0),
            contributed: current
                .is_some_and(|round| round.contributions.contains_key(&participant.id)),
            seated: current.is_some_and(|round| round.seat_of(participant.id).is_some()),
            stake: state.stake(participant.owner),
            power: fraction(powers.get(&participant.owner).copied().unwrap_or(0)),
            balance: state.balance(participant.owner),
            trust: state.reputation(participant.owner).map(fraction),
            consensus: consensus.get(&participant.owner).copied().map(fraction),
            incentive: payouts.get(&participant.owner).copied(),
            faults: state.faults(participant.id).len(),
        }
    };
    Json(state.all_participants().map(one).collect())
}
