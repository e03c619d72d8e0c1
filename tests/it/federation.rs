//! A real federation: separate processes, the five commands of the README, and kill -9 at any moment.

use std::{fs, path::Path};

use crate::{
    companies::{Companies, count, verify_all},
    support::{Running, run, set, unsilo, until},
};

/// The features of some row of the digits, and its label.
fn a_row(number: usize) -> (String, String) {
    let text = fs::read_to_string(crate::support::repository("data/digits.csv")).expect("digits");
    let row = text.lines().nth(number).expect("a row");
    let (features, label) = row.rsplit_once(',').expect("a label");
    (features.to_owned(), label.to_owned())
}

#[test]
fn the_readmes_five_commands_make_a_federation() {
    let names = ["Aster Labs", "Birch Post", "Cedar Bank"];
    let fed = Companies::found(&names, 3);
    assert_eq!(fed.invitations.len(), 3);
    let mut coordinator = fed.serve();
    fed.query(&["--row", &a_row(1).0])
        .fails(5, &["no round", "first one"]);

    let mut identities = Vec::new();
    for (part, name) in names.iter().enumerate() {
        let joined = fed.join(name, &fed.rows(part, 3)).ok().json();
        assert_eq!(joined["name"], *name);
        assert_eq!(joined["data"]["rows"], 599);
        identities.push(joined["identity"].as_str().expect("hex").to_owned());
    }
    let mut nodes: Vec<Running> = names.iter().map(|name| fed.participate(name)).collect();
    let mut models = Vec::new();
    for node in &mut nodes {
        let ended = node.wait().ok();
        let summary = ended.json();
        assert_eq!(summary["finished"], true);
        assert_eq!(summary["contributions"], 3);
        assert_eq!(summary["models"], 3);
        models.push(summary["model"].as_str().expect("hex").to_owned());
        // Every founder saw whom it founded with before it signed.
        for identity in &identities {
            assert!(ended.stderr.contains(identity), "{}", ended.stderr);
        }
    }
    assert!(models.iter().all(|model| *model == models[0]), "{models:?}");

    // Before the first query, which the coordinator will enter.
    let running = fed.verify(&names);
    assert_eq!(
        (&running["published"], &running["voided"]),
        (&3.into(), &0.into())
    );

    let (row, label) = a_row(12);
    let one = fed.query(&["--row", &row]).ok().json();
    assert_eq!(one["round"], 3);
    assert_eq!(
        one["model"], *models[0],
        "the model that the companies verified is the one that is served"
    );
    let csv = fed.rows(0, 20);
    let many = fed
        .query(&["--csv", csv.to_str().expect("UTF-8")])
        .ok()
        .json();
    let predictions = many["predictions"].as_array().expect("predictions");
    let text = fs::read_to_string(&csv).expect("read");
    let labels: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|row| row.rsplit_once(',').expect("a label").1)
        .collect();
    assert_eq!(predictions.len(), labels.len());
    let right = predictions
        .iter()
        .zip(&labels)
        .filter(|(prediction, label)| prediction["class"] == **label)
        .count();
    assert!(
        right * 10 > labels.len() * 6,
        "{right} of {} right",
        labels.len()
    );
    let alone = fed.query(&["--row", &row]).ok().json();
    assert_eq!(
        alone["predictions"], one["predictions"],
        "the same row, the same answer, label {label}"
    );

    // What `ledger` says of the companies' copies while the coordinator runs is what it says afterwards. The coordinator's own
    // may have a batch of queries more.
    coordinator.terminate();
    coordinator.wait().ok();
    assert_eq!(
        verify_all(names.iter().map(|name| fed.company(name))),
        running
    );
    let entries = fed.entries();
    assert!(entries.len() as u64 >= running["entries"].as_u64().expect("a number"));
    assert_eq!(count(&entries, "contributed"), 9);
    for name in names {
        assert!(entries[0].contains(name), "{}", entries[0]);
    }
}

/// Waits until the company called `name` waits for approval, and says how many have approved.
fn waits(owner: &Path, name: &str) -> Option<u64> {
    let shown = run(unsilo(["approve", "--json"]).arg(owner)).ok().json();
    shown["applicants"]
        .as_array()
        .expect("applicants")
        .iter()
        .find(|applicant| applicant["name"] == name)
        .map(|applicant| applicant["approvals"].as_u64().expect("a count"))
}

