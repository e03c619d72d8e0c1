//! `unsilo query URL --row '…' | --csv FILE [--encrypted]`.

mod client_key;
mod encrypted;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use unsilo_ledger::{FederationId, PublicKey};

use super::Global;
use crate::{
    exit::CommandError,
    https::Endpoint,
    output,
    proof::{self, Exchange, Held},
};

/// Rows sent in one request: well below the endpoint's limit.
const ROWS_PER_REQUEST: usize = 1024;
/// How long `--verify` waits for the ledger: a round's steps of the committee, in which it does not grow, take a minute
/// each at most by default.
const ENTERED: Duration = Duration::from_secs(180);

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
    /// The token that the coordinator's admin gave you.
    #[arg(long, env = "UNSILO_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Ask the model of this round instead of the one that is served.
    #[arg(long, value_name = "N")]
    round: Option<u64>,
    /// Wait until the answer is on the ledger, and check the proof: that this question and this answer are there.
    #[arg(long)]
    verify: bool,
    /// Ask so that the coordinator can read neither the rows nor the answers. One request a row.
    #[arg(long)]
    encrypted: bool,
    /// Your key for encrypted queries; made if it is not there. Whoever has it reads them. [default: unsilo/query.key in
    /// the folder for settings, ~/.config].
    #[arg(
        long,
        value_name = "FILE",
        env = "UNSILO_CLIENT_KEY",
        requires = "encrypted"
    )]
    client_key: Option<PathBuf>,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let endpoint =
        Endpoint::new(&arguments.url, &arguments.authority)?.with_token(arguments.token.clone());
    let rows = match (&arguments.row, &arguments.csv) {
        (Some(row), _) => vec![parse_row(row)?],
        (None, Some(path)) => {
            let models = endpoint.get("/v1/models").await?;
            read_csv(path, &models)?
        }
        (None, None) => Vec::new(),
    };
    let answered = match arguments.encrypted {
        true => encrypted::ask(global, &endpoint, arguments, &rows).await?,
        false => ask(global, &endpoint, arguments, &rows).await?,
    };
    let last = &answered.last;
    let mut document = json!({
        "predictions": answered.predictions,
        "round": last.get("round"),
        "model": last.get("model"),
        "ledger_entries": last.get("ledger_entries"),
        "checkpoint": last.get("checkpoint"),
        "receipts": answered.receipts.iter().map(|(id, held)| json!({
            "receipt": id,
            "verified": held.is_some(),
            "number": held.map(|held| held.number),
            "entry_index": held.map(|held| held.entry_index),
        })).collect::<Vec<_>>(),
    });
    if let Some(cost) = &answered.cost {
        document["encrypted"] = serde_json::to_value(cost)?;
    }
    output::print(global.json, &document, || answered.to_text())
}

/// Everything that was asked, answered.
struct Answered {
    /// One for each row.
    predictions: Vec<Value>,
    /// The receipts, and what they prove.
    receipts: Vec<(String, Option<Held>)>,
    /// The last answer, for what it says beside predictions.
    last: Value,
    /// Of encrypted queries.
    cost: Option<encrypted::Cost>,
}

impl Answered {
    fn to_text(&self) -> String {
        let mut text = String::new();
        for (row, prediction) in self.predictions.iter().enumerate() {
            let class = prediction
                .get("class")
                .and_then(Value::as_str)
                .unwrap_or("?");
            let probability = prediction
                .get("probabilities")
                .and_then(Value::as_array)
                .and_then(|all| all.iter().filter_map(Value::as_f64).max_by(f64::total_cmp))
                .unwrap_or_default();
            let close = self.cost.as_ref().is_some_and(|cost| cost.is_close(row));
            let close = if close { encrypted::CLOSE } else { "" };
            text.push_str(&format!("{class}  {:.1} %{close}\n", 100.0 * probability));
        }
        for (id, held) in &self.receipts {
            if let Some(held) = held {
                text.push_str(&format!(
                    "Receipt {id} holds: query {} is in entry {} of the ledger of {} entries, with this question and this answer.\n",
                    held.number, held.entry_index, held.size
                ));
            }
        }
        if let Some(cost) = &self.cost {
            text.push_str(&cost.to_text());
        }
        text
    }
}

