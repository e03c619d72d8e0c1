//! The shared model and the federation's state over HTTPS: `GET /` (a page for people), `POST /v1/predict`, and what
//! the page is made of, for apps too. docs/endpoint.md lists every path with its document; `GET /v1/openapi.json` and
//! its page `/reference` say the same to programs.
//!
//! Whoever reaches the port may read all of it: names, contributions, weights, rewards and the log are known to every
//! participant. Nothing here changes the federation. Only what somebody says to the admin (`/v1/feedback`) always takes a token.

mod access;
mod assets;
mod chronicle;
mod encrypted;
mod events;
mod feedback;
mod keys;
mod log;
mod metrics;
mod openapi;
mod pages;
mod participants;
mod predict;
mod problem;
mod progress;
mod receipts;
mod rounds;
mod rows;
mod served;
mod stamp;
mod status;
mod unread;
mod view;
mod weights;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, Request},
    http::header::CONTENT_LENGTH,
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::{Semaphore, watch};
use unsilo_ledger::{Draft, Schema};

pub(crate) use metrics::Metrics;
pub(crate) use rounds::Earlier;
pub(crate) use served::Served;
pub(crate) use view::View;

use crate::{
    config::EndpointSettings, encrypted::Encrypted, inbox::Inbox, owner::Owner, queries::QueryLog,
    service::Connected, tokens::Tokens,
};

/// Largest request body, bytes.
const BODY_BYTES: usize = 4 << 20;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) owner: Owner,
    pub(crate) draft: Arc<Draft>,
    pub(crate) settings: EndpointSettings,
    pub(crate) served: watch::Receiver<Option<Arc<Served>>>,
    /// The models of earlier rounds.
    pub(crate) earlier: Arc<Earlier>,
    pub(crate) tokens: Tokens,
    /// What holders of tokens have to say.
    pub(crate) inbox: Inbox,
    /// Where every answer is noted before it is given.
    pub(crate) queries: QueryLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) connected: Connected,
    /// One permit a prediction that is being computed.
    pub(crate) predictions: Arc<Semaphore>,
    /// Encrypted queries, unless the settings turn them off.
    pub(crate) encrypted: Option<Encrypted>,
    /// What readers see, kept up to date beside the owner.
    pub(crate) view: View,
    /// The schema that rows are scaled by, from when it is final.
    pub(crate) schema: Arc<OnceLock<Arc<Schema>>>,
}

impl Endpoint {
    /// The schema that rows are scaled by: the draft's until the data are measured, if they are to be.
    fn schema(&self) -> Arc<Schema> {
        if let Some(schema) = self.schema.get() {
            return schema.clone();
        }
        let now = self.owner.now();
        let state = &now.state;
        match state.schema() {
            Some(schema) if !state.is_measuring() => {
                self.schema.get_or_init(|| Arc::new(schema)).clone()
            }
            _ => Arc::new(self.draft.schema.clone()),
        }
    }

    /// The endpoint's routes; anything else is a problem document.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", get(assets::page))
            .route("/assets/{name}", get(asset))
            .route("/reference", get(openapi::reference))
            .route("/healthz", get(metrics::healthz))
            .route("/readyz", get(metrics::readyz))
            .route("/metrics", get(metrics::metrics))
            .route("/v1/openapi.json", get(openapi::openapi))
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
            .route("/v1/feedback", post(feedback::file).get(feedback::mine))
            .route(
                "/v1/predict/encrypted",
                get(encrypted::shape)
                    .post(encrypted::predict)
                    .layer(DefaultBodyLimit::max(unsilo_inference::MAX_QUERY_BYTES)),
            )
            .route("/v1/predict/encrypted/{id}", get(encrypted::progress))
            .route(
                "/v1/keys/{hash}",
                get(keys::look).put(keys::keep).delete(keys::forget),
            )
            .route("/v1/receipts/{receipt}", get(receipts::receipt))
            .fallback(problem::not_found)
            .method_not_allowed_fallback(problem::method_not_allowed)
            .layer(DefaultBodyLimit::max(BODY_BYTES))
            .layer(from_fn(refuse_large))
            .layer(from_fn_with_state(self.clone(), metrics::count))
            .with_state(self)
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    match assets::asset(&name) {
        Some(file) => file,
        None => problem::not_found().await.into_response(),
    }
}

/// Refuses a body that says beforehand that it is too large, before a byte of it is waited for. One that does not say
/// so is cut off by [`DefaultBodyLimit`].
async fn refuse_large(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_longer = |most: usize| length.is_some_and(|length| length > most as u64);
    if request.uri().path().starts_with("/v1/keys/") {
        // The handler reads these, to the end that a key has.
        if is_longer(unsilo_inference::EVALUATION_KEY_BYTES) {
            return unread::answer(keys::too_large(), request);
        }
    } else if is_longer(BODY_BYTES) {
        return unread::answer(predict::too_large(), request);
    }
    next.run(request).await
}
