//! The statistics round: sums over the data before anything is trained.

use crate::world::{COORDINATOR, World, draft};
use unsilo_ledger::explain::{History, Told};
use unsilo_ledger::{
    ColumnSums, Draft, DraftError, Entry, Event, Feature, Hash, Outcome, ParticipantId, Phase,
    Rejected, State, Statistics, Values, VoidAuthority, initial_weights_q24, model_hash,
    q24_to_f32_bits, statistics::SCALE,
};

const MEASURED: [usize; 2] = [3, 7];

/// A draft of which the statistics of two columns are measured.
fn measured_draft() -> Draft {
    let mut draft = draft(5);
    for column in MEASURED {
        draft.schema.features[column].values = Values::Measured {
            min_micro: 0,
            max_micro: 16_000_000,
        };
    }
    draft
}

fn closed() -> World {
    let mut world = World::from_draft(measured_draft());
    world.open();
    world.contribute(0..5);
    world.close();
    world
}

/// 40 values: of the first column half 4 and half 12, of the second nothing that values can give.
fn statistics() -> Statistics {
    let (quarter, three) = (SCALE / 4, SCALE / 4 * 3);
    let squares = 20 * (u128::from(quarter).pow(2) + u128::from(three).pow(2));
    let possible = ColumnSums {
        count: 40,
        sum: 20 * (quarter + three),
        squares,
    };
    Statistics {
        sum: [10; 32],
        key_sum: [11; 32],
        contributions: 5,
        columns: vec![
            Some(possible),
            Some(ColumnSums {
                squares: 1,
                ..possible
            }),
        ],
    }
}

fn published(world: &World, statistics: Option<Statistics>) -> Entry {
    Entry::StatisticsPublished {
        round: world.round(),
        statistics,
    }
}

fn publish(world: &mut World, statistics: Option<Statistics>) -> Vec<Event> {
    let entry = published(world, statistics);
    let entry = world.sign(entry, &world.publishers(world.threshold()));
    world.accept(entry)
}

fn first_model(state: &State) -> Hash {
    let (draft, seed) = (
        state.draft().expect("founded"),
        state.founders_seed().expect("founded"),
    );
    let weights: Vec<u8> = initial_weights_q24(&draft.model, &seed)
        .into_iter()
        .flat_map(|value| q24_to_f32_bits(value).to_le_bytes())
        .collect();
    model_hash(&draft.model, &weights)
}

#[test]
fn the_first_round_measures_the_data_and_the_next_one_trains_from_the_first_weights() {
    let mut world = World::from_draft(measured_draft());
    assert!(world.state.is_measuring());
    let base = world.state.model().expect("founded");
    assert_ne!(base, first_model(&world.state));
    world.open();
    assert_eq!(world.state.raters(), [], "nobody rates statistics");
    world.contribute(0..5);
    world.close();
    assert_eq!(world.state.phase(), Phase::Weighed, "nothing is judged");
    let weights: Vec<_> = (0..5).map(|id| (ParticipantId(id), 1)).collect();
    assert_eq!(world.state.weights(), Some(&weights[..]));
    assert_eq!(world.state.schema(), Some(measured_draft().schema));

    let events = publish(&mut world, Some(statistics()));
    assert_eq!(events[0], Event::StatisticsPublished { round: 1 });
    assert!(!world.state.is_measuring());
    assert_eq!(world.state.model(), Some(first_model(&world.state)));
    assert_eq!(world.state.published().count(), 0, "that was no model");
    let [Some(found), None] = world.state.column_statistics()[..] else {
        panic!("{:?}", world.state.column_statistics());
    };
    assert_eq!(
        (found.count, found.mean_micro, found.deviation_micro),
        (40, 8_000_000, 4_000_000)
    );
    // Mean and deviation scale the one; what no values give leaves the declared range of the other.
    let schema = world.state.schema().expect("founded");
    let range = |column: usize| schema.features[column].values.range_micro();
    assert_eq!(range(MEASURED[0]), Some((-4_000_000, 20_000_000)));
    assert_eq!(range(MEASURED[1]), Some((0, 16_000_000)));
    assert_eq!(schema.measured().count(), 0);
    assert_eq!(schema.inputs(), measured_draft().schema.inputs());

    world.rated_round(|rater, rated| (rater + rated.0) as i16);
    assert_eq!(world.state.published().count(), 1);
    let replayed = State::replay(&world.log).expect("allowed before");
    assert_eq!(replayed.root(), world.state.root());
    assert_eq!(
        replayed.column_statistics(),
        world.state.column_statistics()
    );
}

#[test]
fn who_comes_late_has_the_statistics_with_the_state() {
    let mut world = closed();
    publish(&mut world, Some(statistics()));
    let bytes = world.state.to_snapshot();
    let state = State::from_snapshot(&bytes, &world.state.root()).expect("the same");
    assert_eq!(state.statistics(), Some((1, Some(&statistics()))));
    assert_eq!(state.schema(), world.state.schema());
}

