//! Members judge what was closed.

use crate::world::{COORDINATOR, NORM, World, identity};
use unsilo_ledger::{
    Entry, Event, Judgement, JudgementRejected, ParticipantId, Phase, Rejected, RejectionReason,
    VoidAuthority, VoidReason,
};

fn closed(founders: usize) -> World {
    let mut world = World::new(founders);
    world.open();
    world.contribute(0..u32::try_from(founders).expect("small"));
    world.close();
    world
}

fn judgement(world: &World, change: impl FnOnce(&mut Judgement)) -> Entry {
    let Entry::ContributionsJudged {
        round,
        answers,
        projections,
        accepted,
        rejected,
        erased,
    } = world.judged()
    else {
        unreachable!("the world's judgement");
    };
    let mut judgement = Judgement {
        answers,
        projections,
        accepted,
        rejected,
        erased,
    };
    change(&mut judgement);
    let Judgement {
        answers,
        projections,
        accepted,
        rejected,
        erased,
    } = judgement;
    Entry::ContributionsJudged {
        round,
        answers,
        projections,
        accepted,
        rejected,
        erased,
    }
}

fn refused(world: &mut World, change: impl FnOnce(&mut Judgement)) -> JudgementRejected {
    let entry = world.sign(judgement(world, change), &world.seated());
    match world.refuse(entry) {
        Rejected::Judgement(rejected) => rejected,
        other => panic!("{other}"),
    }
}

fn accepted(world: &mut World, change: impl FnOnce(&mut Judgement)) -> Vec<Event> {
    let entry = world.sign(judgement(world, change), &world.seated());
    world.accept(entry)
}

/// Rejects these for a reason.
fn reject(judgement: &mut Judgement, ids: &[u32], reason: RejectionReason) {
    let rejected = |id: &ParticipantId| ids.contains(&id.0);
    judgement.accepted.retain(|(id, _)| !rejected(id));
    judgement.rejected = ids.iter().map(|id| (ParticipantId(*id), reason)).collect();
}

#[test]
fn without_raters_a_judged_round_is_weighed_at_once() {
    let mut world = closed(5);
    let events = accepted(&mut world, |_| {});
    let expected: Vec<(ParticipantId, u16)> = (0..5).map(|id| (ParticipantId(id), 256)).collect();
    assert_eq!(
        events[0],
        Event::ContributionsJudged {
            round: 1,
            accepted: 5,
            rejected: 0
        }
    );
    assert!(matches!(
        &events[1],
        Event::RoundWeighed { round: 1, weights, void_due: None, .. } if *weights == expected
    ));
    assert_eq!(world.state.phase(), Phase::Weighed);
    assert_eq!(world.state.weights(), Some(&expected[..]));
    assert_eq!(world.state.norms().map(<[_]>::len), Some(5));
}

#[test]
fn with_raters_it_waits_for_them() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.direct([0]);
    world.close();
    world.judge();
    assert_eq!(
        world.state.phase(),
        Phase::Rating(unsilo_ledger::RatingStep::Commit)
    );
    assert_eq!(world.state.weights(), None);
    let publish = world.sign(world.model_published(), &world.publishers(4));
    assert_eq!(
        world.refuse(publish),
        Rejected::RoundNotWeighed { round: 1 }
    );
}

#[test]
fn the_threshold_of_members_signs_and_nobody_else() {
    let mut world = closed(5);
    let seated = world.seated();
    let entry = world.sign(world.judged(), &seated[..3]);
    assert_eq!(
        world.refuse(entry),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
    let entry = world.sign(world.judged(), &[COORDINATOR]);
    assert_eq!(
        world.refuse(entry),
        Rejected::SurplusSignature {
            key: identity(COORDINATOR).public()
        }
    );
    let mut with_coordinator = seated.clone();
    with_coordinator.push(COORDINATOR);
    let entry = world.sign(world.judged(), &with_coordinator);
    assert!(matches!(
        world.refuse(entry),
        Rejected::SurplusSignature { .. }
    ));
    let mut entry = world.sign(world.judged(), &seated);
    entry.signatures[2].signature[0] ^= 1;
    assert!(matches!(world.refuse(entry), Rejected::BadSignature { .. }));
    let entry = world.sign(world.judged(), &seated[..4]);
    world.accept(entry);
}

#[test]
fn a_round_is_judged_once_after_its_close() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    let entry = world.sign(world.judged(), &world.seated());
    assert_eq!(
        world.refuse(entry.clone()),
        Rejected::RoundNotClosed { round: 1 }
    );
    world.close();
    world.accept(entry.clone());
    assert_eq!(
        world.refuse(entry),
        Rejected::Judgement(JudgementRejected::JudgedAlready { round: 1 })
    );
}

