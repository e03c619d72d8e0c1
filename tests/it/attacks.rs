//! Malicious companies in `unsilo demo`: real nodes, whose data, training or encryption is not as agreed.

use std::path::Path;

use serde_json::{Value, json};
use unsilo_ledger::{
    Entry,
    store::{FILE_NAME, read},
};

use crate::support::{run, unsilo};

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// What the demo says of so many rounds of this attack, by as few companies as it takes.
fn attacked(kind: &str, rounds: u64) -> Value {
    let rounds = rounds.to_string();
    let arguments = [
        "demo", "--once", "--json", "--attack", kind, "--rounds", &rounds,
    ];
    run(&mut unsilo(arguments)).ok().json()
}

/// How many entries of a kind the coordinator's ledger in the demo's directory has.
fn entries(dir: &Path, of: impl Fn(&Entry) -> bool) -> usize {
    let mut count = 0;
    read(&dir.join("coordinator").join(FILE_NAME), |_, signed| {
        count += usize::from(of(&signed.entry));
    })
    .expect("a ledger");
    count
}

#[test]
fn the_demo_takes_every_attack_that_the_simulator_takes() {
    let kinds = |command: &str| -> String {
        let ran = run(&mut unsilo([command, "--attack", "unheard-of"]));
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        let listed = ran
            .stderr
            .lines()
            .find(|line| line.contains("possible values"));
        listed.expect("the kinds").trim().to_owned()
    };
    assert_eq!(kinds("demo"), kinds("simulate"));
    assert!(kinds("demo").contains("bad-shares"));
}

#[test]
fn numbers_of_attackers_that_cannot_be_are_refused_with_those_that_can() {
    for count in ["0", "5", "6", "4294967297", "two"] {
        let arguments = ["demo", "--once", "--attack", "noise", "--attackers", count];
        let ran = run(&mut unsilo(arguments));
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        assert!(
            ran.stderr.contains("give 1 to 4: there are 5 companies"),
            "{}",
            ran.stderr
        );
    }
    for (kind, count, words) in [
        ("alie", "1", "give --attackers 2"),
        ("sybils", "1", "give --attackers 2"),
        ("sybils", "4", "no round is of fewer than 3"),
        ("none", "2", "--attack"),
    ] {
        let arguments = ["demo", "--once", "--attack", kind, "--attackers", count];
        run(&mut unsilo(arguments)).fails(3, &[words]);
    }
}

#[test]
fn what_is_no_contribution_is_rejected_in_every_round_with_the_reason_and_the_others_go_on() {
    for (kind, reason) in [
        ("garbage", "not a well-formed update"),
        ("bad-shares", "answers that do not decode"),
    ] {
        let report = attacked(kind, 4);
        let attack = &report["attack"];
        assert_eq!(attack["rejected"], json!({ reason: 4 }), "{report:#}");
        assert_eq!(
            (&attack["contributions"], &attack["weight_share"]),
            (&json!(4), &json!(0.0))
        );
        assert_eq!(report["companies"][4]["weights"], json!([0, 0, 0, 0]));
        assert_eq!(attack["outcome"], "held-off", "{report:#}");
        assert_eq!(
            (&report["rounds"], &report["rounds_in_vain"]),
            (&json!(4), &json!(0))
        );
        for honest in 0..4 {
            let company = &report["companies"][honest];
            assert_eq!(company["rejected"], json!({}), "{company:#}");
        }
    }
}

#[test]
fn what_is_replayed_is_what_the_model_learnt_as_the_weights_of_both_signs_show() {
    let weights = |kind: &str, rounds: u64| -> Vec<u64> {
        let report = attacked(kind, rounds);
        assert_eq!(report["rounds_in_vain"], 0, "{report:#}");
        let weights = report["companies"][4]["weights"].as_array();
        let weights = weights.expect("weights").iter();
        weights.map(|one| one.as_u64().expect("a weight")).collect()
    };
    // Noise in the first round, when there is nothing to replay; then it helps as the model did, by twice what honest updates do, and
    // once it has done so for long enough it has weight: from the fifth to the eighth round on, in thirteen runs.
    let replayed = weights("replay", 14);
    assert!(
        replayed[13] > 0 && replayed[13] > replayed[1],
        "{replayed:?}"
    );
    // The opposite harms.
    assert_eq!(weights("replay-sign", 4)[1..], [0, 0, 0]);
}

#[test]
fn participants_of_one_owner_are_stated_by_the_owners_and_paid_as_one() {
    let kept = tempfile::tempdir().expect("a temporary directory");
    let dir = kept.path().join("demo");
    let mut command = unsilo([
        "demo", "--once", "--json", "--rounds", "6", "--attack", "sybils",
    ]);
    let report = run(command.arg("--dir").arg(&dir)).ok().json();
    let changes = |entry: &Entry| matches!(entry, Entry::OwnerChanged { .. });
    assert_eq!(
        entries(&dir, changes),
        1,
        "one of the two belongs to the other"
    );
    let sybils = &report["companies"].as_array().expect("companies")[3..];
    for sybil in sybils {
        assert_eq!(sybil["owner"], "Dahlia Health");
        assert_eq!(sybil["classes"], sybils[0]["classes"], "the same rows");
        assert_eq!(sybil["contributions"], 6);
    }
    // It is paid in one place; what the other earned before it belonged there is at most that of the first rounds.
    let paid = |company: &Value| number(&company["paid"]);
    let all: f64 = report["companies"]
        .as_array()
        .expect("companies")
        .iter()
        .map(paid)
        .sum();
    assert!(all > 0.0 && paid(&sybils[1]) <= all / 5.0, "{report:#}");
    // One company's part is due, and two are taken: said, not hidden.
    let attack = &report["attack"];
    assert_eq!(
        (&attack["due_share"], &attack["kind"]),
        (&json!(0.25), &json!("sybils"))
    );
    assert_eq!(
        attack["outcome"] == "held-off",
        number(&attack["weight_share"]) <= 0.27
    );
}

#[test]
fn a_copycat_has_an_honest_companys_rows_and_how_often_a_backdoor_works_is_reported() {
    let report = attacked("copycat", 1);
    assert_eq!(
        report["companies"][4]["classes"],
        report["companies"][0]["classes"]
    );
    assert_eq!(report["attack"]["attack_success"], Value::Null);
    let report = attacked("backdoor", 2);
    let success = number(&report["attack"]["attack_success"]);
    assert!((0.0..=1.0).contains(&success), "{report:#}");
    // The same model answers some of the marked rows otherwise.
    assert!(success < 1.0, "{report:#}");
}

#[test]
fn attackers_in_league_share_their_updates_and_no_round_waits_for_them_in_vain() {
    for kind in ["alie", "min-max"] {
        let arguments = [
            "demo",
            "--once",
            "--json",
            "--attack",
            kind,
            "--attackers",
            "2",
        ];
        let report = run(unsilo(arguments).args(["--rounds", "3"])).ok().json();
        assert_eq!(
            report["attack"]["attackers"],
            json!(["Dahlia Health", "Elm Courier"])
        );
        assert_eq!(
            (&report["rounds"], &report["rounds_in_vain"]),
            (&json!(3), &json!(0))
        );
        assert_eq!(report["attack"]["contributions"], 6, "{report:#}");
    }
}
