//! What a node refuses, whoever asks.

use unsilo_ledger::PublicKey;
use unsilo_proto::limits;

use super::*;

fn founding(change: impl FnOnce(&mut Draft, &mut Vec<Member>)) -> StepKind {
    let Entry::FederationCreated {
        mut draft,
        mut founders,
    } = genesis()
    else {
        unreachable!("the genesis above");
    };
    change(&mut draft, &mut founders);
    StepKind::Founding {
        entry: Entry::FederationCreated { draft, founders }.to_bytes(),
        missing: Vec::new(),
    }
}

fn unfounded() -> Facts {
    Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    }
}

/// Feeds a founding step to a fresh node and expects it to stop without a signature.
fn refuses_founding(mut world: World, step: StepKind, named: &str) {
    world.ledger(unfounded());
    let done = world.step(step);
    assert!(calls(&world.done, Task::SignGenesis).len() <= 1);
    let [Alarm::FoundersDiffer { reason }] = alarms(&done)[..] else {
        panic!("not refused: {done:?}");
    };
    assert!(reason.contains(named), "{reason}");
    assert_eq!(done.last(), Some(&Effect::Halt));
}

#[test]
fn a_list_other_than_the_agreed_one_is_not_signed() {
    let mut agreed = founders();
    agreed[2].key = PublicKey([77; 32]);
    refuses_founding(World::pinned(Some(agreed)), founding(|_, _| {}), "Cedar");
    let mut world = World::pinned(Some(founders()));
    world.ledger(unfounded());
    assert_eq!(
        calls(&world.step(founding(|_, _| {})), Task::SignGenesis).len(),
        1
    );
}

#[test]
fn a_ledger_founded_by_others_than_agreed_stops_the_node() {
    let mut agreed = founders();
    agreed[0].name = "Elm".into();
    let mut world = World::pinned(Some(agreed));
    let done = world.ledger(idle(1));
    assert!(matches!(alarms(&done)[..], [Alarm::FoundersDiffer { .. }]));
}

#[test]
fn a_list_without_this_node_or_of_another_federation_is_not_signed() {
    refuses_founding(
        World::new(),
        founding(|_, founders| founders[1].key = PublicKey([3; 32])),
        "Birch",
    );
    refuses_founding(
        World::new(),
        founding(|draft, _| draft.grant = 2),
        "another federation",
    );
    refuses_founding(
        World::new(),
        founding(|_, founders| founders.swap(0, 2)),
        "names",
    );
    let other = StepKind::Founding {
        entry: vec![1, 2, 3],
        missing: Vec::new(),
    };
    refuses_founding(World::new(), other, "");
}

#[test]
fn a_second_list_is_not_signed_even_after_a_restart() {
    let mut world = World::new();
    world.ledger(unfounded());
    assert_eq!(
        calls(&world.step(founding(|_, _| {})), Task::SignGenesis).len(),
        1
    );
    world.restart();
    let changed = founding(|_, founders| founders[3].key = PublicKey([3; 32]));
    refuses_founding(world, changed, "already signed another list");
}

#[test]
fn a_round_that_passed_over_the_offered_seat_gets_no_contribution() {
    let mut world = World::new();
    world.seated();
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::SeatSkipped { round: 1 }]
    ));
    assert!(
        !done
            .iter()
            .any(|effect| matches!(effect, Effect::Contribute(_)))
    );
}

#[test]
fn a_full_committee_drawn_before_this_node_is_no_offence() {
    let mut world = World::new();
    world.ledger(idle(1));
    world.step(seating(1));
    let mut reserve = seat_record(1);
    reserve.size = 3;
    reserve.draw = vec![0, 2, 3, ME];
    world.feed(Event::SeatMade(reserve));
    world.feed(Event::Accepted(Task::OfferSeat(1)));
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn an_offer_that_a_restarted_coordinator_forgot_is_no_offence() {
    let mut world = World::new();
    world.seated();
    world.feed(Event::Disconnected);
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn an_offer_that_nobody_took_note_of_is_no_offence() {
    let mut world = World::new();
    world.ledger(idle(1));
    world.step(seating(1));
    world.feed(Event::SeatMade(seat_record(1)));
    world.ledger(open(1));
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(
        matches!(done.as_slice(), [Effect::Contribute(_)]),
        "{done:?}"
    );
}

#[test]
fn a_second_contribution_to_one_model_is_refused() {
    let mut world = World::new();
    world.contributed();
    world.ledger(open(2));
    let done = world.step(StepKind::Contributing { round: 2 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::SecondContribution {
            round: 2,
            earlier: 1
        }]
    ));
    assert!(
        !done
            .iter()
            .any(|effect| matches!(effect, Effect::Contribute(_)))
    );
}

#[test]
fn a_contribution_past_the_deadline_is_not_begun() {
    let mut world = World::new();
    let mut late = open(1);
    late.round.as_mut().unwrap().contribute_by_ms = 10;
    world.ledger(late);
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(
        done.as_slice(),
        [Effect::Tell(Progress::Waiting { .. })]
    ));
}