#[test]
fn verdicts_are_about_exactly_the_closed_contributions() {
    let mut world = closed(5);
    let not = |id| JudgementRejected::NotTheClosedSet {
        participant: ParticipantId(id),
    };
    let missing = refused(&mut world, |judgement| {
        judgement.accepted.remove(3);
    });
    assert_eq!(missing, not(3));
    let doubled = refused(&mut world, |judgement| {
        judgement
            .rejected
            .push((ParticipantId(2), RejectionReason::TooLong));
    });
    assert_eq!(doubled, not(2));
    let unknown = refused(&mut world, |judgement| {
        judgement.accepted.push((ParticipantId(9), NORM));
    });
    assert_eq!(unknown, not(9));
    let out_of_order = refused(&mut world, |judgement| judgement.accepted.swap(0, 1));
    assert_eq!(out_of_order, not(0));
}

#[test]
fn norms_are_those_that_can_be_accepted() {
    let mut world = closed(5);
    let norm = refused(&mut world, |judgement| judgement.accepted[1].1 = 193);
    let participant = ParticipantId(1);
    assert_eq!(
        norm,
        JudgementRejected::Norm {
            participant,
            exponent: 193
        }
    );
}

#[test]
fn answers_and_erased_seats_are_those_of_the_committee() {
    let mut world = closed(5);
    let seat = refused(&mut world, |judgement| judgement.answers[1].0 = 1);
    assert_eq!(seat, JudgementRejected::AnswerSeat { seat: 1 });
    let seat = refused(&mut world, |judgement| judgement.answers.push((6, [0; 32])));
    assert_eq!(seat, JudgementRejected::AnswerSeat { seat: 6 });
    let few = refused(&mut world, |judgement| judgement.answers.truncate(3));
    assert_eq!(few, JudgementRejected::TooFewAnswers { have: 3, need: 4 });
    let few = refused(&mut world, |judgement| judgement.erased = vec![2, 4]);
    assert_eq!(few, JudgementRejected::TooFewAnswers { have: 3, need: 4 });
    let erased = refused(&mut world, |judgement| judgement.erased = vec![4, 4]);
    assert_eq!(erased, JudgementRejected::ErasedSeat { seat: 4 });
    let silent = refused(&mut world, |judgement| {
        judgement.answers.pop();
        judgement.erased = vec![5];
    });
    assert_eq!(silent, JudgementRejected::ErasedSeat { seat: 5 });
    accepted(&mut world, |judgement| judgement.erased = vec![3]);
}

#[test]
fn the_rejected_have_no_weight() {
    let mut world = closed(5);
    accepted(&mut world, |judgement| {
        reject(judgement, &[2], RejectionReason::BadPair { seat: 1 })
    });
    let weights: Vec<u16> = world
        .state
        .weights()
        .expect("weighed")
        .iter()
        .map(|(_, weight)| *weight)
        .collect();
    assert_eq!(weights, [256, 256, 0, 256, 256]);
    assert_eq!(world.state.void_due(), None);
    world.publish();
}

#[test]
fn a_copy_is_of_an_earlier_accepted_contribution() {
    let mut world = World::new(5);
    world.open();
    world.contribute([4, 0, 1, 2, 3]);
    world.close();
    let (first, last) = (ParticipantId(4), ParticipantId(0));
    let earlier_of_later = refused(&mut world, |judgement| {
        reject(judgement, &[4], RejectionReason::Copy { of: last });
    });
    assert_eq!(
        earlier_of_later,
        JudgementRejected::Copy {
            participant: first,
            of: last
        }
    );
    let of_rejected = refused(&mut world, |judgement| {
        reject(judgement, &[0, 4], RejectionReason::Copy { of: first });
    });
    assert_eq!(
        of_rejected,
        JudgementRejected::Copy {
            participant: last,
            of: first
        }
    );
    accepted(&mut world, |judgement| {
        reject(judgement, &[0], RejectionReason::Copy { of: first });
    });
}

