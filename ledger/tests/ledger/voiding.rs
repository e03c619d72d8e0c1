//! A round is declared void.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::close::seed_after_void;
use unsilo_ledger::{Event, Outcome, Phase, Rejected, VoidAuthority, VoidReason};

const OWNERS: VoidAuthority = VoidAuthority::Owners { passed_ms: 0 };
/// `open_by_ms` of the test's rounds and a day.
const DAY_AFTER: u64 = 80_000 + 86_400_000;

fn opened(founders: usize) -> World {
    let mut world = World::new(founders);
    world.open();
    world
}

fn closed() -> World {
    let mut world = opened(5);
    world.contribute(0..5);
    world.close();
    world
}

#[test]
fn a_round_void_before_its_close_is_drawn_again_from_the_last_seed() {
    let mut world = opened(5);
    let seed = world.state.seed().expect("founded");
    world.contribute(0..2);
    let events = world.void();
    assert_eq!(events[0], Event::RoundVoided { round: 1 });
    assert!(matches!(&events[1], Event::CommitteeDrawn(draw) if draw.round == 2));
    assert_eq!(world.state.seed(), Some(seed_after_void(&seed, 1)));
    assert_eq!(world.state.next_round(), 2);
    let record = world.state.history().next().expect("one round");
    assert_eq!(
        record.outcome,
        Outcome::Voided {
            reason: VoidReason::TooFewMembers
        }
    );
    assert_eq!((record.contributions, record.challenge), (2, None));
}

#[test]
fn a_round_void_after_its_close_is_followed_by_the_draw_of_its_challenge() {
    let mut world = closed();
    let challenge = world.state.seed();
    world.void();
    assert_eq!(world.state.seed(), challenge);
    assert_eq!(
        world.state.history().next().expect("one round").challenge,
        challenge
    );
}

#[test]
fn the_threshold_of_seated_members_voids() {
    for mut world in [opened(5), closed()] {
        let seated = world.seated();
        let three = world.sign(world.voided(1, VoidAuthority::Committee), &seated[..3]);
        assert_eq!(
            world.refuse(three),
            Rejected::TooFewSigners { have: 3, need: 4 }
        );
        let four = world.sign(world.voided(1, VoidAuthority::Committee), &seated[..4]);
        world.accept(four);
        assert_eq!(world.state.phase(), Phase::Idle);
    }
}

/// A void by the whole committee of the round under way.
fn by_committee(world: &World) -> unsilo_ledger::SignedEntry {
    let void = world.voided(world.round(), VoidAuthority::Committee);
    world.sign(void, &world.seated())
}

#[test]
fn after_three_voids_in_a_row_only_the_owners_void_another_round_until_a_model_is_published() {
    let mut world = World::new(5);
    for round in 0..3 {
        assert!(world.state.committee_may_void());
        world.open();
        // A close between them draws by its challenge: another draw all the same.
        if round == 1 {
            world.contribute(0..5);
            world.close();
        }
        world.void();
    }
    assert!(!world.state.committee_may_void());
    let spent = |voids| Rejected::VoidsSpent { voids };
    world.open();
    let fourth = by_committee(&world);
    assert_eq!(world.refuse(fourth), spent(3));
    let owners = world.sign(world.voided(4, OWNERS), &[0, 1, 2]);
    world.accept(owners);
    world.open();
    let sixth = by_committee(&world);
    assert_eq!(
        world.refuse(sixth),
        spent(4),
        "they said nothing about the next one"
    );
    world.contribute(0..5);
    world.close();
    let closed = by_committee(&world);
    assert_eq!(world.refuse(closed), spent(4));
    world.publish();
    assert!(world.state.committee_may_void());
    world.open();
    let again = by_committee(&world);
    world.accept(again);
}

#[test]
fn the_coordinator_never_voids() {
    let mut world = opened(5);
    let key = identity(COORDINATOR).public();
    for authority in [VoidAuthority::Committee, OWNERS] {
        let alone = world.sign(world.voided(1, authority), &[COORDINATOR]);
        assert_eq!(world.refuse(alone), Rejected::SurplusSignature { key });
        let with_all = world.sign(world.voided(1, authority), &[0, 1, 2, 3, 4, COORDINATOR]);
        assert_eq!(world.refuse(with_all), Rejected::SurplusSignature { key });
    }
}

