//! The shared model and the federation's state over HTTPS: `GET /` (a page for people), `POST /v1/predict`, and what
//! the page is made of, for apps too. docs/endpoint.md lists every path with its document.
//!
//! Whoever reaches the port may read all of it: names, contributions, weights, rewards and the log are known to every
//! participant. Nothing here changes the federation.

mod assets;
mod chronicle;
mod events;
mod log;
mod pages;
mod participants;
mod predict;
mod problem;
mod progress;
mod served;
mod status;
mod view;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::{Semaphore, watch};
use unsilo_ledger::Draft;

pub(crate) use served::Served;
pub(crate) use view::View;

use crate::{owner::Owner, service::Connected};

/// Largest request body, bytes.
const BODY_BYTES: usize = 4 << 20;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) owner: Owner,
    pub(crate) draft: Arc<Draft>,
    pub(crate) served: watch::Receiver<Option<Arc<Served>>>,
    pub(crate) connected: Connected,
    /// One permit a prediction that is being computed.
    pub(crate) predictions: Arc<Semaphore>,
    /// What readers see, kept up to date beside the owner.
    pub(crate) view: View,
}

impl Endpoint {
    /// The endpoint's routes; anything else is a problem document.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", get(assets::page))
            .route("/assets/{name}", get(asset))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/v1/status", get(status::status))
            .route("/v1/progress", get(events::progress))
            .route("/v1/events", get(events::events))
            .route("/v1/participants", get(participants::participants))
            .route("/v1/rounds/pages/{page}", get(pages::rounds))
            .route("/v1/rewards/pages/{page}", get(pages::rewards))
            .route("/v1/evaluations/pages/{page}", get(pages::evaluations))
            .route("/v1/ratings", get(pages::ratings))
            .route("/v1/ledger/pages/{page}", get(log::page))
            .route("/v1/ledger/entries/{index}", get(log::entry))
            .route("/v1/models", get(status::models))
            .route("/v1/predict", post(predict::predict))
            .fallback(problem::not_found)
            .method_not_allowed_fallback(problem::method_not_allowed)
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .with_state(self)
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    match assets::asset(&name) {
        Some(file) => file,
        None => problem::not_found().await.into_response(),
    }
}