#[test]
fn a_round_with_too_few_accepted_must_be_void() {
    let mut world = closed(5);
    accepted(&mut world, |judgement| {
        reject(judgement, &[1, 3], RejectionReason::OutOfRange)
    });
    assert_eq!(world.state.void_due(), Some(VoidReason::TooFewAccepted));
    let publish = world.sign(world.model_published(), &world.publishers(5));
    assert_eq!(
        world.refuse(publish),
        Rejected::MustBeVoid {
            reason: VoidReason::TooFewAccepted
        }
    );
    let void = |reason| Entry::RoundVoided {
        round: 1,
        reason,
        authority: VoidAuthority::Committee,
    };
    let other = world.sign(void(VoidReason::Brake), &world.seated());
    assert_eq!(
        world.refuse(other),
        Rejected::UnfoundedVoid {
            reason: VoidReason::Brake
        }
    );
    let due = world.sign(void(VoidReason::TooFewAccepted), &world.seated());
    world.accept(due);
    assert_eq!(world.state.phase(), Phase::Idle);
}

#[test]
fn raters_are_not_asked_when_too_few_are_accepted() {
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    world.direct(0..5);
    world.close();
    accepted(&mut world, |judgement| {
        reject(judgement, &[1, 3], RejectionReason::OutOfRange)
    });
    assert_eq!(world.state.phase(), Phase::Weighed);
    assert_eq!(world.state.void_due(), Some(VoidReason::TooFewAccepted));
}

#[test]
fn a_void_for_want_of_a_verdict_is_for_rounds_without_one() {
    let void = |world: &World| {
        let entry = Entry::RoundVoided {
            round: 1,
            reason: VoidReason::NoVerdict,
            authority: VoidAuthority::Committee,
        };
        world.sign(entry, &world.seated())
    };
    let unfounded = Rejected::UnfoundedVoid {
        reason: VoidReason::NoVerdict,
    };
    let mut world = World::new(5);
    world.open();
    world.contribute(0..5);
    let entry = void(&world);
    assert_eq!(world.refuse(entry.clone()), unfounded);
    world.close();
    let mut judged = world.clone();
    world.accept(entry.clone());
    judged.judge();
    assert_eq!(judged.refuse(entry), unfounded);
}

#[test]
fn the_next_unit_follows_from_the_median_norm() {
    let mut world = closed(5);
    // 2^(128/8) = 65,536 of 204,800 steps: 4 · .32 = 1.28, so the unit doubles.
    accepted(&mut world, |judgement| {
        for (_, exponent) in &mut judgement.accepted {
            *exponent = 128;
        }
    });
    assert_eq!(world.state.round().expect("weighed").opening.unit_log2, -14);
    world.publish();
    assert_eq!(world.state.next_unit_log2(), Some(-13));
    assert_eq!(world.state.history().next().expect("one").unit_log2, -14);
    let mut old = world.round_opened(world.seats());
    if let Entry::RoundOpened { unit_log2, .. } = &mut old {
        *unit_log2 = -14;
    }
    let old = world.sign(old, &[COORDINATOR]);
    assert_eq!(
        world.refuse(old),
        Rejected::WrongUnit {
            expected: -13,
            found: -14
        }
    );
    world.open();
}

#[test]
fn what_the_sum_is_checked_with_is_kept_until_the_next() {
    let mut world = closed(5);
    world.judge();
    let weights = world.state.weights().expect("weighed").to_vec();
    let challenge = world.state.seed().expect("closed");
    assert!(world.state.last_sum().is_none());
    world.publish();
    let sum = world.state.last_sum().expect("published").clone();
    assert_eq!((sum.opening.round, sum.closing.challenge), (1, challenge));
    assert_eq!((sum.weights, sum.total_weight), (weights, 1_280));
    assert_eq!(
        (sum.model, sum.contributions.len()),
        (world.model_after(1), 5)
    );
    world.open();
    world.void();
    assert_eq!(world.state.last_sum().expect("still").opening.round, 1);
}
