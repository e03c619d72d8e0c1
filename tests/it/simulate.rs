//! `unsilo simulate`: the document for programs, what is refused, and that all bounds are measured.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, repository, run, unsilo};

fn simulate(arguments: &[&str]) -> Ran {
    run(unsilo(["simulate"]).args(arguments).arg("--quiet"))
}

fn document(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok().stdout).expect("one JSON document")
}

/// Numbers of an array; null for a null.
fn numbers(value: &Value) -> Vec<Option<f64>> {
    let values = value.as_array().expect("an array");
    values.iter().map(Value::as_f64).collect()
}

#[test]
fn a_simulation_prints_one_document_with_every_key() {
    let digits = repository("data/digits.csv");
    let digits = digits.to_str().expect("a path");
    let arguments = [
        "--participants",
        "5",
        "--attack",
        "backdoor",
        "--fraction",
        "0.4",
        "--split",
        "dirichlet:0.3",
        "--data",
        digits,
        "--seeds",
        "2",
        "--rounds",
        "3",
        "--colluding",
        "--json",
    ];
    let found = document(simulate(&arguments));
    for (key, expected) in [
        ("participants", 5.0),
        ("attackers", 2.0),
        ("rounds", 3.0),
        ("seeds", 2.0),
    ] {
        assert_eq!(found[key].as_f64(), Some(expected), "{key}");
    }
    assert_eq!(
        (&found["attack"], &found["split"]),
        (&"backdoor".into(), &"dirichlet:0.3".into())
    );
    assert_eq!(found["colluding"], true);
    for key in [
        "accuracy",
        "last_class_accuracy",
        "attack_success",
        "attacker_weight_share",
        "attacker_reward_share",
        "attacker_contributor_share",
        "honest_excluded",
        "auc",
        "rounds_not_opened",
        "rejected",
    ] {
        let value = found[key].as_f64();
        assert!(
            value.is_some_and(|value| (0.0..=3.0).contains(&value)),
            "{key}: {value:?}"
        );
    }
    for key in [
        "accuracy",
        "attack_success",
        "attacker_weight_share",
        "honest_excluded",
        "auc",
    ] {
        let rounds = numbers(&found["per_round"][key]);
        assert!(
            rounds.len() == 3 && rounds.iter().all(Option::is_some),
            "{key}: {rounds:?}"
        );
    }
    for key in ["attacker_reward_share", "attacker_contributor_share"] {
        assert_eq!(numbers(&found["per_epoch"][key]).len(), 1, "{key}");
    }
    assert_eq!(numbers(&found["reward_shares"]).len(), 5);
    for rule in [
        "fed-avg",
        "median",
        "trimmed-mean",
        "multi-krum",
        "fl-trust",
    ] {
        for key in ["accuracy", "attack_success", "last_class_accuracy"] {
            assert!(found["baselines"][rule][key].is_f64(), "{rule} {key}");
        }
    }
    let seeds = found["per_seed"].as_array().expect("an array");
    let of_seeds: Vec<f64> = seeds
        .iter()
        .filter_map(|one| one["accuracy"].as_f64())
        .collect();
    let mean = of_seeds.iter().sum::<f64>() / 2.0;
    assert_eq!(of_seeds.len(), 2);
    assert!((mean - found["accuracy"].as_f64().expect("a number")).abs() < 1e-9);
    assert_ne!(of_seeds[0], of_seeds[1], "every seed is another federation");
    // The same again.
    assert_eq!(document(simulate(&arguments)), found);
}

#[test]
fn what_the_checks_reject_is_said_to_be_rejected() {
    for attack in ["garbage", "bad-shares"] {
        let few = [
            "--attack",
            attack,
            "--seeds",
            "1",
            "--rounds",
            "1",
            "--no-baselines",
        ];
        let found = document(simulate(&[&few[..], &["--json"]].concat()));
        assert_eq!(found["rejected"].as_f64(), Some(3.0));
        assert_eq!(found["attacker_weight_share"].as_f64(), Some(0.0));
        assert!(
            found["auc"].is_null() && found["baselines"].as_object().expect("a map").is_empty()
        );
        let text = simulate(&few).ok().stdout;
        assert!(
            text.contains("reject these contributions before anybody scores them"),
            "{text}"
        );
    }
}

