//! What an encrypted answer is worth beside the plain one, on trained models.

use unsilo_inference::{Activation, EncryptedModel, Model, argmax};

use crate::support::{class, digits, heart, train, untrained};

/// The reference agrees with the float model on all test rows, an encrypted answer with the reference on some.
fn agrees(model: &Model, rows: &crate::support::Rows, encrypted_rows: usize) {
    let encrypted = EncryptedModel::quantise(model).expect("quantises");
    let float = rows.accuracy(|features| class(model, features));
    let integer = rows.accuracy(|features| argmax(&encrypted.reference(features)));
    assert!(
        (float - integer).abs() <= 0.01,
        "float {float}, integer {integer}"
    );
    let mut same = 0;
    for features in rows.features.iter().take(encrypted_rows) {
        let answer = crate::ask(&encrypted, features).expect("an answer");
        let exact = encrypted.reference(features);
        for ((logit, exact), deviation) in answer.logits.iter().zip(&exact).zip(&answer.deviation) {
            // Seven standard deviations: once in 10^11 logits.
            assert!(
                (logit - exact).abs() <= 7.0 * deviation,
                "logit {logit}, without noise {exact}, deviation {deviation}"
            );
        }
        same += usize::from(argmax(&answer.logits) == class(model, features));
    }
    assert!(
        same + 1 + encrypted_rows / 50 >= encrypted_rows,
        "{same} of {encrypted_rows}"
    );
}

#[test]
fn digits_under_encryption_are_told_apart_as_well_as_in_the_clear() {
    let (training, test) = digits().split();
    let model = train(&training, &[32], Activation::Relu, 10, 0.05);
    let float = test.accuracy(|features| class(&model, features));
    assert!(float > 0.94, "the model is trained: {float}");
    agrees(&model, &test, 24);
}

#[test]
fn rounding_hardly_turns_a_class_also_of_models_that_have_learnt_little() {
    let (training, test) = digits().split();
    for (hidden, steps) in [(&[32][..], 200), (&[32], 800), (&[20, 12], 800), (&[], 200)] {
        let mut few = training.clone();
        few.features.truncate(steps);
        few.labels.truncate(steps);
        let model = train(&few, hidden, Activation::Relu, 1, 0.05);
        let encrypted = EncryptedModel::quantise(&model).expect("quantises");
        let same = test
            .features
            .iter()
            .filter(|features| argmax(&encrypted.reference(features)) == class(&model, features));
        let share = same.count() as f64 / test.labels.len() as f64;
        println!("{hidden:?}, {steps} steps: {share:.4} of the classes are the same");
        assert!(share >= 0.98, "{hidden:?}, {steps} steps: {share}");
    }
}

#[test]
fn tanh_and_two_hidden_layers_work_too() {
    let (training, test) = digits().split();
    let tanh = train(&training, &[16], Activation::Tanh, 8, 0.05);
    agrees(&tanh, &test, 6);
    let two = train(&training, &[20, 12], Activation::Relu, 8, 0.05);
    agrees(&two, &test, 6);
}

#[test]
fn a_linear_model_is_answered_exactly() {
    let (training, test) = digits().split();
    let model = train(&training, &[], Activation::Relu, 8, 0.05);
    let encrypted = EncryptedModel::quantise(&model).expect("quantises");
    let float = test.accuracy(|features| class(&model, features));
    let integer = test.accuracy(|features| argmax(&encrypted.reference(features)));
    assert!(
        (float - integer).abs() <= 0.01,
        "float {float}, integer {integer}"
    );
    for features in test.features.iter().take(100) {
        let answer = crate::ask(&encrypted, features).expect("an answer");
        assert_eq!(answer.logits, encrypted.reference(features));
        assert_eq!(answer.deviation, [0.0; 10]);
    }
}

#[test]
fn linear_models_that_take_several_polynomials_are_exact_too() {
    for sizes in [[1, 1], [100, 20], [255, 14], [1023, 3], [500, 1]] {
        let model = untrained(&sizes, Activation::Relu, 3);
        let encrypted = EncryptedModel::quantise(&model).expect("quantises");
        let features: Vec<f32> = (0..sizes[0])
            .map(|index| (index % 7) as f32 / 6.0)
            .collect();
        let answer = crate::ask(&encrypted, &features).expect("an answer");
        assert_eq!(answer.logits, encrypted.reference(&features), "{sizes:?}");
    }
}

#[test]
fn heart_patients_are_told_apart_as_well_as_in_the_clear() {
    let Some(rows) = heart() else {
        println!("skipped: no data (UNSILO_HEART names no folder)");
        return;
    };
    let (training, test) = rows.split();
    agrees(
        &train(&training, &[16], Activation::Relu, 60, 0.02),
        &test,
        20,
    );
    agrees(
        &train(&training, &[], Activation::Relu, 60, 0.02),
        &test,
        100,
    );
}

#[test]
fn features_outside_the_range_count_as_its_ends() {
    let model = untrained(&[3, 2], Activation::Relu, 5);
    let encrypted = EncryptedModel::quantise(&model).expect("quantises");
    let answer = crate::ask(&encrypted, &[-3.0, f32::NAN, 9.0]).expect("an answer");
    assert_eq!(answer.logits, encrypted.reference(&[0.0, 0.0, 1.0]));
}
