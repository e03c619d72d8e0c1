//! `unsilo ledger simulate`: the vectors' cases as files, and files that are no case. `unsilo simulate`: limits.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ran, repository, run, unsilo};

fn vectors(name: &str) -> Value {
    let path = repository(&format!("ledger/tests/vectors/{name}"));
    let text = fs::read_to_string(&path).expect("vectors");
    serde_json::from_str(&text).expect("JSON")
}

/// What the command prints for a file with this text.
fn simulate(mechanism: &str, text: &str) -> Ran {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("case.json");
    fs::write(&path, text).expect("written");
    simulate_file(mechanism, &path)
}

fn simulate_file(mechanism: &str, path: &Path) -> Ran {
    run(unsilo(["ledger", "simulate", "--json", "--quiet"])
        .args(["--mechanism", mechanism, "--case"])
        .arg(path))
}

/// The epochs that the command prints for a case.
fn epochs(mechanism: &str, case: &Value) -> Vec<Value> {
    let document: Value =
        serde_json::from_str(&simulate(mechanism, &case.to_string()).ok().stdout).expect("JSON");
    document["epochs"].as_array().expect("epochs").clone()
}

/// Everything that `expected` says is said by `found`; returns how many values that were.
fn agrees(found: &Value, expected: &Value, besides: &[&str]) -> usize {
    let expected = expected.as_object().expect("an object");
    let compared = expected
        .iter()
        .filter(|(name, _)| !besides.contains(&name.as_str()));
    compared
        .map(|(name, value)| assert_eq!(found[name], *value, "{name}"))
        .count()
}

#[test]
fn the_vectors_of_median_are_printed_to_the_bit() {
    for file in ["median_rule.json", "median_more.json"] {
        for case in vectors(file)["cases"].as_array().expect("cases") {
            let found = epochs("median", case);
            let expected = case["epochs"].as_array().expect("epochs");
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                let compared = agrees(found, expected, &["stake", "weights_u16"]);
                assert!(compared >= 12, "{compared} values compared");
            }
        }
    }
}

#[test]
fn the_vectors_of_yuma_2_are_printed_to_the_bit() {
    let file = vectors("yuma2_epochs.json");
    let case = &file["cases"][0];
    let steps = case["steps"].as_array().expect("steps");
    let rows = |step: &Value| {
        let mut rows = vec![Value::Null; 8];
        for set in step["set_weights"].as_array().expect("rows") {
            let mut row = vec![json!(0); 8];
            let dests = set["dests"].as_array().expect("dests");
            for (to, weight) in dests
                .iter()
                .zip(set["weights"].as_array().expect("weights"))
            {
                row[to.as_u64().expect("a row") as usize] = weight.clone();
            }
            rows[set["uid"].as_u64().expect("a row") as usize] = Value::Array(row);
        }
        json!({"stake": case["stake"], "weights_u16": rows})
    };
    let mut input = case.clone();
    input["emission"] = json!(1_000_000_000);
    input["epochs"] = steps.iter().map(rows).collect();
    for (found, step) in epochs("yuma2", &input).iter().zip(steps) {
        assert!(agrees(found, &step["emulated"], &[]) >= 12);
    }
}

#[test]
fn the_vectors_of_yuma_3_are_printed_to_the_bit() {
    let file = vectors("yuma3_epochs.json");
    let cases = file["cases"].as_array().expect("cases");
    for case in cases.iter().filter(|case| !case["n"].is_null()) {
        let count = case["n"].as_u64().expect("n") as usize;
        let expected = case["epochs"].as_array().expect("epochs");
        let rows = |epoch: &Value| {
            let mut rows = vec![Value::Null; count];
            for (row, weights) in epoch["weights_set"]
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
            {
                let servers = weights.as_array().expect("weights").clone();
                rows[row] = [vec![json!(0); 3], servers].concat().into();
            }
            json!({"stake": case["stake"], "weights_u16": rows})
        };
        let mut input = case.clone();
        input["epochs"] = expected.iter().map(rows).collect();
        for (found, expected) in epochs("yuma3", &input).iter().zip(expected) {
            for name in [
                "dividends_u16",
                "incentive_u16",
                "consensus_bits",
                "server_emission",
            ] {
                assert_eq!(found[name], expected[format!("emulated_{name}")], "{name}");
            }
            for (share, expected) in found["dividends"]
                .as_array()
                .expect("shares")
                .iter()
                .zip(expected["expected_dividends"].as_array().expect("shares"))
            {
                let apart = share.as_f64().expect("a share") - expected.as_f64().expect("a share");
                assert!(apart.abs() < 1e-3);
            }
        }
    }
}

