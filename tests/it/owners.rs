//! What companies sign outside of the rounds, by the commands that people use, with real processes.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    companies::{Companies, count},
    history,
    support::{Ran, Running, run, set, unsilo, until},
};

const FIVE: [&str; 5] = ["Aster", "Birch", "Cedar", "Dahlia", "Elm"];
/// What each of five earned in the history, but for rounding: a fifth of twenty emissions of a million.
const FIFTH: u64 = 4_000_000;

/// `unsilo COMMAND --json DIR ARGUMENTS`, in a company's directory.
fn command(fed: &Companies, command: &str, company: &str) -> Command {
    let mut made = unsilo([command, "--json"]);
    made.arg(fed.company(company));
    made
}

/// A command that is given consent before.
fn signed(fed: &Companies, name: &str, company: &str, arguments: &[&str]) -> Ran {
    run(command(fed, name, company).arg("--yes").args(arguments))
}

/// The account of a company, from the coordinator's copy of the ledger.
fn account(fed: &Companies, name: &str) -> Value {
    let mut command = unsilo(["account", "--json"]);
    let shown = run(command.arg(fed.coordinator()).arg(name)).ok().json();
    shown["account"].clone()
}

/// Five companies that have joined and an epoch of rounds on the ledger.
fn five() -> (Companies, Running) {
    let fed = Companies::found(&FIVE, 0);
    let mut coordinator = fed.serve();
    let rows = fed.rows(0, 20);
    for name in FIVE {
        fed.join(name, &rows).ok();
    }
    coordinator.terminate();
    coordinator.wait().ok();
    history::write(&fed, &FIVE, "Elm");
    let coordinator = fed.serve();
    (fed, coordinator)
}

#[test]
fn a_company_stakes_its_balance_and_withdraws_it_and_nothing_is_lost_when_processes_die() {
    let (fed, mut coordinator) = five();
    let earned = account(&fed, "Aster");
    let paid = earned["balance"].as_u64().expect("a number");
    assert!(paid.abs_diff(FIFTH) <= 2, "{paid}");
    assert_eq!(
        (&earned["epoch"]["number"], &earned["last_payout"]),
        (&2.into(), &paid.into())
    );
    assert_eq!(account(&fed, "Elm")["cases"][0]["standing"], "open");

    // Bad amounts are refused before anything else, more than there is with the number that there is.
    for amount in ["0", "-1", "18446744073709551616", "all", ""] {
        let ran = signed(&fed, "stake", "Aster", &["--", amount]);
        assert_eq!(ran.status.code(), Some(2), "{amount:?}: {ran:#?}");
    }
    let have = format!("the balance is {paid}");
    let more = (paid + 1).to_string();
    signed(&fed, "stake", "Aster", &[&more]).fails(5, &[&have, "nothing was signed"]);
    let most = u64::MAX.to_string();
    signed(&fed, "stake", "Aster", &[&most]).fails(5, &[&have, "nothing was signed"]);
    signed(&fed, "withdraw", "Aster", &["1"]).fails(5, &["0 of", "nothing was signed"]);
    run(command(&fed, "stake", "Aster").arg("1000")).fails(3, &["--yes", "nothing was signed"]);
    run(unsilo(["stake", "--yes"]).arg(fed.coordinator()).arg("1"))
        .fails(3, &["not a participant's directory"]);
    assert_eq!(account(&fed, "Aster"), earned);

    let staked = signed(&fed, "stake", "Aster", &["1000000"]).ok().json();
    assert_eq!(staked["on_ledger"], true);
    assert_eq!(staked["account"]["balance"], paid - 1_000_000);
    assert_eq!(staked["account"]["pending_stake"], 1_000_000);
    assert_eq!(staked["account"]["pending_counts_from_epoch"], 3);
    assert_eq!(staked["account"]["staked"], 0, "it gives no power yet");
    coordinator.kill();
    signed(&fed, "stake", "Aster", &["1"]).fails(4, &["cannot reach"]);
    let mut coordinator = fed.serve();
    assert_eq!(account(&fed, "Aster"), staked["account"]);

    signed(&fed, "withdraw", "Aster", &["1000001"]).fails(5, &["1000000 of", "nothing was signed"]);
    let withdrawn = signed(&fed, "withdraw", "Aster", &["400000"]).ok().json();
    let account = &withdrawn["account"];
    assert_eq!(
        (&account["pending_stake"], &account["withdrawable"]),
        (&600_000.into(), &600_000.into())
    );
    assert_eq!(account["balance"], paid - 1_000_000, "not free yet");
    assert_eq!(
        account["leaving"],
        serde_json::json!([{"amount": 400_000, "free_after_epoch": 3}])
    );
    let entries = fed.entries();
    assert_eq!(count(&entries, "Aster staked 1000000; signed by Aster"), 1);
    assert_eq!(count(&entries, "Aster withdrew 400000"), 1);
    assert_eq!(fed.verify(&[])["published"], 20);
    coordinator.terminate();
    coordinator.wait().ok();
}

