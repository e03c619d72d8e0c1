//! A copy of the ledger that begins with a snapshot.

use unsilo_ledger::{LedgerStore, ParticipantId, store::FILE_NAME};

use super::{COORDINATOR, Kept, World, founded, identity, score};

/// A federation with two settled rounds more than the snapshot, and the copy that began with that.
fn late() -> (World, Kept, u64) {
    let mut world = founded();
    world.epoch(score);
    let size = world.log.len();
    let kept = Kept::new(&world);
    let signer = std::sync::Arc::new(identity(COORDINATOR));
    let mut full = LedgerStore::open(&kept.file(), signer).expect("opened");
    full.keep_books();
    for founder in 0..3 {
        let signed = full.checkpoint().expect("entries");
        let id = ParticipantId(founder);
        let line = signed.cosign(id, &identity(founder), 1_700_000_000).line();
        full.add_cosignature(size as u64, &line)
            .expect("a founder's");
    }
    let snapshot = full.snapshot(size as u64).expect("cosigned");
    world.full_round();
    world.full_round();
    full.append(&world.log[size..]).expect("allowed");
    let note = full.checkpoint().expect("entries").note().to_owned();
    drop(full);

    let federation = world.federation();
    let verified = snapshot
        .verify(&identity(COORDINATOR).public(), &federation)
        .expect("right");
    let copy = Kept {
        root: tempfile::tempdir().expect("a directory"),
    };
    let path = copy.root.path().join(FILE_NAME);
    let mut store = LedgerStore::create_from_snapshot(&path, &verified).expect("new");
    store
        .append_verified(&world.log[size..], &note)
        .expect("it follows");
    (world, copy, size as u64)
}

#[test]
fn verify_says_on_whose_word_the_copy_began_and_full_refuses_it() {
    let (world, copy, size) = late();
    let report = copy.ledger(&["verify", "--json"]).ok().json();
    assert_eq!(report["entries"], world.log.len());
    let start = &report["start"];
    assert_eq!(
        (&start["entries"], &start["owners"], &start["cosigners"]),
        (&size.into(), &5.into(), &3.into())
    );
    assert_eq!(start["agreed_at"], 1_700_000_000);
    assert_eq!(start["founders"][3]["name"], "Dahlia");
    let text = copy.ledger(&["verify"]).ok().stdout;
    for words in [
        format!("but for the first {size}, which a snapshot stands for").as_str(),
        "NOT verified one by one",
        "the word of 3 of the 5 owners",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let words = ["needs the full log", "--full-log"];
    copy.ledger(&["verify", "--full"]).fails(3, &words);

    let whole = Kept::new(&world);
    let report = whole.ledger(&["verify", "--full", "--json"]).ok().json();
    assert!(report["start"].is_null());
    let text = whole.ledger(&["verify"]).ok().stdout;
    assert!(text.contains("every entry is here"), "{text}");
}

#[test]
fn what_lies_before_needs_the_full_log_and_what_lies_after_is_told_as_by_everybody() {
    let (world, copy, size) = late();
    let whole = Kept::new(&world);
    let words = ["needs the full log", "--full-log"];
    copy.ledger(&["show", "--from", "3"]).fails(3, &words);
    for round in ["1", "20"] {
        copy.ledger(&["explain", "Dahlia", round]).fails(3, &words);
    }
    copy.ledger(&["explain", "Dahlia", "23"])
        .fails(3, &["round 23 has not begun: the last is 22"]);
    let out = copy.root.path().join("tables");
    let out = out.to_str().expect("text");
    copy.ledger(&["export", "--out", out]).fails(3, &words);
    assert!(!std::path::Path::new(out).exists(), "no table is left");

    let shown = copy.ledger(&["show", "--json"]).ok().json();
    let all = whole.ledger(&["show", "--json"]).ok().json();
    assert_eq!((&shown["first"], &all["first"]), (&size.into(), &0.into()));
    let after = &all["entries"].as_array().expect("entries")[size as usize..];
    assert_eq!(shown["entries"].as_array().expect("entries"), after);
    let limited = copy.ledger(&["show", "--json", "--limit", "2"]).ok().json();
    assert_eq!(limited["entries"].as_array().expect("entries"), &after[..2]);
    let text = copy.ledger(&["show"]).ok().stdout;
    assert!(text.starts_with("(begins with a snapshot: "), "{text}");
    for round in ["21", "22"] {
        let explained = copy.ledger(&["explain", "--json", "Dahlia", round]);
        let by_all = whole.ledger(&["explain", "--json", "Dahlia", round]);
        assert_eq!(explained.ok().json(), by_all.ok().json());
    }
}
