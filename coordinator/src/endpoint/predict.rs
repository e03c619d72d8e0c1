//! `POST /v1/predict`: rows in, classes out.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::StatusCode,
};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use unsilo_ledger::{Feature, Schema};

use super::{Endpoint, Served, problem::Problem, served::softmax};

/// Rows in one request.
const MAX_ROWS: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rows: Vec<Value>,
}

#[derive(Serialize)]
pub(super) struct Answer {
    predictions: Vec<Prediction>,
    /// The round that published the model.
    round: u64,
    /// Hash of the model on the ledger, hex.
    model: String,
    /// Entries in the ledger when it was answered.
    ledger_entries: u64,
}

#[derive(Serialize)]
struct Prediction {
    class: String,
    /// Probability of each class, in the order of the federation's classes.
    probabilities: Vec<f32>,
}

/// Answers rows, each an object of all features by name or an array in the schema's order.
pub(super) async fn predict(
    State(endpoint): State<Endpoint>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Answer>, Problem> {
    let body = body.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large",
            "a request has at most 4 MiB: send fewer rows at a time",
        )
    })?;
    let request: Request = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Not the expected JSON",
            format!("{error}; send {{\"rows\": [{{\"column\": 1.5, …}}, …]}}"),
        )
    })?;
    if request.rows.is_empty() {
        return Err(Problem::field("rows", "there is no row: send at least one"));
    }
    if request.rows.len() > MAX_ROWS {
        return Err(Problem::field(
            "rows",
            format!("{} rows, at most {MAX_ROWS} a request", request.rows.len()),
        ));
    }
    let served = endpoint.served.borrow().clone();
    let Some((served, round)) = served.and_then(|served| {
        let round = served.round?;
        Some((served, round))
    }) else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No model yet",
            "no round has been published yet; look at /v1/status and try again after the first one",
        ));
    };
    // A large model on many rows takes seconds of a core: not on the threads that serve everybody.
    let permit = endpoint.predictions.clone().acquire_owned().await;
    let draft = endpoint.draft.clone();
    let hash = HEXLOWER.encode(&served.hash);
    let computed = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        predictions(&draft.schema, &served, &request.rows)
    })
    .await
    .map_err(|error| {
        tracing::error!(%error, "a prediction failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Failed",
            "the coordinator failed and logged why; try again later",
        )
    })?;
    Ok(Json(Answer {
        predictions: computed?,
        round,
        model: hash,
        ledger_entries: endpoint.owner.now().entries,
    }))
}

fn predictions(
    schema: &Schema,
    served: &Served,
    rows: &[Value],
) -> Result<Vec<Prediction>, Problem> {
    let mut predictions = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let features = scaled(schema, index, row)?;
        let probabilities = softmax(&served.logits(&features));
        let best = probabilities
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map_or(0, |(class, _)| class);
        predictions.push(Prediction {
            class: schema.classes.get(best).cloned().unwrap_or_default(),
            probabilities,
        });
    }
    Ok(predictions)
}

fn scaled(schema: &Schema, index: usize, row: &Value) -> Result<Vec<f32>, Problem> {
    match row {
        Value::Object(columns) => from_object(schema, index, columns),
        Value::Array(values) => from_array(schema, index, values),
        _ => Err(Problem::field(
            format!("rows[{index}]"),
            "a row is an object of columns or an array of numbers",
        )),
    }
}

fn from_object(
    schema: &Schema,
    index: usize,
    columns: &Map<String, Value>,
) -> Result<Vec<f32>, Problem> {
    let known = |name: &String| schema.features.iter().any(|feature| feature.name == *name);
    if let Some(unknown) = columns.keys().find(|name| !known(name)) {
        return Err(Problem::field(
            format!("rows[{index}].{unknown}"),
            "the model has no such column; GET /v1/models lists them",
        ));
    }
    schema
        .features
        .iter()
        .map(|feature| {
            let field = || format!("rows[{index}].{}", feature.name);
            let value = columns
                .get(&feature.name)
                .ok_or_else(|| Problem::field(field(), "this column is missing"))?;
            scale(feature, value).ok_or_else(|| not_a_number(field(), value))
        })
        .collect()
}

fn from_array(schema: &Schema, index: usize, values: &[Value]) -> Result<Vec<f32>, Problem> {
    if values.len() != schema.features.len() {
        return Err(Problem::field(
            format!("rows[{index}]"),
            format!(
                "{} values, the model takes {}",
                values.len(),
                schema.features.len()
            ),
        ));
    }
    schema
        .features
        .iter()
        .zip(values)
        .enumerate()
        .map(|(column, (feature, value))| {
            scale(feature, value)
                .ok_or_else(|| not_a_number(format!("rows[{index}][{column}]"), value))
        })
        .collect()
}

fn not_a_number(field: String, value: &Value) -> Problem {
    Problem::field(field, format!("{value} is not a finite number"))
}

/// Scales to 0..=1 by the schema's range and clips, as participants do with their training data.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "features are f32 by definition; ranges are below 2^53"
)]
fn scale(feature: &Feature, value: &Value) -> Option<f32> {
    let value = value.as_f64().filter(|value| value.is_finite())?;
    let (min, max) = (
        feature.min_micro as f64 / 1e6,
        feature.max_micro as f64 / 1e6,
    );
    Some(((value - min) / (max - min)).clamp(0.0, 1.0) as f32)
}
