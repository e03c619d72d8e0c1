//! Void: only for a reason that the member sees, and never beside an answer.

use unsilo_proto::limits;

use super::{openings::opened, *};

#[test]
fn an_answer_excludes_void_and_void_excludes_an_answer() {
    let (mut world, _) = opened();
    for killed in [false, true] {
        if killed {
            let facts = world.session.facts().unwrap().clone();
            world.restart();
            world.ledger(facts);
        }
        assert!(calls(&world.step(voiding(1)), Task::SignVoid(1)).is_empty());
    }

    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    // Void is signed while the shares are on their way.
    world.now_ms = 100_000;
    assert_eq!(calls(&world.step(voiding(1)), Task::SignVoid(1)).len(), 1);
    let done = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1],
    });
    assert!(calls(&done, Task::Open(1)).is_empty());
    for killed in [false, true] {
        if killed {
            world.restart();
            world.ledger(facts.clone());
        }
        let done = world.step(StepKind::Opening { round: 1 });
        assert!(
            matches!(done.last(), Some(Effect::Tell(Progress::Waiting { .. })))
                && done.iter().all(|effect| matches!(effect, Effect::Tell(_))),
            "{done:?}"
        );
    }
}

/// What a node says that signed the owners' void of round 1 before it saw these facts, when it is asked for `kind`; also
/// after a restart.
fn asked_after_the_owners_void(facts: impl Fn(&mut World) -> Facts, kind: &StepKind) {
    let mut world = World::new();
    let facts = facts(&mut world);
    world.ledger(facts.clone());
    world.now_ms = 100_000;
    let told = world.feed(Event::OwnersVoid { round: 1 });
    assert!(
        matches!(
            told.as_slice(),
            [
                Effect::Record(Record::OwnersVoid { round: 1 }),
                Effect::Tell(Progress::Warning { .. }),
                ..
            ]
        ),
        "{told:?}"
    );
    assert_eq!(world.feed(Event::OwnersVoid { round: 1 }), [], "told once");
    for killed in [false, true] {
        if killed {
            world.restart();
            world.ledger(facts.clone());
        }
        let done = world.step(kind.clone());
        assert!(
            done.iter().all(|effect| {
                matches!(effect, Effect::Tell(_)) || is_call(effect, Task::PostReceipt(1))
            }),
            "{kind:?}: {done:?}"
        );
    }
}

#[test]
fn after_the_owners_void_a_member_does_nothing_more_in_the_round() {
    asked_after_the_owners_void(|_| idle(1), &seating(1));
    asked_after_the_owners_void(World::seated, &StepKind::Contributing { round: 1 });
    asked_after_the_owners_void(World::contributed, &StepKind::Closing { round: 1 });
    let unjudged = |world: &mut World| closed(world.contributed());
    asked_after_the_owners_void(unjudged, &StepKind::Answering { round: 1 });
    let seats = vec![1, 2, 3];
    asked_after_the_owners_void(unjudged, &StepKind::Judging { round: 1, seats });
    let in_order = |world: &mut World| weighed(world.contributed(), [16; 4]);
    asked_after_the_owners_void(in_order, &StepKind::Opening { round: 1 });
    asked_after_the_owners_void(in_order, &publishing(1, 1));
}

#[test]
fn a_contribution_under_way_ends_with_the_owners_void() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts);
    let started = world.step(StepKind::Contributing { round: 1 });
    let trains = matches!(started.as_slice(), [.., Effect::Contribute(_)]);
    assert!(trains, "{started:?}");
    world.feed(Event::OwnersVoid { round: 1 });
    let done = world.feed(encrypted(1, 0, 50));
    assert!(done.contains(&Effect::Discard { round: 1 }), "{done:?}");
    assert!(world.disk.contributions.is_empty());

    // One that is recorded and was not sent stays here.
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts.clone());
    world.step(StepKind::Contributing { round: 1 });
    let is_sent = |done: &[Effect]| {
        done.iter()
            .any(|effect| matches!(effect, Effect::Upload { .. }))
    };
    assert!(is_sent(&world.feed(encrypted(1, 0, 50))));
    world.feed(Event::OwnersVoid { round: 1 });
    world.restart();
    world.ledger(facts);
    assert!(!is_sent(&world.step(StepKind::Contributing { round: 1 })));
}

#[test]
fn an_opening_under_way_ends_with_the_owners_void() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    world.feed(Event::OwnersVoid { round: 1 });
    let done = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1],
    });
    assert!(calls(&done, Task::Open(1)).is_empty());
    assert!(!world.disk.opened.contains_key(&1));
    // With the committee's void it agrees.
    world.now_ms = 100_000;
    assert_eq!(calls(&world.step(voiding(1)), Task::SignVoid(1)).len(), 1);
}

