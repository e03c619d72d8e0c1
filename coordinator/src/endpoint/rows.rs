//! Rows as they are sent, JSON or CSV, made into the model's inputs, as participants make theirs ([`Cell`]).

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use unsilo_ledger::{Feature, Schema, Values};
use unsilo_proto::{Cell, CellError, is_missing};

use super::problem::Problem;

/// Rows in one request.
pub(super) const MAX_ROWS: usize = 4096;
/// What of a name or value that somebody sent is repeated in a problem, characters.
const SHOWN: usize = 64;

/// Rows of the model's inputs.
pub(super) struct Rows(pub(super) Vec<Vec<f32>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with rows or row")]
struct Request {
    rows: Option<Vec<Value>>,
    row: Option<Value>,
}

/// Rows of a JSON body: `{"rows": […]}` or `{"row": …}`, each an object of all features by name or an array in the
/// schema's order.
pub(super) fn from_json(schema: &Schema, body: &[u8]) -> Result<Rows, Problem> {
    let malformed = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "Not the expected JSON", detail)
            .at("body")
            .next("send {\"rows\": [{\"column\": 1.5, …}, …]} or {\"row\": …}, or CSV as Content-Type: text/csv")
    };
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        let problem = malformed(error.to_string());
        match is_no_number(body, &error) {
            true => problem.next(
                "JSON has no NaN and no Infinity: send a number, or null where GET /v1/models says that a value may be missing",
            ),
            false => problem,
        }
    })?;
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

/// Whether the reader stopped at one of the words that programs write for what is no number: NaN, Infinity, -Infinity.
fn is_no_number(body: &[u8], error: &serde_json::Error) -> bool {
    let line = body
        .split(|byte| *byte == b'\n')
        .nth(error.line().saturating_sub(1));
    // The column is that of the byte that was not expected, from 1: the word's first, or its second after a sign.
    let at = error.column().saturating_sub(1);
    let rest = line.and_then(|line| line.get(at..)).unwrap_or_default();
    ["NaN", "nan", "Infinity", "inf"]
        .iter()
        .any(|word| rest.starts_with(word.as_bytes()))
}

/// Rows of a CSV body: a header with every feature, in any order; the label's column is passed over.
pub(super) fn from_csv(schema: &Schema, body: &[u8]) -> Result<Rows, Problem> {
    let malformed = |error: csv::Error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "Not the expected CSV",
            error.to_string(),
        )
        .at("body")
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
                return Err(Problem::field(shown(name), "this column is there twice")
                    .next("send each column once"));
            }
            Some(feature) => places[*feature] = Some(column),
            None if name == schema.label => {}
            None => return Err(unknown_column(shown(name))),
        }
    }
    let mut columns = Vec::with_capacity(places.len());
    for (place, feature) in places.iter().zip(&schema.features) {
        columns.push(place.ok_or_else(|| {
            Problem::field(&feature.name, "this column is missing")
                .next("the first line names the columns: all that GET /v1/models lists")
        })?);
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(malformed)?;
        if index >= MAX_ROWS {
            return Err(Problem::field("rows", format!("more than {MAX_ROWS} rows")).next(FEWER));
        }
        let mut inputs = Vec::with_capacity(schema.inputs());
        for (column, feature) in columns.iter().zip(&schema.features) {
            let text = record.get(*column).unwrap_or_default();
            let cell = Cell::read(feature, text).map_err(|error| {
                let field = format!("rows[{index}].{}", feature.name);
                wrong_cell(feature, field, &format!("{:?}", shown(text)), error)
            })?;
            cell.append(feature, &mut inputs);
        }
        rows.push(inputs);
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
            "a row is an object of columns or an array of values",
        )
        .next("send {\"column\": 1.5, …}, or [1.5, …] in the order of GET /v1/models")),
    }
}

