//! `GET /v1/status` and `GET /v1/models`.

use std::sync::PoisonError;

use axum::{Json, extract::State};
use data_encoding::HEXLOWER;
use serde::Serialize;
use unsilo_ledger::{Feature, Outcome, Values};
use unsilo_proto::range;
use utoipa::ToSchema;

use super::{Endpoint, weights::Weighed};

/// The federation as people and monitors see it.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    pub(super) federation: String,
    pub(super) name: String,
    /// founding, seating, contributing, closing, opening, publishing, voiding, resting or finished.
    pub(super) phase: &'static str,
    /// The round under way, or the last one.
    pub(super) round: u64,
    /// Rounds the federation was created for; 0 for no end.
    pub(super) rounds_planned: u64,
    pub(super) ledger_entries: u64,
    pub(super) participants: Vec<Participant>,
    /// What the contributions of the newest weighed round weigh; absent before the first.
    pub(super) weighed: Option<Weighed>,
    /// Every round that is over, oldest first.
    pub(super) rounds: Vec<Round>,
}

/// A company in the federation.
#[derive(Serialize, ToSchema)]
pub(super) struct Participant {
    pub(super) name: String,
    pub(super) connected: bool,
    pub(super) contributed: bool,
    /// Holds a seat in the committee of the round under way.
    pub(super) seated: bool,
}

/// A round that is over.
#[derive(Serialize, ToSchema)]
pub(super) struct Round {
    pub(super) round: u64,
    pub(super) outcome: &'static str,
    pub(super) contributions: u32,
    /// Hash of the model it published, hex.
    pub(super) model: Option<String>,
    /// Why it ended without a model.
    pub(super) reason: Option<&'static str>,
}

pub(super) fn now(endpoint: &Endpoint) -> Status {
    let snapshot = endpoint.owner.now();
    let state = &snapshot.state;
    let current = state.round();
    let connected = endpoint
        .connected
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let participants = state
        .participants()
        .map(|participant| Participant {
            name: participant.name.clone(),
            connected: connected
                .get(&participant.key)
                .is_some_and(|count| *count > 0),
            contributed: current
                .is_some_and(|round| round.contributions.contains_key(&participant.id)),
            seated: current.is_some_and(|round| round.seat_of(participant.id).is_some()),
        })
        .collect();
    let rounds = state
        .history()
        .map(|record| {
            let (outcome, model, reason) = match &record.outcome {
                Outcome::Published { model, .. } => {
                    ("published", Some(HEXLOWER.encode(model)), None)
                }
                Outcome::Voided { reason } => ("void", None, Some(reason.in_words())),
                Outcome::Measured { .. } => ("measured", None, None),
            };
            Round {
                round: record.round,
                outcome,
                contributions: record.contributions,
                model,
                reason,
            }
        })
        .collect();
    Status {
        federation: endpoint.draft.federation_id().to_string(),
        name: endpoint.draft.name.clone(),
        phase: snapshot.phase,
        round: current.map_or_else(
            || state.next_round().saturating_sub(1),
            |round| round.opening.round,
        ),
        rounds_planned: endpoint.draft.training.rounds,
        ledger_entries: snapshot.entries,
        participants,
        weighed: Weighed::newest(&snapshot),
        rounds,
    }
}

/// The federation as it is now.
#[utoipa::path(get, path = "/v1/status", tag = "federation", responses((status = 200, body = Status)))]
pub(super) async fn status(State(endpoint): State<Endpoint>) -> Json<Status> {
    Json(now(&endpoint))
}

/// The model that `/v1/predict` answers with.
#[derive(Serialize, ToSchema)]
pub(super) struct Models {
    /// The round that published it; absent before the first.
    round: Option<u64>,
    /// Its hash, hex.
    model: Option<String>,
    /// Every round that published a model, for `?round=`.
    rounds: Vec<u64>,
    /// Whose ledger the answers are entered on.
    federation: String,
    /// The key that signs the ledger's checkpoints and batches of queries, hex.
    coordinator: String,
    parameters: u64,
    layers: Vec<u32>,
    label: String,
    classes: Vec<String>,
    /// In the order of a row's values.
    features: Vec<Column>,
}

/// A column, and what its cells hold.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelColumn)]
struct Column {
    name: String,
    /// `number` or `category`.
    kind: &'static str,
    /// The range of numbers: values are clipped to it.
    min: Option<f64>,
    max: Option<f64>,
    /// The categories, for one of which a cell stands.
    categories: Option<Vec<String>>,
    /// Whether a value may be missing: null in JSON; an empty cell, `?` or `NA` in CSV.
    may_be_missing: bool,
}

impl Column {
    fn of(feature: &Feature) -> Self {
        let range = range(feature);
        let categories = match &feature.values {
            Values::Number { .. } | Values::Measured { .. } => None,
            Values::Category(words) => Some(words.clone()),
        };
        Self {
            name: feature.name.clone(),
            kind: match categories {
                None => "number",
                Some(_) => "category",
            },
            min: range.map(|(min, _)| min),
            max: range.map(|(_, max)| max),
            categories,
            may_be_missing: feature.may_be_missing,
        }
    }
}

/// The model that answers, its columns and classes.
#[utoipa::path(get, path = "/v1/models", tag = "model", responses((status = 200, body = Models)))]
pub(super) async fn models(State(endpoint): State<Endpoint>) -> Json<Models> {
    let served = endpoint.served.borrow().clone();
    let served = served.filter(|served| served.round.is_some());
    let draft = &endpoint.draft;
    Json(Models {
        round: served.as_ref().and_then(|served| served.round),
        model: served.as_ref().map(|served| HEXLOWER.encode(&served.hash)),
        rounds: endpoint
            .owner
            .now()
            .state
            .published()
            .map(|(round, _)| round)
            .collect(),
        federation: draft.federation_id().to_string(),
        coordinator: draft.coordinator.to_hex(),
        parameters: draft.model.parameters(),
        layers: draft.model.layers.clone(),
        label: draft.schema.label.clone(),
        classes: draft.schema.classes.clone(),
        features: endpoint.schema().features.iter().map(Column::of).collect(),
    })
}
