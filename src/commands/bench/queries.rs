//! `unsilo bench queries`: encrypted queries, from a row of features to its class, without a network. Client and server share
//! the cores; what a coordinator adds is measured by `unsilo bench endpoint`.

mod models;

use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use unsilo_inference::{
    Answer, ClientKey, EncryptedModel, KeyHash, Query, ServerKey, argmax, key_hash, new_seeder,
    yardstick,
};

use self::models::{Trained, trained};
use super::turns::{Pools, Row, Work};
use crate::{commands::Global, output};

#[derive(Args)]
pub(super) struct Arguments {
    /// Test rows that each model is asked under encryption and in the clear, of 360 at most.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=360))]
    rows: u16,
}

/// What was measured.
#[derive(Serialize)]
struct Report {
    processors: usize,
    /// Of an evaluation key, which models with hidden layers need once.
    key_bytes: usize,
    /// By the client, on all cores.
    key_made_seconds: f64,
    /// By the coordinator, from its bytes, on all cores.
    key_ready_seconds: f64,
    models: Vec<Measured>,
}

/// One model.
#[derive(Serialize)]
struct Measured {
    /// Units of its layers.
    model: &'static str,
    /// What it was trained for.
    task: &'static str,
    bootstraps: usize,
    request_bytes: usize,
    answer_bytes: usize,
    /// A query from features to logits on all cores: median over the rows.
    query_p50_ms: f64,
    encrypt_p50_ms: f64,
    decrypt_p50_ms: f64,
    /// Queries a second on one core and on two, beside the arithmetic that they cannot do without.
    speed: Row,
    rows: usize,
    /// Rows whose class under encryption is the one in the clear.
    agreeing_rows: usize,
    right_in_the_clear: usize,
    right_encrypted: usize,
    /// log2 of a bound on the probability that an answer is wrong by more than its noise explains.
    failure_exponent: f64,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let report = measure(global, arguments)?;
    output::print(global.json, &report, || text(&report))
}

