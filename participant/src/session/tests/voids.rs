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
        reason: voiding::words(VoidReason::TooFewMembers).to_owned()
    })));
    let started = world.step(StepKind::Contributing { round: 2 });
    assert!(matches!(started.as_slice(), [Effect::Contribute(job)] if job.round == 2));
}
