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
