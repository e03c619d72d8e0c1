//! What an honest node does, also when it is killed.

use unsilo_ledger::{Seat, SeatOffer, SignedEntry};

use super::*;

#[test]
fn a_seat_is_kept_before_it_is_offered_and_offered_again_unchanged() {
    let mut world = World::new();
    world.ledger(idle(1));
    let asked = world.step(seating(1));
    assert!(matches!(
        asked.as_slice(),
        [Effect::MakeSeat {
            round: 1,
            size: 4,
            ..
        }]
    ));
    assert!(
        world.step(seating(1)).is_empty(),
        "one key is made, not two"
    );
    let done = world.feed(Event::SeatMade(seat_record(1)));
    assert!(recorded_before(
        &done,
        Task::OfferSeat(1),
        |record| matches!(record, Record::Seat(_))
    ));
    let offered = calls(&done, Task::OfferSeat(1));
    let [Call::OfferSeat { seat, .. }] = &offered[..] else {
        panic!("one offer");
    };
    let seat: Seat = borsh::from_slice(seat).unwrap();
    let offer = SeatOffer {
        federation: draft().federation_id(),
        round: 1,
        model: model(0),
        round_key: seat.round_key.clone(),
        nonce_commitment: seat.nonce_commitment,
        guard: world.disk.head(),
    };
    assert_eq!(
        seat.guard,
        world.disk.head(),
        "the seat's own record included"
    );
    assert!(offer.verify(&identity(ME as u8).public(), &seat.signature));

    // Other records do not change the offer.
    let evaluated = Record::Evaluated { round: 0 };
    world.disk.admit(&evaluated).unwrap();
    world.restart();
    world.ledger(idle(1));
    assert_eq!(calls(&world.step(seating(1)), Task::OfferSeat(1)), offered);
}

#[test]
fn a_contribution_is_recorded_before_it_is_sent_and_sent_again_after_a_crash() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts.clone());
    let started = world.step(StepKind::Contributing { round: 1 });
    assert!(matches!(started.as_slice(), [Effect::Contribute(job)] if job.threshold == 3));
    let done = world.feed(encrypted(1, 0, 50));
    let [
        Effect::Record(Record::Contribution(_)),
        Effect::Upload { entry, .. },
    ] = &done[..]
    else {
        panic!("first recorded, then sent: {done:?}");
    };
    let signed = SignedEntry::decode(entry).unwrap();
    assert_eq!(signed.signers().count(), 1);

    world.restart();
    world.ledger(facts);
    let again = world.step(StepKind::Contributing { round: 1 });
    assert_eq!(again, done[1..], "the same entry, and no second training");
    let kept = world.feed(Event::Uploaded {
        round: 1,
        receipt: receipt(1, root(50)),
    });
    assert!(matches!(
        kept.as_slice(),
        [
            Effect::Record(Record::Receipt { .. }),
            Effect::Tell(Progress::Contributed { .. }),
            Effect::Call(Call::PostReceipt { .. })
        ]
    ));
    assert!(world.step(StepKind::Contributing { round: 1 }).is_empty());
}

#[test]
fn a_contribution_made_when_its_round_is_over_is_never_sent() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts);
    world.step(StepKind::Contributing { round: 1 });
    world.ledger(idle(2));
    let done = world.feed(encrypted(1, 0, 50));
    assert!(matches!(
        done.as_slice(),
        [
            Effect::Discard { round: 1 },
            Effect::Tell(Progress::Warning { .. })
        ]
    ));
}

#[test]
fn a_published_model_is_recomputed_and_evaluated_once_and_the_rounds_secrets_are_erased() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let ledger = Facts {
        model: model(1),
        published: Some(published(1)),
        ..idle(2)
    };
    let done = world.ledger(ledger.clone());
    assert!(
        done.iter()
            .any(|effect| matches!(effect, Effect::Recompute { judged: None, .. }))
    );
    let done = world.feed(recomputed(1));
    assert!(matches!(
        done.as_slice(),
        [Effect::Evaluate { round: 1, .. }]
    ));
    let done = world.feed(Event::Evaluated {
        round: 1,
        model: model(1),
        evaluation: None,
    });
    assert!(matches!(
        done.as_slice(),
        [
            Effect::Record(Record::Evaluated { round: 1 }),
            Effect::Tell(Progress::Published { round: 1, .. })
        ]
    ));
    let end = world.step(StepKind::Resting {
        finished: true,
        reason: "all rounds are done".into(),
    });
    // Erased first: a record before the erasure would hide a secret from the next start if the process died between.
    assert_eq!(
        end,
        [
            Effect::Forget { round: 1 },
            Effect::Record(Record::Finished { round: 1 }),
            Effect::Sweep { before: 2 },
            Effect::Tell(Progress::Finished),
            Effect::Finish
        ]
    );
    world.restart();
    assert!(
        !world
            .ledger(ledger)
            .iter()
            .any(|effect| matches!(effect, Effect::Evaluate { .. })),
        "evaluated once"
    );
}

#[test]
fn the_rounds_secrets_are_kept_until_members_confirm_a_ledger_on_which_it_is_over() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let mut next = open(2);
    next.published = Some(published(1));
    let forgets = |effects: &[Effect]| effects.contains(&Effect::Forget { round: 1 });
    let kept = world.ledger(with_contributions(next.clone(), root(1)));
    assert!(!forgets(&kept));
    // This node has no seat in round 2, and sees all the same that others confirmed it.
    let second = closed(with_contributions(next, root(1)));
    assert!(!forgets(&world.ledger(second)));
    let again = world.session.facts().unwrap().clone();
    let step = || StepKind::Answering { round: 2 };
    for cosigners in [&[][..], &[0, 2], &[0, 1, 2]] {
        let note = world.note(cosigners);
        world.step_on(step(), note);
        assert!(
            !forgets(&world.ledger(again.clone())),
            "{cosigners:?} are no three members"
        );
    }
    let note = world.note(&[0, 2, 3]);
    world.step_on(step(), note);
    assert!(forgets(&world.ledger(again)));
}

#[test]
fn a_node_that_was_away_fetches_the_model_by_its_hash() {
    let mut world = World::new();
    world.ledger(idle(1));
    let far = Facts {
        model: model(9),
        published: Some(PublishedFacts {
            round: 8,
            base: model(8),
            ..published(9)
        }),
        ..idle(9)
    };
    let done = world.ledger(far);
    assert!(done.contains(&Effect::FetchModel { model: model(9) }));
}

#[test]
fn requests_are_made_again_after_a_lost_connection_and_training_is_not() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts);
    world.step(StepKind::Contributing { round: 1 });
    world.feed(Event::Disconnected);
    assert!(
        world.step(StepKind::Contributing { round: 1 }).is_empty(),
        "training goes on without a connection"
    );
    let done = world.feed(encrypted(1, 0, 50));
    assert!(matches!(done.last(), Some(Effect::Upload { .. })));
    world.feed(Event::Disconnected);
    assert!(matches!(
        world.step(StepKind::Contributing { round: 1 }).as_slice(),
        [Effect::Upload { .. }]
    ));
}
