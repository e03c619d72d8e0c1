//! The functions of `mechanism::fixed` against the literals of subtensor's own tests (`fixed_math.json`).

use serde_json::Value;
use unsilo_ledger::mechanism::fixed::I32F32;
use unsilo_ledger::mechanism::fixed::vector::{
    Matrix, is_max_limited, largest, max_upscaled, normalised, quotients, weighted_median,
};

/// A decimal as those tests write it: through f32, halves to even.
fn through_f32(value: &Value) -> I32F32 {
    let value = value.as_f64().expect("a number");
    through_f64(f64::from(value as f32))
}

fn through_f64(value: f64) -> I32F32 {
    I32F32::from_bits((value * 4_294_967_296.0).round_ties_even() as i64)
}

fn numbers(value: &Value) -> Vec<I32F32> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(through_f32)
        .collect()
}

fn words(value: &Value) -> Vec<u16> {
    serde_json::from_value(value.clone()).expect("16-bit numbers")
}

fn matrix(value: &Value) -> Matrix {
    let rows = value.as_array().expect("rows");
    let columns = rows[0].as_array().expect("a row").len();
    Matrix::new(columns, rows.iter().flat_map(numbers).collect())
}

fn close(found: &[I32F32], vector: &Value) {
    let expected: Vec<I32F32> = match &vector["expected"] {
        Value::Array(rows) if rows.iter().all(Value::is_array) => {
            rows.iter().flat_map(numbers).collect()
        }
        Value::Array(_) => numbers(&vector["expected"]),
        one => vec![through_f32(one)],
    };
    let tolerance = vector["tol"]
        .as_f64()
        .map_or(0, |tolerance| through_f64(tolerance).to_bits());
    assert_eq!(found.len(), expected.len(), "{vector}");
    for (found, expected) in found.iter().zip(&expected) {
        let apart = found.to_bits().abs_diff(expected.to_bits());
        assert!(apart <= tolerance.unsigned_abs(), "{vector}: {apart} apart");
    }
}

fn check(vector: &Value) {
    let input = &vector["input"];
    let expected = &vector["expected"];
    match vector["fn"].as_str().expect("a name") {
        "vec_max_upscale_to_u16" => {
            assert_eq!(
                max_upscaled(&numbers(&input["vec"])),
                words(expected),
                "{vector}"
            );
        }
        "vec_u16_max_upscale_to_u16" => {
            let whole: Vec<I32F32> = words(&input["vec"])
                .into_iter()
                .map(|word| I32F32::from_integer(word.into()))
                .collect();
            assert_eq!(max_upscaled(&whole), words(expected), "{vector}");
        }
        "check_vec_max_limited" => {
            let limit = words(&Value::Array(vec![input["limit_u16"].clone()]))[0];
            let found = is_max_limited(&words(&input["vec"]), limit);
            assert_eq!(Some(found), expected.as_bool(), "{vector}");
        }
        "sigmoid_safe" => {
            let steepness = I32F32::from_integer(input["rho"].as_i64().expect("rho") as i32);
            let convert = |value: &Value| match value.as_f64().expect("a number") {
                x if x >= 2_147_483_648.0 => I32F32::MAX,
                // Without the detour, as are all expected values of these two rows.
                x if steepness == I32F32::from_integer(30) => through_f64(x),
                _ => through_f32(value),
            };
            let x = input["x"].as_array().expect("a list");
            let literals = expected.as_array().expect("a list");
            for (x, literal) in x.iter().zip(literals) {
                let found = convert(x).sigmoid(steepness, I32F32::HALF);
                let literal = through_f64(literal.as_f64().expect("a number"));
                assert_eq!(found, literal, "{vector} at {x}");
            }
        }
        "sigmoid_safe_whitepaper" => {
            let steepness = I32F32::from_integer(input["rho"].as_i64().expect("rho") as i32);
            let x: Vec<i64> = serde_json::from_value(input["x_bits"].clone()).expect("bits");
            let found: Vec<i64> = x
                .into_iter()
                .map(|x| {
                    I32F32::from_bits(x)
                        .sigmoid(steepness, I32F32::HALF)
                        .to_bits()
                })
                .collect();
            assert_eq!(serde_json::json!(found), *expected);
        }
        "exp_safe" => {
            let x: Vec<i32> = serde_json::from_value(input["x"].clone()).expect("numbers");
            let found: Vec<i64> = x
                .into_iter()
                .map(|x| I32F32::from_integer(x).exp().to_bits())
                .collect();
            assert_eq!(serde_json::json!(found), *expected);
        }
        "normalize" => close(&normalised(&numbers(&input["vec"])), vector),
        "weighted_median_col" => {
            let majority = through_f32(&input["majority"]);
            let found =
                matrix(&input["scores"]).weighted_medians(&numbers(&input["stake"]), majority);
            close(&found, vector);
        }
        "weighted_median" => {
            let stake = numbers(&input["stake"]);
            let mut entries: Vec<_> = numbers(&input["score"]).into_iter().zip(stake).collect();
            let minority = I32F32::ONE.saturating_sub(through_f32(&input["majority"]));
            close(&[weighted_median(&mut entries, minority)], vector);
        }
        "col_clip" => {
            let clipped = matrix(&input["matrix"]).clipped(&numbers(&input["threshold"]));
            close(clipped.cells(), vector);
        }
        "mat_ema_alpha" => {
            let averaged =
                matrix(&input["new"]).averaged(&matrix(&input["old"]), &matrix(&input["alpha"]));
            close(averaged.cells(), vector);
        }
        "is_topk" => {
            let count = usize::try_from(input["k"].as_u64().expect("k")).expect("a size");
            let found = largest(&numbers(&input["vec"]), count);
            assert_eq!(serde_json::json!(found), *expected, "{vector}");
        }
        "vecdiv" => close(
            &quotients(&numbers(&input["x"]), &numbers(&input["y"])),
            vector,
        ),
        "fixed_proportion_to_u16" => {
            let found: Vec<u16> = numbers(&input["x"])
                .into_iter()
                .map(I32F32::to_proportion)
                .collect();
            assert_eq!(found, words(expected));
        }
        other => panic!("no function {other}"),
    }
}