#[test]
fn a_round_is_neither_closed_early_without_everybody_nor_voided_before_its_time() {
    let mut world = World::new();
    let mut facts = world.contributed();
    let round = facts.round.as_mut().unwrap();
    let far = limits::CLOCK_SKEW_MS + 100_000;
    (round.contribute_by_ms, round.close_by_ms, round.open_by_ms) = (far, far + 1, far + 2);
    let everybody = round.contributions.clone();
    round.contributions.retain(|made| made.participant.0 <= ME);
    world.ledger(facts.clone());
    assert!(
        calls(
            &world.step(StepKind::Closing { round: 1 }),
            Task::CosignClose(1)
        )
        .is_empty()
    );
    assert!(calls(&world.step(voiding(1)), Task::SignVoid(1)).is_empty());

    // With everybody there is no reason to wait for the deadline.
    facts.round.as_mut().unwrap().contributions = everybody;
    let cosigned = world.close(&grown(facts));
    assert_eq!(calls(&cosigned, Task::CosignClose(1)).len(), 1);
}

/// How many signatures the node gives under a void for this reason.
fn asked(world: &mut World, reason: VoidReason) -> usize {
    let entry = Entry::RoundVoided {
        round: 1,
        reason,
        authority: VoidAuthority::Committee,
    };
    let done = world.step(StepKind::Voiding {
        round: 1,
        entry: entry.to_bytes(),
        reason: "the coordinator says so".into(),
    });
    calls(&done, Task::SignVoid(1)).len()
}

const ALL: [VoidReason; 8] = [
    VoidReason::TooFewContributions,
    VoidReason::TooFewMembers,
    VoidReason::Dispute,
    VoidReason::BadSum,
    VoidReason::LostData,
    VoidReason::NoVerdict,
    VoidReason::TooFewAccepted,
    VoidReason::Brake,
];

/// The reasons for which a node that knows these facts at this time signs a void; a fresh node for each.
fn signed_for(facts: &dyn Fn(&mut World) -> Facts, now_ms: u64) -> Vec<VoidReason> {
    ALL.into_iter()
        .filter(|reason| {
            let mut world = World::new();
            let facts = facts(&mut world);
            world.now_ms = now_ms;
            world.ledger(facts);
            asked(&mut world, *reason) == 1
        })
        .collect()
}

#[test]
fn a_void_is_signed_only_for_a_reason_that_the_member_sees() {
    // Deadlines of the scene: 10, 20 and 30 s; the tolerated skew is 30 s, so times are taken later.
    let later = |facts: Facts| {
        let mut facts = facts;
        let round = facts.round.as_mut().unwrap();
        round.contribute_by_ms += 100_000;
        round.close_by_ms += 100_000;
        round.open_by_ms += 100_000;
        facts
    };
    let (early, late) = (1_000, 200_000);
    let everybody = |world: &mut World| later(world.contributed());
    assert_eq!(signed_for(&everybody, early), []);
    assert_eq!(signed_for(&everybody, late), [VoidReason::TooFewMembers]);
    let alone = |world: &mut World| {
        let mut facts = later(world.contributed());
        let round = facts.round.as_mut().unwrap();
        round.contributions.retain(|made| made.participant.0 == ME);
        facts
    };
    assert_eq!(signed_for(&alone, early), []);
    assert_eq!(
        signed_for(&alone, late),
        [VoidReason::TooFewContributions, VoidReason::TooFewMembers]
    );
    let unjudged = |world: &mut World| closed(later(world.contributed()));
    assert_eq!(signed_for(&unjudged, early), []);
    assert_eq!(
        signed_for(&unjudged, late),
        [VoidReason::TooFewMembers, VoidReason::NoVerdict]
    );
    let in_order = |world: &mut World| weighed(later(world.contributed()), [16; 4]);
    assert_eq!(signed_for(&in_order, early), []);
    assert_eq!(signed_for(&in_order, late), [VoidReason::TooFewMembers]);
    for due in [VoidReason::Brake, VoidReason::TooFewAccepted] {
        let braked = |world: &mut World| {
            let mut facts = weighed(later(world.contributed()), [16; 4]);
            facts.round.as_mut().unwrap().void_due = Some(due);
            facts
        };
        assert_eq!(signed_for(&braked, early), [due]);
    }
}

#[test]
fn a_void_round_may_be_repeated_on_the_same_model() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(facts);
    world.now_ms = 100_000;
    let done = world.step(voiding(1));
    world.now_ms = 1_000;
    assert!(recorded_before(
        &done,
        Task::SignVoid(1),
        |record| matches!(record, Record::Voided { round: 1 })
    ));
    let mut next = open(2);
    next.void.insert(1, VoidReason::TooFewMembers);
    let told = world.ledger(next);
    assert!(told.contains(&Effect::Tell(Progress::Voided {
        round: 1,
        reason: VoidReason::TooFewMembers.in_words().to_owned()
    })));
    let started = world.step(StepKind::Contributing { round: 2 });
    assert!(matches!(started.as_slice(), [Effect::Contribute(job)] if job.round == 2));
}
