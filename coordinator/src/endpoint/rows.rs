//! Rows as they are sent, JSON or CSV, made into scaled features.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use unsilo_ledger::{Feature, Schema};

use super::problem::Problem;

/// Rows in one request.
pub(super) const MAX_ROWS: usize = 4096;
/// What of a name or value that somebody sent is repeated in a problem, characters.
const SHOWN: usize = 64;

/// Rows of scaled features.
pub(super) struct Rows(pub(super) Vec<Vec<f32>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rows: Option<Vec<Value>>,
    row: Option<Value>,
}

/// Rows of a JSON body: `{"rows": […]}` or `{"row": …}`, each an object of all features by name or an array in the
/// schema's order.
pub(super) fn from_json(schema: &Schema, body: &[u8]) -> Result<Rows, Problem> {
    let malformed = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "Not the expected JSON", detail)
            .next("send {\"rows\": [{\"column\": 1.5, …}, …]} or {\"row\": …}, or CSV as Content-Type: text/csv")
    };
    let request: Request =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    match request {
        Request {
            row: Some(row),
            rows: None,
        } => Ok(Rows(vec![scaled(schema, "row", &row)?])),
        Request {
            rows: Some(rows),
            row: None,
        } => {
            check_count(rows.len())?;
            let scaled = rows
                .iter()
                .enumerate()
                .map(|(index, row)| scaled(schema, &format!("rows[{index}]"), row));
            Ok(Rows(scaled.collect::<Result<_, _>>()?))
        }
        _ => Err(malformed("give either rows or row".to_owned()).at("rows")),
    }
}

/// Rows of a CSV body: a header with every feature, in any order; the label's column is passed over.
pub(super) fn from_csv(schema: &Schema, body: &[u8]) -> Result<Rows, Problem> {
    let malformed = |error: csv::Error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Not the expected CSV",
            error.to_string(),
        )
        .next("send a header with the model's columns, then a line for each row, in UTF-8")
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(body);
    let header = reader.headers().map_err(malformed)?.clone();
    let features: BTreeMap<&str, usize> = schema
        .features
        .iter()
        .enumerate()
        .map(|(index, feature)| (feature.name.as_str(), index))
        .collect();
    let mut places = vec![None; schema.features.len()];
    for (column, name) in header.iter().enumerate() {
        match features.get(name) {
            Some(feature) if places[*feature].is_some() => {
                return Err(Problem::field(shown(name), "this column is there twice"));
            }
            Some(feature) => places[*feature] = Some(column),
            None if name == schema.label => {}
            None => return Err(unknown_column(shown(name))),
        }
    }
    let mut columns = Vec::with_capacity(places.len());
    for (place, feature) in places.iter().zip(&schema.features) {
        columns.push(place.ok_or_else(|| Problem::field(&feature.name, "this column is missing"))?);
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        if index >= MAX_ROWS {
            return Err(Problem::field("rows", format!("more than {MAX_ROWS} rows")).next(FEWER));
        }
        let cells = columns
            .iter()
            .zip(&schema.features)
            .map(|(column, feature)| {
                let cell = record.get(*column).unwrap_or_default();
                let value = cell
                    .parse::<f64>()
                    .ok()
                    .and_then(|value| scale(feature, value));
                value.ok_or_else(|| {
                    let field = format!("rows[{index}].{}", feature.name);
                    Problem::field(field, format!("{:?} is not a finite number", shown(cell)))
                })
            });
        rows.push(cells.collect::<Result<_, _>>()?);
    }
    check_count(rows.len())?;
    Ok(Rows(rows))
}

const FEWER: &str = "send them in several requests";

fn check_count(rows: usize) -> Result<(), Problem> {
    match rows {
        0 => Err(Problem::field("rows", "there is no row").next("send at least one")),
        1..=MAX_ROWS => Ok(()),
        _ => Err(
            Problem::field("rows", format!("{rows} rows, at most {MAX_ROWS} a request"))
                .next(FEWER),
        ),
    }
}

fn scaled(schema: &Schema, row_name: &str, row: &Value) -> Result<Vec<f32>, Problem> {
    match row {
        Value::Object(columns) => from_object(schema, row_name, columns),
        Value::Array(values) => from_array(schema, row_name, values),
        _ => Err(Problem::field(
            row_name,
            "a row is an object of columns or an array of numbers",
        )),
    }
}

fn from_object(
    schema: &Schema,
    row_name: &str,
    columns: &Map<String, Value>,
) -> Result<Vec<f32>, Problem> {
    let field = |name: &str| format!("{row_name}.{}", shown(name));
    let mut features = Vec::with_capacity(schema.features.len());
    let mut missing = None;
    for feature in &schema.features {
        match columns.get(&feature.name) {
            Some(value) => {
                let scaled = value.as_f64().and_then(|value| scale(feature, value));
                features.push(scaled.ok_or_else(|| not_a_number(field(&feature.name), value))?);
            }
            None => missing = missing.or(Some(&feature.name)),
        }
    }
    // As many columns as features and none missing: then there is no other.
    if missing.is_some() || columns.len() != features.len() {
        let known = |name: &&String| schema.features.iter().any(|feature| feature.name == **name);
        if let Some(unknown) = columns.keys().find(|name| !known(name)) {
            return Err(unknown_column(field(unknown)));
        }
    }
    match missing {
        Some(name) => Err(Problem::field(field(name), "this column is missing")
            .next("send every column that GET /v1/models lists")),
        None => Ok(features),
    }
}

fn from_array(schema: &Schema, row_name: &str, values: &[Value]) -> Result<Vec<f32>, Problem> {
    if values.len() != schema.features.len() {
        return Err(Problem::field(
            row_name,
            format!(
                "{} values, the model takes {}",
                values.len(),
                schema.features.len()
            ),
        )
        .next("GET /v1/models lists the columns and their order"));
    }
    let columns = schema.features.iter().zip(values).enumerate();
    columns
        .map(|(column, (feature, value))| {
            let scaled = value.as_f64().and_then(|value| scale(feature, value));
            scaled.ok_or_else(|| not_a_number(format!("{row_name}[{column}]"), value))
        })
        .collect()
}

fn unknown_column(field: String) -> Problem {
    Problem::field(field, "the model has no such column")
        .next("leave it out; GET /v1/models lists the columns")
}

fn not_a_number(field: String, value: &Value) -> Problem {
    let value = shown(&value.to_string());
    Problem::field(field, format!("{value} is not a finite number")).next("send a number")
}

/// The beginning of something that somebody sent.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Scales to 0..=1 by the schema's range and clips, as participants do with their training data.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "features are f32 by definition; ranges are below 2^53"
)]
fn scale(feature: &Feature, value: f64) -> Option<f32> {
    let (min, max) = (
        feature.min_micro as f64 / 1e6,
        feature.max_micro as f64 / 1e6,
    );
    value
        .is_finite()
        .then(|| ((value - min) / (max - min)).clamp(0.0, 1.0) as f32)
}
