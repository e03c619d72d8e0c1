//! The endpoint of a real federation, asked as people do.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    companies::Companies,
    support::{Running, edit, run, unsilo, until},
};

const NAMES: [&str; 3] = ["Aster Labs", "Birch Post", "Cedar Bank"];

/// A federation that has run so many rounds; its coordinator goes on.
fn trained(rounds: u64, prepare: impl FnOnce(&Companies)) -> (Companies, Running) {
    let fed = Companies::found(&NAMES, rounds);
    prepare(&fed);
    let coordinator = fed.serve();
    for (part, name) in NAMES.iter().enumerate() {
        fed.join_fast(name, part, 9);
    }
    let mut nodes: Vec<Running> = NAMES.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
    (fed, coordinator)
}

#[test]
fn a_receipt_given_out_before_kill_9_is_on_the_ledger_after_it() {
    let (fed, mut coordinator) = trained(1, |fed| {
        edit(
            &fed.coordinator().join("coordinator.toml"),
            "fee_per_row = 0",
            "fee_per_row = 5",
        );
    });
    let csv = fed.rows(0, 60);
    let mut command = unsilo([
        "query",
        "--json",
        "--verify",
        &format!("https://{}", fed.address),
    ]);
    command
        .arg("--authority")
        .arg(fed.coordinator().join("authority.der"));
    let mut query = Running::start(&fed.path(""), "query", command.arg("--csv").arg(&csv));
    query.until_said("waiting until the answer is on the ledger");
    coordinator.kill();
    let mut coordinator = fed.serve();
    let answered = query.wait().ok().json();
    assert_eq!(answered["receipts"][0]["verified"], true, "{answered}");
    assert_eq!(answered["receipts"][0]["number"], 0);
    assert_eq!(answered["predictions"].as_array().map(Vec::len), Some(30));
    // The next one goes on behind it, and each row's fee is on everybody's ledger.
    let more = fed
        .query(&["--row", &["0"; 64].join(","), "--verify"])
        .ok()
        .json();
    assert_eq!(more["receipts"][0]["number"], 1);
    let entries = fed.entries();
    let fees: Vec<&String> = entries
        .iter()
        .filter(|entry| entry.contains("quer"))
        .collect();
    assert_eq!(fees.len(), 2, "{entries:?}");
    assert!(fees[0].contains("150") && fees[1].contains('5'), "{fees:?}");
    coordinator.terminate();
    coordinator.wait().ok();
    run(unsilo(["ledger", "verify", "--json"]).arg(fed.coordinator())).ok();
}

