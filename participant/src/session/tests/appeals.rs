//! One disputed share, shown once; and what members sign about it.

use unsilo_ledger::RejectionReason;

use super::*;

fn bad_pair(seat: u16) -> RejectionReason {
    RejectionReason::BadPair { seat }
}

fn shown(effects: &[Effect]) -> Vec<u16> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Appeal(job) => Some(job.seat),
            _ => None,
        })
        .collect()
}

#[test]
fn a_dealer_shows_the_disputed_share_once_recorded_before_and_no_other_ever() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    let rejected = |seat| rejecting(facts.clone(), ME, bad_pair(seat));
    let mut done = world.ledger(rejected(3));
    done.extend(world.step(StepKind::Opening { round: 1 }));
    let record = done
        .iter()
        .position(|effect| matches!(effect, Effect::Record(Record::Appealed { seat: 3, .. })));
    let appeal = done
        .iter()
        .position(|effect| matches!(effect, Effect::Appeal(_)));
    assert!(record.is_some() && record < appeal, "{done:?}");
    assert_eq!(shown(&done), [3]);
    // After a crash the same share, and if the ledger should say another one, none.
    world.restart();
    world.ledger(rejected(3));
    assert_eq!(shown(&world.step(StepKind::Opening { round: 1 })), [3]);
    world.restart();
    world.ledger(rejected(4));
    assert!(shown(&world.step(StepKind::Opening { round: 1 })).is_empty());
}

#[test]
fn only_a_bad_pair_is_appealed_and_only_by_its_dealer() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    for (id, reason) in [
        (ME, RejectionReason::OutOfRange),
        (ME, RejectionReason::TooLong),
        (ME, RejectionReason::Undecodable),
        (3, bad_pair(2)),
    ] {
        world.ledger(rejecting(facts.clone(), id, reason));
        assert!(shown(&world.step(StepKind::Opening { round: 1 })).is_empty());
    }
    assert!(world.disk.appealed.is_empty());
}

#[test]
fn members_look_at_the_appeals_of_others_and_sign_what_they_find() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(rejecting(facts, 3, bad_pair(1)));
    let done = world.step(StepKind::Opening { round: 1 });
    let looked: Vec<_> = done
        .iter()
        .filter_map(|effect| match effect {
            Effect::CheckAppeals(job) => Some(job.disputed.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(looked, [vec![(ParticipantId(3), root(3), 1)]]);
    let violation = Entry::RoundVoided {
        round: 1,
        reason: VoidReason::BadSum,
        authority: VoidAuthority::Committee,
    };
    let done = world.feed(Event::AppealsChecked {
        round: 1,
        violations: vec![violation.clone()],
    });
    let signed = calls(&done, Task::SignViolation(1, 0));
    let [Call::SignViolation { entry, .. }] = &signed[..] else {
        panic!("one signature: {done:?}");
    };
    assert_eq!(*entry, violation.to_bytes());
}