#[test]
fn every_literal_of_the_chains_own_tests_is_met() {
    let file: Value = serde_json::from_str(include_str!("../vectors/fixed_math.json")).unwrap();
    let vectors = file["vectors"].as_array().expect("vectors");
    assert!(vectors.len() >= 64);
    vectors.iter().for_each(check);
}

#[test]
fn the_sigmoid_has_the_chains_literals_at_the_ends_of_the_range() {
    let x = [
        I32F32::MIN,
        I32F32::ZERO,
        I32F32::HALF,
        I32F32::ONE,
        I32F32::MAX,
    ];
    let low = through_f64(0.000_000_001_9);
    let at = |end: I32F32| x.map(|x| x.sigmoid(end, end));
    assert_eq!(at(I32F32::MAX), [low, low, low, low, I32F32::HALF]);
    assert_eq!(at(I32F32::MIN), [I32F32::HALF, low, low, low, low]);
}

#[test]
fn arithmetic_saturates_at_both_ends() {
    let two = I32F32::from_integer(2);
    assert_eq!(I32F32::MAX.saturating_add(two), I32F32::MAX);
    assert_eq!(I32F32::MIN.saturating_sub(two), I32F32::MIN);
    assert_eq!(I32F32::MAX.saturating_mul(two), I32F32::MAX);
    assert_eq!(I32F32::MIN.saturating_mul(two), I32F32::MIN);
    assert_eq!(I32F32::MIN.divide(I32F32::from_bits(-1)), I32F32::MAX);
    assert_eq!(I32F32::MAX.divide(I32F32::ZERO), I32F32::ZERO);
    assert_eq!(I32F32::MIN.exp(), I32F32::from_bits(8));
    assert_eq!(I32F32::MIN.to_u16(), 0);
    assert_eq!(I32F32::MAX.round_to_u16(), u16::MAX);
    assert_eq!(I32F32::from_ratio(u64::MAX, 1), I32F32::MAX);
    assert_eq!(I32F32::from_ratio(1, 0), I32F32::ZERO);
    assert_eq!(I32F32::MAX.of_amount(u64::MAX), u64::MAX);
    assert_eq!(I32F32::MIN.of_amount(u64::MAX), 0);
}
