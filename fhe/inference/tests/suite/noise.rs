//! The computed noise against what is measured.

use unsilo_inference::{Activation, EncryptedModel, noise};

use crate::support::{digits, train, untrained};

#[test]
fn errors_of_logits_have_the_computed_deviation() {
    let (training, test) = digits().split();
    let model = train(&training, &[8], Activation::Relu, 5, 0.05);
    let encrypted = EncryptedModel::quantise(&model).expect("quantises");
    let mut squares = 0.0;
    let mut count = 0.0;
    for features in test.features.iter().take(40) {
        let answer = crate::ask(&encrypted, features).expect("an answer");
        let exact = encrypted.reference(features);
        for ((logit, exact), deviation) in answer.logits.iter().zip(exact).zip(answer.deviation) {
            squares += ((logit - exact) / deviation).powi(2);
            count += 1.0;
        }
    }
    // Where a ReLU is off, reading errors do not show: the computed deviation is a bound, and not far off.
    let ratio = (squares / count).sqrt();
    println!("measured deviation over computed: {ratio:.3}");
    assert!((0.3..1.15).contains(&ratio), "{ratio}");
}

#[test]
fn one_neuron_is_read_with_the_computed_error() {
    // tanh at 0, where it is steepest: a sum of 0 ± noise, 400 times.
    let mut weights = vec![1.0, -1.0, 0.0];
    weights.extend([1.0, 0.0]);
    let model = unsilo_inference::Model::new(vec![2, 1, 1], Activation::Tanh, weights)
        .expect("within the limits");
    let encrypted = EncryptedModel::quantise(&model).expect("quantises");
    let errors: Vec<f64> = (0..400)
        .map(|_| {
            let answer = crate::ask(&encrypted, &[0.5, 0.5]).expect("an answer");
            (answer.logits[0] - encrypted.reference(&[0.5, 0.5])[0]) / answer.deviation[0]
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / 400.0;
    let variance = errors
        .iter()
        .map(|error| (error - mean).powi(2))
        .sum::<f64>()
        / 399.0;
    println!(
        "mean {mean:.3}, deviation {:.3} (computed: 1)",
        variance.sqrt()
    );
    // The slope that is computed with is the steepest anywhere, over the middle half of tanh's range; 400 samples of a
    // Gaussian give their deviation to 3.5 %.
    assert!(
        (0.6..1.15).contains(&variance.sqrt()),
        "{}",
        variance.sqrt()
    );
    assert!(mean.abs() < 0.35, "{mean}");
    assert!(errors.iter().all(|error| error.abs() < 6.0));
}

#[test]
fn a_wrong_sign_is_less_likely_than_two_to_the_minus_hundred() {
    for (sizes, activation) in [
        (vec![64, 32, 10], Activation::Relu),
        (vec![30, 16, 2], Activation::Relu),
        (vec![64, 64, 10], Activation::Tanh),
    ] {
        let model = untrained(&sizes, activation, 11);
        let EncryptedModel::Hidden(model) = EncryptedModel::quantise(&model).expect("quantises")
        else {
            panic!("it has a hidden layer");
        };
        assert!(model.wrap_exponent() < -100.0, "{}", model.wrap_exponent());
    }
    assert!(
        noise::wrap_exponent(20.0) > -10.0,
        "the bound depends on the noise"
    );
}