#[test]
fn members_who_do_not_sit_have_no_say_in_the_committees_name() {
    let mut world = opened(20);
    let seated = world.seated();
    let other = (0..20)
        .find(|id| !seated.contains(id))
        .expect("13 do not sit");
    let mut signers = seated;
    signers.push(other);
    let entry = world.sign(world.voided(1, VoidAuthority::Committee), &signers);
    assert_eq!(
        world.refuse(entry),
        Rejected::SurplusSignature {
            key: identity(other).public()
        }
    );
}

#[test]
fn more_than_half_of_the_owners_void_an_open_round() {
    let mut world = opened(6);
    let half = world.sign(world.voided(1, OWNERS), &[0, 1, 2]);
    assert_eq!(
        world.refuse(half),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
    let more = world.sign(world.voided(1, OWNERS), &[0, 1, 2, 3]);
    world.accept(more);
}

#[test]
fn owners_void_a_closed_round_only_a_day_after_its_last_deadline() {
    let mut world = closed();
    for passed_ms in [0, 80_000, DAY_AFTER - 1] {
        let early = world.sign(
            world.voided(1, VoidAuthority::Owners { passed_ms }),
            &[0, 1, 2],
        );
        assert_eq!(
            world.refuse(early),
            Rejected::VoidTime {
                need_ms: DAY_AFTER,
                found_ms: passed_ms
            }
        );
    }
    let late = world.sign(
        world.voided(
            1,
            VoidAuthority::Owners {
                passed_ms: DAY_AFTER,
            },
        ),
        &[0, 1, 2],
    );
    world.accept(late);
}

#[test]
fn no_time_is_stated_where_none_is_asked() {
    let mut world = opened(5);
    let entry = world.sign(
        world.voided(1, VoidAuthority::Owners { passed_ms: 1 }),
        &[0, 1, 2],
    );
    assert_eq!(
        world.refuse(entry),
        Rejected::VoidTime {
            need_ms: 0,
            found_ms: 1
        }
    );
}

#[test]
fn owners_skip_a_draw_that_does_not_answer() {
    let mut world = World::new(5);
    let seed = world.state.seed().expect("founded");
    let none_yet = world.sign(world.voided(1, VoidAuthority::Committee), &[0, 1, 2, 3, 4]);
    assert_eq!(world.refuse(none_yet), Rejected::NoCommittee { round: 1 });
    let later = world.sign(world.voided(2, OWNERS), &[0, 1, 2]);
    assert_eq!(
        world.refuse(later),
        Rejected::WrongRound {
            expected: 1,
            found: 2
        }
    );
    let skip = world.sign(world.voided(1, OWNERS), &[0, 1, 2]);
    world.accept(skip.clone());
    assert_eq!(world.state.seed(), Some(seed_after_void(&seed, 1)));
    assert_eq!(world.state.next_round(), 2);
    assert_eq!(
        world.refuse(skip),
        Rejected::WrongRound {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn a_published_round_stays_published() {
    let mut world = closed();
    let committee = world.sign(world.voided(1, VoidAuthority::Committee), &world.seated());
    let owners = world.sign(
        world.voided(
            1,
            VoidAuthority::Owners {
                passed_ms: DAY_AFTER,
            },
        ),
        &[0, 1, 2],
    );
    world.publish();
    assert_eq!(
        world.refuse(committee),
        Rejected::WrongRound {
            expected: 2,
            found: 1
        }
    );
    assert_eq!(
        world.refuse(owners),
        Rejected::WrongRound {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn a_void_round_is_not_published() {
    let mut world = closed();
    let publish = world.sign(world.model_published(), &world.publishers(5));
    world.void();
    assert_eq!(world.refuse(publish), Rejected::NoOpenRound);
}

#[test]
fn a_false_signature_is_refused() {
    let mut world = opened(5);
    let mut entry = world.sign(world.voided(1, OWNERS), &[0, 1, 2]);
    entry.signatures[0].signature = [0; 64];
    assert!(matches!(world.refuse(entry), Rejected::BadSignature { .. }));
}
