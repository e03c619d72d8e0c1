//! `/v1/keys/{hash}`: evaluation keys of encrypted queries, sent once and kept while they are used.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
};
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::oneshot;
use unsilo_inference::{EVALUATION_KEY_BYTES, KeyHash, ServerKey, key_hash};
use utoipa::ToSchema;

use super::{
    Endpoint,
    access::Caller,
    encrypted::{malformed, on},
    problem::Problem,
};
use crate::encrypted::KEY_LIFE;

/// Longest time for a key's bytes to arrive: 30 MB at 1 Mbit/s.
const RECEIVE: Duration = Duration::from_secs(240);
/// Longest wait for one of the places to receive keys at.
const PLACE: Duration = Duration::from_secs(20);

/// A key that is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct EvaluationKey {
    /// SHA-256 of its bytes, hex.
    key: String,
    /// Seconds without a query after which it is dropped.
    expires_unused_after_seconds: u64,
}

/// Whether a key of this caller is here, for another while.
#[utoipa::path(
    get,
    path = "/v1/keys/{hash}",
    tag = "model",
    params(("hash" = String, Path, description = "SHA-256 of the key's bytes, 64 hexadecimal digits.")),
    responses(
        (status = 200, body = EvaluationKey),
        (status = 404, description = "It is not here: put it. Or encrypted queries are turned off.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn look(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<Json<EvaluationKey>, Problem> {
    let encrypted = on(&endpoint)?;
    let hash = parse(&text)?;
    match encrypted.keys.get(caller.token(), &hash, Instant::now()) {
        Some(_) => Ok(kept(text)),
        None => Err(not_here()),
    }
}

/// Keeps a key. A token has two; what nobody used for an hour goes, and what is used least when there is no room.
#[utoipa::path(
    put,
    path = "/v1/keys/{hash}",
    tag = "model",
    params(("hash" = String, Path, description = "SHA-256 of the key's bytes, 64 hexadecimal digits.")),
    request_body(description = "An evaluation key, as `unsilo query --encrypted` makes it.", content((Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 201, body = EvaluationKey),
        (status = 400, description = "Not an evaluation key of this version and these parameters.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "It did not arrive in time.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a key.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The bytes have another hash.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Other keys are arriving.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn keep(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    Path(text): Path<String>,
    body: Body,
) -> Result<(StatusCode, Json<EvaluationKey>), Problem> {
    let encrypted = on(&endpoint)?;
    let hash = parse(&text)?;
    // One at a time of each token, so that none keeps the others' from arriving.
    let _receiving = encrypted.keys.receive(caller.token()).ok_or_else(busy)?;
    let place = tokio::time::timeout(PLACE, encrypted.uploads.clone().acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        return Err(busy());
    };
    let received = tokio::time::timeout(RECEIVE, receive(body)).await;
    let bytes = received.map_err(|_| late())??;
    let (sender, made) = oneshot::channel();
    encrypted.pool.spawn(move || {
        let made = match key_hash(&bytes) == hash {
            true => ServerKey::from_bytes(&bytes).map_err(|error| malformed(&error)),
            false => Err(other_hash()),
        };
        drop(bytes);
        drop(place);
        let _ = sender.send(made);
    });
    let key = made.await.map_err(|_| Problem::failed())??;
    encrypted
        .keys
        .keep(caller.token(), hash, Arc::new(key), Instant::now());
    Ok((StatusCode::CREATED, kept(text)))
}

/// A body no longer than a key.
async fn receive(body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(EVALUATION_KEY_BYTES);
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| cut_off())?;
        if bytes.len() + piece.len() > EVALUATION_KEY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Drops a key of this caller.
#[utoipa::path(
    delete,
    path = "/v1/keys/{hash}",
    tag = "model",
    params(("hash" = String, Path, description = "SHA-256 of the key's bytes, 64 hexadecimal digits.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "It was not here.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn forget(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    Path(text): Path<String>,
) -> Result<StatusCode, Problem> {
    let hash = parse(&text)?;
    match on(&endpoint)?.keys.forget(caller.token(), &hash) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(not_here()),
    }
}

fn kept(key: String) -> Json<EvaluationKey> {
    Json(EvaluationKey {
        key,
        expires_unused_after_seconds: KEY_LIFE.as_secs(),
    })
}

fn parse(text: &str) -> Result<KeyHash, Problem> {
    let decoded = HEXLOWER.decode(text.as_bytes()).ok();
    decoded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::field("hash", "this is not a SHA-256 in 64 hexadecimal digits"))
}

/// A query's key is not here.
pub(super) fn unknown() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "Unknown evaluation key",
        "the evaluation key of this query is not here: it never came, lay unused for an hour, or made room for others",
    )
    .at("key")
    .next("PUT it to /v1/keys/ and its hash, and ask again")
}

fn not_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "Unknown evaluation key",
        "no key of yours with this hash is here",
    )
    .at("hash")
    .next("PUT it")
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "Other keys are arriving",
        "another key of this caller, or as many of others as may, are arriving",
    )
    .next("try again in a few seconds")
    .retry_after(5)
}

fn late() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "Too slow",
        format!("the key did not arrive within {} s", RECEIVE.as_secs()),
    )
    .at("body")
    .next("try again over a faster connection")
}

fn cut_off() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "Cut off",
        "the key did not arrive whole",
    )
    .at("body")
    .next("send it again")
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Too large",
        format!("an evaluation key has {EVALUATION_KEY_BYTES} bytes"),
    )
    .at("body")
    .next("send the key of this coordinator's release")
}

fn other_hash() -> Problem {
    Problem::field("hash", "the bytes that came have another hash")
        .next("send the key again; its hash is the SHA-256 of all its bytes")
}
