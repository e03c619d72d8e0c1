//! A member asked for a second answer: across kill -9, across a coordinator that comes back from a backup, and whoever helps.

use prost::{Message, bytes::Bytes};
use unsilo_ledger::{Entry, RejectionReason};
use unsilo_proto::v1::{ContributePart, OpenRequest, rounds_client::RoundsClient, step::Kind};

use super::{
    FOUR,
    books::{Books, Change},
    hand::Hand,
    histories::{ANSWERS, Confirmation, Split, kept},
    relay::{Lie, Relay, Truth, Way, channel},
    straight,
};
use crate::{
    companies::{Companies, count},
    support::{Running, set, until},
};

/// Swallows every answer about the sum, so that the round stands still.
struct Standstill;

impl Lie for Standstill {
    fn way(&self, method: &str) -> Way {
        match method {
            "Committee/Open" => Way::Held,
            _ => Way::Through,
        }
    }
}

/// The other three sign that Birch's contribution is too long: without it the sum is another one.
fn without_birch() -> Change {
    Box::new(|entry| {
        let mut entry = entry.clone();
        let Entry::ContributionsJudged {
            accepted, rejected, ..
        } = &mut entry
        else {
            return None;
        };
        let (birch, _) = accepted.remove(1);
        rejected.push((birch, RejectionReason::TooLong));
        Some(entry)
    })
}

#[test]
fn a_member_killed_between_record_and_answer_opens_no_second_sum_whoever_helps_the_coordinator() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    let mut relays: Vec<Relay> = FOUR
        .iter()
        .enumerate()
        .map(|(part, name)| {
            fed.join_fast(name, part, 4);
            // The second history has another set, which rows of the first would not fit.
            fed.rates_nobody(name);
            Relay::before(&fed, name, Standstill)
        })
        .collect();
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for (name, relay) in FOUR.iter().zip(&relays) {
        until(&format!("{name} answers"), || {
            !relay.sent("Committee/Open").is_empty()
        });
    }
    // kill -9: the record is on disk, the answer has reached nobody.
    nodes[0].kill();
    let opening = |bytes: &Bytes| OpenRequest::decode(bytes.clone()).expect("an answer");
    let first = opening(&relays[0].sent("Committee/Open")[0]);
    let second = |fed: &Companies| Split {
        books: Books::new(fed, &FOUR[1..], without_birch()),
        confirmed: Confirmation::Helped,
    };

    // With its replica it sees that the history is another one.
    relays[0] = Relay::before(&fed, "Aster", second(&fed));
    let mut aster = fed.participate("Aster");
    let ended = aster.wait();
    assert_eq!(ended.status.code(), Some(6), "{ended:#?}");
    assert!(relays[0].sent("Committee/Open").is_empty());
    let company = fed.company("Aster");
    assert_eq!(kept(&company, "fork-", ".txt").len(), 1);

    // Even without its replica, its records stand against a sum that all the others confirm.
    std::fs::remove_file(company.join("ledger.tlog")).expect("there");
    std::fs::remove_dir_all(company.join("alarms")).expect("there");
    relays[0] = Relay::before(&fed, "Aster", second(&fed));
    let mut aster = fed.participate("Aster");
    aster.until_said(
        "ALARM: round 1: asked to open a second, different sum: refused, the first answer stands",
    );
    assert!(aster.runs(), "it goes on, with the first answer");
    assert_eq!(kept(&company, "opening-differs-", ".txt").len(), 1);
    assert!(
        relays[0].sent("Committee/Open").is_empty(),
        "no second answer"
    );
    aster.terminate();
    aster.wait().ok();

    // Asked for the first sum, it gives the first answer: the same bytes.
    std::fs::remove_file(company.join("ledger.tlog")).expect("there");
    relays[0] = Relay::before(&fed, "Aster", Truth);
    for name in &FOUR[1..] {
        straight(&fed, name);
    }
    for node in &mut nodes[1..] {
        node.terminate();
        node.wait().ok();
    }
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
    let again = relays[0].sent("Committee/Open");
    assert!(!again.is_empty());
    for bytes in &again {
        assert_eq!(opening(bytes), first);
    }
    assert_eq!(fed.verify(&FOUR)["published"], 1);
    coordinator.terminate();
    coordinator.wait().ok();
}

