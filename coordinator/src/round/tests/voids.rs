//! Rounds that end without a model, one after the other.

use super::*;

/// Nodes act one by one for as long as this step lasts.
fn act_while(federation: &mut Federation, phase: &str) {
    for node in 0..FOUNDERS.len() {
        if federation.machine.phase() == phase {
            federation.act(node);
        }
    }
    assert_ne!(federation.machine.phase(), phase);
}

/// A round that three of five have contributed to when its time is over.
fn one_is_missing(federation: &mut Federation) {
    act_while(federation, "seating");
    for node in 0..3 {
        federation.act(node);
    }
    assert_eq!(federation.machine.phase(), "contributing");
    federation.tick(TIMING.contribute_ms + 1).expect("ticks");
}

/// Three rounds in a row were void, and the fourth is open.
fn three_void() -> Federation {
    let mut federation = Federation::founded(1);
    for round in 1..=3 {
        one_is_missing(&mut federation);
        assert_eq!(federation.machine.phase(), "voiding");
        act_while(&mut federation, "voiding");
        assert_eq!(federation.ledger.next_round(), round + 1);
    }
    assert!(!federation.ledger.committee_may_void());
    federation
}

#[test]
fn after_three_voids_a_round_waits_for_who_is_missing_and_takes_what_comes_late() {
    let mut federation = three_void();
    one_is_missing(&mut federation);
    for _ in 0..2 {
        assert_eq!(federation.machine.phase(), "contributing");
        federation.tick(100 * TIMING.contribute_ms).expect("ticks");
        federation.restart();
    }
    federation.act(4);
    assert_eq!(federation.machine.phase(), "closing", "four of five are in");
    // Nor does it give up the close.
    for _ in 0..2 {
        federation.tick(100 * TIMING.answer_ms).expect("ticks");
        assert_eq!(federation.machine.phase(), "closing");
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn after_three_voids_a_closed_round_waits_for_answers_too() {
    let mut federation = three_void();
    act_while(&mut federation, "seating");
    act_while(&mut federation, "contributing");
    act_while(&mut federation, "closing");
    assert_eq!(federation.ledger.phase(), Phase::Closed);
    for _ in 0..3 {
        federation.tick(100 * TIMING.answer_ms).expect("ticks");
        assert_eq!(federation.machine.phase(), "answering");
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn after_the_third_round_in_a_row_that_changed_nothing_the_federation_rests_longer_each_time() {
    let mut federation = Federation::founded(2);
    let send_garbage = |federation: &mut Federation, garbage| {
        for node in &mut federation.nodes {
            node.sends_garbage = garbage;
        }
    };
    send_garbage(&mut federation, true);
    for (in_vain, pause_ms) in [(1, 0), (2, 0), (3, 1_000), (4, 2_000)] {
        until(&mut federation, "voiding");
        act_while(&mut federation, "voiding");
        let resting = match &federation.step {
            Some(step::Kind::Resting(resting)) => Some(resting.clone()),
            _ => None,
        };
        assert_eq!(resting.is_some(), pause_ms > 0, "{in_vain}");
        let Some(resting) = resting else { continue };
        assert!(!resting.finished);
        let said = format!("{in_vain} rounds in a row changed nothing");
        assert!(resting.reason.starts_with(&said), "{}", resting.reason);
        federation.tick(pause_ms - 1).expect("ticks");
        assert_eq!(federation.machine.phase(), "resting");
        federation.tick(1).expect("ticks");
        assert_eq!(federation.machine.phase(), "seating");
    }
    // A model, and it begins at once again.
    send_garbage(&mut federation, false);
    until(&mut federation, "opening");
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 2);
}
