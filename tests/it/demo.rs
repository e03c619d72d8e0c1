//! `unsilo demo`, as a newcomer runs it.

use serde_json::Value;
use unsilo_ledger::{
    Entry, ParticipantId,
    store::{FILE_NAME, read},
};

use crate::{
    companies::verify_all,
    support::{run, unsilo},
};

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn the_demo_keeps_its_promises() {
    const ROUNDS: u64 = 20;
    let kept = tempfile::tempdir().expect("a temporary directory");
    let dir = kept.path().join("demo");
    let mut command = unsilo(["demo", "--once", "--json", "--rounds", "20", "--dir"]);
    let report = run(command.arg(&dir)).ok().json();

    assert_eq!(report["rounds"], ROUNDS);
    assert!(number(&report["shared_accuracy"]) >= 0.92, "{report:#}");
    assert!(number(&report["best_alone_accuracy"]) <= 0.75, "{report:#}");
    assert!(number(&report["seconds"]) < 60.0, "{report:#}");
    let companies = report["companies"].as_array().expect("companies");
    assert_eq!(companies.len(), 5);
    for company in companies {
        assert!(number(&company["shared_accuracy"]) >= 0.92, "{company:#}");
        assert!(number(&company["alone_accuracy"]) <= 0.75, "{company:#}");
        assert_eq!(company["contributions"], ROUNDS, "{company:#}");
        let classes: Vec<u64> = company["classes"]
            .as_array()
            .expect("classes")
            .iter()
            .map(|rows| rows.as_u64().expect("rows"))
            .collect();
        assert_eq!(
            classes.iter().sum::<u64>(),
            company["rows"].as_u64().expect("rows")
        );
        // What the others' ratings made of it: weight in every round, and pay at the end.
        assert!(number(&company["held_out"]) >= 45.0, "{company:#}");
        let weights = company["weights"].as_array().expect("weights");
        assert_eq!(weights.len() as u64, ROUNDS);
        // Where classes are skewed an honest company may lose a round: one in seventy of them, measured (docs/simulation.md, O8).
        assert!(
            number(&company["left_out"]) <= ROUNDS as f64 / 5.0,
            "{company:#}"
        );
        assert!(number(&company["weight_share"]) > 0.03, "{company:#}");
        assert_eq!(company["attack"], Value::Null);
        let of = |rows| classes.iter().filter(|held| **held == rows).count();
        assert_eq!(
            (of(0), of(10)),
            (3, 3),
            "three absent, three rare: {company:#}"
        );
    }
    let sum = |key: &str| -> f64 { companies.iter().map(|company| number(&company[key])).sum() };
    assert!((sum("weight_share") - 1.0).abs() < 1e-9, "{report:#}");
    assert!(sum("paid") > 0.0, "{report:#}");
    let different = |company: &Value| company["weights"] != companies[0]["weights"];
    assert!(companies.iter().any(different), "by ratings, not all alike");
    // The gain is not only in digits that a company has never seen.
    let mean = |key: &str| {
        companies
            .iter()
            .map(|company| number(&company[key]))
            .sum::<f64>()
            / 5.0
    };
    assert!(
        mean("shared_own_classes") > mean("alone_own_classes") + 0.02,
        "{report:#}"
    );

    let upload = &report["upload"];
    assert!(number(&upload["bytes_per_padded_parameter"]) <= 6.0);
    // 4,810 parameters fill 3 chunks of 2,048, two blinding chunks follow.
    let padded = 5.0 * 2048.0;
    assert!(
        number(&upload["bytes_per_contribution"]) <= 6.0 * padded + 72.0 * 1024.0,
        "{upload:#}"
    );
    assert!(
        number(&upload["bytes_per_contribution"]) > 6.0 * 4810.0,
        "{upload:#}"
    );

    signatures_are_complete(&report, ROUNDS);
    let verified = verify_all(
        std::iter::once(dir.join("coordinator"))
            .chain((1..=5).map(|number| dir.join(format!("company-{number}")))),
    );
    assert_eq!(verified["published"], ROUNDS);
    assert_eq!(verified["voided"], 0);
    assert_eq!(verified["participants"], 5);
    assert_eq!(verified["state_root"], report["ledger"]["state_root"]);
    assert_eq!(
        verified["signatures"],
        report["ledger"]["signatures_verified"]
    );
}

/// Everybody founded, contributed to every round and sat; every close and model has its committee's signatures.
fn signatures_are_complete(report: &Value, rounds: u64) {
    let signers = report["signatures"].as_array().expect("signatures");
    assert_eq!(signers.len(), 6, "five companies and the coordinator");
    let (coordinator, companies): (Vec<_>, Vec<_>) = signers
        .iter()
        .partition(|signer| signer["name"] == "coordinator");
    let of = |signer: &Value, what: &str| signer[what].as_u64().expect("a count");
    for company in &companies {
        assert_eq!(of(company, "founding"), 1, "{company:#}");
        assert_eq!(of(company, "contributions"), rounds, "{company:#}");
        assert!(of(company, "seats") > 0, "{company:#}");
    }
    assert_eq!(of(coordinator[0], "founding"), 1);
    assert_eq!(of(coordinator[0], "closes"), rounds);
    assert_eq!(of(coordinator[0], "models"), rounds);
    let all = |what| companies.iter().map(|signer| of(signer, what)).sum::<u64>();
    for what in ["seats", "closes", "models"] {
        let signed = all(what);
        assert!(
            (4 * rounds..=5 * rounds).contains(&signed),
            "{signed} {what}"
        );
    }
}

