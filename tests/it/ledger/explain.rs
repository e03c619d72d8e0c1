//! `unsilo ledger explain`.

use std::fs;

use serde_json::Value;
use unsilo_ledger::{Event, ParticipantId};

use super::{Kept, NAMES, founded, score};
use crate::support::{run, unsilo};

#[test]
fn a_settled_round_is_explained_down_to_the_last_unit() {
    let mut world = founded();
    let settlement = world.epoch(score);
    world.open();
    let kept = Kept::new(&world);
    let mut paid = 0;
    for (row, name) in NAMES.iter().enumerate() {
        let told = kept.ledger(&["explain", "--json", name, "7"]).ok().json();
        assert_eq!(told["participant"], *name);
        assert_eq!(told["part"], "accepted");
        assert_eq!(told["outcome"], "published");
        let numbers = [&told["round"], &told["last_round"], &told["epoch"]];
        assert_eq!(numbers.map(Value::as_u64), [Some(7), Some(21), Some(1)]);
        let weight = if row == 4 { 153 } else { 256 };
        assert_eq!(told["weight"]["weight"], weight);
        assert_eq!(told["weight"]["total_weight"], 4 * 256 + 153);
        let shares = told["weight"]["ratings"].as_array().expect("ratings");
        assert_eq!(shares.len(), 5);
        let pay = &told["pay"];
        let part = |key: &str| pay[key].as_u64().expect("a number");
        assert_eq!(
            part("contributing") + part("rating") + part("niche"),
            part("payout")
        );
        assert_eq!(part("payout"), settlement.outcome.payout[row]);
        assert_eq!(
            part("balance_after") - part("balance_before"),
            part("payout")
        );
        assert_eq!(pay["settled_by_round"], 20);
        paid += part("payout");
        assert_eq!(
            part("paid") + part("withheld"),
            part("emission") + part("fees")
        );
        assert_eq!(pay["all"]["payout"], pay["paid"]);
    }
    assert_eq!(paid + settlement.outcome.withheld, 20_000_000);

    let text = kept.ledger(&["explain", "élan", "7"]).ok().stdout;
    for words in [
        "Élan in round 7 of Digits",
        "counts for 13.0 % of the new model: weight 153 of 1,177",
        "yes: the consensus",
        "no: its own company's",
        "epoch 1, which ended with round 20 after 20 published rounds",
        "Its pool held 20,000,000 units",
        "What the other companies said about Élan",
        "together",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    // The file itself, and the present directory, name the same ledger.
    let mut by_file = unsilo(["ledger", "explain", "Élan", "7"]);
    assert_eq!(run(by_file.arg(kept.file())).ok().stdout, text);
    let mut here = unsilo(["ledger", "explain", "Élan", "7"]);
    assert_eq!(run(here.current_dir(kept.root.path())).ok().stdout, text);
}

#[test]
fn what_has_not_ended_is_said_to_have_not() {
    let mut world = founded();
    world.rated_round(score);
    world.open();
    world.contribute([0]);
    world.void();
    world.open();
    world.contribute([0, 1]);
    let kept = Kept::new(&world);
    let told = kept
        .ledger(&["explain", "--json", "Aster Labs", "1"])
        .ok()
        .json();
    assert_eq!(told["pay"]["settled"], false);
    assert_eq!(told["pay"]["balance_after"], Value::Null);
    assert_eq!(told["pay"]["rounds"], 1);
    let text = kept.ledger(&["explain", "Aster Labs", "1"]).ok().stdout;
    assert!(text.contains("has not ended: 1 of 20 rounds"), "{text}");
    assert!(text.contains("This is no promise"), "{text}");

    let told = kept
        .ledger(&["explain", "--json", "Dahlia", "2"])
        .ok()
        .json();
    assert_eq!(told["outcome"], "void");
    assert_eq!(told["part"], "no contribution");
    assert_eq!(told["weight"], Value::Null);
    let text = kept.ledger(&["explain", "Aster Labs", "2"]).ok().stdout;
    assert!(
        text.contains("Round 2 is void: too few members of the committee answered in time"),
        "{text}"
    );
    assert!(text.contains("nothing was minted for it"), "{text}");

    let told = kept
        .ledger(&["explain", "--json", "Dahlia", "3"])
        .ok()
        .json();
    assert_eq!(told["outcome"], "in progress");
    assert_eq!(told["part"], "may contribute");
    let text = kept.ledger(&["explain", "Aster Labs", "3"]).ok().stdout;
    assert!(
        text.contains("Round 3 has not ended: 2 contributions so far"),
        "{text}"
    );
    assert!(
        text.contains("did not judge the contributions yet"),
        "{text}"
    );
}

#[test]
fn stake_and_violations_of_the_round_are_told() {
    let mut world = founded();
    world.epoch(score);
    let deposit = world.deposit(3, 5);
    world.accept_by(deposit, 3);
    let events = world.rated_round(score);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::ModelPublished { .. }))
    );
    let kept = Kept::new(&world);
    let text = kept.ledger(&["explain", "Dahlia", "21"]).ok().stdout;
    assert!(
        text.contains("ALSO IN THIS ROUND\n- Dahlia staked 5 units"),
        "{text}"
    );
    let other = kept.ledger(&["explain", "Élan", "21"]).ok().stdout;
    assert!(!other.contains("staked"), "{other}");
    let first = kept.ledger(&["explain", "Élan", "1"]).ok().stdout;
    assert!(
        first.contains("was admitted, with a stake of 1,000 granted"),
        "{first}"
    );
    assert_eq!(world.first_of(unsilo_ledger::OwnerId(3)), ParticipantId(3));
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_to_do() {
    let mut world = founded();
    let unfounded = Kept::new(&world);
    unfounded
        .ledger(&["explain", "Dahlia", "1"])
        .fails(3, &["no round has begun yet"]);
    world.full_round();
    let kept = Kept::new(&world);
    kept.ledger(&["explain", "dalia", "1"])
        .fails(3, &["\"dalia\"", "did you mean \"Dahlia\"?", "Aster Labs"]);
    kept.ledger(&["explain", "Aster", "1"])
        .fails(3, &["did you mean \"Aster Labs\"?"]);
    let stranger = kept
        .ledger(&["explain", "Zzyzx", "1"])
        .fails(3, &["no participant"]);
    assert!(!stranger.stderr.contains("did you mean"), "{stranger:#?}");
    kept.ledger(&["explain", "", "1"])
        .fails(3, &["no participant"]);
    kept.ledger(&["explain", "Dahlia", "0"])
        .fails(3, &["counted from 1"]);
    kept.ledger(&["explain", "Dahlia", "2"])
        .fails(3, &["round 2 has not begun", "the last is 1"]);
    kept.ledger(&["explain", "Dahlia", "18446744073709551615"])
        .fails(3, &["has not begun"]);
    for round in ["-1", "one", "1.5", "18446744073709551616"] {
        let ran = kept.ledger(&["explain", "Dahlia", round]);
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
    }
    let nowhere = kept.root.path().join("nowhere");
    let mut command = unsilo(["ledger", "explain", "Dahlia", "1"]);
    run(command.arg(&nowhere)).fails(3, &["nowhere", "coordinator", "ledger.tlog"]);

    // Cut short, and not a ledger at all.
    let whole = fs::read(kept.file()).expect("the log");
    fs::write(kept.file(), &whole[..whole.len() - 100]).expect("written");
    kept.ledger(&["explain", "Dahlia", "1"])
        .fails(6, &["damaged", "replica"]);
    fs::write(kept.file(), b"round,weight\n1,256\n").expect("written");
    kept.ledger(&["explain", "Dahlia", "1"])
        .fails(6, &["damaged"]);
}
