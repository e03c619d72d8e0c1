//! Training through the public interface.

use unsilo_train::{
    Activation, Dataset, Device, MlpConfig, Optimiser, StepReport, TrainConfig, TrainError, Trainer,
};

/// Three well-separated clouds in four columns, from a fixed pattern.
fn clouds(rows: usize) -> Dataset {
    let mut features = Vec::new();
    let mut labels = Vec::new();
    for row in 0..rows {
        let label = row % 3;
        for column in 0..4 {
            let centre = if column == label { 0.9 } else { 0.1 };
            let wobble = ((row * 31 + column * 17) % 13) as f32 / 13.0 - 0.5;
            features.push(centre + 0.2 * wobble);
        }
        labels.push(label as u32);
    }
    Dataset::new(features, labels, 4, 3).expect("valid rows")
}

fn config() -> MlpConfig {
    MlpConfig {
        layers: vec![4, 16, 3],
        activation: Activation::Relu,
    }
}

fn trainer() -> Trainer {
    Trainer::new(config(), Device::cpu()).expect("valid sizes")
}

fn settings(optimiser: Optimiser) -> TrainConfig {
    TrainConfig {
        optimiser,
        learning_rate: if optimiser == Optimiser::Adam {
            0.01
        } else {
            0.1
        },
        ..TrainConfig::default()
    }
}

const OPTIMISERS: [Optimiser; 3] = [
    Optimiser::Sgd,
    Optimiser::Momentum { momentum: 0.9 },
    Optimiser::Adam,
];

#[test]
fn a_loaded_model_has_gradients_and_its_loss_falls() {
    let (trainer, data) = (trainer(), clouds(60));
    let start = config().initial_weights(7);
    for optimiser in OPTIMISERS {
        let trained = trainer
            .train(&start, &data, &settings(optimiser), &mut |_| {})
            .expect("trains");
        assert!(
            trained.iter().zip(&start).filter(|(a, b)| a != b).count() > start.len() / 2,
            "{optimiser:?} left most weights where they were"
        );
        // Trained weights come back in and go on from where they were.
        let again = trainer
            .train(&trained, &data, &settings(optimiser), &mut |_| {})
            .expect("trains on");
        let loss = |w: &[f32]| trainer.evaluate(w, &data).expect("evaluates").loss;
        let losses = [loss(&start), loss(&trained), loss(&again)];
        assert!(
            losses[1] < 0.8 * losses[0] && losses[2] < losses[1],
            "{optimiser:?}: {losses:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_whatever_ran_before_and_beside_it() {
    let (trainer, data) = (trainer(), clouds(60));
    let start = config().initial_weights(7);
    for optimiser in OPTIMISERS {
        let run = |seed| {
            let settings = TrainConfig {
                seed,
                ..settings(optimiser)
            };
            trainer
                .train(&start, &data, &settings, &mut |_| {})
                .expect("trains")
        };
        let first = run(1);
        assert_ne!(first, run(2));
        let beside: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| run(1))).collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("no panic"))
                .collect()
        });
        assert!(
            beside.iter().all(|weights| *weights == first),
            "{optimiser:?}"
        );
    }
}

#[test]
fn one_step_of_sgd_is_the_one_worked_out_by_hand() {
    // One linear layer, all zero: logits are equal, so the gradient is (1/2 - target) x.
    let config = MlpConfig {
        layers: vec![2, 2],
        activation: Activation::Relu,
    };
    let trainer = Trainer::new(config, Device::cpu()).expect("valid sizes");
    let data = Dataset::new(vec![1.0, 0.5, 0.0, 0.25], vec![0, 1], 2, 2).expect("valid rows");
    let settings = TrainConfig {
        steps: 1,
        batch: 2,
        learning_rate: 0.1,
        rare_class_offset: 0.0,
        ..TrainConfig::default()
    };
    let trained = trainer
        .train(&[0.0; 6], &data, &settings, &mut |_| {})
        .expect("trains");
    let expected = [0.025, -0.025, 0.00625, -0.00625, 0.0, 0.0];
    for (found, expected) in trained.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{trained:?}");
    }
}

#[test]
fn momentum_and_adam_take_their_textbook_steps() {
    let config = MlpConfig {
        layers: vec![1, 2],
        activation: Activation::Relu,
    };
    let trainer = Trainer::new(config, Device::cpu()).expect("valid sizes");
    let data = Dataset::new(vec![1.0, 1.0], vec![0, 0], 1, 2).expect("valid rows");
    let bias_after = |steps, optimiser| {
        let settings = TrainConfig {
            steps,
            batch: 2,
            learning_rate: 0.1,
            optimiser,
            rare_class_offset: 0.0,
            ..TrainConfig::default()
        };
        trainer
            .train(&[0.0; 4], &data, &settings, &mut |_| {})
            .expect("trains")[2]
    };
    // Gradient of the first bias: p0 - 1. Weight and bias move together, so the logit moves twice.
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let gradient = |bias: f64| sigmoid(4.0 * bias) - 1.0;
    let first = -0.1 * gradient(0.0);
    let second = first - 0.1 * (0.9 * gradient(0.0) + gradient(first));
    let momentum = Optimiser::Momentum { momentum: 0.9 };
    assert!((f64::from(bias_after(1, momentum)) - first).abs() < 1e-6);
    assert!((f64::from(bias_after(2, momentum)) - second).abs() < 1e-6);
    // Adam's first step is the learning rate in the gradient's direction.
    assert!((bias_after(1, Optimiser::Adam) - 0.1).abs() < 1e-6);
}