#[test]
fn a_forged_or_foreign_receipt_is_not_kept() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts);
    world.step(StepKind::Contributing { round: 1 });
    world.feed(encrypted(1, 0, 50));
    let mut forged = receipt(1, root(50));
    *forged.last_mut().unwrap() ^= 1;
    let foreign = receipt(1, root(51));
    for bytes in [forged, foreign, vec![]] {
        let done = world.feed(Event::Uploaded {
            round: 1,
            receipt: bytes,
        });
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::ReceiptInvalid { .. }] | []
        ));
        assert!(world.disk.receipts.is_empty());
    }
    assert_eq!(
        world
            .done
            .iter()
            .filter(|effect| matches!(effect, Effect::Alarm(_)))
            .count(),
        3
    );
}

#[test]
fn a_closing_set_without_the_receipted_contribution_is_not_cosigned() {
    let mut world = World::new();
    let mut facts = world.contributed();
    facts
        .round
        .as_mut()
        .unwrap()
        .contributions
        .remove(ME as usize);
    world.ledger(facts);
    let done = world.step(StepKind::Closing { round: 1 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ReceiptedContributionMissing { round: 1 }]
    ));
    assert!(calls(&world.done, Task::CosignClose(1)).is_empty());
}

#[test]
fn a_second_set_is_not_cosigned() {
    let mut world = World::new();
    let mut facts = world.contributed();
    world.ledger(facts.clone());
    world.step(StepKind::Closing { round: 1 });
    facts.round.as_mut().unwrap().contributions_hash = [99; 32];
    world.restart();
    world.ledger(facts);
    let done = world.step(StepKind::Closing { round: 1 });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::CloseDiffers { round: 1 }]
    ));
    assert!(calls(&done, Task::CosignClose(1)).is_empty());
}

/// A node that has answered the opening of round 1, and the facts it answered for.
fn opened() -> (World, Facts) {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    let done = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1, 2, 3],
    });
    assert_eq!(calls(&done, Task::Open(1)).len(), 1);
    (world, facts)
}

#[test]
fn other_weights_are_not_opened_after_the_first_answer() {
    let (mut world, facts) = opened();
    for killed in [false, true] {
        if killed {
            world.restart();
        }
        let mut done = world.ledger(closed(facts.clone(), [24, 16, 16, 16]));
        done.extend(world.step(StepKind::Opening { round: 1 }));
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::OpeningDiffers { round: 1 }]
        ));
        assert!(calls(&done, Task::Open(1)).is_empty());
    }
}

#[test]
fn the_same_weights_over_other_contributions_are_not_opened_after_the_first_answer() {
    let (mut world, mut facts) = opened();
    facts.round.as_mut().unwrap().contributions_hash = [98; 32];
    let done = world.ledger(facts);
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::OpeningDiffers { round: 1 }]
    ));
    assert!(calls(&world.step(StepKind::Opening { round: 1 }), Task::Open(1)).is_empty());
}

#[test]
fn too_small_or_lopsided_sums_are_not_opened() {
    for weights in [[16, 16, 0, 0], [256, 16, 16, 16]] {
        let mut world = World::new();
        let facts = closed(world.contributed(), weights);
        world.ledger(facts);
        let done = world.step(StepKind::Opening { round: 1 });
        assert!(matches!(
            alarms(&done)[..],
            [Alarm::OpeningUnsafe { round: 1, .. }]
        ));
        assert!(
            !done
                .iter()
                .any(|effect| matches!(effect, Effect::OpenShares(_)))
        );
    }
}

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
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    // Void is signed while the shares are on their way.
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
        assert!(matches!(
            done.as_slice(),
            [Effect::Tell(Progress::Waiting { .. })]
        ));
    }
}