#[test]
fn statistics_are_signed_like_a_model() {
    let mut world = closed();
    let entry = published(&world, Some(statistics()));
    let alone = world.sign(entry.clone(), &[COORDINATOR]);
    assert_eq!(
        world.refuse(alone),
        Rejected::TooFewSigners { have: 0, need: 4 }
    );
    let three = world.sign(entry.clone(), &world.publishers(3));
    assert_eq!(
        world.refuse(three),
        Rejected::TooFewSigners { have: 3, need: 4 }
    );
    let members = world.sign(entry, &world.seated());
    assert!(matches!(
        world.refuse(members),
        Rejected::MissingSignature { .. }
    ));
}

#[test]
fn statistics_are_of_all_contributions_and_all_measured_columns() {
    let mut world = closed();
    let mut refused = |statistics| {
        let entry = published(&world, Some(statistics));
        let entry = world.sign(entry, &world.publishers(5));
        world.refuse(entry)
    };
    let four = Statistics {
        contributions: 4,
        ..statistics()
    };
    assert_eq!(
        refused(four),
        Rejected::WrongTotalWeight {
            expected: 5,
            found: 4
        }
    );
    let mut one = statistics();
    one.columns.pop();
    assert_eq!(
        refused(one),
        Rejected::StatisticsColumns {
            expected: 2,
            found: 1
        }
    );
}

#[test]
fn there_is_no_model_before_the_statistics_and_no_statistics_after_them() {
    let mut world = World::from_draft(measured_draft());
    world.open();
    let directions = world.sign(world.directions(0), &[0]);
    world.refuse(directions);
    world.contribute(0..5);
    let entry = published(&world, Some(statistics()));
    let early = world.sign(entry, &world.publishers(5));
    assert_eq!(world.refuse(early), Rejected::RoundNotClosed { round: 1 });
    world.close();
    let judged = world.sign(world.judged(), &world.seated());
    world.refuse(judged);
    let model = world.sign(world.model_published(), &world.publishers(5));
    assert_eq!(world.refuse(model), Rejected::StatisticsDue);
    publish(&mut world, Some(statistics()));

    world.open();
    world.contribute(0..5);
    world.close();
    world.judge();
    let entry = published(&world, Some(statistics()));
    let again = world.sign(entry, &world.publishers(5));
    assert_eq!(world.refuse(again), Rejected::NoStatisticsDue);
}

#[test]
fn a_sum_that_cannot_be_opened_leaves_the_declared_ranges_and_training_begins() {
    let mut world = closed();
    publish(&mut world, None);
    assert_eq!(world.state.statistics(), Some((1, None)));
    assert_eq!(world.state.column_statistics(), [None, None]);
    let schema = world.state.schema().expect("founded");
    let declared = draft(5).schema;
    assert_eq!(schema, declared, "as if the ranges had been declared only");
    assert_eq!(world.state.model(), Some(first_model(&world.state)));
    world.open();
}

#[test]
fn a_void_statistics_round_is_repeated() {
    let mut world = World::from_draft(measured_draft());
    let base = world.state.model();
    world.open();
    world.contribute([0, 1]);
    world.void();
    assert!(world.state.is_measuring());
    assert_eq!(world.state.model(), base);
    world.open();
    world.contribute(0..5);
    world.close();
    let entry = world.sign(world.voided(2, VoidAuthority::Committee), &world.seated());
    world.accept(entry);
    assert!(world.state.is_measuring(), "also after its close");
    world.open();
    world.contribute(0..5);
    world.close();
    publish(&mut world, Some(statistics()));
    assert_eq!(world.state.statistics().map(|(round, _)| round), Some(3));
}

#[test]
fn nothing_is_minted_for_statistics_and_the_round_is_told_as_what_it_was() {
    let mut world = closed();
    let balances = |state: &State| -> Vec<u64> {
        state
            .owners()
            .map(|owner| state.balance(owner.id))
            .collect()
    };
    let before = balances(&world.state);
    publish(&mut world, Some(statistics()));
    assert_eq!(balances(&world.state), before);
    assert_eq!(
        world.state.epoch(),
        World::from_draft(measured_draft()).state.epoch()
    );
    let mut history = History::new();
    let mut rounds = Vec::new();
    for entry in &world.log {
        for told in history.follow(entry).expect("allowed before") {
            if let Told::Round(facts) = told {
                rounds.push(*facts);
            }
        }
    }
    assert!(matches!(
        &rounds[..],
        [facts] if matches!(facts.outcome, Some(Outcome::Measured { .. })) && facts.void_reason().is_none()
    ));
}

#[test]
fn a_model_too_small_to_carry_its_statistics_is_refused() {
    let mut draft = draft(5);
    draft.schema.features = (0..64)
        .map(|column| Feature {
            values: Values::Measured {
                min_micro: 0,
                max_micro: 1,
            },
            ..Feature::number(format!("c{column}"), 0, 1)
        })
        .collect();
    assert_eq!(draft.validate(), Ok(()), "64 columns, 2410 parameters");
    draft.model.layers = vec![64, 24, 10];
    assert_eq!(
        draft.validate(),
        Err(DraftError::Statistics {
            measured: 64,
            need: 1_920,
            parameters: 1_810,
        })
    );
}
