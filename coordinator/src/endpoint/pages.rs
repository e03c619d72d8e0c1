//! What is read a page at a time: rounds, payments, published evaluations, and the matrices of ratings.
//!
//! Page 0 holds the oldest; a page that is full never changes. A page beyond the last is an empty list.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{
    Endpoint,
    chronicle::{Payment, Revealed, Round, Settled},
    problem::Problem,
};

/// Rounds, payments or rounds of evaluations in a page.
pub(super) const PAGE: usize = 64;

/// A page of a list, oldest first; empty beyond the last.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// Its number.
    page: u64,
    /// Items in a full page.
    size: usize,
    /// What it holds.
    items: Vec<T>,
}

/// A part of the chronicle, written without copying it.
pub(super) struct Shared<T>(Arc<T>);

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A number in a path.
pub(super) fn number(text: &str, what: &'static str) -> Result<u64, Problem> {
    text.parse().map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Not a number",
            format!(
                "the {what} in the path is {:?}: a whole number from 0 is expected",
                text.chars().take(64).collect::<String>()
            ),
        )
        .at(what)
        .next("give a whole number from 0")
    })
}

/// The page of `all` that the path names.
fn page_of<T>(all: &[Arc<T>], page: &str) -> Result<Json<Page<Shared<T>>>, Problem> {
    let page = number(page, "page")?;
    let from = usize::try_from(page)
        .unwrap_or(usize::MAX)
        .saturating_mul(PAGE);
    let items = all.iter().skip(from).take(PAGE);
    Ok(Json(Page {
        page,
        size: PAGE,
        items: items.map(|item| Shared(item.clone())).collect(),
    }))
}

/// Rounds that are over, in order.
#[utoipa::path(
    get,
    path = "/v1/rounds/pages/{page}",
    tag = "federation",
    params(("page" = u64, Path, description = "From 0: `items` 64·page and on of all that are over.")),
    responses(
        (status = 200, body = Page<Round>),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn rounds(
    State(endpoint): State<Endpoint>,
    Path(page): Path<String>,
) -> Result<Json<Page<Shared<Round>>>, Problem> {
    page_of(&endpoint.view.chronicle.borrow().rounds, &page)
}

/// What was paid, in order.
#[utoipa::path(
    get,
    path = "/v1/rewards/pages/{page}",
    tag = "federation",
    params(("page" = u64, Path, description = "From 0: `items` 64·page and on of all payments.")),
    responses(
        (status = 200, body = Page<Payment>),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn rewards(
    State(endpoint): State<Endpoint>,
    Path(page): Path<String>,
) -> Result<Json<Page<Shared<Payment>>>, Problem> {
    page_of(&endpoint.view.chronicle.borrow().payments, &page)
}

/// What participants published of one round's model. Each measured on its own rows; nobody can check it.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundEvaluations {
    round: u64,
    /// One for each participant that published.
    evaluations: Vec<PublishedEvaluation>,
}

/// Two numbers that a participant chose to publish.
#[derive(Serialize, ToSchema)]
struct PublishedEvaluation {
    /// Its number on the ledger.
    participant: u32,
    /// The shared model's accuracy on its own test rows, 0 to 1.
    shared_accuracy: f64,
    /// That of the model that it trained alone; absent if it trains none.
    alone_accuracy: Option<f64>,
}

/// What participants published of their own measurements, by round.
#[utoipa::path(
    get,
    path = "/v1/evaluations/pages/{page}",
    tag = "federation",
    params(("page" = u64, Path, description = "From 0: rounds 64·page to 64·page + 63.")),
    responses(
        (status = 200, body = Page<RoundEvaluations>),
        (status = 400, description = "Not a number.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn evaluations(
    State(endpoint): State<Endpoint>,
    Path(page): Path<String>,
) -> Result<Json<Page<RoundEvaluations>>, Problem> {
    let page = number(&page, "page")?;
    let from = page.saturating_mul(PAGE as u64);
    let shown = endpoint.view.evaluations.from(from, PAGE);
    let items = shown
        .into_iter()
        .filter(|(round, _)| *round < from.saturating_add(PAGE as u64))
        .map(|(round, of)| RoundEvaluations {
            round,
            evaluations: of
                .into_iter()
                .map(|(participant, evaluation)| PublishedEvaluation {
                    participant: participant.0,
                    shared_accuracy: evaluation.shared,
                    alone_accuracy: evaluation.alone,
                })
                .collect(),
        })
        .collect();
    Ok(Json(Page {
        page,
        size: PAGE,
        items,
    }))
}

/// Who rates whom how.
#[derive(Serialize, ToSchema)]
pub(super) struct Ratings {
    /// The ratings revealed last; absent while nobody has rated.
    #[schema(value_type = Option<Revealed>)]
    revealed: Option<Shared<Revealed>>,
    /// The epoch settled last; absent before the first.
    #[schema(value_type = Option<Settled>)]
    settled: Option<Shared<Settled>>,
}

/// Who rates whom how: the round revealed last, and the epoch settled last.
#[utoipa::path(get, path = "/v1/ratings", tag = "federation", responses((status = 200, body = Ratings)))]
pub(super) async fn ratings(State(endpoint): State<Endpoint>) -> Json<Ratings> {
    let chronicle = endpoint.view.chronicle.borrow().clone();
    Json(Ratings {
        revealed: chronicle.revealed.clone().map(Shared),
        settled: chronicle.settled.clone().map(Shared),
    })
}
