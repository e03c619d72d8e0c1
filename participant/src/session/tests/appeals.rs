//! One disputed share, shown once; and what members sign about it.

use unsilo_ledger::{RejectionReason, Violation};

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
    let looked = |done: &[Effect]| {
        done.iter().find_map(|effect| match effect {
            Effect::CheckAppeals(job) => Some(job.disputed.clone()),
            _ => None,
        })
    };
    let dispute = Disputed {
        dealer: ParticipantId(3),
        root: root(3),
        seat: 1,
        member: ParticipantId(0),
    };
    assert_eq!(looked(&done), Some(vec![dispute]));
    let keys = done.iter().find_map(|effect| match effect {
        Effect::CheckAppeals(job) => job.dealers.get(&dispute.dealer),
        _ => None,
    });
    assert_eq!(keys, Some(&identity(3).public()), "it must have signed");
    // Nobody has appealed: looked at again with the next step, and not before.
    let none = || Event::AppealsChecked {
        round: 1,
        found: Vec::new(),
        alarms: Vec::new(),
    };
    assert_eq!(looked(&world.feed(none())), None);
    let done = world.step(StepKind::Opening { round: 1 });
    assert_eq!(looked(&done), Some(vec![dispute]));
    let found = |violation| Event::AppealsChecked {
        round: 1,
        found: vec![Found {
            dealer: ParticipantId(3),
            violation: Some(violation),
            shown: vec![7],
        }],
        alarms: vec![Alarm::AppealForged { round: 1 }],
    };
    let violation = Violation::WrongShare {
        participant: ParticipantId(3),
        round: 1,
        evidence: [6; 32],
    };
    let done = world.feed(found(violation.clone()));
    let signed = calls(&done, Task::SignViolation(1, 3));
    let [Call::SignViolation { entry, shown, .. }] = &signed[..] else {
        panic!("one signature: {done:?}");
    };
    assert_eq!(*entry, Entry::ViolationReported { violation }.to_bytes());
    assert_eq!(*shown, [7]);
    // A forged one beside it is the coordinator's doing, and keeps nobody from deciding the other.
    assert_eq!(alarms(&done), [&Alarm::AppealForged { round: 1 }]);
    let done = world.step(StepKind::Opening { round: 1 });
    assert_eq!(looked(&done), None, "decided is decided");
}

#[test]
fn a_member_does_not_sign_against_itself() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(rejecting(facts, 3, bad_pair(ME as u16 + 1)));
    world.step(StepKind::Opening { round: 1 });
    let done = world.feed(Event::AppealsChecked {
        round: 1,
        found: vec![Found {
            dealer: ParticipantId(3),
            violation: Some(Violation::WrongAnswer {
                participant: ParticipantId(ME),
                round: 1,
                evidence: [6; 32],
            }),
            shown: Vec::new(),
        }],
        alarms: Vec::new(),
    });
    assert!(calls(&done, Task::SignViolation(1, 3)).is_empty());
    assert!(
        matches!(&done[..], [Effect::Tell(Progress::Warning { message }), ..] if message.contains("no say")),
        "{done:?}"
    );
}
