//! The new model: signed only after it was recomputed here.

use super::*;

#[test]
fn a_model_that_the_sum_does_not_give_is_not_signed() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    world.step(publishing(1, 1));
    let done = world.feed(Event::SumDiffers {
        round: 1,
        claim: published(1).claim(),
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
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    world.step(publishing(1, 1));
    world.feed(recomputed(1));
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
            .any(|effect| matches!(effect, Effect::Recompute { .. }))
    );
}

#[test]
fn a_publication_with_another_sum_of_weights_is_not_signed() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [24, 16, 16, 16]);
    world.ledger(facts);
    let done = world.step(publishing(1, 1));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
}

#[test]
fn a_model_is_signed_only_after_it_was_recomputed_here() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts);
    let started = world.step(publishing(1, 1));
    assert!(matches!(
        started.as_slice(),
        [Effect::Recompute { published: of, judged: Some(job) }]
            if of.base == model(0) && of.model == model(1) && job.seats.len() == 3
    ));
    let done = world.feed(recomputed(1));
    assert!(recorded_before(
        &done,
        Task::SignPublish(1),
        |record| matches!(record, Record::Published { .. })
    ));
}

#[test]
fn a_publication_that_was_not_recomputed_is_not_signed_in_the_name_of_another_of_the_same_model() {
    let other = |sum: u8, key_sum: u8| StepKind::Publishing {
        round: 1,
        entry: Entry::ModelPublished {
            round: 1,
            sum: [sum; 32],
            key_sum: [key_sum; 32],
            model: model(1),
            total_weight: 64,
        }
        .to_bytes(),
    };
    for (sum, key_sum) in [(9, 7), (6, 9)] {
        // Announced while the first is worked on, or after it is found in order.
        for done_before in [false, true] {
            let mut world = World::new();
            let facts = weighed(world.contributed(), [16; 4]);
            world.ledger(facts);
            world.step(publishing(1, 1));
            if done_before {
                // Nobody is asked yet whether to sign: the replica is behind the step.
                world.session.step = None;
                world.feed(recomputed(1));
            }
            let mut done = world.step(other(sum, key_sum));
            assert!(
                matches!(
                    done.as_slice(),
                    [Effect::Recompute { published: of, .. }]
                        if of.sum == [sum; 32] && of.key_sum == [key_sum; 32]
                ),
                "each claim is verified by itself: {done:?}"
            );
            if !done_before {
                done.extend(world.feed(recomputed(1)));
            }
            assert!(calls(&done, Task::SignPublish(1)).is_empty());
        }
    }
}

#[test]
fn a_published_model_that_the_sum_does_not_give_is_not_used() {
    let mut world = World::new();
    let facts = weighed(world.contributed(), [16; 4]);
    world.ledger(facts.clone());
    let done = world.ledger(Facts {
        model: model(1),
        published: Some(published(1)),
        ..idle(2)
    });
    assert!(
        done.iter()
            .any(|effect| matches!(effect, Effect::Recompute { .. }))
    );
    let done = world.feed(Event::SumDiffers {
        round: 1,
        claim: published(1).claim(),
        reason: "the coordinator is to blame: its sum is not the weighted sum".into(),
    });
    let [Alarm::ModelDiffers { reason, .. }] = alarms(&done)[..] else {
        panic!("not told: {done:?}");
    };
    assert!(reason.contains("to blame"));
    // It is not fetched by its hash instead, and nothing is trained on it.
    let mut next = open(2);
    next.round.as_mut().unwrap().model = model(1);
    next.published = Some(published(1));
    let mut done = world.ledger(next);
    done.extend(world.step(StepKind::Contributing { round: 2 }));
    assert!(
        !done.iter().any(|effect| matches!(
            effect,
            Effect::FetchModel { .. } | Effect::Contribute(_) | Effect::Evaluate { .. }
        )),
        "{done:?}"
    );
}