#[test]
fn a_substituted_share_is_an_alarm_and_a_bad_one_is_told_without_blame() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts);
    world.step(StepKind::Opening { round: 1 });
    let done = world.feed(Event::ShareSubstituted {
        round: 1,
        participant: 3,
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ShareSubstituted { participant: 3, .. }]
    ));
    let done = world.feed(Event::ShareUnusable {
        round: 1,
        participant: 3,
        reason: "does not open".into(),
    });
    assert!(alarms(&done).is_empty());
    assert!(matches!(
        done.as_slice(),
        [Effect::Tell(Progress::Warning { message })] if message.contains("participant 3")
    ));
    assert!(calls(&world.done, Task::Open(1)).is_empty());
}

#[test]
fn a_model_that_the_sum_does_not_give_is_not_signed() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts);
    world.step(publishing(1, 1));
    let done = world.feed(Event::SumDiffers {
        round: 1,
        model: model(1),
        reason: "the model it gives has another hash".into(),
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
    assert!(calls(&world.done, Task::SignPublish(1)).is_empty());
}

#[test]
fn a_second_model_of_one_round_is_not_signed() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    world.step(publishing(1, 1));
    world.feed(Event::Recomputed {
        round: 1,
        model: model(1),
    });
    world.restart();
    world.ledger(facts);
    let done = world.step(publishing(1, 2));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::PublicationDiffers { round: 1 }]
    ));
    assert!(
        !done
            .iter()
            .any(|effect| matches!(effect, Effect::Recompute(_)))
    );
}

#[test]
fn a_publication_with_another_sum_of_weights_is_not_signed() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [24, 16, 16, 16]);
    world.ledger(facts);
    let done = world.step(publishing(1, 1));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
}

#[test]
fn a_directory_older_than_its_identity_sits_the_round_out() {
    let mut lived = World::new();
    let facts = lived.contributed();
    // The same identity on a restored, empty directory.
    let mut world = World::new();
    world.ledger(facts.clone());
    let done = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(alarms(&done)[..], [Alarm::GuardsBehind { .. }]));
    world.step(StepKind::Closing { round: 1 });
    world.ledger(closed(facts, [16; 4]));
    world.step(StepKind::Opening { round: 1 });
    assert!(!world.done.iter().any(|effect| matches!(
        effect,
        Effect::Contribute(_) | Effect::Call(_) | Effect::OpenShares(_)
    )));
}

#[test]
fn a_fork_stops_everything() {
    let mut world = World::new();
    let facts = world.contributed();
    let fork = Alarm::Fork {
        detail: "two logs of 5 entries".into(),
        ours: "a".into(),
        theirs: "b".into(),
    };
    let done = world.feed(Event::Alarmed(fork.clone()));
    assert_eq!(done, [Effect::Alarm(fork), Effect::Halt]);
    assert!(world.ledger(facts).is_empty());
    assert!(world.step(StepKind::Closing { round: 1 }).is_empty());
}

#[test]
fn a_step_is_not_acted_on_before_the_ledger_it_was_made_on() {
    let mut world = World::new();
    world.ledger(idle(1));
    let early = world.feed(Event::Step(Step {
        id: 9,
        ledger_entries: 6,
        now_ms: 1_000,
        kind: seating(1),
    }));
    assert!(early.is_empty());
    let mut facts = idle(1);
    facts.entries = 6;
    assert!(matches!(
        world.ledger(facts).as_slice(),
        [Effect::MakeSeat { .. }]
    ));
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
    facts.entries += 1;
    world.ledger(facts);
    assert_eq!(
        calls(
            &world.step(StepKind::Closing { round: 1 }),
            Task::CosignClose(1)
        )
        .len(),
        1
    );
}

#[test]
fn a_void_is_signed_only_for_a_reason_that_the_member_sees() {
    let asked = |world: &mut World, reason| {
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
    };
    let mut world = World::new();
    let mut facts = world.contributed();
    world.ledger(facts.clone());
    // The time is over, but everybody is in the set.
    for reason in [
        VoidReason::TooFewContributions,
        VoidReason::Dispute,
        VoidReason::BadSum,
        VoidReason::LostData,
    ] {
        assert_eq!(asked(&mut world, reason), 0, "{reason:?}");
    }
    let round = facts.round.as_mut().unwrap();
    round.contributions.retain(|made| made.participant.0 == ME);
    facts.entries += 1;
    world.ledger(facts);
    assert_eq!(asked(&mut world, VoidReason::TooFewContributions), 1);
}
