//! The same question, asked so that the coordinator cannot read it.

use std::{
    collections::BTreeSet,
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::Context;
use data_encoding::{BASE64, HEXLOWER};
use hyper::{Method, StatusCode, body::Bytes};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use unsilo_inference::{
    Answer, AnswerError, Circuit, Shape, VERSION, argmax, new_seeder, params::PARAMETER_SET,
};

use super::{
    Answered, Arguments, at_round,
    client_key::{self, Keys},
    ledger_of, verify,
};
use crate::{
    commands::Global,
    exit::CommandError,
    https::{Endpoint, Reply, Session},
    proof::Exchange,
};

/// Longest wait for one answer, its place in the queue included.
const ANSWER: Duration = Duration::from_secs(900);
/// Longest time for sending a key: what the coordinator allows, and some for its place.
const UPLOAD: Duration = Duration::from_secs(300);
/// How often it is asked how far a query is.
const LOOK: Duration = Duration::from_millis(500);
/// Two logits closer than so many standard deviations of their difference are said to be close.
const CLOSE_DEVIATIONS: f64 = 4.0;
/// What is said of a row whose two best classes are that close.
pub(super) const CLOSE: &str = "  (close: encryption's noise may have decided)";
const BYTES: &str = "application/octet-stream";

/// What encrypted queries cost.
#[derive(Default, Serialize)]
pub(super) struct Cost {
    /// Making the evaluation key, seconds; 0 if it was there.
    key_made_seconds: f64,
    /// Bytes of evaluation keys sent in this run; 0 if the coordinator still had it.
    key_bytes_sent: usize,
    key_sent_seconds: f64,
    /// All rows: encrypting, waiting for answers, decrypting.
    encrypt_seconds: f64,
    answer_seconds: f64,
    decrypt_seconds: f64,
    request_bytes: usize,
    answer_bytes: usize,
    rows: usize,
    /// log2 of the coordinator's bound on the probability that an answer is wrong by more than its noise explains.
    failure_exponent: f64,
    /// The largest standard deviation of a logit's error that an answer stated; 0 if all were exact.
    largest_deviation: f64,
    /// Rows, from 0, whose two best classes are closer than noise can tell.
    close_rows: BTreeSet<usize>,
}

impl Cost {
    pub(super) fn is_close(&self, row: usize) -> bool {
        self.close_rows.contains(&row)
    }

    /// For people: what was spent, in two lines at most.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "Encrypted: {:.2} s for {} row{} ({:.1} ms of it here), {} bytes sent and {} received a row.",
            self.encrypt_seconds + self.answer_seconds + self.decrypt_seconds,
            self.rows,
            if self.rows == 1 { "" } else { "s" },
            1e3 * (self.encrypt_seconds + self.decrypt_seconds),
            self.request_bytes / self.rows.max(1),
            self.answer_bytes / self.rows.max(1),
        );
        if self.key_bytes_sent > 0 {
            let _ = writeln!(
                text,
                "The coordinator was sent an evaluation key of {:.1} MB ({:.1} s, {:.1} s to make it): not again while it is in use.",
                self.key_bytes_sent as f64 / 1e6,
                self.key_sent_seconds,
                self.key_made_seconds
            );
        }
        text
    }
}

/// What the coordinator says of its model.
struct Target {
    shape: Shape,
    steps: u64,
    failure_exponent: f64,
    features: Vec<Column>,
    classes: Vec<String>,
}

/// A column and the range that it is scaled from.
struct Column {
    name: String,
    min: f64,
    max: f64,
}