fn from_object(
    schema: &Schema,
    row_name: &str,
    columns: &Map<String, Value>,
) -> Result<Vec<f32>, Problem> {
    let field = |name: &str| format!("{row_name}.{}", shown(name));
    let mut inputs = Vec::with_capacity(schema.inputs());
    let mut missing = None;
    for feature in &schema.features {
        match columns.get(&feature.name) {
            Some(value) => {
                let cell = cell(feature, value).map_err(|error| {
                    let value = shown(&value.to_string());
                    wrong_cell(feature, field(&feature.name), &value, error)
                })?;
                cell.append(feature, &mut inputs);
            }
            None => missing = missing.or(Some(&feature.name)),
        }
    }
    // As many columns as features and none missing: then there is no other.
    if missing.is_some() || columns.len() != schema.features.len() {
        let known = |name: &&String| schema.features.iter().any(|feature| feature.name == **name);
        if let Some(unknown) = columns.keys().find(|name| !known(name)) {
            return Err(unknown_column(field(unknown)));
        }
    }
    match missing {
        Some(name) => Err(Problem::field(field(name), "this column is missing")
            .next("send every column that GET /v1/models lists")),
        None => Ok(inputs),
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
    let mut inputs = Vec::with_capacity(schema.inputs());
    for (column, (feature, value)) in schema.features.iter().zip(values).enumerate() {
        let cell = cell(feature, value).map_err(|error| {
            let value = shown(&value.to_string());
            wrong_cell(feature, format!("{row_name}[{column}]"), &value, error)
        })?;
        cell.append(feature, &mut inputs);
    }
    Ok(inputs)
}

/// A value of a JSON row: null is a missing one, a text is a category or stands for a missing one.
fn cell(feature: &Feature, value: &Value) -> Result<Cell, CellError> {
    match (value, &feature.values) {
        (Value::Null, _) => Cell::missing(feature),
        (Value::Number(_), _) => Cell::read_number(feature, value.as_f64().unwrap_or(f64::NAN)),
        (Value::String(text), Values::Category(_)) => Cell::read(feature, text),
        (_, Values::Category(_)) => Err(CellError::UnknownCategory),
        (Value::String(text), _) if is_missing(text) => Cell::missing(feature),
        (_, Values::Number { .. } | Values::Measured { .. }) => Err(CellError::NotANumber),
    }
}

fn unknown_column(field: String) -> Problem {
    Problem::field(field, "the model has no such column")
        .next("leave it out; GET /v1/models lists the columns")
}

fn wrong_cell(feature: &Feature, field: String, value: &str, error: CellError) -> Problem {
    let problem = Problem::field(field, format!("{value} {error}"));
    match &feature.values {
        Values::Number { .. } | Values::Measured { .. } => problem.next("send a number"),
        Values::Category(_) => problem.next("send one of the categories that GET /v1/models lists"),
    }
}

/// The beginning of something that somebody sent.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema {
            label: "label".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            features: vec![
                Feature {
                    may_be_missing: true,
                    ..Feature::number("age", 0, 100_000_000)
                },
                Feature {
                    name: "art".to_owned(),
                    values: Values::Category(["1", "b"].map(str::to_owned).to_vec()),
                    may_be_missing: false,
                },
            ],
        }
    }

    fn problem(result: Result<Rows, Problem>) -> String {
        match result {
            Ok(Rows(rows)) => panic!("taken: {rows:?}"),
            Err(problem) => serde_json::to_string(&problem).expect("JSON"),
        }
    }

    #[test]
    fn categories_and_missing_values_are_the_same_inputs_in_every_form() {
        let body = br#"{"rows": [[50, "b"], {"art": 1, "age": null}, ["?", "1.0"]]}"#;
        let Ok(Rows(json)) = from_json(&schema(), body) else {
            panic!("refused");
        };
        let expected = [
            vec![0.5, 0.0, 0.0, 1.0],
            vec![0.0, 1.0, 1.0, 0.0],
            vec![0.0, 1.0, 1.0, 0.0],
        ];
        assert_eq!(json, expected);
        let csv = b"art,label,age\nb,no,50\n1,,\n1.0,yes,NA\n";
        let Ok(Rows(csv)) = from_csv(&schema(), csv) else {
            panic!("refused");
        };
        assert_eq!(csv, expected);
    }

    #[test]
    fn every_refusal_names_a_field_and_the_next_step() {
        for body in [
            "",
            "null",
            "hello",
            "[]",
            "{\"rows\": 5}",
            "{\"row\": \"a\"}",
            "{}",
            "{\"rows\": []}",
            "{\"row\": [1]}",
            "{\"row\": [1, \"b\"], \"rows\": []}",
            "{\"row\": {\"age\": 1}}",
            "{\"row\": {\"age\": 1, \"x\": 2}}",
            "{\"rows\": [[[]]]}",
        ] {
            let said = problem(from_json(&schema(), body.as_bytes()));
            assert!(
                said.contains("\"field\":") && said.contains("\"next\":"),
                "{body}: {said}"
            );
            assert!(!said.contains("struct"), "{body}: {said}");
        }
        for body in [
            "",
            "age\n1\n",
            "age,art,age\n",
            "age,art,x\n",
            "age,art\n",
            "age,art\n1\n",
            "age,art\n1,c\n",
            "\u{0}",
        ] {
            let said = problem(from_csv(&schema(), body.as_bytes()));
            assert!(
                said.contains("\"field\":") && said.contains("\"next\":"),
                "{body}: {said}"
            );
        }
    }

    #[test]
    fn what_json_has_no_word_for_is_explained() {
        for (body, explained) in [
            ("{\"row\": [NaN, \"b\"]}", true),
            ("{\"row\":\n [1, Infinity]}", true),
            ("{\"row\": [-Infinity, 1]}", true),
            ("{\"row\": [nil, 1]}", false),
            ("{\"row\": [1,, 1]}", false),
        ] {
            let said = problem(from_json(&schema(), body.as_bytes()));
            assert_eq!(
                said.contains("JSON has no NaN"),
                explained,
                "{body}: {said}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_its_column_is_named() {
        for (row, field, word) in [
            (r#"[50, "c"]"#, "row[1]", "categories"),
            (r#"[50, 2]"#, "row[1]", "categories"),
            (r#"[50, null]"#, "row[1]", "missing"),
            (r#"[50, true]"#, "row[1]", "categories"),
            (r#"["old", "b"]"#, "row[0]", "number"),
            (r#"[[1], "b"]"#, "row[0]", "number"),
            (r#"{"age": 1, "art": "B"}"#, "row.art", "GET /v1/models"),
        ] {
            let body = format!(r#"{{"row": {row}}}"#);
            let said = problem(from_json(&schema(), body.as_bytes()));
            assert!(said.contains(field) && said.contains(word), "{row}: {said}");
        }
        let said = problem(from_csv(&schema(), b"art,age\nb,1e999\n"));
        assert!(
            said.contains("rows[0].age") && said.contains("finite"),
            "{said}"
        );
    }
}
