//! `POST /v1/predict/encrypted`: a row that the coordinator cannot read in, an answer that it cannot read out, and a
//! receipt. docs/encrypted-queries.md has the formats.

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::BytesRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use serde::Serialize;
use unsilo_inference::{
    Circuit, EVALUATION_KEY_BYTES, EncryptedModel, EvaluationError, KeyHash, MAX_QUERY_BYTES,
    Query, VERSION, params::PARAMETER_SET,
};
use unsilo_ledger::{AnswerHasher, request_hash};
use utoipa::ToSchema;

use super::{Endpoint, Served, access::Caller, keys, problem::Problem, rounds, stamp::Stamp};
use crate::{
    encrypted::{Encrypted, Full, Replayed},
    queries::NewQuery,
};

/// What a client must know to ask under encryption.
#[derive(Serialize, ToSchema)]
pub(super) struct EncryptedShape {
    /// Version of the formats of key, query and answer.
    version: u8,
    /// Number of the encryption parameters.
    parameters: u16,
    /// `hidden`: needs an evaluation key; `linear`: does not.
    circuit: &'static str,
    /// Values of a row.
    features: usize,
    /// Logits of an answer.
    outputs: usize,
    /// Units of work of one query, for its progress.
    steps: usize,
    /// Bytes of an evaluation key.
    key_bytes: usize,
    /// Rows that one query counts as, of the token's quota and for its fee.
    rows: u32,
    /// log2 of a bound on the probability that an answer is wrong by more than its stated deviations explain.
    failure_exponent: f64,
    /// The round that published the model.
    round: u64,
    /// Its hash on the ledger, hex.
    model: String,
}

/// How far an encrypted query is.
#[derive(Serialize, ToSchema)]
pub(super) struct EncryptedProgress {
    /// `waiting` for its turn, or `evaluating`.
    state: &'static str,
    /// Queries that have their turn before, if nobody else comes.
    ahead: usize,
    /// Steps done, of those that the shape says.
    done: usize,
}

/// What a client must know to ask under encryption.
#[utoipa::path(
    get,
    path = "/v1/predict/encrypted",
    tag = "model",
    params(("round" = Option<u64>, Query, description = "As for /v1/predict.")),
    responses(
        (status = 200, body = EncryptedShape),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "That round published no model, or encrypted queries are turned off.", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "The model is beyond what encrypted queries take.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No model yet.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn shape(
    State(endpoint): State<Endpoint>,
    // A model is read and rounded for this: not for strangers.
    _caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<EncryptedShape>, Problem> {
    on(&endpoint)?;
    let (served, model) = model(&endpoint, query.as_deref()).await?;
    let shape = model.shape();
    Ok(Json(EncryptedShape {
        version: VERSION,
        parameters: PARAMETER_SET,
        circuit: match shape.circuit {
            Circuit::Linear => "linear",
            Circuit::Hidden => "hidden",
        },
        features: shape.features,
        outputs: shape.outputs,
        steps: model.bootstraps(),
        key_bytes: EVALUATION_KEY_BYTES,
        rows: endpoint.settings.rows_per_encrypted_query,
        failure_exponent: model.failure_exponent(),
        round: served.round.unwrap_or_default(),
        model: HEXLOWER.encode(&served.hash),
    }))
}

/// Answers one encrypted row. A client that goes away ends its query.
#[utoipa::path(
    post,
    path = "/v1/predict/encrypted",
    tag = "model",
    params(("round" = Option<u64>, Query, description = "As for /v1/predict.")),
    request_body(description = "One encrypted row, as `unsilo query --encrypted` makes it.", content((Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 200, description = "The encrypted logits. Headers as for CSV: `unsilo-round`, `unsilo-model`, `unsilo-ledger-entries`, `unsilo-receipt` and, in base64, `unsilo-checkpoint`.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "Not an encrypted query of this version.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "That round published no model, or encrypted queries are turned off.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The query's evaluation key is not (or no longer) here: put it, and ask again. Or this very query was answered before.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a query.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "For a model of another shape; `field` says where.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Over quota, or too many queries wait.", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "The model is beyond what encrypted queries take.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No model yet, or the queue is full.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "No room for the receipt: nothing is answered.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn predict(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let encrypted = on(&endpoint)?;
    // The route takes no more bytes than a query has.
    let body = body.map_err(|_| too_large())?;
    let asked = Query::from_bytes(&body).map_err(|error| malformed(&error))?;
    let (served, model) = model(&endpoint, query.as_deref()).await?;
    model.check(&asked).map_err(|error| unfit(&error))?;
    let token = caller.token();
    let key = |hash: &KeyHash| encrypted.keys.get(token, hash, Instant::now());
    if asked.key().is_some_and(|hash| key(&hash).is_none()) {
        return Err(keys::unknown());
    }
    let request = encrypted.requests.begin(token, asked.id());
    let request = request.map_err(|Replayed| replayed())?;
    let rows = endpoint.settings.rows_per_encrypted_query;
    let mut charge = caller.charge(&endpoint, rows)?;
    let place = encrypted.queue.enter(token).map_err(full)?;
    request.waits_at(place.number());
    let turn = place.turn().await;
    // Keys are held by who works, not by who waits: what waits has no bound on its memory otherwise.
    let key = match asked.key() {
        Some(hash) => Some(key(&hash).ok_or_else(keys::unknown)?),
        None => None,
    };
    // From here on work is spent on it, whether the client stays or not.
    charge.spend();
    let under_way = request.under_way();
    let answered = async {
        let evaluating = encrypted.work(turn, move || {
            model.evaluate(&asked, key.as_deref(), &under_way.work)
        });
        let answer = evaluating.await.ok_or_else(Problem::failed)?;
        let answer = answer.map_err(|error| unfit(&error))?;
        let mut hasher = AnswerHasher::new(1);
        hasher.bytes(&answer);
        let query = NewQuery {
            round: served.round.unwrap_or_default(),
            model: served.hash,
            request: request_hash(&body),
            answer: hasher.finish(),
            rows,
            fee: caller.fee(&endpoint, rows),
            token,
        };
        Ok((Stamp::note(&endpoint, query).await?, answer))
    };
    let (stamp, answer) = match answered.await {
        Ok(answered) => answered,
        // It failed here, with the client still waiting.
        Err(problem) => {
            charge.give_back();
            return Err(problem);
        }
    };
    request.answered();
    endpoint.metrics.answered_encrypted();
    let mut response = answer.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    stamp.put(&mut response);
    Ok(response)
}

/// How far an encrypted query is, while it is under way.
#[utoipa::path(
    get,
    path = "/v1/predict/encrypted/{id}",
    tag = "model",
    params(("id" = String, Path, description = "The query's name, its bytes 8 to 24: 32 hexadecimal digits.")),
    responses(
        (status = 200, body = EncryptedProgress),
        (status = 404, description = "No such query of this caller is under way.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn progress(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<EncryptedProgress>, Problem> {
    let encrypted = on(&endpoint)?;
    let decoded = HEXLOWER.decode(id.as_bytes()).ok();
    let id = decoded.and_then(|bytes| bytes.try_into().ok());
    let under_way = id.and_then(|id| encrypted.requests.under_way(caller.token(), id));
    let under_way = under_way.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "No such query",
            "no query of yours with this name is under way",
        )
        .at("id")
        .next("it was answered, or refused, or never came: its own answer says which")
    })?;
    let ahead = encrypted.queue.ahead(caller.token(), under_way.place());
    Ok(Json(EncryptedProgress {
        state: if ahead.is_some() {
            "waiting"
        } else {
            "evaluating"
        },
        ahead: ahead.unwrap_or_default(),
        done: under_way.work.done(),
    }))
}

/// Encrypted queries, unless they are turned off.
pub(super) fn on(endpoint: &Endpoint) -> Result<&Encrypted, Problem> {
    endpoint.encrypted.as_ref().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "Encrypted queries are off",
            "this coordinator takes no encrypted queries",
        )
        .next("ask the admin to set encrypted_keys in coordinator.toml, or query in the clear")
    })
}

