//! Between the close and the opening: answers, judgements, ratings, and the ways in which they fail.

use unsilo_ledger::{
    Entry, LEAST_RATER_MS, Outcome, Phase, RatingStep, RejectionReason, VoidReason,
};
use unsilo_proto::{Code, v1::step};

use super::{
    closing, code,
    federation::{FOUNDERS, Federation, TIMING},
    until,
};
use crate::round::{Event, machine::GRACE_MS, opening::RETRY_MS};

/// In round 1: closed, to be answered; the projections are made.
fn answering() -> Federation {
    let mut federation = closing();
    until(&mut federation, "answering");
    federation.run_job();
    federation
}

fn judging() -> Federation {
    let mut federation = answering();
    until(&mut federation, "judging");
    federation
}

fn is_void(federation: &Federation, reason: VoidReason) -> bool {
    federation
        .ledger
        .history()
        .any(|record| record.outcome == Outcome::Voided { reason })
}

/// Everybody acts and the clock goes on, until the round has an outcome.
fn finish_round(federation: &mut Federation) {
    let rounds = federation.ledger.history().len();
    for _ in 0..60 {
        federation.everybody_acts();
        if federation.ledger.history().len() > rounds {
            return;
        }
        let _ = federation.tick(2_000);
    }
    panic!("the round does not end: {}", federation.machine.phase());
}

