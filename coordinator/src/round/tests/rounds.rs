//! Rounds from beginning to end: who is away, what comes late, and restarts.

use super::*;

#[test]
fn a_federation_runs_its_rounds_and_rests() {
    let mut federation = Federation::founded(2);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 2);
    assert!(
        matches!(federation.step, Some(step::Kind::Resting(ref resting)) if resting.finished),
        "everybody is told that it is over"
    );
    assert_eq!(federation.ledger.history().len(), 2);
}

#[test]
fn a_restart_after_any_event_leads_to_the_same_models() {
    let undisturbed = {
        let mut federation = Federation::founded(1);
        federation.calm_until_finished();
        federation.published()
    };
    // Events are counted by what is sent; each run restarts after another one of them.
    for restart_after in 0.. {
        let mut federation = Federation::new(1);
        for node in 0..FOUNDERS.len() {
            federation.join(node);
        }
        let mut events = 0;
        let mut restarted = false;
        'run: for _ in 0..40 {
            for node in 0..FOUNDERS.len() {
                federation.act(node);
                if federation.has_job() && (node + restart_after) % 2 == 0 {
                    federation.run_job();
                }
                if events == restart_after {
                    federation.restart();
                    restarted = true;
                }
                events += 1;
                if federation.machine.phase() == "finished" {
                    break 'run;
                }
            }
            let _ = federation.tick(2_000);
        }
        federation.calm_until_finished();
        assert_eq!(
            federation.published(),
            undisturbed,
            "restart after {restart_after}"
        );
        if !restarted {
            assert!(
                restart_after > 20,
                "{restart_after} events are too few for a round"
            );
            return;
        }
    }
}

#[test]
fn the_genesis_waits_for_every_founder_and_repeats_a_failed_append() {
    let mut federation = Federation::new(1);
    for node in 0..4 {
        federation.join(node);
        federation.everybody_acts();
    }
    assert!(matches!(
        &federation.step,
        Some(step::Kind::Founding(Founding { missing, entry })) if *missing == ["Elder"] && entry.is_empty()
    ));
    federation.join(4);
    // A stranger and a signature under another entry.
    let Some(step::Kind::Founding(founding)) = federation.step.clone() else {
        panic!("founding is announced");
    };
    let entry = Entry::from_bytes(&founding.entry).expect("an entry");
    let stranger = entry.sign(&federation.id, &federation.nodes[5].identity);
    let signed = |signature, entry: &[u8]| Event::GenesisSigned {
        entry: entry.to_vec(),
        signature,
    };
    assert_eq!(
        code(&mut federation, signed(stranger, &founding.entry)),
        Some(Code::NotAParticipant)
    );
    let mut forged = entry.sign(&federation.id, &federation.nodes[0].identity);
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, signed(forged, &founding.entry)),
        Some(Code::SignatureInvalid)
    );
    let good = entry.sign(&federation.id, &federation.nodes[0].identity);
    assert_eq!(
        code(&mut federation, signed(good, b"another list")),
        Some(Code::WrongStep)
    );
    federation.appends_fail = true;
    federation.everybody_acts();
    assert_eq!(federation.ledger.phase(), Phase::Unfounded);
    assert!(federation.tick(250).is_err());
    federation.appends_fail = false;
    federation.tick(250).expect("founded");
    assert_eq!(federation.machine.phase(), "seating");
}

#[test]
fn an_absent_member_costs_a_grace_period_and_no_more() {
    let mut federation = Federation::founded(1);
    let absent = 2;
    for round in 0..60 {
        for node in (0..FOUNDERS.len()).filter(|node| *node != absent) {
            federation.act(node);
        }
        while federation.has_job() {
            federation.run_job();
        }
        if federation.machine.phase() == "finished" {
            let record = federation.ledger.history().next().expect("one round");
            assert_eq!((record.contributions, record.seats.len()), (4, 4));
            return;
        }
        assert!(round < 59);
        let _ = federation.tick(2_000);
    }
}

#[test]
fn too_few_contributions_void_the_round_and_the_next_one_opens() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..3 {
        federation.act(node);
    }
    assert_eq!(federation.machine.phase(), "contributing");
    federation.tick(TIMING.contribute_ms + 1).expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    // A void that could not be written is tried again.
    federation.appends_fail = true;
    federation.everybody_acts();
    federation.appends_fail = false;
    federation.tick(250).expect("void");
    assert_eq!(federation.machine.phase(), "seating");
    assert_eq!(federation.ledger.next_round(), 2);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_deadline_that_passed_while_down_closes_with_who_contributed() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..4 {
        federation.act(node);
    }
    federation.now_ms += 10 * TIMING.contribute_ms;
    federation.restart();
    assert_eq!(federation.machine.phase(), "closing");
    // All deadlines are over, but the members have had no time to come back.
    federation.tick(250).expect("ticks");
    assert_eq!(federation.machine.phase(), "closing");
    let late = federation.contribution(4, 1).expect("made");
    assert_eq!(code(&mut federation, late()), Some(Code::DeadlinePassed));
    federation.calm_until_finished();
    let record = federation.ledger.history().next().expect("one round");
    assert_eq!(record.contributions, 4);
}

#[test]
fn a_close_that_too_few_cosign_is_voided() {
    let mut federation = closing();
    for node in 0..3 {
        federation.act(node);
    }
    federation
        .tick(TIMING.contribute_ms + TIMING.answer_ms + 1)
        .expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    assert!(matches!(
        &federation.step,
        Some(step::Kind::Voiding(voiding)) if matches!(
            Entry::from_bytes(&voiding.entry),
            Ok(Entry::RoundVoided { reason: VoidReason::TooFewMembers, .. })
        )
    ));
    federation.calm_until_finished();
}

#[test]
fn one_liar_among_five_does_not_change_the_model() {
    let honest = {
        let mut federation = Federation::founded(1);
        federation.calm_until_finished();
        federation.published()
    };
    let mut federation = Federation::founded(1);
    federation.nodes[3].lies = true;
    federation.calm_until_finished();
    assert_eq!(federation.published(), honest);
}

#[test]
fn a_sum_that_fails_is_made_again_also_when_all_have_answered() {
    let mut federation = opening();
    federation.sums_fail = true;
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "opening");
    assert!(!federation.has_job());
    federation.tick(RETRY_MS - 1).expect("ticks");
    assert!(!federation.has_job(), "not at once");
    federation.tick(1).expect("ticks");
    assert!(federation.has_job());
    federation.run_job(); // Fails again.
    federation.tick(RETRY_MS).expect("ticks");
    federation.sums_fail = false;
    federation.run_job(); // The sum; now the decoding fails, and everybody has answered.
    federation.sums_fail = true;
    federation.run_job();
    assert_eq!(federation.machine.phase(), "opening");
    federation.sums_fail = false;
    federation.tick(RETRY_MS).expect("ticks");
    federation.run_job();
    federation.run_job();
    assert_eq!(federation.machine.phase(), "publishing");
    federation.calm_until_finished();
}