#[test]
fn owners_evict_readmit_and_appeal_by_their_commands() {
    let (fed, mut coordinator) = five();
    signed(&fed, "evict", "Aster", &["Mallory"])
        .fails(3, &["Mallory", "Aster, Birch", "nothing was signed"]);
    signed(&fed, "evict", "Elm", &["Elm"]).fails(5, &["its own participant", "nothing was signed"]);
    let standing = |ran: Ran| {
        let document = ran.ok().json();
        (
            document["signers"].as_array().expect("signers").len(),
            document["signatures_needed"].as_u64().expect("a number"),
            document["on_ledger"].as_bool().expect("a truth value"),
        )
    };
    // Three of the four others; a second signature of one adds nothing; what was signed outlives the process.
    for name in ["Aster", "Aster"] {
        assert_eq!(
            standing(signed(&fed, "evict", name, &["Elm"])),
            (1, 3, false)
        );
    }
    assert_eq!(
        standing(signed(&fed, "evict", "Birch", &["Elm"])),
        (2, 3, false)
    );
    coordinator.kill();
    let mut coordinator = fed.serve();
    let pending = run(&mut command(&fed, "pending", "Cedar")).ok().json();
    assert_eq!(
        pending["pending"],
        serde_json::json!([{
            "entry": "Elm evicted",
            "signers": ["Aster", "Birch"],
            "signatures_needed": 3,
            "complete": false,
            "on_ledger": false,
        }])
    );
    assert_eq!(count(&fed.entries(), "evicted"), 0);
    assert_eq!(
        standing(signed(&fed, "evict", "Cedar", &["Elm"])),
        (3, 3, true)
    );
    assert_eq!(account(&fed, "Elm")["present"], false);
    signed(&fed, "evict", "Dahlia", &["Elm"]).fails(5, &["was evicted", "nothing was signed"]);
    signed(&fed, "stake", "Elm", &["1"]).fails(3, &["no say in the federation"]);
    run(&mut command(&fed, "pending", "Elm")).fails(5, &["readmit"]);
    let pending = run(&mut command(&fed, "pending", "Cedar")).ok().json();
    assert_eq!(pending["pending"], serde_json::json!([]));

    // The case against it can be appealed by the others all the same, and is closed then.
    signed(&fed, "appeal", "Aster", &["7"]).fails(5, &["no case 7", "nothing was signed"]);
    for (name, expected) in [
        ("Aster", (1, 3, false)),
        ("Birch", (2, 3, false)),
        ("Cedar", (3, 3, true)),
    ] {
        assert_eq!(standing(signed(&fed, "appeal", name, &["0"])), expected);
    }
    assert_eq!(account(&fed, "Elm")["cases"][0]["standing"], "cancelled");
    signed(&fed, "appeal", "Dahlia", &["0"]).fails(5, &["closed", "nothing was signed"]);

    signed(&fed, "readmit", "Aster", &["Elm", "--identity", "abc"]).fails(3, &["not an identity"]);
    signed(&fed, "readmit", "Aster", &["Birch"]).fails(5, &["present", "nothing was signed"]);
    for (name, expected) in [
        ("Aster", (1, 3, false)),
        ("Birch", (2, 3, false)),
        ("Dahlia", (3, 3, true)),
    ] {
        assert_eq!(standing(signed(&fed, "readmit", name, &["Elm"])), expected);
    }
    let kept = account(&fed, "Elm")["balance"].as_u64().expect("a number");
    assert!(
        kept.abs_diff(FIFTH) <= 2,
        "what it had is still there: {kept}"
    );

    // One company in law: with the signature of the company that it is to belong to, and never without.
    let to_birch = ["Elm", "--to", "Birch"];
    for (name, expected) in [
        ("Aster", (1, 3, false)),
        ("Cedar", (2, 3, false)),
        ("Dahlia", (3, 3, false)),
    ] {
        assert_eq!(
            standing(signed(&fed, "reassign", name, &to_birch)),
            expected
        );
    }
    assert_eq!(
        standing(signed(&fed, "reassign", "Birch", &to_birch)),
        (4, 3, true)
    );
    assert_eq!(fed.verify(&[])["owners"], 4);
    coordinator.terminate();
    coordinator.wait().ok();
}

