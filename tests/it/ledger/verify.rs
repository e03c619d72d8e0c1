//! `unsilo ledger verify` and `show`.

use std::fs;

use unsilo_ledger::{CosignedCheckpoint, Entry, LedgerStore, store::FILE_NAME};

use super::{COORDINATOR, Kept, NAMES, World, founded, identity, score};

#[test]
fn what_was_checked_is_said_and_counted() {
    let mut world = founded();
    let settlement = world.epoch(score);
    let deposit = world.deposit(2, 1_000);
    world.accept_by(deposit, 2);
    world.open();
    let kept = Kept::new(&world);
    let signer = std::sync::Arc::new(identity(COORDINATOR));
    let mut store = LedgerStore::open(&kept.file(), signer).expect("opened");
    let note = store.checkpoint().expect("a checkpoint").note().to_owned();
    for member in 0..3 {
        let line = store.cosign(&note, &identity(member), 1).expect("a member");
        store
            .add_cosignature(world.log.len() as u64, &line.line())
            .expect("kept");
    }
    drop(store);
    let report = kept.ledger(&["verify", "--json"]).ok().json();
    let entries = world.log.len();
    let paid: u64 = settlement.outcome.payout.iter().sum();
    assert_eq!(report["verified"], true);
    assert_eq!(report["entries"], entries);
    assert_eq!(report["epoch"], 2);
    assert_eq!(report["in_progress"]["round"], 21);
    assert_eq!(report["in_progress"]["phase"], "open");
    let books = &report["books"];
    assert_eq!(books["minted"], paid);
    assert_eq!(books["staked"], 1_000);
    assert_eq!(books["balances"], paid - 1_000);
    assert_eq!(books["grants"], 5_000);
    assert_eq!(books["burned"], 0);
    assert_eq!(books["pool_fees"], 0);
    let checkpoints = &report["kept"]["checkpoints"];
    assert_eq!(checkpoints[0]["entries"], entries);
    assert_eq!(checkpoints[0]["participants"], 3);
    assert_eq!(checkpoints[0]["majority"], true);
    assert_eq!(report["kept"]["cosignatures"], 3);
    assert_eq!(report["kept"]["fork_proofs"], serde_json::json!([]));
    let text = kept.ledger(&["verify"]).ok().stdout;
    for words in [
        format!("Verified: {entries} entries").as_str(),
        "3 cosignatures verified under 1 checkpoints",
        "3 participants of 3 owners; the newest that more than half of the owners (3) replayed to",
        "1000 staked",
        format!("= {paid} minted").as_str(),
        "round 21 in progress (open); epoch 2",
        "no proof of a fork is kept here",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn a_kept_fork_is_listed_with_its_proof_checked() {
    let mut world = founded();
    let mut other = world.clone();
    world.open();
    other.open();
    other.contribute([0]);
    world.contribute([1]);
    let kept = Kept::new(&world);
    // The coordinator shows another log of the same length.
    let replica = kept.root.path().join("replica");
    fs::create_dir(&replica).expect("made");
    let mut store = LedgerStore::create_replica(
        &replica.join(FILE_NAME),
        identity(COORDINATOR).public(),
        world.federation(),
    )
    .expect("a replica");
    let note_of = |world: &World| {
        let kept = Kept::new(world);
        let signer = std::sync::Arc::new(identity(COORDINATOR));
        let store = LedgerStore::open(&kept.file(), signer).expect("opened");
        store.checkpoint().expect("a checkpoint").note().to_owned()
    };
    let (ours, theirs) = (note_of(&world), note_of(&other));
    store.append_verified(&world.log, &ours).expect("followed");
    drop(store);
    let coordinator = identity(COORDINATOR).public();
    let parsed = |note: &str| {
        let cosigned = CosignedCheckpoint::parse(note, &coordinator, |_| None).expect("signed");
        cosigned.signed().clone()
    };
    let proof =
        unsilo_ledger::ForkProof::of_one_size(parsed(&ours), parsed(&theirs)).expect("a fork");
    let alarms = replica.join("alarms");
    fs::create_dir(&alarms).expect("made");
    fs::write(alarms.join("fork-0123.txt"), "two logs").expect("written");
    fs::write(alarms.join("fork-0123.proof"), proof.to_bytes()).expect("written");
    fs::write(alarms.join("fork-4567.txt"), "no proof").expect("written");
    fs::write(alarms.join("fork-4567.proof"), [0; 100]).expect("written");
    let verify = |json: &[&str]| {
        let mut command = crate::support::unsilo(["ledger", "verify"]);
        crate::support::run(command.args(json).arg(&replica)).ok()
    };
    let report = verify(&["--json"]).json();
    let proofs = &report["kept"]["fork_proofs"];
    assert_eq!(proofs[0]["proven"], true);
    assert_eq!(proofs[0]["entries"], serde_json::json!([3, 3]));
    assert_eq!(proofs[1]["proven"], false);
    let text = verify(&[]).stdout;
    assert!(
        text.contains("ALARM: the coordinator signed two histories, of 3 and of 3 entries"),
        "{text}"
    );
    assert!(text.contains("without a proof"), "{text}");
}

#[test]
fn cosignatures_of_another_federation_are_refused() {
    let mut world = founded();
    world.open();
    let kept = Kept::new(&world);
    let mut draft = super::draft(4);
    draft.name = "Another".to_owned();
    let other = Kept::new(&World::from_draft(draft));
    let signer = std::sync::Arc::new(identity(COORDINATOR));
    let mut store = LedgerStore::open(&other.file(), signer).expect("opened");
    let note = store.checkpoint().expect("a checkpoint").note().to_owned();
    let line = store.cosign(&note, &identity(0), 1).expect("a member");
    store.add_cosignature(1, &line.line()).expect("kept");
    drop(store);
    fs::copy(
        other.file().with_extension("cosignatures"),
        kept.file().with_extension("cosignatures"),
    )
    .expect("copied");
    for command in [&["verify"][..], &["show"], &["explain", "Dahlia", "1"]] {
        kept.ledger(command).fails(6, &["altered"]);
    }
    // The other federation's log by itself is right, and does not know these names.
    fs::copy(other.file(), kept.file()).expect("copied");
    kept.ledger(&["verify"]).ok();
    kept.ledger(&["explain", NAMES[0], "1"])
        .fails(3, &["no participant \"Aster Labs\"", "Company 0"]);
}

#[test]
fn what_follows_from_an_entry_is_shown_below_it() {
    let mut world = founded();
    world.epoch(score);
    let violation = world.two_openings(3, 1);
    world.accept_by(Entry::ViolationReported { violation }, 0);
    let deposit = world.deposit(2, 77);
    world.accept_by(deposit, 2);
    let kept = Kept::new(&world);
    let text = kept.ledger(&["show"]).ok().stdout;
    for words in [
        "→ Dahlia is in, with a stake of 1000 granted",
        "→ round 1 weighed: Aster Labs 256",
        "→ epoch 1 settled: ",
        "→ case 0: Dahlia gave two answers about the key of a sum; 100 of stake",
        "Cedar, \"Sons\" & Co staked 77; signed by Cedar, \"Sons\" & Co",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let last = (world.log.len() - 1).to_string();
    let one = kept
        .ledger(&["show", "--json", "--from", &last])
        .ok()
        .json();
    let [entry] = &one["entries"].as_array().expect("entries")[..] else {
        panic!("{one}");
    };
    assert_eq!(entry["kind"], "stake_deposited");
    assert_eq!(entry["round"], serde_json::Value::Null);
    assert_eq!(entry["follows"], serde_json::json!([]));
}
