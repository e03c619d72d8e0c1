//! Floats from training: the first byte is the exponent of the unit, then one f32 a parameter.

use super::{
    Outcome, Seed,
    fixture::{CONTEXT, PARAMETERS, fixture},
    refusal, refused, valid,
};
use unsilo_fhe::{encode, params::MAX_STEP};

pub(super) fn run(data: &[u8]) -> Outcome {
    let f = fixture();
    let Some((&unit, rest)) = data.split_first() else {
        return Outcome::Refused;
    };
    let (floats, left) = rest.as_chunks();
    let update: Vec<f32> = floats
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let expected = update.len() == PARAMETERS && update.iter().all(|value| value.is_finite());
    let encoded = encode(&f.params, &CONTEXT.federation, unit as i8, &update, [1; 32]);
    assert_eq!(encoded.is_ok(), expected);
    match encoded {
        Ok(encoded) => {
            let steps = encoded.steps();
            assert!(
                steps
                    .iter()
                    .all(|step| (-MAX_STEP..=MAX_STEP).contains(step))
            );
            assert!(steps[PARAMETERS..].iter().all(|&step| step == 0));
            let squares: i64 = steps.iter().map(|&step| i64::from(step).pow(2)).sum();
            assert!(squares <= (f.params.clip_steps() as i64).pow(2));
            assert!(encoded.clip() > 0.0 && encoded.clip() <= 1.0);
            match left {
                [] => Outcome::Accepted,
                _ => Outcome::Refused,
            }
        }
        Err(error) => refusal(&error),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let update = |unit: i8, value: f32| {
        let mut bytes = vec![unit as u8];
        bytes.extend(value.to_le_bytes().repeat(PARAMETERS));
        bytes
    };
    vec![
        valid("usual", update(-14, 0.003)),
        valid("largest", update(-128, f32::MAX)),
        valid("smallest", update(127, f32::from_bits(1))),
        valid("negative_zero", update(0, -0.0)),
        refused("bad_nan", update(-14, f32::NAN)),
        refused("bad_infinite", update(-14, f32::NEG_INFINITY)),
        refused(
            "bad_short",
            update(-14, 1.0)[..1 + 4 * (PARAMETERS - 1)].to_vec(),
        ),
        refused("bad_empty", vec![]),
    ]
}