/// A demo of so many rounds in which so many companies attack.
fn attacked(kind: &str, attackers: u8, rounds: u64) -> Value {
    let (attackers, rounds) = (attackers.to_string(), rounds.to_string());
    let mut command = unsilo(["demo", "--once", "--json", "--attack", kind]);
    command.args(["--attackers", &attackers, "--rounds", &rounds]);
    run(&mut command).ok().json()
}

#[test]
fn who_attacks_in_the_demo_weighs_and_earns_next_to_nothing() {
    // An epoch, so that it is paid.
    let report = attacked("sign-flip", 1, 20);
    let attack = &report["attack"];
    assert_eq!(attack["kind"], "sign-flip");
    assert_eq!(attack["attackers"], serde_json::json!(["Elm Courier"]));
    // Or partly, where an honest company lost a round.
    assert_ne!(attack["outcome"], "succeeds", "{report:#}");
    assert!(number(&attack["weight_share"]) <= 0.02, "{report:#}");
    // An honest company may lose a round where classes are skewed (docs/simulation.md, O8): here four of eighty at most.
    assert!(number(&attack["honest_excluded"]) <= 0.05, "{report:#}");
    // Null where the epoch pays nobody for contributing: then they have nothing of it either.
    let share = attack["contributing_pay_share"].as_f64().unwrap_or(0.0);
    assert!(share <= 0.03, "{report:#}");
    assert!(number(&report["shared_accuracy"]) >= 0.9, "{report:#}");
    assert_eq!(report["companies"][4]["attack"], "sign-flip");
    assert_eq!(
        (&report["rounds"], &report["rounds_in_vain"]),
        (&20.into(), &0.into())
    );
}

#[test]
fn colluding_attackers_rate_as_they_like_and_the_honest_majority_weighs() {
    let kept = tempfile::tempdir().expect("a temporary directory");
    let dir = kept.path().join("demo");
    let mut command = unsilo(["demo", "--once", "--json", "--rounds", "4", "--dir"]);
    command
        .arg(&dir)
        .args(["--attack", "sign-flip", "--colluding"]);
    let report = run(&mut command).ok().json();
    let attack = &report["attack"];
    assert_eq!(
        (&attack["kind"], &attack["colluding"]),
        (&"sign-flip".into(), &true.into())
    );
    assert_eq!(report["companies"][4]["held_out"], 0, "it rates by nothing");
    // Alone, it puts its whole row on the first company and condemns the others.
    let mut rows = 0;
    read(&dir.join("coordinator").join(FILE_NAME), |_, signed| {
        if let Entry::RatingsRevealed {
            participant: ParticipantId(4),
            scores,
            ..
        } = &signed.entry
        {
            assert_eq!(*scores, [i16::MAX, -i16::MAX, -i16::MAX, -i16::MAX, 0]);
            rows += 1;
        }
    })
    .expect("a ledger");
    assert_eq!(rows, 4, "in every round");
    assert!(number(&attack["weight_share"]) <= 0.02, "{report:#}");
    assert_eq!(
        (&report["rounds"], &report["rounds_in_vain"]),
        (&4.into(), &0.into())
    );
}

#[test]
fn an_attack_by_most_of_the_demos_companies_is_said_to_succeed() {
    let report = attacked("sign-flip", 4, 3);
    assert_eq!(report["attack"]["outcome"], "succeeds", "{report:#}");
    assert_eq!(report["attack"]["contributing_pay_share"], Value::Null);
    let alone = run(&mut unsilo(["demo", "--once", "--attackers", "2"]));
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
    assert!(alone.stderr.contains("--attack"), "{}", alone.stderr);
}

#[test]
fn the_demo_prints_a_table_for_people() {
    let shown = run(&mut unsilo(["demo", "--once", "--rounds", "1", "--quiet"])).ok();
    for words in [
        "company",
        "alone",
        "shared",
        "Aster Labs",
        "Elm Courier",
        "part of the model",
        "Who signed what",
        "per parameter",
        "signatures verified",
    ] {
        assert!(
            shown.stdout.contains(words),
            "no {words:?} in {}",
            shown.stdout
        );
    }
    assert_eq!(shown.stderr, "", "--quiet is quiet");
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let kept = tempfile::tempdir().expect("a temporary directory");
    let theirs = kept.path().join("test.csv");
    std::fs::write(&theirs, "mine").expect("written");
    let mut command = unsilo(["demo", "--once", "--rounds", "1", "--dir"]);
    run(command.arg(kept.path())).fails(3, &["not empty", "--dir"]);
    assert_eq!(std::fs::read(&theirs).expect("kept"), b"mine");
}