/// Asks row by row, over one connection.
pub(super) async fn ask(
    global: &Global,
    endpoint: &Endpoint,
    arguments: &Arguments,
    rows: &[Value],
) -> anyhow::Result<Answered> {
    let target = target(endpoint, arguments).await?;
    let rows: Vec<Vec<f32>> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| scaled(&target.features, index, row))
        .collect::<anyhow::Result<_>>()?;
    let ledger = match arguments.verify {
        true => Some(ledger_of(endpoint).await?),
        false => None,
    };
    let path = match &arguments.client_key {
        Some(path) => path.clone(),
        None => client_key::default_path()?,
    };
    let bar = bar(global, target.steps, rows.len());
    bar.set_message("opening the key");
    let began = Instant::now();
    let keys = tokio::task::spawn_blocking(move || client_key::open(&path)).await??;
    let mut cost = Cost {
        key_made_seconds: if keys.made {
            began.elapsed().as_secs_f64()
        } else {
            0.0
        },
        rows: rows.len(),
        failure_exponent: target.failure_exponent,
        ..Cost::default()
    };
    let mut answered = Answered {
        predictions: Vec::new(),
        receipts: Vec::new(),
        last: Value::Null,
        cost: None,
    };
    let mut session = endpoint.open().await?;
    for (row, features) in rows.iter().enumerate() {
        bar.set_message(format!("row {}", row + 1));
        let asking = Asking {
            endpoint,
            arguments,
            target: &target,
            keys: &keys,
            bar: &bar,
        };
        let (answer, asked) = asking.row(&mut session, features, &mut cost).await?;
        cost.largest_deviation = answer
            .deviation
            .iter()
            .copied()
            .fold(cost.largest_deviation, f64::max);
        if is_close(&answer) {
            cost.close_rows.insert(row);
        }
        answered
            .predictions
            .push(prediction(&answer, &target.classes));
        let held = match &ledger {
            Some(ledger) => {
                Some(verify(global, endpoint, ledger, &asked.exchange, &asked.receipt).await?)
            }
            None => None,
        };
        answered.receipts.push((asked.receipt, held));
        answered.last = asked.stamp;
    }
    bar.finish_and_clear();
    answered.cost = Some(cost);
    Ok(answered)
}

/// What came with an answer.
struct Asked {
    exchange: Exchange,
    receipt: String,
    stamp: Value,
}

/// What stays the same from row to row.
struct Asking<'a> {
    endpoint: &'a Endpoint,
    arguments: &'a Arguments,
    target: &'a Target,
    keys: &'a Keys,
    bar: &'a ProgressBar,
}

impl Asking<'_> {
    /// One row. A key that the coordinator does not have, or has dropped since, is sent once.
    async fn row(
        &self,
        session: &mut Session<'_>,
        features: &[f32],
        cost: &mut Cost,
    ) -> anyhow::Result<(Answer, Asked)> {
        let mut sent = false;
        loop {
            let began = Instant::now();
            let encrypted = self.keys.client.encrypt(
                self.target.shape,
                features,
                &self.keys.hash,
                &mut *new_seeder(),
            );
            let (request, pending) =
                encrypted.map_err(|error| CommandError::Input(error.to_string()))?;
            cost.encrypt_seconds += began.elapsed().as_secs_f64();
            let began = Instant::now();
            let reply = self.send(session, &request).await?;
            if reply.status == StatusCode::CONFLICT && !sent && is_unknown_key(&reply) {
                sent = true;
                self.send_key(session, cost).await?;
                continue;
            }
            if !reply.status.is_success() {
                return Err(self.endpoint.refused(reply.status, &reply.body));
            }
            cost.answer_seconds += began.elapsed().as_secs_f64();
            cost.request_bytes += request.len();
            cost.answer_bytes += reply.body.len();
            let began = Instant::now();
            let answer = self.keys.client.decrypt(&pending, &reply.body);
            let answer = answer.map_err(|error| match error {
                AnswerError::OtherKey => CommandError::Alarm(error.to_string()),
                _ => CommandError::Refused(format!(
                    "the answer cannot be read: {error}; ask again, and if that goes on compare the releases on both sides"
                )),
            })?;
            cost.decrypt_seconds += began.elapsed().as_secs_f64();
            return Ok((answer, asked(&request, &reply)?));
        }
    }

    /// Sends a query, and shows how far it is while its answer is waited for.
    async fn send(&self, session: &mut Session<'_>, request: &[u8]) -> anyhow::Result<Reply> {
        let path = at_round("/v1/predict/encrypted", self.arguments);
        let body = Bytes::copy_from_slice(request);
        let answer = session.send_as(Method::POST, &path, BYTES, body);
        let name = request.get(8..24).map(|name| HEXLOWER.encode(name));
        let progress = format!("/v1/predict/encrypted/{}", name.unwrap_or_default());
        let look = async {
            loop {
                tokio::time::sleep(LOOK).await;
                // It may have been answered in between: that is what the other side of the race finds.
                if let Ok(progress) = self.endpoint.get(&progress).await {
                    self.show(&progress);
                }
            }
        };
        tokio::select! {
            answer = answer => answer,
            () = look => Err(anyhow::anyhow!("the progress of a query has no end")),
            () = tokio::time::sleep(ANSWER) => Err(CommandError::Unreachable(format!(
                "no answer within {} s: the coordinator is busy; try again later",
                ANSWER.as_secs()
            ))
            .into()),
        }
    }

    fn show(&self, progress: &Value) {
        match progress["ahead"].as_u64() {
            Some(ahead) if progress["state"] == "waiting" => {
                self.bar
                    .set_message(format!("waiting, {ahead} before this one"));
            }
            _ => {
                self.bar.set_message("being answered");
                self.bar
                    .set_position(progress["done"].as_u64().unwrap_or_default());
            }
        }
    }

    async fn send_key(&self, session: &mut Session<'_>, cost: &mut Cost) -> anyhow::Result<()> {
        self.bar.set_message("sending the evaluation key");
        let began = Instant::now();
        let path = format!("/v1/keys/{}", HEXLOWER.encode(&self.keys.hash));
        let body = Bytes::copy_from_slice(&self.keys.evaluation);
        let sending = session.send_as(Method::PUT, &path, BYTES, body);
        let reply = tokio::time::timeout(UPLOAD, sending).await.map_err(|_| {
            CommandError::Unreachable(format!(
                "the evaluation key (30 MB) was not taken within {} s; try again over a faster connection",
                UPLOAD.as_secs()
            ))
        })??;
        if !reply.status.is_success() {
            return Err(self.endpoint.refused(reply.status, &reply.body));
        }
        cost.key_bytes_sent += self.keys.evaluation.len();
        cost.key_sent_seconds += began.elapsed().as_secs_f64();
        Ok(())
    }
}