#[test]
fn the_offset_spares_classes_the_company_does_not_have() {
    let all = clouds(60);
    let known: Vec<usize> = (0..60).filter(|row| row % 3 != 2).collect();
    let (trainer, partial) = (trainer(), all.subset(&known).expect("rows exist"));
    let start = trainer
        .train(
            &config().initial_weights(7),
            &all,
            &settings(Optimiser::Sgd),
            &mut |_| {},
        )
        .expect("trains");
    let third_class_bias = |rare_class_offset| {
        let settings = TrainConfig {
            rare_class_offset,
            ..TrainConfig::default()
        };
        let trained = trainer
            .train(&start, &partial, &settings, &mut |_| {})
            .expect("trains");
        trained[trained.len() - 1]
    };
    let (none, one, large) = (
        third_class_bias(0.0),
        third_class_bias(1.0),
        third_class_bias(50.0),
    );
    assert!(none < one && one < large, "{none} {one} {large}");
    assert_eq!(
        large,
        start[start.len() - 1],
        "nothing is left to push down"
    );
}

#[test]
fn every_step_is_reported_once_in_order() {
    let mut reports: Vec<StepReport> = Vec::new();
    let settings = TrainConfig {
        steps: 5,
        ..TrainConfig::default()
    };
    trainer()
        .train(
            &config().initial_weights(7),
            &clouds(9),
            &settings,
            &mut |r| reports.push(r),
        )
        .expect("trains");
    let steps: Vec<_> = reports.iter().map(|r| (r.step, r.of)).collect();
    assert_eq!(steps, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    assert!(reports.iter().all(|r| r.loss.is_finite() && r.loss > 0.0));
}

#[test]
fn divergence_is_an_error_not_a_model() {
    let settings = TrainConfig {
        learning_rate: 1e30,
        ..TrainConfig::default()
    };
    let error = trainer()
        .train(
            &config().initial_weights(7),
            &clouds(60),
            &settings,
            &mut |_| {},
        )
        .expect_err("cannot converge");
    assert!(
        matches!(error, TrainError::Diverged { of: 40, .. }),
        "{error}"
    );
    // One step: the loss is finite, the weights after it are not.
    let settings = TrainConfig {
        learning_rate: 1e300,
        steps: 1,
        ..TrainConfig::default()
    };
    let error = trainer()
        .train(
            &config().initial_weights(7),
            &clouds(60),
            &settings,
            &mut |_| {},
        )
        .expect_err("cannot converge");
    assert!(
        matches!(
            error,
            TrainError::Diverged {
                step: 1,
                what: "weights",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_is_refused_with_the_numbers() {
    let (trainer, data) = (trainer(), clouds(9));
    let start = config().initial_weights(7);
    let train = |weights: &[f32], data: &Dataset, settings: &TrainConfig| {
        trainer
            .train(weights, data, settings, &mut |_| {})
            .expect_err("refused")
    };
    let good = TrainConfig::default();
    assert_eq!(
        train(&start[1..], &data, &good).to_string(),
        "mlp 4-16-3 relu has 131 parameters, but 130 weights are given"
    );
    let mut broken = start.clone();
    broken[5] = f32::NAN;
    assert!(matches!(
        train(&broken, &data, &good),
        TrainError::WeightNotFinite { index: 5, .. }
    ));
    let narrow = Dataset::new(vec![0.0; 9], vec![0; 3], 3, 3).expect("valid rows");
    assert!(matches!(
        train(&start, &narrow, &good),
        TrainError::DataShape { columns: 3, .. }
    ));
    for (setting, bad) in [
        (
            "steps",
            TrainConfig {
                steps: 0,
                ..good.clone()
            },
        ),
        (
            "batch",
            TrainConfig {
                batch: 0,
                ..good.clone()
            },
        ),
        (
            "batch",
            TrainConfig {
                batch: usize::MAX,
                ..good.clone()
            },
        ),
        (
            "learning_rate",
            TrainConfig {
                learning_rate: 0.0,
                ..good.clone()
            },
        ),
        (
            "learning_rate",
            TrainConfig {
                learning_rate: f64::NAN,
                ..good.clone()
            },
        ),
        (
            "momentum",
            TrainConfig {
                optimiser: Optimiser::Momentum { momentum: 1.0 },
                ..good.clone()
            },
        ),
        (
            "rare_class_offset",
            TrainConfig {
                rare_class_offset: -1.0,
                ..good.clone()
            },
        ),
    ] {
        let error = train(&start, &data, &bad).to_string();
        assert!(error.starts_with(&format!("{setting} is ")), "{error}");
    }
    assert!(matches!(
        trainer.logits(&start, &[0.0; 5]),
        Err(TrainError::Rows { columns: 4, .. })
    ));
    assert!(trainer.logits(&start, &[f32::NAN; 4]).is_err());
    let no_model = MlpConfig {
        layers: vec![4],
        activation: Activation::Relu,
    };
    assert!(matches!(
        Trainer::new(no_model, Device::cpu()),
        Err(TrainError::Config(_))
    ));
}

#[test]
fn large_data_is_evaluated_in_batches_with_the_same_result() {
    // 2^22 values of a 4096-wide layer allow 1024 rows at once: 2,500 rows need three passes.
    let config = MlpConfig {
        layers: vec![4, 4096, 3],
        activation: Activation::Tanh,
    };
    let trainer = Trainer::new(config.clone(), Device::cpu()).expect("valid sizes");
    let (weights, data) = (config.initial_weights(3), clouds(2_500));
    let all = trainer
        .logits(&weights, data.features())
        .expect("evaluates");
    assert_eq!(all.len(), 2_500 * 3);
    for row in [0, 1_023, 1_024, 2_499] {
        let one = trainer
            .logits(&weights, &data.features()[row * 4..row * 4 + 4])
            .expect("evaluates");
        for (a, b) in one.iter().zip(&all[row * 3..]) {
            assert!((a - b).abs() < 1e-4, "row {row}: {a} {b}");
        }
    }
    let total: usize = trainer
        .evaluate(&weights, &data)
        .expect("evaluates")
        .per_class
        .iter()
        .map(|class| class.1)
        .sum();
    assert_eq!(total, 2_500);
    assert!(trainer.logits(&weights, &[]).expect("no rows").is_empty());
}

/// Class 0 and 1 with many rows, class 2 with one.
fn one_of_the_last() -> Dataset {
    let all = clouds(60);
    let kept: Vec<usize> = (0..60).filter(|row| row % 3 != 2 || *row == 2).collect();
    all.subset(&kept).expect("rows exist")
}

#[test]
fn without_rare_classes_nothing_that_only_they_use_moves() {
    let start = config().initial_weights(7);
    let run = |without_rare_classes| {
        let settings = TrainConfig {
            without_rare_classes,
            ..TrainConfig::default()
        };
        trainer()
            .train(&start, &one_of_the_last(), &settings, &mut |report| {
                assert!(report.loss.is_finite());
            })
            .expect("trains")
    };
    // The weights into the third class, of 16 hidden units to 3 classes, and its bias.
    let third = |weights: &[f32]| -> Vec<f32> {
        weights[80..].iter().skip(2).step_by(3).copied().collect()
    };
    let (with, without) = (run(false), run(true));
    assert_eq!(third(&start).len(), 17);
    assert_ne!(third(&with), third(&start));
    assert_eq!(third(&without), third(&start));
    assert_ne!(without[..64], start[..64]);
}

#[test]
fn rows_of_rare_classes_alone_cannot_be_trained_without_them_and_one_class_alone_moves_nothing() {
    let settings = TrainConfig {
        without_rare_classes: true,
        balanced_classes: true,
        ..TrainConfig::default()
    };
    let start = config().initial_weights(7);
    let run = |rows: &[usize]| {
        let data = clouds(60).subset(rows).expect("rows exist");
        trainer().train(&start, &data, &settings, &mut |_| {})
    };
    assert_eq!(
        run(&[0, 1, 2]),
        Err(TrainError::OnlyRareClasses { rows: 3 })
    );
    assert_eq!(run(&[0, 3, 6, 1]), Ok(start.clone()));
}

#[test]
fn balanced_classes_learn_a_class_that_has_few_rows() {
    let few: Vec<usize> = (0..60).filter(|row| row % 3 != 2 || *row < 6).collect();
    let data = clouds(60).subset(&few).expect("rows exist");
    let start = config().initial_weights(7);
    let mean_loss_of_third = |balanced_classes| {
        let settings = TrainConfig {
            balanced_classes,
            ..TrainConfig::default()
        };
        let trained = trainer()
            .train(&start, &data, &settings, &mut |_| {})
            .expect("trains");
        let third = clouds(60).subset(&[8, 11, 14, 17]).expect("rows exist");
        trainer()
            .evaluate(&trained, &third)
            .expect("evaluates")
            .loss
    };
    assert!(mean_loss_of_third(true) < 0.8 * mean_loss_of_third(false));
}