#[test]
fn a_garbage_contribution_is_rejected_and_the_round_goes_on_without_it() {
    let mut federation = Federation::founded(1);
    federation.nodes[2].sends_garbage = true;
    until(&mut federation, "opening");
    let garbage = federation.id_of(2).expect("known");
    let judged = federation.ledger.judged().expect("judged");
    assert_eq!(judged.rejected, [(garbage, RejectionReason::OutOfRange)]);
    assert_eq!(judged.accepted.len(), 4);
    let weights = federation.ledger.weights().expect("weighed").to_vec();
    assert!(
        weights
            .iter()
            .all(|(id, weight)| (*weight == 0) == (*id == garbage))
    );
    // The model is the mean of the others: the world compares it when it is decoded.
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn members_are_told_to_act_only_on_a_checkpoint_that_enough_of_them_cosigned() {
    let mut federation = answering();
    let mut seen = Vec::new();
    for round in 0.. {
        for node in 0..FOUNDERS.len() {
            let phase = federation.machine.phase();
            if ["answering", "judging", "opening"].contains(&phase) {
                seen.push((phase, federation.cosigned));
            }
            federation.act(node);
        }
        if federation.machine.phase() == "publishing" || round > 9 {
            break;
        }
        while federation.has_job() {
            federation.run_job();
        }
    }
    seen.dedup();
    assert_eq!(
        seen,
        [
            ("answering", false),
            ("answering", true),
            // The log has not grown since: the same checkpoint.
            ("judging", true),
            ("opening", false),
            ("opening", true),
        ]
    );
}

#[test]
fn whose_answers_are_judged_is_on_disk_before_it_is_told_and_stays() {
    let mut federation = answering();
    federation.notes_fail = true;
    for node in 0..4 {
        federation.cosign(node);
    }
    for node in 0..4 {
        federation.act(node);
    }
    assert!(federation.tick(GRACE_MS).is_err(), "the disk says no");
    assert_eq!(federation.machine.phase(), "answering");
    federation.notes_fail = false;
    federation.tick(250).expect("noted");
    assert_eq!(federation.machine.phase(), "judging");
    // The fifth answers now, and the process restarts: those who signed a judgement of four must not be asked for
    // another one.
    for node in 0..2 {
        federation.act(node);
    }
    let late = federation.answers(4, 1).expect("seated");
    assert_eq!(code(&mut federation, late()), None, "late is no fault");
    federation.restart();
    assert_eq!(federation.machine.phase(), "answering");
    federation.run_job();
    assert!(matches!(
        &federation.step,
        Some(step::Kind::Judging(judging)) if judging.seats.len() == 4
    ));
    finish_round(&mut federation);
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_projection_that_fails_is_made_again() {
    let mut federation = closing();
    federation.sums_fail = true;
    until(&mut federation, "answering");
    for _ in 0..2 {
        federation.everybody_acts();
    }
    assert_eq!(federation.machine.phase(), "answering", "all have answered");
    federation.sums_fail = false;
    federation.tick(RETRY_MS - 1).expect("ticks");
    assert!(!federation.has_job(), "not at once");
    federation.tick(1).expect("ticks");
    federation.run_job();
    assert_eq!(federation.machine.phase(), "judging");
    federation.calm_until_finished();
}

#[test]
fn too_few_answers_in_time_void_the_round_also_after_a_restart() {
    let mut federation = answering();
    for node in 0..4 {
        federation.cosign(node);
    }
    for node in 0..3 {
        federation.act(node);
    }
    federation
        .tick(TIMING.contribute_ms + 2 * TIMING.answer_ms + 1)
        .expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    federation.act(0);
    // Whoever signed the void will not open: after a restart nothing else may be asked for.
    federation.restart();
    assert_eq!(federation.machine.phase(), "voiding");
    finish_round(&mut federation);
    assert!(is_void(&federation, VoidReason::TooFewMembers));
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn an_answer_is_taken_from_its_seat_for_its_round() {
    let mut federation = answering();
    let message = federation.answers(0, 1).expect("seated");
    let Event::Answered {
        participant,
        seat,
        sheet_root,
        ..
    } = message()
    else {
        unreachable!("an answer was made");
    };
    let event = |round, seat| Event::Answered {
        round,
        participant,
        seat,
        sheet_root,
    };
    for (event, expected) in [
        (event(2, seat), Some(Code::WrongRound)),
        (event(1, seat % 5 + 1), Some(Code::NoSeat)),
        (event(1, 0), Some(Code::NoSeat)),
        (event(1, seat), None),
        (event(1, seat), None),
    ] {
        let taken = federation
            .machine
            .handle(event, federation.now_ms, &federation.ledger);
        assert_eq!(taken.err().map(|rejected| rejected.code), expected);
    }
    federation.calm_until_finished();
    assert_eq!(
        code(&mut federation, message()),
        None,
        "for a round that is over"
    );
}

#[test]
fn a_liar_among_the_answers_is_erased_and_costs_nobody_anything() {
    let mut federation = Federation::founded(1);
    federation.nodes[1].lies = true;
    until(&mut federation, "opening");
    let judged = federation.ledger.judged().expect("judged");
    let seat = federation.seat_number(1).expect("seated");
    assert_eq!(judged.erased, [seat]);
    assert_eq!(judged.accepted.len(), 5);
    federation.calm_until_finished();
}

#[test]
fn one_member_that_judges_otherwise_does_not_matter() {
    let mut federation = Federation::founded(1);
    federation.nodes[3].misjudges = true;
    finish_round(&mut federation);
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_round_on_which_the_members_cannot_agree_is_void() {
    let mut federation = Federation::founded(1);
    for node in [0, 3] {
        federation.nodes[node].misjudges = true;
    }
    until(&mut federation, "judging");
    for node in 0..FOUNDERS.len() {
        federation.act(node);
    }
    // All have signed: nothing is left to wait for.
    federation.tick(250).expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    finish_round(&mut federation);
    assert!(is_void(&federation, VoidReason::NoVerdict));
    for node in [0, 3] {
        federation.nodes[node].misjudges = false;
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_judgement_is_one_a_seat_about_the_answers_handed_out() {
    let mut federation = judging();
    let Some(step::Kind::Judging(told)) = federation.step.clone() else {
        panic!("judging is announced");
    };
    let message = federation.judgement(0, &told).expect("seated");
    let Event::JudgementSigned {
        participant, entry, ..
    } = message()
    else {
        unreachable!("a judgement was made");
    };
    let entry = Entry::from_bytes(&entry).expect("an entry");
    let changed = |change: fn(&mut Entry)| {
        let mut entry = entry.clone();
        change(&mut entry);
        entry
    };
    let other_table = changed(|entry| {
        if let Entry::ContributionsJudged { projections, .. } = entry {
            projections[0] ^= 1;
        }
    });
    let other_answers = changed(|entry| {
        if let Entry::ContributionsJudged { answers, .. } = entry {
            answers[0].1[0] ^= 1;
        }
    });
    let other_verdict = changed(|entry| {
        if let Entry::ContributionsJudged { accepted, .. } = entry {
            accepted[0].1 += 1;
        }
    });
    let signed = |federation: &Federation, node, round, entry: &Entry| {
        federation.signed_judgement(node, participant, round, entry.clone())()
    };
    let cases = [
        (signed(&federation, 0, 2, &entry), Some(Code::WrongRound)),
        (signed(&federation, 5, 1, &entry), Some(Code::NoSeat)),
        (
            signed(&federation, 0, 1, &other_table),
            Some(Code::WrongStep),
        ),
        (
            signed(&federation, 0, 1, &other_answers),
            Some(Code::WrongStep),
        ),
        (message(), None),
        (message(), None),
        (
            signed(&federation, 0, 1, &other_verdict),
            Some(Code::AnswerDiffers),
        ),
    ];
    for (event, expected) in cases {
        assert_eq!(code(&mut federation, event), expected);
    }
    let mut forged = message();
    if let Event::JudgementSigned { signature, .. } = &mut forged {
        signature.signature[0] ^= 1;
    }
    assert_eq!(code(&mut federation, forged), Some(Code::SignatureInvalid));
    federation.calm_until_finished();
}

#[test]
fn too_few_accepted_contributions_void_the_round_and_nothing_is_opened() {
    let mut federation = Federation::founded(1);
    for node in [1, 4] {
        federation.nodes[node].sends_garbage = true;
    }
    until(&mut federation, "voiding");
    assert_eq!(
        federation.ledger.void_due(),
        Some(VoidReason::TooFewAccepted)
    );
    assert!(!federation.has_job(), "no sum is made");
    federation.restart();
    assert_eq!(federation.machine.phase(), "voiding");
    finish_round(&mut federation);
    assert!(is_void(&federation, VoidReason::TooFewAccepted));
    for node in [1, 4] {
        federation.nodes[node].sends_garbage = false;
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_round_in_which_everybody_is_rejected_ends_with_the_model_as_it_was_and_says_why() {
    let mut federation = Federation::founded(1);
    for node in &mut federation.nodes {
        node.sends_garbage = true;
    }
    let before = federation.ledger.model();
    until(&mut federation, "voiding");
    let judged = federation.ledger.judged().expect("judged");
    assert_eq!((judged.accepted.len(), judged.rejected.len()), (0, 5));
    assert!(!federation.has_job(), "no sum is made");
    let Some(step::Kind::Voiding(voiding)) = federation.step.clone() else {
        panic!("{:?}", federation.step);
    };
    assert!(
        voiding
            .reason
            .contains("too few companies have an accepted contribution"),
        "{}",
        voiding.reason
    );
    finish_round(&mut federation);
    assert!(is_void(&federation, VoidReason::TooFewAccepted));
    assert_eq!(federation.ledger.model(), before);
    for node in &mut federation.nodes {
        node.sends_garbage = false;
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn raters_commit_and_reveal_before_the_round_is_weighed() {
    let mut federation = Federation::founded(1);
    for node in &mut federation.nodes {
        node.rates = true;
    }
    until(&mut federation, "rating");
    let raters = federation.ledger.drawn_raters().len();
    let directions = federation
        .ledger
        .round()
        .map(|round| round.directions.len());
    assert_eq!(
        (raters, directions),
        (4, Some(4)),
        "as many as the model's size allows"
    );
    until(&mut federation, "opening");
    assert_eq!(federation.ledger.ratings().count(), 4);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_rater_that_falls_silent_costs_its_time_and_no_more() {
    let mut federation = Federation::founded(1);
    for node in &mut federation.nodes {
        node.rates = true;
    }
    until(&mut federation, "rating");
    let silent = federation.ledger.drawn_raters()[0];
    let silent = federation.node_of(silent);
    for half in 0..2 {
        for node in (0..FOUNDERS.len()).filter(|node| *node != silent) {
            federation.act(node);
        }
        // The end of a half is not announced before its time, but then it is.
        let announced = |federation: &Federation| matches!(&federation.step, Some(step::Kind::Rating(rating)) if !rating.entry.is_empty());
        if half == 0 {
            assert!(!announced(&federation));
            federation
                .tick(TIMING.contribute_ms + 2 * TIMING.answer_ms)
                .expect("ticks");
            assert!(announced(&federation));
            for node in (0..FOUNDERS.len()).filter(|node| *node != silent) {
                federation.act(node);
            }
            assert!(matches!(federation.ledger.phase(), Phase::Rating(_)));
        }
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_rater_that_commits_and_never_reveals_is_absent_and_costs_only_its_time() {
    let mut federation = Federation::founded(1);
    for node in &mut federation.nodes {
        node.rates = true;
    }
    until(&mut federation, "rating");
    let raters = federation.ledger.drawn_raters();
    let silent = raters[0];
    let others: Vec<usize> = (0..FOUNDERS.len())
        .filter(|node| *node != federation.node_of(silent))
        .collect();
    // Everybody commits, and the members end the half.
    while federation.ledger.phase() == Phase::Rating(RatingStep::Commit) {
        for node in 0..FOUNDERS.len() {
            federation.act(node);
        }
    }
    for node in &others {
        federation.act(*node);
    }
    let announced = |federation: &Federation| matches!(&federation.step, Some(step::Kind::Rating(rating)) if !rating.entry.is_empty());
    assert!(!announced(&federation), "it is waited for");
    // Members are told that the others are in: their own clocks run from there.
    let before = federation.announced;
    federation.tick(GRACE_MS).expect("ticks");
    assert!(!announced(&federation) && federation.announced > before);
    // The others took no time: the least wait by a member's clock, and a little more.
    federation.tick(LEAST_RATER_MS - GRACE_MS).expect("ticks");
    assert!(!announced(&federation));
    federation.tick(GRACE_MS).expect("ticks");
    assert!(announced(&federation));
    let revealed: Vec<_> = federation.ledger.ratings().map(|(of, _)| of).collect();
    assert!(!revealed.contains(&silent), "{revealed:?}");
    assert_eq!(revealed.len(), raters.len() - 1);
    for node in &others {
        federation.act(*node);
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_row_that_comes_late_makes_another_end_that_members_sign_anew() {
    let mut federation = Federation::founded(1);
    for node in &mut federation.nodes {
        node.rates = true;
    }
    until(&mut federation, "rating");
    let late = federation.ledger.drawn_raters()[0];
    let late = federation.node_of(late);
    let others: Vec<usize> = (0..FOUNDERS.len()).filter(|node| *node != late).collect();
    for node in &others {
        federation.act(*node);
    }
    federation
        .tick(TIMING.contribute_ms + 2 * TIMING.answer_ms)
        .expect("ticks");
    let announced = |federation: &Federation| match &federation.step {
        Some(step::Kind::Rating(rating)) => {
            let entry = Entry::from_bytes(&rating.entry).expect("an end is announced");
            let Entry::RatingStepEnded { rows, .. } = entry else {
                panic!("another entry: {entry:?}");
            };
            (rows, rating.clone())
        }
        other => panic!("another step: {other:?}"),
    };
    let (rows, first) = announced(&federation);
    assert_eq!(rows, 3);
    // All but one of those who must sign have signed.
    let threshold = federation
        .ledger
        .round()
        .map_or(0, |round| usize::from(round.opening.threshold));
    for node in &others[..threshold - 1] {
        federation.act(*node);
    }
    let mut asked = first.clone();
    asked.entry.clear();
    let row = federation.rating(late, &asked).expect("it may still");
    assert_eq!(code(&mut federation, row()), None);
    let (rows, second) = announced(&federation);
    assert_eq!(rows, 4);
    // The signature that would have made enough is under what is not asked any more.
    let stale = federation.rating(others[threshold - 1], &first);
    let stale = stale.expect("a member");
    assert_eq!(code(&mut federation, stale()), Some(Code::WrongStep));
    let one = federation.rating(others[threshold - 1], &second);
    assert_eq!(code(&mut federation, one.expect("a member")()), None);
    assert!(
        matches!(
            federation.ledger.phase(),
            Phase::Rating(unsilo_ledger::RatingStep::Commit)
        ),
        "one signature is not enough: those before were under another end"
    );
    federation.calm_until_finished();
    let ended = federation
        .entries
        .iter()
        .find_map(|signed| match signed.entry {
            Entry::RatingStepEnded { rows, .. } => Some(rows),
            _ => None,
        });
    assert_eq!((ended, federation.published().len()), (Some(4), 1));
}

#[test]
fn directions_are_taken_while_contributions_are() {
    let mut federation = closing();
    federation.nodes[0].rates = true;
    let Some(message) = federation.directions(0, 1).or_else(|| {
        federation.nodes[1].rates = true;
        federation.directions(1, 1)
    }) else {
        panic!("four of five are drawn");
    };
    assert_eq!(code(&mut federation, message()), Some(Code::DeadlinePassed));
    federation.calm_until_finished();
}