#[test]
fn tokens_and_rollback_reach_a_running_coordinator() {
    let (fed, _coordinator) = trained(2, |_| {});
    let dir = fed.coordinator();
    let row = ["0"; 64].join(",");
    let token = |arguments: &[&str]| {
        let mut command = unsilo(["coordinator", "token", arguments[0], "--json"]);
        run(command.arg(&dir).args(&arguments[1..]))
    };
    assert_eq!(
        token(&["list"]).ok().json()["tokens"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    let made = token(&["create", "Clerk", "--rows-per-day", "2"])
        .ok()
        .json();
    let text = made["token"].as_str().expect("shown once");
    fed.query(&["--row", &row])
        .fails(5, &["Authorization", "token", "401"]);
    fed.query(&["--row", &row, "--token", "unsilo_0_0"])
        .fails(5, &["401"]);
    fed.query(&["--row", &row, "--token", text]).ok();
    let first = fed
        .query(&["--row", &row, "--token", text, "--round", "1"])
        .ok()
        .json();
    assert_eq!(first["round"], 1);
    fed.query(&["--row", &row, "--token", text])
        .fails(5, &["2 rows a day", "429"]);
    let listed = token(&["list"]).ok();
    assert!(
        !listed
            .stdout
            .contains(text.rsplit('_').next().expect("a secret"))
    );
    assert_eq!(listed.json()["tokens"][0]["state"], "valid");
    token(&["revoke", "Clerk"]).ok();
    token(&["revoke", "Nobody"]).fails(3, &["Nobody", "token list"]);
    fed.query(&["--row", &row, "--token", text])
        .fails(5, &["revoked", "401"]);

    let other = token(&["create", "Other"]).ok().json();
    let text = other["token"].as_str().expect("shown once");
    let rollback = |arguments: &[&str]| {
        let mut command = unsilo(["coordinator", "rollback", "--json"]);
        run(command.arg(&dir).args(arguments))
    };
    let served = || fed.query(&["--row", &row, "--token", text]).ok().json()["round"].clone();
    rollback(&["--round", "7"]).fails(3, &["round 7", "1-2"]);
    rollback(&["--round", "1"]).ok();
    until("round 1 is served", || served() == 1);
    rollback(&["--newest"]).ok();
    until("round 2 is served", || served() == 2);
}

#[test]
fn encrypted_rows_get_the_answers_of_plain_ones_and_the_key_is_sent_once() {
    let (fed, _coordinator) = trained(2, |fed| {
        edit(
            &fed.coordinator().join("coordinator.toml"),
            "fee_per_row = 0",
            "fee_per_row = 5",
        );
    });
    let csv = fed.rows(0, 900);
    let csv = csv.to_str().expect("text");
    let key = fed.path("keys/query.key");
    let path = key.to_str().expect("text");
    let ask = |more: &[&str]| fed.query(&[&["--encrypted", "--client-key", path], more].concat());
    let plain = fed.query(&["--csv", csv]).ok().json();
    // The first makes the key and sends it: tens of seconds on a machine with other work.
    let mut first = unsilo(["query", "--json", "--encrypted", "--verify"]);
    first.args([&format!("https://{}", fed.address), "--csv", csv]);
    first.args(["--client-key", path, "--authority"]);
    first.arg(fed.coordinator().join("authority.der"));
    let mut first = Running::start(&fed.path(""), "query", &mut first);
    let began = Instant::now();
    while first.runs() && began.elapsed() < Duration::from_secs(120) {
        thread::sleep(Duration::from_millis(50));
    }
    let encrypted = first.wait().ok().json();
    for field in ["round", "model"] {
        assert_eq!(encrypted[field], plain[field]);
    }
    let cost = &encrypted["encrypted"];
    let rows = |answer: &Value| answer["predictions"].as_array().expect("rows").clone();
    let close: Vec<u64> = cost["close_rows"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    assert_eq!(rows(&plain).len(), 2);
    // A probability changes by at most a quarter of what the logits' difference does; the rest is the rounding of
    // weights and features.
    let deviation = cost["largest_deviation"].as_f64().expect("a number");
    assert!(deviation > 0.0 && deviation < 0.5, "{cost}");
    let most = 0.25 * 7.0 * 2f64.sqrt() * deviation + 0.02;
    for (row, (clear, secret)) in (0..).zip(rows(&plain).iter().zip(&rows(&encrypted))) {
        if close.contains(&row) {
            continue;
        }
        assert_eq!(clear["class"], secret["class"], "{clear} {secret}");
        for class in 0..10 {
            let probability =
                |of: &Value| of["probabilities"][class].as_f64().expect("a probability");
            let difference = (probability(clear) - probability(secret)).abs();
            assert!(difference < most, "{clear} {secret} {most}");
        }
    }
    // A row is a query: each has its receipt, and its fee is on the ledger.
    let receipts = encrypted["receipts"].as_array().expect("a list");
    assert_eq!(receipts.len(), 2);
    assert!(receipts.iter().all(|receipt| receipt["verified"] == true));
    assert_eq!(receipts[1]["number"], 2, "the plain one was number 0");
    assert_eq!(cost["key_bytes_sent"], 30_146_600);
    let bytes = |field: &str| cost[field].as_u64().expect("a number") / 2;
    assert!(
        bytes("request_bytes") <= 4000 && bytes("answer_bytes") <= 32_000,
        "{cost}"
    );

    // Without a word of the key: the coordinator still has it, and the file is its owner's alone.
    let row = ["0"; 64].join(",");
    let again = ask(&["--row", &row]).ok().json();
    assert_eq!(again["encrypted"]["key_bytes_sent"], 0);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    ask(&["--row", "1,2"]).fails(3, &["rows[0]", "2 values, the model takes 64"]);
    ask(&["--row", &row, "--round", "9"]).fails(5, &["round", "404"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("set");
    ask(&["--row", &row]).fails(3, &["query.key", "chmod 600"]);
    fed.query(&["--row", &row, "--client-key", path])
        .fails(2, &["--encrypted"]);
}
