use unsilo_fhe::ParamsLiteral;
use unsilo_ledger::SigningIdentity;
use unsilo_train::{Activation, Device, MlpConfig};

use super::*;
use crate::{progress::Score, rater::Contributor};

/// A rater on rows of which the class is the larger of two columns.
fn validator(dir: &Path) -> Validator {
    let model = MlpConfig {
        layers: vec![2, 600, 2],
        activation: Activation::Relu,
    };
    let features: Vec<f32> = (0..120)
        .flat_map(|row| {
            let (x, class) = ((row % 7) as f32 / 10.0, row % 2);
            if class == 0 {
                [x + 0.2, x]
            } else {
                [x, x + 0.2]
            }
        })
        .collect();
    let labels = (0..120).map(|row| row % 2).collect();
    let params = Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: model.parameters() as u64,
    })
    .unwrap();
    Validator {
        trainer: Trainer::new(model, Device::cpu()).unwrap(),
        training: TrainConfig::default(),
        params,
        rows: Dataset::new(features, labels, 2, 2).unwrap(),
        seeds: Seeds::new(Some(5), SigningIdentity::from_seed(&[1; 32]).public()),
        averages: dir.join("rating.averages"),
        asked: dir.join("rating.asked"),
    }
}

fn answered(round: u64, values: [i64; 2]) -> (Vec<Contributor>, Vec<Score>) {
    let contributors = [3, 5].map(|id| Contributor {
        participant: ParticipantId(id),
        norm_exponent: 80,
    });
    let scores = contributors.iter().zip(values).map(|(one, value)| Score {
        participant: one.participant,
        direction: 0,
        value: value * i64::try_from(round).unwrap_or(1),
    });
    (contributors.to_vec(), scores.collect())
}

fn row(validator: &Validator, round: u64, values: [i64; 2]) -> Vec<i16> {
    let (contributors, scores) = answered(round, values);
    let answered = Answered {
        round,
        contributors: &contributors,
        directions: &[],
        scores: &scores,
    };
    let row = validator.row(&answered).unwrap();
    row.iter().map(|opinion| opinion.score).collect()
}

#[test]
fn directions_are_repeatable_for_a_seed_and_differ_from_round_to_round() {
    let dir = tempfile::tempdir().unwrap();
    let validator = validator(dir.path());
    let weights = validator.trainer.config().initial_weights(1);
    let ask = |round, differences: &[Vec<f32>]| {
        let start = RoundStart {
            round,
            model: [round as u8; 32],
            weights: &weights,
            differences,
        };
        validator.directions(&start, &mut |_| {}).unwrap()
    };
    let first = ask(1, &[]);
    assert_eq!(first.len(), 1, "nothing is known yet");
    assert_eq!(ask(1, &[]), first);
    assert_ne!(ask(2, &[]), first);
    let known: Vec<f32> = (0..weights.len()).map(|i| (i % 3) as f32).collect();
    let both = ask(1, std::slice::from_ref(&known));
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
}

#[test]
fn what_was_asked_for_at_another_model_is_not_asked_again_and_at_the_same_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let first = validator(dir.path());
    let weights = first.trainer.config().initial_weights(1);
    let known: Vec<f32> = (0..weights.len()).map(|i| (i % 3) as f32).collect();
    // From disk alone each time, as after kill -9.
    let second = |model: u8| {
        let start = RoundStart {
            round: 1,
            model: [model; 32],
            weights: &weights,
            differences: std::slice::from_ref(&known),
        };
        let found = validator(dir.path())
            .directions(&start, &mut |_| {})
            .unwrap();
        found[1].clone()
    };
    let cosine = |x: &[i8], y: &[i8]| {
        let product = |x: &[i8], y: &[i8]| -> f64 {
            x.iter()
                .zip(y)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum()
        };
        product(x, y) / (product(x, x) * product(y, y)).sqrt()
    };
    let asked = second(1);
    assert_eq!(
        second(1),
        asked,
        "a round that gave no model changes nothing"
    );
    // The same rows and seed ask for the same at another model: nothing but rounding is left of it.
    let start = RoundStart {
        round: 1,
        model: [2; 32],
        weights: &weights,
        differences: std::slice::from_ref(&known),
    };
    match validator(dir.path()).directions(&start, &mut |_| {}) {
        Ok(found) => assert!(cosine(&found[1], &asked).abs() < 0.2),
        Err(reason) => assert!(reason.contains("asked for lately"), "{reason}"),
    }
    // What is damaged is set aside.
    fs::write(dir.path().join("rating.asked"), b"nothing").unwrap();
    assert_eq!(second(3), asked);
    let aside = fs::read(dir.path().join("rating.asked.damaged")).unwrap();
    assert_eq!(aside, b"nothing");
    // And where it can be neither read nor written, the company rates all the same.
    fs::remove_file(dir.path().join("rating.asked")).unwrap();
    fs::create_dir(dir.path().join("rating.asked")).unwrap();
    assert_eq!(second(4), asked);
}

#[test]
fn a_node_that_ends_need_not_wait_for_the_training_of_a_direction() {
    let dir = tempfile::tempdir().unwrap();
    let validator = validator(dir.path());
    let weights = validator.trainer.config().initial_weights(1);
    let start = RoundStart {
        round: 1,
        model: [1; 32],
        weights: &weights,
        differences: &[],
    };
    let mut steps = 0;
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        validator.directions(&start, &mut |_| {
            steps += 1;
            if steps == 3 {
                std::panic::resume_unwind(Box::new("the node ends"));
            }
        })
    }));
    assert!(ended.is_err());
    assert_eq!(steps, 3);
}

#[test]
fn a_node_that_was_killed_after_it_took_a_round_in_says_the_same_and_counts_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rating.averages");
    let first = row(&validator(dir.path()), 1, [1000, 1000]);
    assert_eq!(first, [32_767, 32_767]);
    let second = row(&validator(dir.path()), 2, [1000, -1000]);
    let kept = fs::read(&path).unwrap();
    // From disk alone, as after kill -9 before the row was recorded; whatever the answers are the second time.
    assert_eq!(row(&validator(dir.path()), 2, [1000, -1000]), second);
    assert_eq!(row(&validator(dir.path()), 2, [9, 9]), second);
    assert_eq!(fs::read(&path).unwrap(), kept);
    // A third round stands on both.
    let third = row(&validator(dir.path()), 3, [1000, 1000]);
    assert!(third[1] < third[0] && third[1] > second[1], "{third:?}");
}

#[test]
fn damaged_averages_are_set_aside_and_start_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rating.averages");
    row(&validator(dir.path()), 1, [1000, -1000]);
    fs::write(&path, b"not averages").unwrap();
    assert_eq!(
        row(&validator(dir.path()), 2, [500, 1000]),
        [16_384, 32_767]
    );
    let aside = fs::read(dir.path().join("rating.averages.damaged")).unwrap();
    assert_eq!(aside, b"not averages");
}

#[test]
fn the_rows_held_out_stay_the_same_whatever_is_configured_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("held-out.seed");
    let drawn = held_out_seed(&path, None).unwrap();
    assert_eq!(
        held_out_seed(&path, Some(drawn.wrapping_add(1))).unwrap(),
        drawn
    );
    let other = dir.path().join("other.seed");
    assert_eq!(held_out_seed(&other, Some(7)).unwrap(), 7);
    assert_eq!(held_out_seed(&other, None).unwrap(), 7);
    keystore::write(&other, b"seven").unwrap();
    let refused = held_out_seed(&other, None).unwrap_err().to_string();
    assert!(refused.contains("remove it"), "{refused}");
}
