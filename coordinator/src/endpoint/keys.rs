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
use unsilo_inference::{EVALUATION_KEY_BYTES, KeyHash, ServerKey, key_hash};
use utoipa::ToSchema;

use super::{
    Endpoint,
    access::Caller,
    encrypted::{full, malformed, on},
    problem::Problem,
};
use crate::encrypted::KEY_LIFE;

/// How fast a key's bytes have to arrive on average, from the first on: 1 Mbit/s, so a key within 250 s. Who is slower is cut
/// off when it falls behind, and does not hold one of the places for as long as that.
const BYTES_PER_SECOND: f64 = 125_000.0;
/// How far behind that they may be.
const GRACE: Duration = Duration::from_secs(10);
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
        (status = 408, description = "It arrived too slowly.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a key.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The bytes have another hash.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many queries of this caller wait.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Other keys are arriving, or the queue is full.", body = Problem, content_type = "application/problem+json"),
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
    let bytes = receive(body, GRACE).await?;
    // Making it ready is work like a query's, and has its turn among them: so a token that sends keys without end holds up
    // its own queries and no others.
    let turn = encrypted.queue.enter(caller.token()).map_err(full)?;
    let turn = turn.turn().await;
    let made = encrypted.work(turn, move || {
        let _place = place;
        match key_hash(&bytes) == hash {
            true => ServerKey::from_bytes(&bytes).map_err(|error| malformed(&error)),
            false => Err(other_hash()),
        }
    });
    let key = made.await.ok_or_else(Problem::failed)??;
    encrypted
        .keys
        .keep(caller.token(), hash, Arc::new(key), Instant::now());
    Ok((StatusCode::CREATED, kept(text)))
}

/// A body no longer than a key, that is never further behind its pace than the grace.
async fn receive(body: Body, grace: Duration) -> Result<Vec<u8>, Problem> {
    let began = tokio::time::Instant::now();
    let mut bytes = Vec::with_capacity(EVALUATION_KEY_BYTES);
    let mut stream = body.into_data_stream();
    loop {
        let behind = Duration::from_secs_f64(bytes.len() as f64 / BYTES_PER_SECOND) + grace;
        let piece = tokio::time::timeout_at(began + behind, stream.next()).await;
        let Some(piece) = piece.map_err(|_| late())? else {
            return Ok(bytes);
        };
        let piece = piece.map_err(|_| cut_off())?;
        if bytes.len() + piece.len() > EVALUATION_KEY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
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
        format!(
            "the key arrived with less than {:.0} kilobytes a second",
            BYTES_PER_SECOND / 1e3
        ),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces of a second's worth each, with a pause before each but the first; then nothing more, and no end.
    fn dripping(pieces: usize, pause: Duration, ends: bool) -> Body {
        let piece = vec![0u8; BYTES_PER_SECOND as usize];
        let stream = futures_util::stream::unfold(0, move |sent| {
            let piece = piece.clone();
            async move {
                if sent == pieces && !ends {
                    std::future::pending::<()>().await;
                }
                if sent > 0 {
                    tokio::time::sleep(pause).await;
                }
                (sent < pieces).then_some((Ok::<_, std::io::Error>(piece), sent + 1))
            }
        });
        Body::from_stream(stream)
    }

    #[tokio::test]
    async fn a_key_that_arrives_slower_than_its_pace_is_cut_off_and_no_other() {
        let grace = Duration::from_millis(50);
        let pause = Duration::from_millis(100);
        let whole = receive(dripping(4, pause, true), grace).await;
        assert_eq!(
            whole.map(|bytes| bytes.len()).ok(),
            Some(4 * BYTES_PER_SECOND as usize),
            "longer than the grace, and never behind"
        );
        let began = Instant::now();
        let stalled = receive(dripping(1, pause, false), grace).await;
        assert!(stalled.is_err());
        let took = began.elapsed();
        assert!(
            took >= Duration::from_secs(1),
            "a second's worth had come: {took:?}"
        );
        let nothing = receive(dripping(0, pause, false), grace).await;
        assert!(nothing.is_err());
    }
}
