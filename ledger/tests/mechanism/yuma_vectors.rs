//! `yuma` against the literals of subtensor's own epoch tests, and against a reference model that meets them all.

use crate::cases::Case;
use serde_json::{Value, json};
use unsilo_ledger::mechanism::fixed::I32F32;
use unsilo_ledger::mechanism::yuma::{self, LiquidAlpha, Memory, Outcome, Parameters, Version};

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"));
    T::try_from(number).unwrap_or_else(|_| panic!("{value} does not fit"))
}

fn settle(parameters: &Parameters, memory: &mut Memory, case: &Case) -> Outcome {
    let (next, outcome) = case
        .with(|epoch| yuma::epoch(parameters, memory, epoch))
        .expect("settled");
    *memory = next;
    outcome
}

fn parameters(case: &Value, version: Version) -> Parameters {
    let proportion = |name: &str| {
        let value = case[name].as_f64().expect("a fraction");
        // As the tests write them: I32F32::from_num, then cut to 65,535ths.
        I32F32::from_bits((value * 4_294_967_296.0).round_ties_even() as i64).to_proportion()
    };
    Parameters {
        version,
        kappa: number(&case["kappa_u16"]),
        bonds_moving_average_ppm: number(&case["bonds_moving_average_ppm"]),
        bonds_penalty: number(&case["bonds_penalty_u16"]),
        liquid_alpha: (case["liquid_alpha"] == true).then(|| LiquidAlpha {
            low: proportion("alpha_low"),
            high: proportion("alpha_high"),
            steepness: number(&case["alpha_sigmoid_steepness"]),
        }),
    }
}

fn bits(values: &[I32F32]) -> Vec<i64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn proportions(values: &[I32F32]) -> Vec<u16> {
    values.iter().map(|value| value.to_proportion()).collect()
}

#[test]
fn version_two_meets_the_literals_and_the_bits() {
    let file: Value = serde_json::from_str(include_str!("../vectors/yuma2_epochs.json")).unwrap();
    for case in file["cases"].as_array().expect("cases") {
        let count: usize = number(&case["n"]);
        let parameters = parameters(case, Version::Two);
        let mut memory = Memory::new();
        for step in case["steps"].as_array().expect("steps") {
            let at = format!("{} {}", case["name"], step["label"]);
            let mut weights: Vec<Option<Vec<u16>>> = vec![None; count];
            for set in step["set_weights"].as_array().expect("rows") {
                let row = weights[number::<usize>(&set["uid"])].insert(vec![0; count]);
                let dests: Vec<usize> = list(&set["dests"]);
                for (to, weight) in dests.into_iter().zip(list::<u16>(&set["weights"])) {
                    row[to] = weight;
                }
            }
            // Who is not said to be inactive has refreshed its weights; to keep them is what an absent row does.
            let inactive: Vec<bool> = match &step["inactive"] {
                Value::Null => vec![false; count],
                inactive => list(inactive),
            };
            let any_inactive = inactive.contains(&true);
            let outcome = if any_inactive {
                settle_with_inactive(&parameters, &mut memory, case, &inactive)
            } else {
                let input = Case {
                    emission: 1_000_000_000,
                    owners: (0..).take(count).collect(),
                    stakes: list(&case["stake"]),
                    weights,
                    cutoff: u32::MAX,
                };
                settle(&parameters, &mut memory, &input)
            };
            let emulated = json!({
                "active_stake_bits": bits(&outcome.active_stake),
                "consensus_bits": bits(&outcome.consensus),
                "validator_trust_bits": bits(&outcome.validator_trust),
                "incentive_bits": bits(&outcome.incentive),
                "dividends_bits": bits(&outcome.dividends),
                "emission": outcome.payout,
                "server_emission": outcome.server_emission,
                "validator_emission": outcome.validator_emission,
                "bonds_u16": outcome.bonds.chunks_exact(count).collect::<Vec<_>>(),
                "incentive_u16": proportions(&outcome.incentive),
                "dividends_u16": proportions(&outcome.dividends),
                "consensus_u16": proportions(&outcome.consensus),
                "validator_trust_u16": proportions(&outcome.validator_trust),
            });
            assert_eq!(step["emulated"], emulated, "{at}");
            literals(&step["expected_literals"], &outcome, count, &at);
        }
    }
}

/// Rows that are past the cut-off keep their weights: they are absent with a cut-off of no epoch. The others give
/// the weights they had, which in these tests are equal ones for the last two rows.
fn settle_with_inactive(
    parameters: &Parameters,
    memory: &mut Memory,
    case: &Value,
    inactive: &[bool],
) -> Outcome {
    assert_eq!(case["name"], "test_active_stake");
    let input = Case {
        emission: 1_000_000_000,
        owners: (0..4).collect(),
        stakes: list(&case["stake"]),
        weights: inactive
            .iter()
            .map(|inactive| (!inactive).then(|| vec![0, 0, 32_767, 32_767]))
            .collect(),
        cutoff: 0,
    };
    settle(parameters, memory, &input)
}

