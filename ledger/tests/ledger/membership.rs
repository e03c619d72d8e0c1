//! Owners evict, readmit, and state who belongs to whom.

use crate::world::{COORDINATOR, World, identity};
use unsilo_ledger::{
    AppealAuthority, Entry, Event, MembershipRejected, OwnerId, ParticipantId, Rejected,
};

#[test]
fn more_than_half_of_the_other_owners_evict() {
    // Of five, four are others: three of them.
    let mut world = World::new(5);
    let two = world.sign(world.eviction(4), &[0, 1]);
    assert_eq!(
        world.refuse(two),
        Rejected::TooFewSigners { have: 2, need: 3 }
    );
    let own = world.sign(world.eviction(4), &[0, 1, 2, 4]);
    assert_eq!(
        world.refuse(own),
        Rejected::Membership(MembershipRejected::OwnEviction { owner: OwnerId(4) })
    );
    let coordinator = world.sign(world.eviction(4), &[0, 1, 2, COORDINATOR]);
    assert_eq!(
        world.refuse(coordinator),
        Rejected::SurplusSignature {
            key: identity(COORDINATOR).public()
        }
    );
    let entry = world.sign(world.eviction(4), &[0, 1, 2]);
    let events = world.accept(entry);
    assert_eq!(
        events[0],
        Event::ParticipantEvicted {
            participant: ParticipantId(4),
            owner: OwnerId(4)
        }
    );
    assert!(
        matches!(&events[1], Event::CommitteeDrawn(draw) if !draw.owners.contains(&OwnerId(4)))
    );
    assert_eq!(
        (
            world.state.participants().count(),
            world.state.owners().count()
        ),
        (4, 4)
    );
    assert_eq!(world.state.stake(OwnerId(4)), 0);
    // Of three, both others.
    let mut world = World::new(3);
    let one = world.sign(world.eviction(0), &[1]);
    assert_eq!(
        world.refuse(one),
        Rejected::TooFewSigners { have: 1, need: 2 }
    );
}

/// Where the two majorities differ: of four owners three are a majority of all, and two of the three others.
#[test]
fn the_majority_that_evicts_and_upholds_appeals_is_of_the_other_owners_alone() {
    for owners in 3..=9_u32 {
        let others = owners - 1;
        let need = (others / 2 + 1) as usize;
        let mut world = World::new(owners as usize);
        world.full_round();
        let violation = world.two_openings(0, 1);
        let reported = Entry::ViolationReported { violation };
        let by: Vec<u32> = (1..owners).collect();
        let report = world.sign(reported, &by[..1]);
        world.accept(report);
        let appeal = Entry::Appealed {
            case: 0,
            authority: AppealAuthority::Owners,
        };
        for entry in [appeal, world.eviction(0)] {
            let few = world.sign(entry.clone(), &by[..need - 1]);
            let have = need - 1;
            let refused = world.refuse(few);
            assert_eq!(refused, Rejected::TooFewSigners { have, need }, "{owners}");
            let enough = world.sign(entry, &by[..need]);
            world.accept(enough);
        }
    }
}

#[test]
fn the_evicted_have_no_say() {
    let mut world = World::new(5);
    let entry = world.sign(world.eviction(4), &[0, 1, 2]);
    world.accept(entry);
    let participant = ParticipantId(4);
    let absent = Rejected::Membership(MembershipRejected::Absent { participant });

    let vote = world.sign(world.admission(9, None), &[0, 1, 4]);
    assert_eq!(
        world.refuse(vote),
        Rejected::SurplusSignature {
            key: identity(4).public()
        }
    );
    let again = world.sign(world.eviction(4), &[0, 1, 2]);
    assert_eq!(world.refuse(again), absent);
    let stake = world.sign(world.withdrawal(4, 1), &[4]);
    assert_eq!(world.refuse(stake), absent);
    world.open();
    let contribution = world.contribution(4);
    assert_eq!(world.refuse(contribution), absent);
    let directions = world.sign(world.directions(4), &[4]);
    assert_eq!(world.refuse(directions), absent);
    // The others go on: four owners, of whom three make a cohort.
    world.contribute(0..4);
    world.close();
    world.judge();
    world.publish();
}

