//! `trust` against the numbers of the paper (`whitepaper.json`).

use crate::cases::Case;
use serde::Deserialize;
use serde_json::Value;
use unsilo_ledger::mechanism::fixed::I32F32;
use unsilo_ledger::mechanism::trust::{self, Memory, Parameters};

fn file() -> Value {
    serde_json::from_str(include_str!("../vectors/whitepaper.json")).expect("vectors")
}

fn fixed(value: f64) -> I32F32 {
    I32F32::from_bits((value * 4_294_967_296.0).round_ties_even() as i64)
}

fn float(value: I32F32) -> f64 {
    value.to_bits() as f64 / 4_294_967_296.0
}

#[derive(Deserialize)]
struct Graph {
    weights_u16: Vec<Vec<u16>>,
    stake: Vec<u64>,
    rho: i32,
    kappa: f64,
    tau: f64,
    epochs_f64: Vec<FloatEpoch>,
    #[serde(rename = "epoch0_I32F32_bits")]
    first: Bits,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the vectors' names")]
struct FloatEpoch {
    stake: Vec<f64>,
    ranks: Vec<f64>,
    consensus: Vec<f64>,
    incentive: Vec<f64>,
    bond_dividend: Vec<f64>,
    delta_S: Vec<f64>,
}

#[derive(Deserialize)]
struct Bits {
    stake: Vec<i64>,
    ranks: Vec<i64>,
    trust: Vec<i64>,
    consensus: Vec<i64>,
    incentive: Vec<i64>,
}

fn bits(values: &[I32F32]) -> Vec<i64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_papers_rule_has_the_bits_of_the_first_epoch_and_the_values_of_the_others() {
    for name in ["matrix_rho10", "matrix_rho40"] {
        let graph: Graph = serde_json::from_value(file()[name].clone()).expect(name);
        let parameters = Parameters {
            rho: I32F32::from_integer(graph.rho),
            kappa: fixed(graph.kappa),
            tau: fixed(graph.tau),
        };
        let case = Case {
            emission: 1_000_000_000,
            owners: (0..).take(graph.stake.len()).collect(),
            stakes: graph.stake,
            weights: graph.weights_u16.into_iter().map(Some).collect(),
            cutoff: u32::MAX,
        };
        let mut memory = Memory::new();
        for (index, expected) in graph.epochs_f64.iter().enumerate() {
            let (next, outcome) = case
                .with(|epoch| trust::epoch(&parameters, &memory, epoch))
                .expect("settled");
            if index == 0 {
                assert_eq!(bits(&outcome.stake), graph.first.stake);
                assert_eq!(bits(&outcome.ranks), graph.first.ranks);
                assert_eq!(bits(&outcome.trust), graph.first.trust);
                assert_eq!(bits(&outcome.consensus), graph.first.consensus);
                assert_eq!(bits(&outcome.incentive), graph.first.incentive);
            }
            for (found, expected) in [
                (&outcome.stake, &expected.stake),
                (&outcome.ranks, &expected.ranks),
                (&outcome.consensus, &expected.consensus),
                (&outcome.incentive, &expected.incentive),
                (&outcome.dividends, &expected.bond_dividend),
                (&outcome.earned, &expected.delta_S),
            ] {
                for (found, expected) in found.iter().zip(expected) {
                    // Some 50 roundings of 2^-32, times the steepness.
                    assert!((float(*found) - expected).abs() < 5e-7, "{name} {index}");
                }
            }
            assert_eq!(outcome.payout.iter().sum::<u64>(), 1_000_000_000);
            memory = next;
        }
    }
}

/// Two groups that only rate themselves, S_B the stake of the second. A group is two rows that rate each other
/// with half of the stake each, so that trust is half the group's: the paper's sigmoid at twice the steepness
/// around half the middle.
fn two_groups(second: f64, blocks: usize, tau: f64) -> Vec<f64> {
    let parameters = Parameters {
        rho: I32F32::from_integer(20),
        kappa: fixed(0.25),
        tau: fixed(tau),
    };
    let second_stake = (second * 1e9).round() as u64;
    let first_stake = 1_000_000_000 - second_stake;
    let rates = |other: usize| {
        let mut row = vec![0; 4];
        row[other] = 1;
        Some(row)
    };
    let case = Case {
        emission: 0,
        owners: (0..4).collect(),
        stakes: vec![first_stake, first_stake, second_stake, second_stake],
        weights: vec![rates(1), rates(0), rates(3), rates(2)],
        cutoff: u32::MAX,
    };
    let mut memory = Memory::new();
    let mut stakes = Vec::new();
    for _ in 0..=blocks {
        let (next, outcome) = case
            .with(|epoch| trust::epoch(&parameters, &memory, epoch))
            .expect("settled");
        stakes.push(float(outcome.stake[2]) + float(outcome.stake[3]));
        memory = next;
    }
    // The first is the stake before the first block.
    stakes.remove(0);
    stakes
}

#[test]
fn the_published_table_of_a_smaller_group_is_reproduced() {
    let graph = &file()["cabal_two_graph"];
    let blocks: Vec<f64> = serde_json::from_value(graph["all_blocks"].clone()).expect("blocks");
    let found = two_groups(
        graph["params"]["S_B"].as_f64().expect("S_B"),
        blocks.len(),
        0.1,
    );
    assert!(blocks.len() >= 100);
    for (block, (found, expected)) in found.iter().zip(&blocks).enumerate() {
        assert!(
            (found - expected).abs() < 1e-6,
            "{block}: {found} {expected}"
        );
    }
}

#[test]
fn a_group_below_half_of_the_stake_vanishes_and_one_above_takes_all() {
    for row in file()["cabal_sweep"].as_array().expect("rows") {
        let number = |name: &str| row[name].as_f64().expect("a number");
        let blocks = usize::try_from(row["blocks"].as_u64().expect("blocks")).expect("a count");
        let found = two_groups(number("S_B0"), blocks, number("tau"));
        let last = found.last().expect("blocks");
        assert!((last - number("S_B_end")).abs() < 2e-6, "{row}: {last}");
    }
}
