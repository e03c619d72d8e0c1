//! `unsilo query URL --row '…' | --csv FILE`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::Global;
use crate::{exit::CommandError, https::Endpoint, output};

/// Rows sent in one request: well below the endpoint's limit.
const ROWS_PER_REQUEST: usize = 1024;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The coordinator's address, as it prints it: https://host:port.
    url: String,
    /// One row: values separated by commas in the order of the model's columns, or a JSON object.
    #[arg(long, required_unless_present = "csv", conflicts_with = "csv")]
    row: Option<String>,
    /// CSV file with a header; columns that the model does not have are ignored.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The federation's authority: authority.der of the coordinator's directory or authority.pem of a participant's.
    #[arg(long, value_name = "FILE", env = "UNSILO_AUTHORITY")]
    authority: PathBuf,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let endpoint = Endpoint::new(&arguments.url, &arguments.authority)?;
    let rows = match (&arguments.row, &arguments.csv) {
        (Some(row), _) => vec![parse_row(row)?],
        (None, Some(path)) => {
            let models = endpoint.get("/v1/models").await?;
            read_csv(path, &models)?
        }
        (None, None) => Vec::new(),
    };
    let mut predictions = Vec::new();
    let mut last = Value::Null;
    for page in rows.chunks(ROWS_PER_REQUEST) {
        last = endpoint.post("/v1/predict", &json!({"rows": page})).await?;
        if let Some(Value::Array(page)) = last.get_mut("predictions").map(Value::take) {
            predictions.extend(page);
        }
    }
    let document = json!({
        "predictions": predictions,
        "round": last.get("round"),
        "model": last.get("model"),
        "ledger_entries": last.get("ledger_entries"),
    });
    output::print(global.json, &document, || {
        let mut text = String::new();
        for prediction in &predictions {
            let class = prediction
                .get("class")
                .and_then(Value::as_str)
                .unwrap_or("?");
            let probability = prediction
                .get("probabilities")
                .and_then(Value::as_array)
                .and_then(|all| all.iter().filter_map(Value::as_f64).max_by(f64::total_cmp))
                .unwrap_or_default();
            text.push_str(&format!("{class}  {:.1} %\n", 100.0 * probability));
        }
        text
    })
}

fn parse_row(text: &str) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| CommandError::Input(format!("--row is not JSON: {error}")).into());
    }
    text.split(',')
        .enumerate()
        .map(|(column, cell)| {
            number(cell).ok_or_else(|| {
                CommandError::Input(format!(
                    "--row: value {} is {cell:?}, a number is expected",
                    column + 1
                ))
                .into()
            })
        })
        .collect::<anyhow::Result<Vec<Value>>>()
        .map(Value::Array)
}

fn number(cell: &str) -> Option<Value> {
    let value: f64 = cell.trim().parse().ok()?;
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// The model's columns of every row of a CSV file.
fn read_csv(path: &std::path::Path, models: &Value) -> anyhow::Result<Vec<Value>> {
    let wrong = |message: String| CommandError::Input(format!("{}: {message}", path.display()));
    let names: Vec<&str> = models
        .get("features")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|feature| feature.get("name")?.as_str())
        .collect();
    let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
    let header = reader
        .headers()
        .map_err(|error| wrong(error.to_string()))?
        .clone();
    let mut columns = Vec::new();
    let mut missing = Vec::new();
    for name in &names {
        match header.iter().position(|column| column == *name) {
            Some(column) => columns.push((*name, column)),
            None => missing.push(*name),
        }
    }
    if !missing.is_empty() {
        return Err(wrong(format!("columns are missing: {}", missing.join(", "))).into());
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let mut row = Map::new();
        for (name, column) in &columns {
            let cell = record.get(*column).unwrap_or_default();
            let value = number(cell).ok_or_else(|| {
                wrong(format!(
                    "row {}, column {name}: {cell:?} is not a number",
                    index + 1
                ))
            })?;
            row.insert((*name).to_owned(), value);
        }
        rows.push(Value::Object(row));
    }
    if rows.is_empty() {
        return Err(wrong("there is no row under the header".into()).into());
    }
    Ok(rows)
}
