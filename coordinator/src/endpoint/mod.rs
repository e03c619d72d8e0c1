//! The shared model and the federation's state over HTTPS: `GET /` (a page for people), `GET /v1/status`,
//! `GET /v1/models`, `POST /v1/predict`, `GET /healthz`.

mod page;
mod predict;
mod problem;
mod served;
mod status;
mod weights;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use tokio::sync::{Semaphore, watch};
use unsilo_ledger::Draft;

pub(crate) use served::Served;

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
}

impl Endpoint {
    /// The endpoint's routes; anything else is a problem document.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", get(page::page))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/v1/status", get(status::status))
            .route("/v1/models", get(status::models))
            .route("/v1/predict", post(predict::predict))
            .fallback(problem::not_found)
            .method_not_allowed_fallback(problem::method_not_allowed)
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .with_state(self)
    }
}