/// Sends what a node once sent as its contribution, as it was.
fn replay(fed: &Companies, name: &str, contribution: &[Bytes]) {
    let parts: Vec<ContributePart> = contribution
        .iter()
        .map(|part| ContributePart::decode(part.clone()).expect("a part"))
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut rounds = RoundsClient::new(channel(fed, name));
        let taken = rounds.contribute(tokio_stream::iter(parts)).await;
        taken.expect("taken");
    });
}

#[test]
fn a_round_run_again_on_the_same_model_gets_no_second_sum_out_of_its_members() {
    let fed = Companies::found(&FOUR, 1);
    let settings = fed.coordinator().join("coordinator.toml");
    set(&settings, "contribute_seconds", "10");
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    // The coordinator of this moment will come back: it knows of nothing but who joined.
    coordinator.terminate();
    coordinator.wait().ok();
    let copy = |from: &str, to: &str| {
        let _ = std::fs::remove_dir_all(fed.path(to));
        let mut command = std::process::Command::new("cp");
        let done = command
            .arg("-a")
            .args([fed.path(from), fed.path(to)])
            .status();
        assert!(done.is_ok_and(|done| done.success()));
    };
    copy("fed", "backup");

    // The first time: everybody is in the set, and every member answers, which helps nobody else.
    let mut coordinator = fed.serve();
    let relays: Vec<Relay> = FOUR
        .iter()
        .map(|name| Relay::before(&fed, name, Standstill))
        .collect();
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for (name, relay) in FOUR.iter().zip(&relays) {
        until(&format!("{name} answers"), || {
            !relay.sent("Committee/Open").is_empty()
        });
    }
    coordinator.kill();
    for node in &mut nodes {
        node.kill();
    }
    assert_eq!(count(&fed.entries(), "closed over"), 1);
    let sent: Vec<Vec<Bytes>> = relays
        .iter()
        .map(|relay| relay.sent("Rounds/Contribute"))
        .collect();

    // The same round again, with the same contributions but for Birch's, told to nodes that have lost their copies of the
    // ledger: two sums whose difference is Birch's update.
    copy("backup", "fed");
    for name in FOUR {
        let log = fed.company(name).join("ledger.tlog");
        std::fs::remove_file(log).expect("a replica");
    }
    let relays: Vec<Relay> = FOUR
        .iter()
        .map(|name| Relay::before(&fed, name, Truth))
        .collect();
    let mut coordinator = fed.serve();
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    Hand::of(&fed, "Aster").step(|kind| matches!(kind, Kind::Contributing(_)));
    for (name, contribution) in FOUR.iter().zip(&sent).filter(|(name, _)| **name != "Birch") {
        replay(&fed, name, contribution);
    }
    for (name, node) in FOUR.iter().zip(&mut nodes) {
        let (says, alarm) = match *name {
            "Birch" => (
                "but left it out of the closing set: not cosigned",
                "receipted-contribution-missing-",
            ),
            _ => (
                "asked to cosign a second, different set of contributions: refused",
                "close-differs-",
            ),
        };
        node.until_said("ALARM");
        assert!(node.said().contains(says), "{name}: {}", node.said());
        assert_eq!(
            kept(&fed.company(name), alarm, ".txt").len(),
            1,
            "{name}: {alarm}"
        );
    }
    let entries = fed.entries();
    assert_eq!(count(&entries, " contributed "), 3);
    assert_eq!(count(&entries, "closed over"), 0);
    for relay in &relays {
        for method in ["Committee/CosignClose", "Committee/SignVoid"]
            .iter()
            .chain(&ANSWERS)
        {
            assert!(relay.sent(method).is_empty(), "{method}");
        }
    }
    for node in &mut nodes {
        node.terminate();
        node.wait();
    }
    coordinator.terminate();
    coordinator.wait().ok();
}