#[test]
fn the_papers_matrix_is_printed_to_the_bit() {
    let graph = &vectors("whitepaper.json")["matrix_rho10"];
    let epoch = json!({"stake": graph["stake"], "weights_u16": graph["weights_u16"]});
    let mut input = graph.clone();
    input["epochs"] = json!([epoch, {"weights_u16": graph["weights_u16"]}]);
    let found = epochs("trust", &input);
    for (name, expected) in graph["epoch0_I32F32_bits"].as_object().expect("bits") {
        assert_eq!(found[0][format!("{name}_bits")], *expected, "{name}");
    }
    for (found, expected) in found
        .iter()
        .zip(graph["epochs_f64"].as_array().expect("epochs"))
    {
        for name in [
            "stake",
            "ranks",
            "consensus",
            "incentive",
            "bond_dividend",
            "delta_S",
        ] {
            let pairs = found[name].as_array().expect("found").iter();
            for (found, expected) in pairs.zip(expected[name].as_array().expect("expected")) {
                let apart = found.as_f64().expect("number") - expected.as_f64().expect("number");
                assert!(apart.abs() < 5e-7, "{name}");
            }
        }
    }
}

#[test]
fn people_get_a_table() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("case.json");
    fs::write(
        &path,
        r#"{"note": "x", "epochs": [{"stake": [1, 1, 1, 1],
            "weights_u16": [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], null]}]}"#,
    )
    .expect("written");
    let shown =
        run(unsilo(["ledger", "simulate", "--mechanism", "median", "--case"]).arg(&path)).ok();
    assert!(shown.stdout.contains("of the emission"), "{}", shown.stdout);
    assert!(shown.stdout.contains("never minted: 0"), "{}", shown.stdout);
    assert!(
        shown.stderr.contains("ignored") && shown.stderr.contains("note"),
        "{}",
        shown.stderr
    );
}

#[test]
fn what_is_no_case_is_refused_with_its_field_and_the_next_step() {
    let refused = |mechanism: &str, text: &str, words: &[&str]| {
        simulate(mechanism, text).fails(3, &[words, &["case.json"]].concat());
    };
    refused("median", "", &["EOF", "--help"]);
    refused(
        "median",
        r#"{"epochs": [{"stake": [1], "weights_u16": [[65536]]}]}"#,
        &["epochs[0].weights_u16[0][0]", "from 0 to 65535"],
    );
    refused(
        "trust",
        r#"{"epochs": [{"stake": [1, 2], "weights_u16": [[0]]}]}"#,
        &["epochs[0].stake", "give one for each"],
    );
    let one = |parameters: &str| {
        format!(r#"{{{parameters}, "epochs": [{{"stake": [1], "weights_u16": [[0]]}}]}}"#)
    };
    for (mechanism, parameters, words) in [
        (
            "yuma3",
            r#""bonds_moving_average_ppm": 1000001"#,
            ["bonds_moving_average_ppm", "at most"],
        ),
        (
            "yuma3",
            r#""liquid_alpha": true, "alpha_low": -1"#,
            ["alpha_low", "from 0 to 1"],
        ),
        (
            "yuma3",
            r#""liquid_alpha": true, "alpha_low": 0.9, "alpha_high": 0.1"#,
            ["alpha_low", "alpha_high"],
        ),
        ("trust", r#""rho": 1e9"#, ["rho", "from 0 to 1000"]),
        ("trust", r#""tau": 1.5"#, ["tau", "from 0 to 1"]),
    ] {
        refused(mechanism, &one(parameters), &words);
    }
    simulate_file("median", Path::new("/nowhere/case.json")).fails(3, &["/nowhere/case.json"]);
}

#[test]
fn federations_that_do_not_fit_the_memory_are_refused() {
    let rewards = |arguments: &[&str]| run(unsilo(["simulate", "rewards"]).args(arguments));
    rewards(&["--participants", "128", "--epochs", "10000"]).fails(
        3,
        &[
            "random numbers",
            "give fewer --seeds, --epochs or --participants",
        ],
    );
    for arguments in [
        ["--participants", "7"],
        ["--seeds", "0"],
        ["--epochs", "10001"],
    ] {
        rewards(&arguments).fails(2, &[arguments[0]]);
    }
}