/// What subtensor's tests assert themselves: `[uid, value]`, for bonds `[uid, uid, value]`.
fn literals(expected: &Value, outcome: &Outcome, count: usize, at: &str) {
    let expected = expected.as_object().expect("literals");
    for (name, entries) in expected {
        for entry in list::<Vec<u64>>(entries) {
            let row = usize::try_from(entry[0]).expect("a row");
            let found = match name.as_str() {
                "emission" => outcome.payout[row],
                "dividends_u16" => outcome.dividends[row].to_proportion().into(),
                "incentive_u16" => outcome.incentive[row].to_proportion().into(),
                "consensus_u16" => outcome.consensus[row].to_proportion().into(),
                "bonds_u16" => {
                    outcome.bonds[row * count + usize::try_from(entry[1]).expect("a row")].into()
                }
                other => panic!("no literal {other}"),
            };
            assert_eq!(Some(&found), entry.last(), "{at} {name} {row}");
        }
    }
}

/// An epoch of three validators that rate the servers behind them.
fn three(case: &Value, stakes: &[u64], count: usize, weights: &[Vec<u16>]) -> Case {
    Case {
        emission: case["emission"].as_u64().unwrap_or(1_000_000_000),
        owners: (0..).take(count).collect(),
        stakes: stakes.to_vec(),
        weights: (0..count)
            .map(|row| {
                let mut all = vec![0; count];
                if let Some(weights) = weights.get(row) {
                    all[3..3 + weights.len()].copy_from_slice(weights);
                }
                Some(all)
            })
            .collect(),
        cutoff: u32::MAX,
    }
}

fn close(found: u16, expected: f64, at: &str) {
    let found = f64::from(found) / 65_535.0;
    assert!(
        (found - expected).abs() <= 1e-3,
        "{at}: {found} is not {expected}"
    );
}

fn check_epoch(epoch: &Value, outcome: &Outcome, count: usize, at: &str) {
    let dividends: Vec<f64> = list(&epoch["expected_dividends"]);
    for (found, expected) in outcome.dividends.iter().zip(&dividends) {
        close(found.to_proportion(), *expected, at);
    }
    let bonds: Vec<Vec<f64>> = list(&epoch["expected_bonds"]);
    for (row, bonds) in bonds.iter().enumerate() {
        for (column, expected) in bonds.iter().enumerate() {
            close(outcome.bonds[row * count + 3 + column], *expected, at);
        }
    }
    let exact = |name: &str, found: Value| {
        if !epoch[name].is_null() {
            assert_eq!(epoch[name], found, "{at} {name}");
        }
    };
    let held: Vec<&[u16]> = outcome
        .bonds
        .chunks_exact(count)
        .take(bonds.len())
        .map(|row| &row[3..])
        .collect();
    exact("emulated_bonds_u16", json!(held));
    exact(
        "emulated_dividends_u16",
        json!(proportions(&outcome.dividends)),
    );
    exact(
        "emulated_incentive_u16",
        json!(proportions(&outcome.incentive)),
    );
    exact("emulated_consensus_bits", json!(bits(&outcome.consensus)));
    exact("emulated_server_emission", json!(outcome.server_emission));
    exact(
        "emulated_validator_emission",
        json!(outcome.validator_emission),
    );
}

#[test]
fn version_three_with_and_without_liquid_alpha_meets_the_literals_and_the_reference_model() {
    let file: Value = serde_json::from_str(include_str!("../vectors/yuma3_epochs.json")).unwrap();
    let cases = file["cases"].as_array().expect("cases");
    let (mut epochs, mut reset) = (0, 0);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        if name == "test_yuma_3_bonds_reset" {
            bonds_reset(case, &cases[0]);
            reset += 1;
            continue;
        }
        let parameters = parameters(case, Version::Three);
        let count = number(&case["n"]);
        let mut memory = Memory::new();
        for epoch in case["epochs"].as_array().expect("epochs") {
            let mut input = three(case, &list::<u64>(&case["stake"]), count, &[]);
            if epoch["weights_set"].is_null() {
                // Nobody set weights: the last ones hold.
                input.weights = vec![None; count];
            } else {
                let weights: Vec<Vec<u16>> = list(&epoch["weights_set"]);
                input = three(case, &list::<u64>(&case["stake"]), count, &weights);
            }
            let outcome = settle(&parameters, &mut memory, &input);
            check_epoch(
                epoch,
                &outcome,
                count,
                &format!("{name} {}", epoch["epoch"]),
            );
            epochs += 1;
        }
    }
    assert!(epochs >= 36 && reset == 1);
}

/// The vectors give the weights of this one in words.
fn bonds_reset(case: &Value, with_parameters: &Value) {
    assert_eq!(case["params_as"], with_parameters["name"]);
    let parameters = parameters(with_parameters, Version::Three);
    let (first, second) = (vec![65_535, 0], vec![0, 65_535]);
    let mut memory = Memory::new();
    let epochs = case["epochs"].as_array().expect("epochs");
    let mut checked = 0;
    for index in 0..=40_u64 {
        let (a, rest) = match index {
            0 => (&first, &first),
            1 => (&first, &second),
            2..=20 => (&second, &second),
            21 => (&second, &first),
            _ => (&first, &first),
        };
        if index == 20 {
            memory.reset_bonds(3);
        }
        let weights = [a.clone(), rest.clone(), rest.clone()];
        let input = three(case, &list::<u64>(&case["stake"]), 5, &weights);
        let outcome = settle(&parameters, &mut memory, &input);
        if let Some(epoch) = epochs.iter().find(|epoch| epoch["epoch"] == index) {
            check_epoch(epoch, &outcome, 5, &format!("{} {index}", case["name"]));
            checked += 1;
        }
    }
    assert_eq!(checked, epochs.len());
}
