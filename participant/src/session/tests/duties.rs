//! What an honest node does, also when it is killed.

use unsilo_ledger::{CloseStatement, Cosignature, Seat, SeatOffer, SignedEntry};

use super::*;

#[test]
fn the_founding_list_is_told_recorded_and_signed_once() {
    let mut world = World::new();
    world.ledger(Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    });
    let told = world.step(StepKind::Founding {
        entry: Vec::new(),
        missing: vec!["Cedar".into()],
    });
    assert!(matches!(
        told.as_slice(),
        [Effect::Tell(Progress::Founding { missing, .. })] if missing == &["Cedar"]
    ));
    let entry = genesis().to_bytes();
    let founding = StepKind::Founding {
        entry: entry.clone(),
        missing: Vec::new(),
    };
    let done = world.step(founding.clone());
    assert!(recorded_before(
        &done,
        Task::SignGenesis,
        |record| matches!(record, Record::Genesis(_))
    ));
    assert!(matches!(
        &done[0],
        Effect::Tell(Progress::Founding { founders: list, .. }) if *list == founders()
    ));
    let expected = genesis()
        .sign(&draft().federation_id(), &identity(ME as u8))
        .signature;
    let [Call::SignGenesis { signature, .. }] = calls(&done, Task::SignGenesis)[..] else {
        panic!("one signature");
    };
    assert_eq!(signature, expected);
    assert!(calls(&world.step(founding.clone()), Task::SignGenesis).is_empty());
    // After a crash the same signature is sent again: whether it arrived is not known.
    world.restart();
    world.ledger(Facts {
        founding: None,
        me: None,
        participants: 4,
        ..idle(1)
    });
    assert_eq!(calls(&world.step(founding), Task::SignGenesis).len(), 1);
}

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
        guard: seat.guard,
    };
    assert!(offer.verify(&identity(ME as u8).public(), &seat.signature));

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
            Effect::Tell(Progress::Contributed { .. })
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
        [Effect::Tell(Progress::Warning { .. })]
    ));
}

#[test]
fn the_close_is_cosigned_with_the_nonce_once_and_again_unchanged() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(facts.clone());
    let done = world.step(StepKind::Closing { round: 1 });
    assert!(recorded_before(
        &done,
        Task::CosignClose(1),
        |record| matches!(record, Record::Cosigned { .. })
    ));
    let cosigned = calls(&done, Task::CosignClose(1));
    let [Call::CosignClose { cosignature, .. }] = &cosigned[..] else {
        panic!("one cosignature");
    };
    let cosignature: Cosignature = borsh::from_slice(cosignature).unwrap();
    let statement = CloseStatement {
        federation: draft().federation_id(),
        round: 1,
        contributions: [50; 32],
        nonce: seat_record(1).nonce,
        guard: cosignature.guard,
    };
    assert_eq!(cosignature.seat, 2);
    assert!(statement.verify(&identity(ME as u8).public(), &cosignature.signature));
    world.restart();
    world.ledger(facts);
    assert_eq!(
        calls(
            &world.step(StepKind::Closing { round: 1 }),
            Task::CosignClose(1)
        ),
        cosigned
    );
}

#[test]
fn killed_between_guard_and_answer_the_node_gives_the_same_bytes() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let started = world.step(StepKind::Opening { round: 1 });
    let [Effect::OpenShares(job)] = started.as_slice() else {
        panic!("shares are fetched: {started:?}");
    };
    assert_eq!((job.seat, job.set.len()), (2, 4));
    let combined = Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![1, 2, 3],
    };
    // The record is written, and then the process is killed.
    world.kill_after = Some(1);
    let done = world.feed(combined);
    assert!(matches!(
        done.as_slice(),
        [Effect::Record(Record::Opened(_))]
    ));
    world.ledger(facts.clone());
    let again = world.step(StepKind::Opening { round: 1 });
    let [Call::Open { opening, .. }] = &calls(&again, Task::Open(1))[..] else {
        panic!("answered without fetching shares again: {again:?}");
    };
    assert_eq!(opening, &[1, 2, 3]);
    // Whatever the shares give now, the first answer stands.
    let other = world.feed(Event::SharesCombined {
        round: 1,
        digest: job.digest,
        answer: vec![9],
    });
    assert!(matches!(
        alarms(&other)[..],
        [Alarm::OpeningDiffers { round: 1 }]
    ));
    assert!(calls(&other, Task::Open(1)).is_empty());
}

#[test]
fn a_model_is_signed_only_after_it_was_recomputed_here() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let started = world.step(publishing(1, 1));
    assert!(
        matches!(started.as_slice(), [Effect::Recompute(of)] if of.base == model(0) && of.model == model(1))
    );
    let done = world.feed(Event::Recomputed {
        round: 1,
        model: model(1),
    });
    assert!(recorded_before(
        &done,
        Task::SignPublish(1),
        |record| matches!(record, Record::Published { .. })
    ));
}

#[test]
fn a_published_model_is_recomputed_evaluated_and_the_rounds_secrets_are_erased() {
    let mut world = World::new();
    let facts = closed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let published = Facts {
        model: model(1),
        published: Some(PublishedFacts {
            round: 1,
            base: model(0),
            unit_log2: -14,
            sum: [6; 32],
            key_sum: [7; 32],
            model: model(1),
            total_weight: 64,
        }),
        ..idle(2)
    };
    let done = world.ledger(published.clone());
    // Erased first: a record before the erasure would hide a secret from the next start if the process died between.
    let at = |wanted: &Effect| done.iter().position(|effect| effect == wanted);
    let erased = at(&Effect::Forget { round: 1 }).expect("erased");
    let recorded = at(&Effect::Record(Record::Finished { round: 1 })).expect("recorded");
    assert!(erased < recorded, "{done:?}");
    assert!(
        done.iter()
            .any(|effect| matches!(effect, Effect::Recompute(_)))
    );
    let done = world.feed(Event::Recomputed {
        round: 1,
        model: model(1),
    });
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
    assert_eq!(end, [Effect::Tell(Progress::Finished), Effect::Finish]);
    world.restart();
    assert!(
        !world
            .ledger(published)
            .iter()
            .any(|effect| matches!(effect, Effect::Evaluate { .. })),
        "evaluated once"
    );
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
            unit_log2: -14,
            sum: [6; 32],
            key_sum: [7; 32],
            model: model(9),
            total_weight: 64,
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

#[test]
fn a_void_round_may_be_repeated_on_the_same_model() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(facts);
    let done = world.step(voiding(1));
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
