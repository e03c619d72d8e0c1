//! A company that joins when the ledger is long: from a snapshot that the others signed, by real processes.

use std::path::Path;

use prost::{Message, bytes::Bytes};
use unsilo_ledger::{Replica, State, store};
use unsilo_proto::v1::{SnapshotPart, snapshot_part::Part};

use crate::{
    companies::Companies,
    liar::relay::{Lie, Relay},
    support::{Running, run, set, unsilo, until},
};

const FOUNDERS: [&str; 3] = ["Aster", "Birch", "Cedar"];

/// Changes the last byte of every part of a snapshot.
struct AlteredSnapshot;

impl Lie for AlteredSnapshot {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "LedgerLog/Snapshot" {
            return vec![message];
        }
        let mut part = SnapshotPart::decode(message).expect("a part");
        if let Some(Part::Data(data)) = &mut part.part {
            let mut bytes = data.to_vec();
            *bytes.last_mut().expect("not empty") ^= 1;
            *data = bytes.into();
        }
        vec![part.encode_to_vec().into()]
    }
}

/// `unsilo ledger` with these arguments on a company's copy.
fn ledger(dir: &Path, arguments: &[&str]) -> crate::support::Ran {
    run(unsilo(["ledger"]).args(arguments).arg(dir))
}

/// Takes Dahlia in by the founders' words; her node runs when this returns.
fn admit(fed: &mut Companies) -> Running {
    let mut invite = unsilo(["coordinator", "invite", "--json"]);
    let made = run(invite.arg(fed.coordinator()).arg("Dahlia")).ok().json();
    let text = made["invitation"].as_str().expect("text").to_owned();
    fed.invitations.insert("Dahlia".to_owned(), text);
    let joined = fed.join_fast("Dahlia", 3, 4);
    begin_always(fed);
    let mut dahlia = fed.participate("Dahlia");
    dahlia.until_said("must approve it");
    let identity = joined["identity"].as_str().expect("hex");
    for owner in &FOUNDERS[..2] {
        let mut approve = unsilo(["approve", "--json"]);
        approve.arg(fed.company(owner));
        run(approve.args(["Dahlia", "--identity", identity])).ok();
    }
    dahlia
}

/// Dahlia begins with a snapshot however little it saves.
fn begin_always(fed: &Companies) {
    let config = fed.company("Dahlia").join("participant.toml");
    set(&config, "snapshot_saves_entries", "0");
}

/// The books of the coordinator's log when it had as many entries as the replica, and the replica.
fn compared(fed: &Companies, dir: &Path) -> (Replica, State) {
    let late = store::read(&dir.join(store::FILE_NAME), |_, _| {}).expect("intact");
    let mut books = State::new();
    let path = fed.coordinator().join(store::FILE_NAME);
    let full = store::read(&path, |index, entry| {
        if index < late.len() {
            books.apply(entry).expect("allowed");
        }
    })
    .expect("intact");
    assert_eq!(full.root_at(late.len()), Ok(late.root()), "one history");
    (late, books)
}

fn stop(mut nodes: Vec<Running>) {
    for node in &nodes {
        node.terminate();
    }
    for node in &mut nodes {
        node.wait().ok();
    }
}

#[test]
fn a_newcomer_begins_with_a_snapshot_that_the_others_signed_contributes_and_has_the_same_books() {
    let mut fed = Companies::found(&FOUNDERS, 0);
    let settings = fed.coordinator().join("coordinator.toml");
    set(&settings, "pause_seconds", "1");
    let mut coordinator = fed.serve();
    for (part, name) in FOUNDERS.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let founders: Vec<Running> = FOUNDERS.iter().map(|name| fed.participate(name)).collect();
    let snapshot = fed.coordinator().join("ledger.snapshot");
    until("a snapshot is made", || snapshot.exists());
    // What one process made, the next one hands out.
    coordinator.kill();
    let mut coordinator = fed.serve();

    let mut dahlia = admit(&mut fed);
    dahlia.until_said("the ledger begins with a snapshot of");
    let said = dahlia.said();
    assert!(
        said.contains("of 3 owners replayed to and signed"),
        "{said}"
    );
    for founder in FOUNDERS {
        assert!(said.contains(founder), "who founded it: {said}");
    }
    dahlia.until_said("contribution on the ledger");
    let before = dahlia.times("new model");
    dahlia.until_more("new model", before);
    dahlia.terminate();
    dahlia.wait().ok();

    let dir = fed.company("Dahlia");
    let (late, books) = compared(&fed, &dir);
    let start = late.start().expect("it began with a snapshot").clone();
    assert!(start.entries > 0 && late.first() == start.entries);
    assert_eq!(late.state().root(), books.root(), "the same books");
    assert_eq!(late.state().participants().count(), 4);

    what_it_does_not_hold_is_said(&dir, start.entries);

    // A coordinator that alters the snapshot is not believed: the whole ledger is replayed instead.
    std::fs::remove_file(dir.join(store::FILE_NAME)).expect("the replica is lost");
    let relay = Relay::before(&fed, "Dahlia", AlteredSnapshot);
    let mut dahlia = fed.participate("Dahlia");
    let before = dahlia.times("new model");
    dahlia.until_said("not those that were announced. This node replays the ledger");
    dahlia.until_more("new model", before);
    dahlia.terminate();
    dahlia.wait().ok();
    assert!(!relay.sent("LedgerLog/Snapshot").is_empty());
    drop(relay);
    assert!(ledger(&dir, &["verify", "--json"]).ok().json()["start"].is_null());

    stop(founders);
    coordinator.terminate();
    coordinator.wait().ok();
}

/// What `ledger` says of a copy that began with a snapshot of so many entries, and how the rest comes to it.
fn what_it_does_not_hold_is_said(dir: &Path, entries: u64) {
    let report = ledger(dir, &["verify", "--json"]).ok().json();
    assert_eq!(report["start"]["entries"], entries);
    assert_eq!(report["start"]["owners"], 3);
    let text = ledger(dir, &["verify"]).ok().stdout;
    assert!(text.contains("NOT verified one by one"), "{text}");
    let full = ["needs the full log", "--full-log"];
    ledger(dir, &["verify", "--full"]).fails(3, &full);
    ledger(dir, &["explain", "Aster", "1"]).fails(3, &full);
    ledger(dir, &["show", "--from", "0"]).fails(3, &full);
    let shown = ledger(dir, &["show", "--json"]).ok().json();
    assert_eq!(shown["entries"][0]["index"], entries);
}
