//! The statistics round: opened without a judgement, whatever restarts, and ended without statistics where it does not open.

use unsilo_ledger::{ColumnSums, Outcome};

use super::*;

/// The sums of all founders, as they contribute them.
fn pooled() -> Vec<Option<ColumnSums>> {
    let mut sums = vec![
        ColumnSums {
            count: 0,
            sum: 0,
            squares: 0
        };
        2
    ];
    for node in 0..FOUNDERS.len() {
        for (sums, [count, sum, squares]) in sums.iter_mut().zip(Federation::counted(node)) {
            sums.count += count;
            sums.sum += sum;
            sums.squares += u128::from(squares);
        }
    }
    sums.into_iter().map(Some).collect()
}

/// What was opened, once the statistics round is over.
fn opened(federation: &Federation) -> Option<Option<Vec<Option<ColumnSums>>>> {
    let (_, statistics) = federation.ledger.statistics()?;
    Some(statistics.map(|statistics| statistics.columns.clone()))
}

#[test]
fn the_first_round_gives_the_pooled_sums_and_the_second_a_model() {
    let mut federation = Federation::measuring(1);
    federation.calm_until_finished();
    assert_eq!(opened(&federation), Some(Some(pooled())));
    let rounds: Vec<u64> = federation
        .published()
        .iter()
        .map(|(round, _)| *round)
        .collect();
    assert_eq!(rounds, [2], "the plan's one round is one of training");
    let first = federation.ledger.history().next().expect("over");
    assert!(matches!(first.outcome, Outcome::Measured { .. }));
    let judged = federation
        .entries
        .iter()
        .filter_map(|signed| match signed.entry {
            Entry::ContributionsJudged { round, .. } => Some(round),
            _ => None,
        });
    assert_eq!(judged.collect::<Vec<_>>(), [2]);
}

#[test]
fn a_restart_after_any_event_of_the_statistics_round_leads_to_the_same_statistics() {
    for restart_after in 0.. {
        let mut federation = Federation::measuring(1);
        let mut events = 0;
        for _ in 0..40 {
            for node in 0..FOUNDERS.len() {
                federation.act(node);
                if federation.has_job() && (node + restart_after) % 2 == 0 {
                    federation.run_job();
                }
                if events == restart_after {
                    federation.restart();
                }
                events += 1;
            }
            if !federation.ledger.is_measuring() {
                break;
            }
            let _ = federation.tick(2_000);
        }
        assert_eq!(
            opened(&federation),
            Some(Some(pooled())),
            "restart after {restart_after}"
        );
        if events <= restart_after {
            assert!(restart_after > 12, "{restart_after} events are too few");
            return;
        }
    }
}

#[test]
fn one_company_that_keeps_the_sum_from_opening_costs_the_statistics_and_nothing_else() {
    let mut federation = Federation::measuring(1);
    federation.nodes[2].sends_garbage = true;
    until(&mut federation, "opening");
    federation.everybody_acts();
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "opening", "it does not open");
    let open_by_ms = federation
        .ledger
        .round()
        .expect("under way")
        .opening
        .open_by_ms;
    let _ = federation.tick(open_by_ms - federation.now_ms);
    assert_eq!(
        federation.machine.phase(),
        "opening",
        "others might still answer"
    );
    // A restart gives the members as long again to repeat their answers.
    federation.restart();
    federation.everybody_acts();
    let _ = federation.tick(TIMING.answer_ms);
    assert_eq!(federation.machine.phase(), "opening");
    let _ = federation.tick(1);
    assert_eq!(federation.machine.phase(), "publishing");
    federation.calm_until_finished();
    assert_eq!(
        opened(&federation),
        Some(None),
        "the declared ranges scale the columns"
    );
    assert_eq!(federation.published().len(), 1);
}
