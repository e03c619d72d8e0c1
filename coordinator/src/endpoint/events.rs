//! `GET /v1/progress`, and `GET /v1/events`: the same document, pushed whenever it changes (server-sent events).

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Endpoint, problem::Problem, progress::Progress};
use crate::server::until_true;

/// Where the federation stands, how far the round is and when it will be over.
#[utoipa::path(get, path = "/v1/progress", tag = "federation", responses((status = 200, body = Progress)))]
pub(super) async fn progress(State(endpoint): State<Endpoint>) -> Response {
    let text = endpoint.view.progress.borrow().to_string();
    let mut response = Body::from(text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `/v1/progress` as server-sent events: the document now, and after every change. The stream ends when the coordinator stops.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "federation",
    responses(
        (status = 200, description = "Events named `progress`; the data of each is the document of `/v1/progress`.", body = Progress, content_type = "text/event-stream"),
        (status = 503, description = "All places for viewers are taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn events(
    State(endpoint): State<Endpoint>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = endpoint.view.streams.clone().try_acquire_owned();
    let place = place.map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many viewers",
            "all event streams are taken: ask for /v1/progress every few seconds instead",
        )
    })?;
    let documents = documents(endpoint.view.progress.clone(), place);
    let stopped = until_true(endpoint.view.stopping.clone());
    let events = documents.map(|text| Ok(Event::default().event("progress").data(&*text)));
    Ok(Sse::new(events.take_until(Box::pin(stopped))))
}

/// The document now, and after every change. A slow reader misses those in between, not the newest.
fn documents(
    mut progress: watch::Receiver<Arc<str>>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Arc<str>> {
    progress.mark_changed();
    stream::unfold((progress, place), |(mut progress, place)| async move {
        progress.changed().await.ok()?;
        let text = progress.borrow_and_update().clone();
        Some((text, (progress, place)))
    })
}