/// Asks in the clear.
async fn ask(
    global: &Global,
    endpoint: &Endpoint,
    arguments: &Arguments,
    rows: &[Value],
) -> anyhow::Result<Answered> {
    let path = at_round("/v1/predict", arguments);
    let ledger = match arguments.verify {
        true => Some(ledger_of(endpoint).await?),
        false => None,
    };
    let mut answered = Answered {
        predictions: Vec::new(),
        receipts: Vec::new(),
        last: Value::Null,
        cost: None,
    };
    for page in rows.chunks(ROWS_PER_REQUEST) {
        let request = serde_json::to_vec(&json!({"rows": page}))?;
        let mut answer = endpoint.post(&path, request.clone().into()).await?;
        let id = answer["receipt"].as_str().unwrap_or_default().to_owned();
        let exchange = Exchange::new(&request, &answer);
        let held = match &ledger {
            Some(ledger) => Some(verify(global, endpoint, ledger, &exchange, &id).await?),
            None => None,
        };
        answered.receipts.push((id, held));
        if let Some(Value::Array(page)) = answer.get_mut("predictions").map(Value::take) {
            answered.predictions.extend(page);
        }
        answered.last = answer;
    }
    Ok(answered)
}

/// The path, for the model of the round that was asked for.
fn at_round(path: &str, arguments: &Arguments) -> String {
    match arguments.round {
        Some(round) => format!("{path}?round={round}"),
        None => path.to_owned(),
    }
}

/// Whose ledger the coordinator keeps, by its own word over the connection that the authority vouches for.
pub(super) async fn ledger_of(endpoint: &Endpoint) -> anyhow::Result<(FederationId, PublicKey)> {
    let models = endpoint.get("/v1/models").await?;
    let text = |key: &str| models[key].as_str().unwrap_or_default();
    let federation = HEXLOWER.decode(text("federation").as_bytes()).ok();
    let federation = federation.and_then(|bytes| Some(FederationId(bytes.try_into().ok()?)));
    let coordinator = PublicKey::from_hex(text("coordinator"));
    federation.zip(coordinator).ok_or_else(|| {
        CommandError::Refused(
            "the coordinator does not say whose ledger it keeps: it is of an older version"
                .to_owned(),
        )
        .into()
    })
}

/// Waits until the exchange is on the ledger, and checks that it is this one. A coordinator that is away for a while
/// is waited for.
pub(super) async fn verify(
    global: &Global,
    endpoint: &Endpoint,
    (federation, coordinator): &(FederationId, PublicKey),
    exchange: &Exchange,
    id: &str,
) -> anyhow::Result<Held> {
    let started = Instant::now();
    let mut told = global.quiet;
    loop {
        let away = match endpoint.get(&format!("/v1/receipts/{id}")).await {
            Ok(receipt) if receipt["state"] == "entered" => {
                let held = proof::check(exchange, &receipt, federation, coordinator);
                return held.map_err(|why| {
                    CommandError::Alarm(format!(
                        "receipt {id} does not hold: {why}. Keep the receipt and the answer, and tell the federation's \
                         companies"
                    ))
                    .into()
                });
            }
            Ok(_) => None,
            Err(error) => match error.downcast_ref() {
                Some(CommandError::Unreachable(_)) => Some(error),
                _ => return Err(error),
            },
        };
        if started.elapsed() > ENTERED {
            return Err(away.unwrap_or_else(|| {
                CommandError::Unreachable(format!(
                    "the answer is not on the ledger after {} s: a round under way may hold it up. Look again later: GET \
                     /v1/receipts/{id}",
                    ENTERED.as_secs()
                ))
                .into()
            }));
        }
        if !told {
            told = true;
            output::say(format_args!("waiting until the answer is on the ledger …"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn parse_row(text: &str) -> anyhow::Result<Value> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| CommandError::Input(format!("--row is not JSON: {error}")).into());
    }
    text.split(',')
        .map(|cell| Ok(number(cell).unwrap_or_else(|| Value::from(cell.trim()))))
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
    let features = models.get("features").and_then(Value::as_array);
    let features = features.map_or(&[][..], Vec::as_slice);
    let mut reader = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
    let header = reader
        .headers()
        .map_err(|error| wrong(error.to_string()))?
        .clone();
    let mut columns = Vec::new();
    let mut missing = Vec::new();
    for feature in features {
        let name = feature["name"].as_str().unwrap_or_default();
        match header.iter().position(|column| column == name) {
            Some(column) => columns.push((name, feature, column)),
            None => missing.push(name),
        }
    }
    if !missing.is_empty() {
        return Err(wrong(format!("columns are missing: {}", missing.join(", "))).into());
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let mut row = Map::new();
        for (name, feature, column) in &columns {
            let cell = record.get(*column).unwrap_or_default().trim();
            let value = match number(cell) {
                // What else a cell may hold, the endpoint knows.
                _ if feature["kind"] == "category" => Value::from(cell),
                Some(number) => number,
                None if feature["may_be_missing"] == true => Value::from(cell),
                None => {
                    return Err(wrong(format!(
                        "row {}, column {name}: {cell:?} is not a number",
                        index + 1
                    ))
                    .into());
                }
            };
            row.insert((*name).to_owned(), value);
        }
        rows.push(Value::Object(row));
    }
    if rows.is_empty() {
        return Err(wrong("there is no row under the header".into()).into());
    }
    Ok(rows)
}
