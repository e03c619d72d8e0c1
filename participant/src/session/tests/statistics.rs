//! The statistics round: contributed to without a model, and ended by one signature.

use unsilo_ledger::{ColumnSums, LEAST_ANSWER_MS, LEAST_CONTRIBUTE_MS, Statistics};

use super::*;

/// When everybody may go on without the opening of a round that was first seen at 1,000 ms.
const OPEN: u64 = 1_000 + LEAST_CONTRIBUTE_MS + 2 * LEAST_ANSWER_MS;

fn measuring(mut facts: Facts) -> Facts {
    facts.measuring = true;
    facts
}

/// The statistics round, closed and weighed alike, with this node on a seat.
fn summed() -> (World, Facts) {
    let mut world = World::new();
    let facts = measuring(weighed(world.contributed(), [1; 4]));
    world.ledger(facts.clone());
    (world, facts)
}

fn statistics(count: u64) -> Statistics {
    Statistics {
        sum: [6; 32],
        key_sum: [7; 32],
        contributions: 4,
        columns: vec![Some(ColumnSums {
            count,
            sum: 5,
            squares: 6,
        })],
    }
}

fn ending(statistics: Option<Statistics>) -> StepKind {
    let entry = Entry::StatisticsPublished {
        round: 1,
        statistics,
    };
    StepKind::Publishing {
        round: 1,
        entry: entry.to_bytes(),
    }
}

/// What was started to verify a claim.
fn recomputed_claim(effects: &[Effect]) -> PublishedFacts {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Recompute { published, judged } => Some((published.clone(), judged.is_none())),
        _ => None,
    });
    let (published, unjudged) = found.expect("the claim is verified");
    assert!(unjudged, "nothing was judged");
    published
}

fn confirm(world: &mut World, published: &PublishedFacts) -> Vec<Effect> {
    world.feed(Event::StatisticsConfirmed {
        round: 1,
        claim: published.claim(),
    })
}

#[test]
fn statistics_are_contributed_without_a_model_to_hold() {
    let mut world = World::new();
    let mut facts = measuring(world.seated());
    let round = facts.round.as_mut().expect("open");
    (round.model, facts.model) = ([77; 32], [77; 32]);
    let mut done = world.ledger(facts);
    done.extend(world.step(StepKind::Contributing { round: 1 }));
    let asked_for = |effect: &Effect| {
        matches!(
            effect,
            Effect::FirstModel { .. } | Effect::FetchModel { .. } | Effect::AskRater { .. }
        )
    };
    assert!(!done.iter().any(asked_for), "{done:?}");
    assert!(done.iter().any(|effect| matches!(
        effect,
        Effect::Contribute(job) if job.measures && job.model == [77; 32]
    )));
}

#[test]
fn statistics_are_signed_only_after_this_node_opened_them_itself() {
    let (mut world, _) = summed();
    let started = world.step(ending(Some(statistics(40))));
    assert!(calls(&world.done, Task::SignPublish(1)).is_empty());
    let published = recomputed_claim(&started);
    assert_eq!(published.statistics, Some(statistics(40)));
    let done = confirm(&mut world, &published);
    assert!(recorded_before(
        &done,
        Task::SignPublish(1),
        |record| matches!(record, Record::Published { .. })
    ));
}

#[test]
fn statistics_that_the_sum_does_not_give_are_an_alarm() {
    let (mut world, _) = summed();
    let started = world.step(ending(Some(statistics(40))));
    let claim = recomputed_claim(&started).claim();
    let done = world.feed(Event::SumDiffers {
        round: 1,
        claim,
        reason: "the statistics it gives are other ones".into(),
    });
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
    assert!(calls(&world.done, Task::SignPublish(1)).is_empty());
}

#[test]
fn a_confirmed_claim_says_nothing_about_another_one() {
    let (mut world, _) = summed();
    let first = recomputed_claim(&world.step(ending(Some(statistics(40)))));
    world.session.step = None;
    confirm(&mut world, &first);
    let second = recomputed_claim(&world.step(ending(Some(statistics(41)))));
    assert_ne!(first.claim(), second.claim());
    assert!(calls(&world.done, Task::SignPublish(1)).is_empty());
}

#[test]
fn a_round_of_training_publishes_no_statistics_and_the_statistics_round_no_model() {
    let (mut world, _) = summed();
    let done = world.step(publishing(1, 1));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
    let mut world = World::new();
    let facts = Facts {
        measuring: false,
        ..weighed(world.contributed(), [1; 4])
    };
    world.ledger(facts);
    let done = world.step(ending(Some(statistics(40))));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ModelDiffers { round: 1, .. }]
    ));
}

#[test]
fn going_on_without_statistics_is_signed_only_after_the_rounds_time() {
    let (mut world, _) = summed();
    world.now_ms = OPEN - 1;
    world.step(ending(None));
    assert!(calls(&world.done, Task::SignPublish(1)).is_empty());
    world.now_ms = OPEN;
    let done = world.feed(Event::Clock);
    assert!(recorded_before(
        &done,
        Task::SignPublish(1),
        |record| matches!(record, Record::Published { .. })
    ));
}

#[test]
fn one_end_of_the_statistics_round_is_signed_also_across_a_crash() {
    for first_with in [true, false] {
        let (mut world, facts) = summed();
        world.now_ms = OPEN;
        let of = |with: bool| ending(with.then(|| statistics(40)));
        let end = |world: &mut World, with: bool| {
            let done = world.step(of(with));
            if with {
                let published = recomputed_claim(&done);
                confirm(world, &published);
            }
        };
        end(&mut world, first_with);
        assert_eq!(calls(&world.done, Task::SignPublish(1)).len(), 1);
        world.restart();
        world.ledger(facts);
        world.now_ms += OPEN;
        end(&mut world, !first_with);
        let signed = calls(&world.done, Task::SignPublish(1));
        assert_eq!(signed.len(), 1, "{signed:?}");
        assert!(alarms(&world.done).is_empty(), "{:?}", world.done);
        // The same again is the same signature.
        end(&mut world, first_with);
        let signed = calls(&world.done, Task::SignPublish(1));
        assert_eq!(signed.len(), 2);
        assert_eq!(signed[0], signed[1]);
    }
}