#[test]
fn a_fourth_company_comes_in_when_the_majority_says_so() {
    let names = ["Aster", "Birch", "Cedar"];
    let mut fed = Companies::found(&names, 0);
    set(
        &fed.coordinator().join("coordinator.toml"),
        "pause_seconds",
        "1",
    );
    let mut coordinator = fed.serve();
    for (part, name) in names.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let mut nodes: Vec<Running> = names.iter().map(|name| fed.participate(name)).collect();
    nodes[0].until_said("round 1: new model");

    let mut invite = unsilo(["coordinator", "invite", "--json"]);
    let made = run(invite.arg(fed.coordinator()).arg("Dahlia")).ok().json();
    let text = made["invitation"].as_str().expect("text").to_owned();
    fed.invitations.insert("Dahlia".to_owned(), text);
    let joined = fed.join_fast("Dahlia", 3, 4);
    let mut dahlia = fed.participate("Dahlia");
    dahlia.until_said("must approve it");
    assert_eq!(waits(&fed.company("Aster"), "Dahlia"), Some(0));

    // An invitation and a join admit nobody; nor does one of three, however often; nor a signature on another key.
    let approve = |owner: &str, identity: &str| {
        let mut command = unsilo(["approve", "--json"]);
        command.arg(fed.company(owner));
        run(command.args(["Dahlia", "--identity", identity]))
    };
    approve("Aster", &"ab".repeat(32)).fails(3, &["Dahlia", "nothing was signed"]);
    assert_eq!(waits(&fed.company("Aster"), "Dahlia"), Some(0));
    let identity = joined["identity"].as_str().expect("hex");
    for _ in 0..2 {
        approve("Aster", identity).ok();
        assert_eq!(waits(&fed.company("Birch"), "Dahlia"), Some(1));
    }
    let mut nobody = unsilo(["approve"]);
    run(nobody.arg(fed.company("Aster")).arg("Mallory"))
        .fails(3, &["Mallory", "waits for approval"]);
    assert_eq!(count(&fed.entries(), "admitted"), 0);
    approve("Birch", identity).ok();
    until("Dahlia is admitted", || {
        count(&fed.entries(), "Dahlia (key") == 1
    });
    assert_eq!(waits(&fed.company("Cedar"), "Dahlia"), None);

    dahlia.until_said("contribution on the ledger");
    let before = dahlia.times("new model");
    dahlia.until_more("new model", before);
    for node in nodes.iter().chain([&dahlia]) {
        node.terminate();
    }
    for node in nodes.iter_mut().chain([&mut dahlia]) {
        let summary = node.wait().ok().json();
        assert_eq!(summary["finished"], false);
    }
    coordinator.terminate();
    coordinator.wait().ok();
    let entries = fed.entries();
    let admitted = entries
        .iter()
        .position(|entry| entry.contains("admitted"))
        .expect("admitted");
    assert!(
        entries[admitted].contains("Aster") && entries[admitted].contains("Birch"),
        "who admitted her: {}",
        entries[admitted]
    );
    let contributed = |entries: &[String]| count(entries, "Dahlia contributed");
    assert_eq!(contributed(&entries[..admitted]), 0);
    assert!(contributed(&entries[admitted..]) > 0);
    let verified = run(unsilo(["ledger", "verify", "--json"]).arg(fed.company("Dahlia")))
        .ok()
        .json();
    assert_eq!(verified["participants"], 4);
}

/// Lines that a node prints, in the order of a round: a moment in each of its steps.
const MOMENTS: [&str; 9] = [
    "offered a seat",
    "update encrypted",
    "contribution on the ledger",
    "close cosigned",
    "answered what the contributions are checked with",
    "contributions are in order",
    "answered with its share",
    "recomputed the model",
    "new model",
];

#[test]
fn whoever_is_killed_whenever_the_round_goes_on() {
    const ROUNDS: u64 = 30;
    let names = ["Aster", "Birch", "Cedar", "Dahlia"];
    let fed = Companies::found(&names, ROUNDS);
    let mut coordinator = fed.serve();
    for (part, name) in names.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let mut nodes: Vec<Running> = names.iter().map(|name| fed.participate(name)).collect();
    for (number, moment) in MOMENTS.into_iter().enumerate() {
        // The coordinator, just after somebody has done this.
        let seen = number % names.len();
        let before = nodes[seen].times(moment);
        nodes[seen].until_more(moment, before);
        coordinator.kill();
        coordinator = fed.serve();
        // A company, just after it has done this itself.
        let victim = (number + 1) % names.len();
        let before = nodes[victim].times(moment);
        nodes[victim].until_more(moment, before);
        nodes[victim].kill();
        nodes[victim] = fed.participate(names[victim]);
    }
    let mut models = Vec::new();
    for node in &mut nodes {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
        // Of all the runs under this name only the last one came to its end.
        let summary = ended.json();
        assert_eq!(summary["finished"], true);
        models.push(summary["model"].clone());
    }
    assert!(models.iter().all(|model| *model == models[0]), "{models:?}");
    assert_eq!(
        fed.query(&["--row", &a_row(5).0]).ok().json()["model"],
        models[0]
    );
    coordinator.terminate();
    coordinator.wait().ok();

    let verified = fed.verify(&names);
    assert_eq!(
        verified["published"], ROUNDS,
        "the round that was killed went on"
    );
    assert_eq!(verified["voided"], 0);
    let entries = fed.entries();
    for round in 1..=ROUNDS {
        for (what, times) in [
            ("opened on model", 1),
            ("closed over", 1),
            ("published model", 1),
            ("declared void", 0),
        ] {
            assert_eq!(
                count(&entries, &format!("round {round} {what}")),
                times,
                "round {round} {what}"
            );
        }
        for name in names {
            assert!(
                count(&entries, &format!("round {round}: {name} contributed")) <= 1,
                "{name} in round {round}"
            );
        }
    }
}
