//! `POST /v1/predict`: rows in, classes out, and a receipt.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use unsilo_ledger::{AnswerHasher, Draft, Hash, request_hash};
use utoipa::ToSchema;

use super::{
    Endpoint, Served,
    access::Caller,
    problem::Problem,
    rounds,
    rows::{self, Rows},
    served::softmax,
    stamp::Stamp,
};
use crate::{queries::NewQuery, tokens::Charge};

/// Predictions of all rows, and what they can be held against.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// One for each row, in order.
    predictions: Vec<Prediction>,
    #[serde(flatten)]
    stamp: Stamp,
}

/// One row's.
#[derive(Serialize, ToSchema)]
pub(super) struct Prediction {
    /// The most probable class.
    class: String,
    /// Probability of each class, in the order of the federation's classes.
    probabilities: Vec<f32>,
}

/// Answers rows: `{"rows": […]}`, `{"row": …}`, or CSV with a header.
#[utoipa::path(
    post,
    path = "/v1/predict",
    tag = "model",
    params(("round" = Option<u64>, Query, description = "Answer with the model of this round instead of the one that is served.")),
    request_body(
        description = "`{\"rows\": [ROW, …]}` or `{\"row\": ROW}`; a ROW is an object of all columns by name, or an array in the order of `GET /v1/models`. Or `text/csv` with a header. At most 4,096 rows and 4 MiB.",
        content((serde_json::Value = "application/json"), (String = "text/csv")),
    ),
    responses(
        (status = 200, description = "Predictions. With `Accept: text/csv` a table; what else the JSON holds is then in the headers `unsilo-round`, `unsilo-model`, `unsilo-receipt` and, in base64, `unsilo-checkpoint`.", content((Answer = "application/json"), (String = "text/csv"))),
        (status = 400, description = "Not JSON or CSV of the expected form.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "A token is needed, or this one is unknown, expired or revoked.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "That round published no model.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "More than 4 MiB.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor CSV.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is not as expected; `field` names it.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The token's rows of today are used up.", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No model yet.", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "No room for the receipt: nothing is answered.", body = Problem, content_type = "application/problem+json"),
    ),
    security((), ("token" = [])),
)]
pub(super) async fn predict(
    State(endpoint): State<Endpoint>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let timer = endpoint.metrics.answering();
    let read = read_body(&headers)?;
    let body = body.map_err(|_| too_large())?;
    // A large model on many rows takes seconds of a core: not on the threads that serve everybody.
    let permit = endpoint.predictions.clone().acquire_owned().await;
    // What is wrong with the rows is said also before there is a model.
    let served = rounds::served(&endpoint, query.as_deref()).await;
    let (endpoint_, caller) = (endpoint.clone(), Arc::new(caller));
    let asking = caller.clone();
    let computed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let rows = read(&endpoint_.schema(), &body)?;
        compute(&endpoint_, &asking, served?, &rows, request_hash(&body))
    });
    let computed = computed.await.map_err(|error| {
        tracing::error!(%error, "a prediction failed");
        Problem::failed()
    })??;
    let rows = computed.query.rows;
    let stamp = Stamp::note(&endpoint, computed.query).await?;
    computed.charge.keep();
    timer.answered(rows);
    let answer = Answer {
        predictions: computed.predictions,
        stamp,
    };
    Ok(if wants_csv(&headers) {
        as_csv(&endpoint.draft, &answer)
    } else {
        Json(answer).into_response()
    })
}

/// Predictions that are not given out yet.
struct Computed {
    predictions: Vec<Prediction>,
    query: NewQuery,
    charge: Charge,
}

fn compute(
    endpoint: &Endpoint,
    caller: &Caller,
    served: Arc<Served>,
    Rows(rows): &Rows,
    request: Hash,
) -> Result<Computed, Problem> {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let charge = caller.charge(endpoint, count)?;
    let mut hasher = AnswerHasher::new(count);
    let classes = &endpoint.draft.schema.classes;
    let predictions = rows
        .iter()
        .map(|row| {
            let probabilities = softmax(&served.logits(row));
            let best = probabilities
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(b.1))
                .map_or(0, |(class, _)| class);
            let class = classes.get(best).cloned().unwrap_or_default();
            hasher.row(&class, probabilities.iter().map(|p| p.to_bits()));
            Prediction {
                class,
                probabilities,
            }
        })
        .collect();
    let query = NewQuery {
        round: served.round.unwrap_or_default(),
        model: served.hash,
        request,
        answer: hasher.finish(),
        rows: count,
        fee: caller.fee(endpoint, count),
        token: caller.token(),
    };
    Ok(Computed {
        predictions,
        query,
        charge,
    })
}

type Read = fn(&unsilo_ledger::Schema, &[u8]) -> Result<Rows, Problem>;

/// How the body is to be read. Without a type, or with the one that curl gives, it is JSON.
fn read_body(headers: &HeaderMap) -> Result<Read, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
    let kind = kind.map(|kind| {
        kind.unwrap_or("?")
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    });
    match kind {
        None | Some("application/json" | "application/x-www-form-urlencoded" | "text/plain") => {
            Ok(rows::from_json)
        }
        Some("text/csv") => Ok(rows::from_csv),
        Some(other) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported media type",
            format!(
                "{:?} is not read here",
                other.chars().take(64).collect::<String>()
            ),
        )
        .at("Content-Type")
        .next("send application/json or text/csv")),
    }
}

pub(super) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Too large",
        "a request has at most 4 MiB",
    )
    .at("body")
    .next("send fewer rows at a time")
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.trim_start().starts_with("text/csv"))
}

/// A line for each row: its class, then the probability of every class.
fn as_csv(draft: &Draft, answer: &Answer) -> Response {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = std::iter::once("class").chain(draft.schema.classes.iter().map(String::as_str));
    let mut written = writer.write_record(head);
    for prediction in &answer.predictions {
        let probabilities = prediction.probabilities.iter().map(f32::to_string);
        let line = std::iter::once(prediction.class.clone()).chain(probabilities);
        written = written.and_then(|()| writer.write_record(line));
    }
    let Some(bytes) = written.ok().and_then(|()| writer.into_inner().ok()) else {
        return Problem::failed().into_response();
    };
    let mut response = bytes.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    answer.stamp.put(&mut response);
    response
}
