//! A round opens.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{Entry, OwnerId, ParticipantId, Phase, Rejected, Seat};

/// What a round opened with `seats` is refused for.
fn refused(world: &mut World, seats: Vec<Seat>) -> Rejected {
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    world.refuse(entry)
}

fn changed(world: &mut World, change: impl Fn(&mut Entry)) -> Rejected {
    let mut entry = world.round_opened(world.seats());
    change(&mut entry);
    let entry = world.sign(entry, &[COORDINATOR]);
    world.refuse(entry)
}

#[test]
fn the_drawn_committee_opens_a_round() {
    let mut world = World::new(5);
    let drawn = world.state.draw().expect("idle");
    world.open();
    assert_eq!(world.state.phase(), Phase::Open);
    assert_eq!(world.state.draw(), None);
    assert_eq!(world.threshold(), 4);
    let seated: Vec<OwnerId> = world.seated().into_iter().map(OwnerId).collect();
    assert_eq!(seated, drawn.owners);
    let round = world.state.round().expect("open");
    assert_eq!(round.seat_of(ParticipantId(seated[2].0)), Some(3));
    assert_eq!(round.seat(0), None);
    assert_eq!(round.seat(6), None);
}

#[test]
fn only_the_coordinator_opens() {
    let mut world = World::new(4);
    let key = identity(COORDINATOR).public();
    let nobody = world.sign(world.round_opened(world.seats()), &[]);
    assert!(
        matches!(world.refuse(nobody), Rejected::MissingSignature { key: found, .. } if found == key)
    );
    let member = world.sign(world.round_opened(world.seats()), &[0]);
    assert!(matches!(
        world.refuse(member),
        Rejected::SurplusSignature { .. }
    ));
    let both = world.sign(world.round_opened(world.seats()), &[COORDINATOR, 0]);
    assert!(matches!(
        world.refuse(both),
        Rejected::SurplusSignature { .. }
    ));
}

#[test]
fn round_model_unit_and_deadlines_are_given_by_the_state() {
    let mut world = World::new(4);
    let wrong_round = changed(&mut world, |entry| {
        if let Entry::RoundOpened { round, .. } = entry {
            *round = 2;
        }
    });
    assert_eq!(
        wrong_round,
        Rejected::WrongRound {
            expected: 1,
            found: 2
        }
    );
    let wrong_model = changed(&mut world, |entry| {
        if let Entry::RoundOpened { model, .. } = entry {
            *model = [0; 32];
        }
    });
    assert_eq!(wrong_model, Rejected::WrongModel);
    let wrong_unit = changed(&mut world, |entry| {
        if let Entry::RoundOpened { unit_log2, .. } = entry {
            *unit_log2 = 0;
        }
    });
    assert_eq!(
        wrong_unit,
        Rejected::WrongUnit {
            expected: -14,
            found: 0
        }
    );
    for deadlines in [[5, 5, 6], [5, 6, 6], [6, 5, 7], [1, 3, 2]] {
        let late = changed(&mut world, |entry| {
            if let Entry::RoundOpened {
                contribute_by_ms,
                close_by_ms,
                open_by_ms,
                ..
            } = entry
            {
                [*contribute_by_ms, *close_by_ms, *open_by_ms] = deadlines;
            }
        });
        assert_eq!(late, Rejected::DeadlineOrder, "{deadlines:?}");
    }
}

#[test]
fn the_committee_has_time_for_each_of_its_steps() {
    let mut world = World::new(4);
    let with = |world: &World, deadlines: [u64; 3]| {
        let mut entry = world.round_opened(world.seats());
        if let Entry::RoundOpened {
            contribute_by_ms,
            close_by_ms,
            open_by_ms,
            ..
        } = &mut entry
        {
            [*contribute_by_ms, *close_by_ms, *open_by_ms] = deadlines;
        }
        world.sign(entry, &[COORDINATOR])
    };
    for (deadlines, found_ms) in [
        ([1, 2, 3], 1),
        ([0, 9_999, 60_000], 9_999),
        ([0, 60_000, 69_999], 9_999),
        ([u64::MAX - 2, u64::MAX - 1, u64::MAX], 1),
    ] {
        let entry = with(&world, deadlines);
        assert_eq!(
            world.refuse(entry),
            Rejected::DeadlinesTooClose {
                need_ms: 10_000,
                found_ms
            },
            "{deadlines:?}"
        );
    }
    const WEEK: u64 = 7 * 86_400_000;
    for (deadlines, found_ms) in [
        ([0, WEEK + 1, WEEK + 20_000], WEEK + 1),
        ([5, 10_005, 10_006 + WEEK], WEEK + 1),
        ([0, 10_000, u64::MAX], u64::MAX - 10_000),
    ] {
        let entry = with(&world, deadlines);
        assert_eq!(
            world.refuse(entry),
            Rejected::DeadlinesTooFar {
                most_ms: WEEK,
                found_ms
            },
            "{deadlines:?}"
        );
    }
    for deadlines in [[0, WEEK, 2 * WEEK], [0, 10_000, 20_000]] {
        let entry = with(&world, deadlines);
        World::new(4).accept(entry);
    }
}