async fn model(
    endpoint: &Endpoint,
    query: Option<&str>,
) -> Result<(Arc<Served>, Arc<EncryptedModel>), Problem> {
    let served = rounds::served(endpoint, query).await?;
    let of = served.clone();
    let made = tokio::task::spawn_blocking(move || of.encrypted()).await;
    let made = made.map_err(|error| {
        tracing::error!(%error, "a model could not be made ready for encrypted queries");
        Problem::failed()
    })?;
    let model = made.map_err(|error| {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "Not for encrypted queries",
            format!("this model takes no encrypted queries: {error}"),
        )
        .next("query in the clear, or ask the model of another round")
    })?;
    Ok((served, model))
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Too large",
        format!("an encrypted query has at most {MAX_QUERY_BYTES} bytes"),
    )
    .at("body")
    .next("send one encrypted row at a time")
}

/// What is wrong with bytes that are not in our formats.
pub(super) fn malformed(error: &unsilo_inference::FormatError) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "Not the expected bytes",
        error.to_string(),
    )
    .at("body")
    .next("make them with `unsilo query --encrypted` of this coordinator's release, and send them as application/octet-stream")
}

fn unfit(error: &EvaluationError) -> Problem {
    let field = match error {
        EvaluationError::Features { .. } => "features",
        EvaluationError::Outputs { .. } => "outputs",
        EvaluationError::Circuit => "circuit",
        // Its client has gone: nobody reads this.
        _ => "body",
    };
    Problem::field(field, error.to_string())
        .next("GET /v1/predict/encrypted says what the model takes")
}

fn replayed() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "Already answered",
        "a query with this name was answered, or is being answered",
    )
    .at("id")
    .next("encrypt the row again: every query has a name of its own")
}

pub(super) fn full(reason: Full) -> Problem {
    match reason {
        Full::Token => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many queries wait",
            "as many encrypted queries of this caller wait as may",
        )
        .next("wait for their answers"),
        Full::Everybody => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The queue is full",
            "as many encrypted queries wait as may",
        )
        .next("try again a little later"),
    }
    .retry_after(5)
}