#[test]
fn evicting_an_affiliate_leaves_its_owner() {
    let mut world = World::new(4);
    let entry = world.sign(world.admission(4, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(entry);
    // The affiliate's owner is none of the others.
    let entry = world.sign(world.eviction(4), &[0, 1, 2]);
    assert!(matches!(
        world.refuse(entry),
        Rejected::Membership(MembershipRejected::OwnEviction { .. })
    ));
    let entry = world.sign(world.eviction(4), &[1, 2]);
    world.accept(entry);
    assert_eq!(world.state.owners().count(), 4);
    assert_eq!(world.state.stake(OwnerId(0)), 1_000);
    assert_eq!(world.state.participants().count(), 4);
}

#[test]
fn old_entries_of_membership_cannot_be_entered_again() {
    let mut world = World::new(5);
    let eviction = world.sign(world.eviction(4), &[0, 1, 2]);
    world.accept(eviction.clone());
    let readmission = world.sign(world.readmission(4, 4), &[0, 1, 2]);
    world.accept(readmission.clone());
    let outdated = |found| {
        Rejected::Membership(MembershipRejected::Outdated {
            participant: ParticipantId(4),
            expected: 2,
            found,
        })
    };
    assert_eq!(world.refuse(eviction), outdated(0));
    let entry = world.sign(world.eviction(4), &[0, 1, 2]);
    world.accept(entry);
    assert!(matches!(
        world.refuse(readmission),
        Rejected::Membership(MembershipRejected::Outdated {
            expected: 3,
            found: 1,
            ..
        })
    ));
}

#[test]
fn more_than_half_of_the_owners_readmit_with_the_old_key_or_a_new_one() {
    let mut world = World::new(5);
    let entry = world.sign(world.eviction(4), &[0, 1, 2]);
    world.accept(entry);
    let few = world.sign(world.readmission(4, 4), &[0, 1]);
    assert_eq!(
        world.refuse(few),
        Rejected::TooFewSigners { have: 2, need: 3 }
    );
    let itself = world.sign(world.readmission(4, 4), &[0, 1, 4]);
    assert!(matches!(
        world.refuse(itself),
        Rejected::SurplusSignature { .. }
    ));
    let taken = world.sign(world.readmission(4, 3), &[0, 1, 2]);
    assert_eq!(
        world.refuse(taken),
        Rejected::KeyTaken {
            key: identity(3).public()
        }
    );
    let entry = world.sign(world.readmission(4, 44), &[0, 1, 2]);
    let events = world.accept(entry);
    let (participant, owner) = (ParticipantId(4), OwnerId(4));
    assert_eq!(
        events[0],
        Event::ParticipantReadmitted { participant, owner }
    );
    assert_eq!(
        world.state.stake(owner),
        1_000,
        "no second grant, and the first is there"
    );
    assert!(
        world
            .state
            .participant_by_key(&identity(4).public())
            .is_none()
    );
    assert_eq!(
        world
            .state
            .participant_by_key(&identity(44).public())
            .map(|one| one.id),
        Some(participant)
    );
    // The old key is nobody's, and does not come back under another name.
    let reused = Entry::ParticipantAdmitted {
        name: "Other".to_owned(),
        key: identity(4).public(),
        owner: None,
    };
    let reused = world.sign(reused, &[0, 1, 2]);
    assert_eq!(
        world.refuse(reused),
        Rejected::KeyTaken {
            key: identity(4).public()
        }
    );
}

#[test]
fn a_lost_key_is_replaced_while_present() {
    let mut world = World::new(4);
    world.full_round();
    let same = world.sign(world.readmission(2, 2), &[0, 1, 3]);
    let participant = ParticipantId(2);
    assert_eq!(
        world.refuse(same),
        Rejected::Membership(MembershipRejected::Present { participant })
    );
    assert!(world.state.guard_head(participant).is_some());
    let entry = world.sign(world.readmission(2, 22), &[0, 1, 3]);
    world.accept(entry);
    assert_eq!(world.state.participants().count(), 4);
    assert_eq!(
        world.state.guard_head(participant),
        None,
        "a new guard store"
    );
    let old = world.sign(world.deposit(2, 1), &[2]);
    assert_eq!(
        world.refuse(old),
        Rejected::SurplusSignature {
            key: identity(2).public()
        }
    );
}

#[test]
fn a_participant_moves_to_an_owner_that_agrees() {
    let mut world = World::new(5);
    let to = Some(OwnerId(1));
    let without = world.sign(world.owner_change(0, to), &[2, 3, 4]);
    assert_eq!(
        world.refuse(without),
        Rejected::OwnerDidNotSign { owner: OwnerId(1) }
    );
    let few = world.sign(world.owner_change(0, to), &[1, 2]);
    assert_eq!(
        world.refuse(few),
        Rejected::TooFewSigners { have: 2, need: 3 }
    );
    let entry = world.sign(world.owner_change(0, to), &[1, 2, 3]);
    let events = world.accept(entry);
    assert_eq!(
        events[0],
        Event::OwnerChanged {
            participant: ParticipantId(0),
            from: OwnerId(0),
            to: OwnerId(1),
            granted: 0
        }
    );
    assert_eq!(world.state.owners().count(), 4);
    assert_eq!(
        (world.state.stake(OwnerId(0)), world.state.stake(OwnerId(1))),
        (0, 1_000)
    );
    // Owner 1 now has two participants and one voice.
    let twice = world.sign(world.admission(9, None), &[0, 1, 2]);
    assert_eq!(
        world.refuse(twice),
        Rejected::OwnerSignedTwice { owner: OwnerId(1) }
    );
    let gone = world.sign(world.owner_change(2, Some(OwnerId(0))), &[1, 2, 3]);
    assert_eq!(
        world.refuse(gone),
        Rejected::UnknownOwner { owner: OwnerId(0) }
    );
}

#[test]
fn an_affiliate_becomes_a_company_of_its_own_with_the_grant() {
    let mut world = World::new(4);
    let entry = world.sign(world.admission(4, Some(OwnerId(0))), &[0, 1, 2]);
    world.accept(entry);
    let entry = world.sign(world.owner_change(4, None), &[1, 2, 3]);
    let events = world.accept(entry);
    assert!(matches!(
        events[0],
        Event::OwnerChanged {
            to: OwnerId(4),
            granted: 1_000,
            ..
        }
    ));
    assert_eq!(world.state.stake(OwnerId(4)), 1_000);
    // Once is enough: a company of its own gets no other grant.
    let again = world.sign(world.owner_change(4, None), &[1, 2, 3]);
    assert_eq!(
        world.refuse(again),
        Rejected::Membership(MembershipRejected::SameOwner { owner: OwnerId(4) })
    );
    world.full_round();
}

#[test]
fn who_is_evicted_during_a_round_keeps_its_contribution_and_loses_the_rest() {
    let mut world = World::new(6);
    world.open();
    world.contribute(0..6);
    world.direct(0..6);
    world.close();
    world.judge();
    let entry = world.sign(world.eviction(5), &[0, 1, 2]);
    world.accept(entry);
    let ratings = world.ratings(5, 1);
    let commit = world.sign(world.rating_committed(5, &ratings), &[5]);
    let participant = ParticipantId(5);
    assert_eq!(
        world.refuse(commit),
        Rejected::Membership(MembershipRejected::Absent { participant })
    );
    let ratings: Vec<_> = (0..5)
        .map(|rater| (rater, world.ratings(rater, 1)))
        .collect();
    world.rate(&ratings);
    assert_eq!(world.state.weights().expect("weighed")[5].1, 256);
    world.publish();
    assert!(
        !world
            .state
            .draw()
            .expect("idle")
            .owners
            .contains(&OwnerId(5))
    );
}