fn is_unknown_key(reply: &Reply) -> bool {
    let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    document["type"] == "urn:unsilo:problem:unknown-evaluation-key"
}

fn asked(request: &[u8], reply: &Reply) -> anyhow::Result<Asked> {
    let number = |name: &str| -> anyhow::Result<u64> {
        let text = reply.header(name);
        text.parse()
            .with_context(|| format!("the answer's header {name} is not a number"))
    };
    let (round, model) = (number("unsilo-round")?, reply.header("unsilo-model"));
    let checkpoint = BASE64
        .decode(reply.header("unsilo-checkpoint").as_bytes())
        .ok();
    let checkpoint = checkpoint.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(Asked {
        exchange: Exchange::encrypted(request, &reply.body, round, model),
        receipt: reply.header("unsilo-receipt").to_owned(),
        stamp: json!({
            "round": round,
            "model": model,
            "ledger_entries": number("unsilo-ledger-entries")?,
            "checkpoint": checkpoint,
        }),
    })
}

/// A prediction as the plain query prints it.
fn prediction(answer: &Answer, classes: &[String]) -> Value {
    let largest = answer
        .logits
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = answer
        .logits
        .iter()
        .map(|logit| (logit - largest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    let probabilities: Vec<f64> = powers.into_iter().map(|power| power / sum).collect();
    json!({
        "class": classes.get(argmax(&answer.logits)),
        "probabilities": probabilities,
    })
}

/// Whether noise may have decided between the two best classes.
fn is_close(answer: &Answer) -> bool {
    let best = argmax(&answer.logits);
    let (Some(first), Some(first_deviation)) =
        (answer.logits.get(best), answer.deviation.get(best))
    else {
        return false;
    };
    answer
        .logits
        .iter()
        .zip(&answer.deviation)
        .enumerate()
        .filter(|(class, _)| *class != best)
        .any(|(_, (logit, deviation))| {
            let of_difference = first_deviation.hypot(*deviation);
            first - logit < CLOSE_DEVIATIONS * of_difference
        })
}

async fn target(endpoint: &Endpoint, arguments: &Arguments) -> anyhow::Result<Target> {
    let models = endpoint.get("/v1/models").await?;
    let path = at_round("/v1/predict/encrypted", arguments);
    let shape = endpoint.get(&path).await?;
    if shape["version"] != VERSION || shape["parameters"] != PARAMETER_SET {
        return Err(CommandError::Refused(format!(
            "the coordinator's encrypted queries have version {} with parameter set {}, this program's version {VERSION} with set \
             {PARAMETER_SET}: use the same release on both sides",
            shape["version"], shape["parameters"]
        ))
        .into());
    }
    let read = || -> Option<Target> {
        let count = |key: &str| usize::try_from(shape[key].as_u64()?).ok();
        let features = models["features"].as_array()?.iter().map(|column| {
            Some(Column {
                name: column["name"].as_str()?.to_owned(),
                min: column["min"].as_f64()?,
                max: column["max"].as_f64()?,
            })
        });
        let classes = models["classes"].as_array()?.iter();
        Some(Target {
            shape: Shape {
                circuit: match shape["circuit"].as_str()? {
                    "linear" => Circuit::Linear,
                    "hidden" => Circuit::Hidden,
                    _ => return None,
                },
                features: count("features")?,
                outputs: count("outputs")?,
            },
            steps: shape["steps"].as_u64()?,
            failure_exponent: shape["failure_exponent"].as_f64()?,
            features: features.collect::<Option<_>>()?,
            classes: classes
                .map(|class| class.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
        })
    };
    read().context("the coordinator describes its model in a way that this program does not read")
}

/// A row scaled to 0..=1 by the columns' ranges and clipped, as the coordinator scales rows in the clear.
#[expect(
    clippy::cast_possible_truncation,
    reason = "features are f32 by definition"
)]
fn scaled(columns: &[Column], index: usize, row: &Value) -> anyhow::Result<Vec<f32>> {
    let wrong = |message: String| CommandError::Input(format!("rows[{index}]: {message}"));
    let values: Vec<Option<f64>> = match row {
        Value::Array(values) if values.len() == columns.len() => {
            values.iter().map(Value::as_f64).collect()
        }
        Value::Array(values) => {
            let (found, expected) = (values.len(), columns.len());
            return Err(wrong(format!("{found} values, the model takes {expected}")).into());
        }
        Value::Object(values) => {
            let known = |name: &String| columns.iter().any(|column| column.name == *name);
            if let Some(name) = values.keys().find(|name| !known(name)) {
                return Err(wrong(format!("{name}: the model has no such column")).into());
            }
            let value = |column: &Column| values.get(&column.name).and_then(Value::as_f64);
            columns.iter().map(value).collect()
        }
        _ => return Err(wrong("a row is an object of columns or a list of numbers".into()).into()),
    };
    columns
        .iter()
        .zip(values)
        .map(|(Column { name, min, max }, value)| {
            let value = value.filter(|value| value.is_finite());
            let value =
                value.ok_or_else(|| wrong(format!("{name}: a finite number is expected")))?;
            Ok(((value - min) / (max - min)).clamp(0.0, 1.0) as f32)
        })
        .collect()
}

fn bar(global: &Global, steps: u64, rows: usize) -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = match global.quiet {
        true => ProgressBar::hidden(),
        false => ProgressBar::new(steps.max(1)),
    };
    let style = ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len}  {elapsed}  {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    if rows > 0 {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let column = |name: &str, min: f64, max: f64| Column {
            name: name.into(),
            min,
            max,
        };
        vec![column("a", 0.0, 16.0), column("b", -1.0, 1.0)]
    }

    #[test]
    fn a_row_is_scaled_and_clipped_and_its_mistakes_are_named() {
        let columns = columns();
        let scaled = |row: Value| scaled(&columns, 3, &row);
        assert_eq!(scaled(json!([4, 0])).expect("fits"), [0.25, 0.5]);
        assert_eq!(scaled(json!({"b": 9, "a": -4})).expect("fits"), [0.0, 1.0]);
        for (row, what) in [
            (json!([1]), "1 values, the model takes 2"),
            (json!({"a": 1}), "b: a finite number"),
            (
                json!({"a": 1, "b": 1, "c": 1}),
                "c: the model has no such column",
            ),
            (json!([1, "x"]), "b: a finite number"),
            (json!(5), "a list of numbers"),
        ] {
            let error = scaled(row).expect_err("wrong").to_string();
            assert!(error.contains("rows[3]") && error.contains(what), "{error}");
        }
    }

    #[test]
    fn an_answer_is_close_where_noise_can_turn_it() {
        let answer = |second: f64, deviation: f64| Answer {
            logits: vec![second, 2.0, -1.0],
            deviation: vec![deviation; 3],
        };
        assert!(!is_close(&answer(1.0, 0.1)));
        assert!(is_close(&answer(1.5, 0.1)));
        assert!(
            !is_close(&answer(1.999, 0.0)),
            "exact answers are never close"
        );
        let classes: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        let prediction = prediction(&answer(1.0, 0.1), &classes);
        assert_eq!(prediction["class"], "y");
        let sum: f64 = prediction["probabilities"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_f64)
            .sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}
