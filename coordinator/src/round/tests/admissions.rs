//! Companies that come while the rounds go on.

use super::*;

#[test]
fn an_admission_waits_for_the_end_of_an_open_round() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..4 {
        federation.act(node);
    }
    federation.tick(TIMING.contribute_ms + 1).expect("ticks");
    assert_eq!(federation.machine.phase(), "closing");
    federation.join(5);
    for node in 0..3 {
        for approval in federation.approvals(node) {
            federation.feed(approval()).expect("approved");
        }
    }
    assert!(
        federation.id_of(5).is_none(),
        "it would raise the cohort of a set that is being cosigned"
    );
    federation.restart();
    assert_eq!(federation.machine.phase(), "closing");
    federation.calm_until_finished();
    assert!(federation.id_of(5).is_some());
    let rounds: Vec<_> = federation
        .ledger
        .history()
        .map(|round| round.contributions)
        .collect();
    assert_eq!(rounds, [4]);
}

#[test]
fn an_admission_while_seating_keeps_the_offers_that_were_taken() {
    let mut federation = Federation::founded(1);
    for node in 0..4 {
        federation.act(node);
    }
    assert_eq!(federation.machine.phase(), "seating");
    federation.join(5);
    for node in 0..3 {
        for approval in federation.approvals(node) {
            federation.feed(approval()).expect("approved");
        }
    }
    // Who joins now is drawn after the next round that opens: the seed of this one is known.
    assert!(federation.id_of(5).is_some());
    assert_eq!(federation.ledger.draw().expect("idle").owners.len(), 5);
    // Those who were told "taken" say nothing more; only the others answer.
    for node in [4, 5] {
        federation.act(node);
    }
    federation.tick(TIMING.answer_ms).expect("ticks");
    for node in [4, 5] {
        federation.act(node);
    }
    let _ = federation.tick(TIMING.answer_ms);
    assert_eq!(federation.machine.phase(), "contributing");
    federation.calm_until_finished();
}

#[test]
fn an_admission_needs_more_than_half_of_the_owners_each_counted_once() {
    let mut federation = Federation::founded(1);
    federation.join(5);
    let approval = |federation: &Federation, node: usize| -> Message {
        federation.approvals(node).pop().expect("one applicant")
    };
    let own = approval(&federation, 5);
    assert_eq!(code(&mut federation, own()), Some(Code::NotAParticipant));
    for node in [0, 0, 0, 1] {
        let message = approval(&federation, node);
        assert_eq!(code(&mut federation, message()), None);
    }
    assert!(federation.id_of(5).is_none(), "two owners of five");
    let third = approval(&federation, 2);
    federation.appends_fail = true;
    assert_eq!(code(&mut federation, third()), Some(Code::Internal));
    federation.appends_fail = false;
    federation.tick(250).expect("admitted at the next tick");
    assert!(federation.id_of(5).is_some());
    assert_eq!(federation.applicants(), 0);
    assert_eq!(code(&mut federation, third()), Some(Code::NotFound));
}

#[test]
fn who_joined_before_the_founding_without_founding_becomes_an_applicant() {
    let mut federation = Federation::new(1);
    federation.join(5);
    assert_eq!(federation.applicants(), 0);
    for node in 0..5 {
        federation.join(node);
    }
    federation.everybody_acts();
    let pending: Vec<_> = federation.machine.pending().collect();
    let [waiting] = &pending[..] else {
        panic!("one waits: {pending:?}");
    };
    assert!(
        matches!(&waiting.entry, Entry::ParticipantAdmitted { name, .. } if name == "Fern"),
        "{waiting:?}"
    );
    assert!(waiting.signatures.is_empty());
}