#[test]
fn rounds_do_not_overlap() {
    let mut world = World::new(4);
    let first = world.sign(world.round_opened(world.seats()), &[COORDINATOR]);
    world.accept(first.clone());
    assert_eq!(
        world.refuse(first.clone()),
        Rejected::RoundInProgress { round: 1 }
    );
    world.contribute(0..4);
    world.close();
    assert_eq!(
        world.refuse(first.clone()),
        Rejected::RoundInProgress { round: 1 }
    );
    world.publish();
    assert_eq!(
        world.refuse(first),
        Rejected::WrongRound {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn seats_follow_the_draw() {
    let mut world = World::new(5);
    let seats = world.seats();
    let mut swapped = seats.clone();
    swapped.swap(0, 1);
    assert!(matches!(
        refused(&mut world, swapped),
        Rejected::NotDrawn { seat: 2, .. }
    ));
    let mut twice = seats.clone();
    twice[1] = twice[0].clone();
    assert!(matches!(
        refused(&mut world, twice),
        Rejected::NotDrawn { seat: 2, .. }
    ));
    let mut unknown = seats;
    unknown[3].participant = ParticipantId(99);
    assert_eq!(
        refused(&mut world, unknown),
        Rejected::UnknownParticipant {
            participant: ParticipantId(99)
        }
    );
}

#[test]
fn two_participants_of_one_owner_do_not_sit_together() {
    let mut world = World::new(4);
    let affiliate = world.sign(world.admission(4, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(affiliate);
    let drawn = world.state.draw().expect("idle");
    let at = drawn
        .owners
        .iter()
        .position(|owner| *owner == OwnerId(0))
        .expect("all four are drawn");
    let mut seats = world.seats();
    // The affiliate may sit in its owner's place ...
    seats[at] = world.seat(ParticipantId(4));
    let mut both = seats.clone();
    // ... but not beside it.
    both[(at + 1) % 4] = world.seat(ParticipantId(0));
    assert!(matches!(
        refused(&mut world, both),
        Rejected::NotDrawn {
            owner: OwnerId(_),
            ..
        }
    ));
    let entry = world.sign(world.round_opened(seats), &[COORDINATOR]);
    world.accept(entry);
}

#[test]
fn empty_seats_are_allowed_down_to_the_threshold_and_keep_it() {
    let mut world = World::new(5);
    let mut seats = world.seats();
    seats.remove(1);
    let entry = world.sign(world.round_opened(seats.clone()), &[COORDINATOR]);
    let mut fewer = world.clone();
    fewer.accept(entry);
    assert_eq!(
        fewer.threshold(),
        4,
        "an empty seat must not lower the threshold"
    );
    seats.remove(1);
    assert_eq!(
        refused(&mut world, seats),
        Rejected::SeatCount {
            seats: 3,
            threshold: 4,
            size: 5
        }
    );
}

#[test]
fn no_more_seats_than_the_committee_has_and_only_reserves_move_up() {
    let mut world = World::new(20);
    let drawn = world.state.draw().expect("idle");
    assert_eq!((drawn.size, drawn.threshold, drawn.owners.len()), (7, 5, 9));
    let all: Vec<Seat> = drawn
        .owners
        .iter()
        .map(|owner| world.seat(world.first_of(*owner)))
        .collect();
    assert_eq!(
        refused(&mut world, all.clone()),
        Rejected::SeatCount {
            seats: 9,
            threshold: 5,
            size: 7
        }
    );
    // Two drawn owners did not answer, the two reserves sit.
    let entry = world.sign(world.round_opened(all[2..].to_vec()), &[COORDINATOR]);
    world.clone().accept(entry);
    // An owner beyond the reserves does not.
    let outside = (0..20)
        .map(OwnerId)
        .find(|owner| !drawn.owners.contains(owner))
        .expect("11 are not drawn");
    let mut seats = all[..7].to_vec();
    seats[6] = world.seat(world.first_of(outside));
    assert_eq!(
        refused(&mut world, seats),
        Rejected::NotDrawn {
            seat: 7,
            owner: outside
        }
    );
}

#[test]
fn round_keys_are_present_short_and_different() {
    let mut world = World::new(4);
    let (first, second) = (world.seats()[0].participant, world.seats()[1].participant);
    for (participant, seat, key) in [
        (first, 1, vec![]),
        (first, 1, vec![1; 4_097]),
        (second, 2, world.seats()[0].round_key.clone()),
    ] {
        let mut offer = world.offer(1, participant);
        offer.round_key = key;
        let signature = offer.sign(&identity(participant.0));
        let mut seats = world.seats();
        seats[seat - 1] = offer.into_seat(participant, signature);
        assert_eq!(refused(&mut world, seats), Rejected::RoundKey { seat });
    }
}

#[test]
fn every_seat_is_signed_by_its_member_for_this_round_and_model() {
    let mut world = World::new(4);
    let participant = world.seats()[1].participant;
    let mut offers = vec![
        world.offer(1, participant),
        world.offer(2, participant),
        world.offer(1, participant),
    ];
    offers[0].nonce_commitment = [0; 32];
    offers[2].model = [0; 32];
    for (number, offer) in offers.into_iter().enumerate() {
        let mut seats = world.seats();
        // Signed over something else than what the entry says.
        seats[1].signature = offer.sign(&identity(participant.0));
        assert_eq!(
            refused(&mut world, seats),
            Rejected::BadSeatSignature { seat: 2 },
            "case {number}"
        );
    }
    let mut seats = world.seats();
    seats[1].signature = world.offer(1, participant).sign(&identity(COORDINATOR));
    assert_eq!(
        refused(&mut world, seats),
        Rejected::BadSeatSignature { seat: 2 }
    );
}

#[test]
fn training_ends_after_the_planned_rounds() {
    let mut draft = crate::world::draft(4);
    draft.training.rounds = 1;
    let mut world = World::from_draft(draft);
    world.full_round();
    let seats = world.seats();
    assert_eq!(
        refused(&mut world, seats),
        Rejected::TrainingEnded { rounds: 1 }
    );
}
