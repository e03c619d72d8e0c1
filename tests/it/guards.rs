//! Members answer once: also when they are killed between the record and the answer, and when the coordinator's
//! history changes.

use std::process::Command;

use unsilo_participant::guard::{GuardStore, OpeningRecord, Record};

use crate::{
    companies::{Companies, count},
    proxy::{Proxy, bodies},
    support::{Running, run, set, unsilo, until},
};

const THREE: [&str; 3] = ["Aster", "Birch", "Cedar"];
/// Bytes of an answer: one polynomial.
const ANSWER: usize = 12_288;

/// The answers among the requests on a connection: no other message has their length, which stands before each.
fn answers(sent: &[u8]) -> Vec<Vec<u8>> {
    let length =
        |body: &[u8]| u32::from_be_bytes(body[1..5].try_into().expect("four bytes")) as usize;
    bodies(sent)
        .into_iter()
        .filter(|body| body.len() > 5 && (ANSWER..ANSWER + 512).contains(&length(body)))
        .collect()
}

/// Leads a company's node through a proxy, or straight to the coordinator.
fn lead(fed: &Companies, name: &str, to: &str) {
    let config = fed.company(name).join("participant.toml");
    set(&config, "coordinator", &format!("{to:?}"));
}

#[test]
fn a_member_killed_between_record_and_answer_gives_the_recorded_answer() {
    let fed = Companies::found(&THREE, 1);
    let mut coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    // Three of three must answer, so the round waits for Cedar, whose answer does not arrive.
    let dir = fed.company("Cedar");
    let staller = Proxy::start(
        &fed.coordinator(),
        &fed.address,
        dir.clone(),
        Some(|sent| !answers(sent).is_empty()),
    );
    lead(&fed, "Cedar", &staller.address);
    let mut others: Vec<Running> = THREE[..2]
        .iter()
        .map(|name| fed.participate(name))
        .collect();
    let mut cedar = fed.participate("Cedar");
    cedar.until_said("round 1: close cosigned");
    until("Cedar answers", || staller.has_stopped());
    cedar.kill();
    assert_eq!(
        cedar.times("answered with its share"),
        0,
        "nobody has heard the answer"
    );
    for node in &mut others {
        node.until_said("round 1: answered with its share");
        assert!(node.runs());
    }
    assert_eq!(count(&fed.entries(), "published model"), 0);

    // The record was there before the answer; the real store refuses any other, and void as well.
    let store = dir.join("guard.redb");
    let recorded = {
        let mut store = GuardStore::open(&store).expect("the records of a killed process");
        let recorded = store.guards().opened[&1].clone();
        assert_eq!(recorded.answer.len(), ANSWER);
        let other = |answer: Vec<u8>, digest| {
            Record::Opened(OpeningRecord {
                answer,
                digest,
                ..recorded.clone()
            })
        };
        let mut flipped = recorded.answer.clone();
        flipped[7] ^= 1;
        for refused in [
            other(flipped, recorded.digest),
            other(recorded.answer.clone(), [9; 32]),
            Record::Voided { round: 1 },
        ] {
            let error = store.record(&refused).expect_err("a second answer");
            assert!(error.to_string().contains("round 1"), "{error}");
        }
        store
            .record(&Record::Opened(recorded.clone()))
            .expect("the same answer");
        recorded
    };

    let recorder = Proxy::start(&fed.coordinator(), &fed.address, dir, None);
    lead(&fed, "Cedar", &recorder.address);
    let mut cedar = fed.participate("Cedar");
    for node in others.iter_mut().chain([&mut cedar]) {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
    }
    let answers: Vec<Vec<u8>> = recorder
        .sent()
        .iter()
        .flat_map(|sent| answers(sent))
        .collect();
    assert!(!answers.is_empty());
    for answer in &answers {
        let same = answer
            .windows(ANSWER)
            .any(|window| window == recorded.answer);
        assert!(same, "an answer other than the recorded one left Cedar");
    }
    assert_eq!(fed.verify(&THREE)["published"], 1);
    coordinator.terminate();
    coordinator.wait().ok();
}

#[test]
fn a_coordinator_that_forgets_is_not_followed() {
    let fed = Companies::found(&THREE, 0);
    set(
        &fed.coordinator().join("coordinator.toml"),
        "pause_seconds",
        "1",
    );
    let mut coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    let mut nodes: Vec<Running> = THREE.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.until_said("round 1: new model");
    }
    // A backup of the coordinator, after which the federation goes on.
    coordinator.kill();
    let copy = |from: &str, to: &str| {
        let _ = std::fs::remove_dir_all(fed.path(to));
        let done = Command::new("cp")
            .arg("-a")
            .args([fed.path(from), fed.path(to)])
            .status();
        assert!(done.is_ok_and(|done| done.success()));
    };
    copy("fed", "backup");
    let before = nodes[0].times("new model");
    let mut coordinator = fed.serve();
    nodes[0].until_more("new model", before);
    for node in &nodes {
        node.terminate();
    }
    for node in &mut nodes {
        node.wait().ok();
    }
    coordinator.kill();
    let kept: Vec<_> = THREE
        .iter()
        .map(|name| {
            run(unsilo(["ledger", "verify", "--json"]).arg(fed.company(name)))
                .ok()
                .json()
        })
        .collect();

    // Back to the backup: the nodes know more than it and say so instead of doing anything twice.
    copy("backup", "fed");
    let mut coordinator = fed.serve();
    let mut nodes: Vec<Running> = THREE.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        let ended = node.wait();
        assert_eq!(ended.status.code(), Some(6), "{ended:#?}");
        assert!(ended.stderr.contains("ALARM"), "{ended:#?}");
        assert!(
            ended
                .stderr
                .contains("compare them with the other companies"),
            "{ended:#?}"
        );
    }
    for (name, mut before) in THREE.iter().zip(kept) {
        let mut now = run(unsilo(["ledger", "verify", "--json"]).arg(fed.company(name)))
            .ok()
            .json();
        assert_eq!(
            before["kept"].take()["fork_proofs"][0],
            serde_json::Value::Null
        );
        assert_ne!(
            now["kept"].take()["fork_proofs"][0],
            serde_json::Value::Null,
            "{name}"
        );
        assert_eq!(now, before, "{name} keeps what it had verified");
        assert!(
            std::fs::read_dir(fed.company(name).join("alarms"))
                .expect("alarms")
                .count()
                > 0
        );
        // Nor does it start again before a person has looked.
        run(unsilo(["participate"]).arg(fed.company(name))).fails(6, &["earlier run", "evidence"]);
    }
    coordinator.terminate();
    coordinator.wait().ok();
}