fn text(report: &Report) -> String {
    let mut rows = vec![
        [
            "model",
            "bootstraps",
            "request, B",
            "answer, B",
            "a query, ms",
            "encrypt, ms",
            "decrypt, ms",
            "one core/s",
            "two cores/s",
            "its time x",
            "agree",
            "right",
            "in the clear",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for model in &report.models {
        let of = |count: usize| format!("{count}/{}", model.rows);
        rows.push(vec![
            model.model.to_owned(),
            model.bootstraps.to_string(),
            model.request_bytes.to_string(),
            model.answer_bytes.to_string(),
            format!("{:.2}", model.query_p50_ms),
            format!("{:.2}", model.encrypt_p50_ms),
            format!("{:.2}", model.decrypt_p50_ms),
            format!("{:.2}", model.speed.one_core),
            model
                .speed
                .two_cores
                .map_or_else(String::new, |rate| format!("{rate:.2}")),
            format!("{:.2}", model.speed.time_ratio),
            of(model.agreeing_rows),
            of(model.right_encrypted),
            of(model.right_in_the_clear),
        ]);
    }
    format!(
        "{} processors, client and server on them. An evaluation key has {} bytes, is made in {:.2} s and made ready in {:.2} s.\n\
         \"its time\" is a query's over that of its bare bootstraps by tfhe's own function (64-10: products of polynomials), in\n\
         turns on one core: what sums, switches of keys, encryption and formats add, less what bootstraps side by side save.\n\n{}",
        report.processors,
        report.key_bytes,
        report.key_made_seconds,
        report.key_ready_seconds,
        output::table(&rows, &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
    )
}

/// A client and what the server has of it.
struct Keys {
    client: ClientKey,
    hash: KeyHash,
    server: ServerKey,
}

fn measure(global: &Global, arguments: &Arguments) -> anyhow::Result<Report> {
    if !global.quiet {
        crate::output::say(format_args!(
            "training three models, then {} rows of each",
            arguments.rows
        ));
    }
    let models = trained()?;
    let pools = Pools::new()?;
    let began = Instant::now();
    let client = ClientKey::generate(&mut *new_seeder());
    let bytes = client.evaluation_key(&mut *new_seeder());
    let key_made_seconds = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let server = ServerKey::from_bytes(&bytes)?;
    let keys = Keys {
        client,
        hash: key_hash(&bytes),
        server,
    };
    let key_ready_seconds = began.elapsed().as_secs_f64();
    Ok(Report {
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        key_bytes: bytes.len(),
        key_made_seconds,
        key_ready_seconds,
        models: models
            .iter()
            .map(|model| one(model, &keys, &pools, arguments.rows.into()))
            .collect::<anyhow::Result<_>>()?,
    })
}

/// Seconds of one query's three parts, sizes, and its answer.
struct Asked {
    seconds: [f64; 3],
    bytes: [usize; 2],
    answer: Answer,
}

impl Keys {
    /// The whole way of one row, on the current pool.
    fn ask(&self, model: &EncryptedModel, features: &[f32]) -> anyhow::Result<Asked> {
        let began = Instant::now();
        let (request, pending) =
            self.client
                .encrypt(model.shape(), features, &self.hash, &mut *new_seeder())?;
        let encrypted = began.elapsed().as_secs_f64();
        let query = Query::from_bytes(&request)?;
        let bytes = model.evaluate(
            &query,
            Some(&self.server),
            &unsilo_inference::Work::default(),
        )?;
        let evaluated = began.elapsed().as_secs_f64();
        let answer = self.client.decrypt(&pending, &bytes)?;
        let decrypted = began.elapsed().as_secs_f64();
        Ok(Asked {
            seconds: [encrypted, evaluated - encrypted, decrypted - evaluated],
            bytes: [request.len(), bytes.len()],
            answer,
        })
    }
}

fn one(model: &Trained, keys: &Keys, pools: &Pools, rows: usize) -> anyhow::Result<Measured> {
    let encrypted = EncryptedModel::quantise(&model.model)?;
    let tests: Vec<&(Vec<f32>, usize)> = model.test.iter().take(rows).collect();
    let (features, _) = tests.first().context("no test row")?;
    let speed = pools.measure(&Work {
        name: model.name,
        what: model.task,
        unit: "queries",
        items: 1.0,
        run: &|_| keys.ask(&encrypted, features).map(drop),
        spread: true,
        yardstick: match encrypted.bootstraps() {
            0 => "products of polynomials by tfhe's own function",
            _ => "bare bootstraps by tfhe's own function",
        },
        plain: &|| yardstick::bare(&encrypted, Some(&keys.server)),
        plain_runs: 1.0,
    })?;
    let (mut agreeing, mut clear, mut right) = (0, 0, 0);
    let mut asked = Vec::with_capacity(tests.len());
    for (features, label) in &tests {
        let row = keys.ask(&encrypted, features)?;
        let found = argmax(&row.answer.logits);
        let plain = argmax(&model.model.logits(features));
        agreeing += usize::from(found == plain);
        clear += usize::from(plain == *label);
        right += usize::from(found == *label);
        asked.push(row);
    }
    let median =
        |of: &dyn Fn(&Asked) -> f64| 1e3 * super::turns::middle(asked.iter().map(of).collect());
    Ok(Measured {
        model: model.name,
        task: model.task,
        bootstraps: encrypted.bootstraps(),
        request_bytes: asked.first().map_or(0, |row| row.bytes[0]),
        answer_bytes: asked.first().map_or(0, |row| row.bytes[1]),
        query_p50_ms: median(&|row| row.seconds.iter().sum()),
        encrypt_p50_ms: median(&|row| row.seconds[0]),
        decrypt_p50_ms: median(&|row| row.seconds[2]),
        speed,
        rows: tests.len(),
        agreeing_rows: agreeing,
        right_in_the_clear: clear,
        right_encrypted: right,
        failure_exponent: encrypted.failure_exponent(),
    })
}