#[test]
fn a_table_of_ones_own_is_played() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("two.csv");
    let mut text = String::from("a,b,kind\n");
    for row in 0..200 {
        text.push_str(&format!(
            "{},{},{}\n",
            row % 7,
            row % 2 * 3,
            ["x", "y"][row % 2]
        ));
    }
    fs::write(&path, text).expect("written");
    let path = path.to_str().expect("a path");
    let found = document(simulate(&[
        "--data",
        path,
        "--participants",
        "4",
        "--seeds",
        "1",
        "--rounds",
        "8",
        "--hidden",
        "512",
        "--json",
    ]));
    assert!(
        found["accuracy"].as_f64().expect("a number") > 0.9,
        "{found}"
    );
    // Too few rows for so many.
    simulate(&["--data", path, "--participants", "20"])
        .fails(3, &["cannot be shared out", "ask for fewer"]);
    simulate(&["--data", path, "--split", "thin10", "--participants", "5"]).fails(3, &["thin10"]);
}

#[test]
fn what_cannot_be_played_is_refused_with_its_argument() {
    for (arguments, words) in [
        (
            &["--split", "dirichlet:0"][..],
            &["--split", "dirichlet:A"][..],
        ),
        (&["--split", "dirichlet:nan"], &["--split", "dirichlet:A"]),
        (&["--split", "even"], &["--split", "niche"]),
        (&["--attack", "bribe"], &["--attack", "label-flip"]),
        (&["--seeds", "0"], &["--seeds", "1..=100"]),
        (&["--rounds", "0"], &["--rounds"]),
        (&["--participants", "1"], &["--participants"]),
        (&["--seeds", "2", "bounds"], &["bounds"]),
        (&["bounds", "--seeds", "0"], &["--seeds"]),
    ] {
        simulate(arguments).fails(2, words);
    }
    for (arguments, words) in [
        (&["--fraction", "1"][..], &["--fraction 1", "below 1"][..]),
        (&["--fraction=-0.1"], &["--fraction -0.1"]),
        (&["--fraction", "nan"], &["--fraction"]),
        (
            &["--attack", "zero", "--fraction", "0.99"],
            &["nobody honest"],
        ),
        (&["--attack", "zero", "--fraction", "0.01"], &["is nobody"]),
        (&["--split", "thin10"], &["thin10", "5 participants"]),
        (&["--rare-class-offset", "nan"], &["--rare-class-offset"]),
        (
            &[
                "--participants",
                "100",
                "--rounds",
                "1000",
                "--seeds",
                "100",
            ],
            &["give fewer"],
        ),
        (&["--data", "/nowhere/rows.csv"], &["/nowhere/rows.csv"]),
        (&["bounds", "--line", "B99"], &["--line B99", "B14"]),
    ] {
        simulate(arguments).fails(3, words);
    }
}

#[test]
fn data_that_is_no_table_is_refused_with_its_row() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("rows.csv");
    for (text, words) in [
        ("", &["column"][..]),
        (
            "a,label\n1,x\nhello,y\n",
            &["row 2", "\"hello\" is no number"],
        ),
        ("a,label\n1,x\n2,x\n", &["classes"]),
        ("a,b,label\n1,2,x\n1,y\n", &["row 2"]),
    ] {
        fs::write(&path, text).expect("written");
        let file = path.to_str().expect("a path");
        simulate(&["--data", file]).fails(3, &[words, &["rows.csv"]].concat());
    }
}

#[test]
fn a_quick_run_measures_every_line_and_judges_none() {
    let found = document(simulate(&["bounds", "--quick", "--json"]));
    let lines = found["lines"].as_array().expect("lines");
    assert!(lines.len() > 15, "{}", lines.len());
    for line in lines {
        if ["B12", "B12s", "B13", "O12"].contains(&line["id"].as_str().expect("an id")) {
            let why = line["skipped"].as_str().expect("not played");
            assert!(
                why.starts_with("no data: ") && why.contains("--data"),
                "{why}"
            );
            continue;
        }
        assert!(line["skipped"].is_null(), "{line}");
        let values = line["values"].as_array().expect("values");
        assert!(
            values.iter().all(|value| value["measured"].is_f64()),
            "{line}"
        );
        assert_eq!(
            line["baselines"].as_object().expect("a map").len(),
            5,
            "{line}"
        );
    }
}