#[test]
fn nothing_is_signed_on_books_that_contradict_the_nodes_own_copy_or_for_another_federation() {
    let (fed, mut coordinator) = five();
    // Aster's own copy is of this history; the coordinator then shows another one.
    for file in ["ledger.tlog", "ledger.cosignatures"] {
        let from = fed.coordinator().join(file);
        fs::copy(from, fed.company("Aster").join(file)).expect("copied");
    }
    signed(&fed, "evict", "Aster", &["Elm"]).ok();
    coordinator.kill();
    history::write(&fed, &FIVE, "Dahlia");
    let mut coordinator = fed.serve();
    signed(&fed, "evict", "Aster", &["Elm"]).fails(
        7,
        &["does not continue this node's copy", "nothing was signed"],
    );
    // Birch has no copy of its own yet, and nothing to hold against it.
    signed(&fed, "evict", "Birch", &["Elm"]).ok();

    let other = Companies::found(&FIVE, 0);
    let mut elsewhere = other.serve();
    set(
        &fed.company("Birch").join("participant.toml"),
        "coordinator",
        &format!("{:?}", other.address),
    );
    signed(&fed, "evict", "Birch", &["Elm"]).fails(4, &["cannot be trusted"]);
    elsewhere.kill();
    coordinator.kill();
}

#[test]
fn an_evicted_company_contributes_no_more_and_the_others_go_on() {
    let names = &FIVE[..4];
    let fed = Companies::found(names, 0);
    let mut coordinator = fed.serve();
    for (part, name) in names.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let mut nodes: Vec<Running> = names.iter().map(|name| fed.participate(name)).collect();
    nodes[3].until_said("round 1: new model");
    // Beside running nodes, in whatever step the round is: it takes effect between rounds.
    signed(&fed, "evict", "Aster", &["Dahlia"]).ok();
    let second = signed(&fed, "evict", "Birch", &["Dahlia"]).ok().json();
    assert_eq!(second["signers"], serde_json::json!(["Aster", "Birch"]));
    until("the eviction is on the ledger", || {
        count(&fed.entries(), "Dahlia evicted") == 1
    });
    nodes[3].until_said("readmit it if it was evicted");
    let before = nodes[0].times("new model");
    nodes[0].until_more("new model", before + 1);
    signed(&fed, "stake", "Aster", &["1"]).fails(5, &["balance is 0", "nothing was signed"]);
    for node in &nodes {
        node.terminate();
    }
    for node in &mut nodes {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
    }
    coordinator.terminate();
    coordinator.wait().ok();
    let entries = fed.entries();
    let evicted = entries
        .iter()
        .position(|entry| entry.contains("Dahlia evicted"));
    let (earlier, later) = entries.split_at(evicted.expect("evicted"));
    assert!(count(earlier, "Dahlia contributed") > 0);
    assert_eq!(count(later, "Dahlia contributed"), 0);
    assert!(count(later, "Aster contributed") > 0);
    assert!(count(later, "published model") > 0);
}
