//! What the demo's split is for: together the companies learn what none of them can alone.

use unsilo_train::{Activation, Dataset, Device, MlpConfig, TrainConfig, Trainer};

use super::super::{LoadOptions, load_csv, thin10};
use super::{digits, digits_path};

const STEPS: usize = 40;
const ROUNDS: usize = 20;

struct Outcome {
    shared: f64,
    alone: Vec<f64>,
}

/// Plain averaging of the companies' weights in f32, beside each company on its own for the same
/// number of steps.
fn share(all: &Dataset, seed: u64, settings: &TrainConfig) -> Outcome {
    let split = thin10(all.labels(), seed).expect("enough rows");
    let test = all.subset(&split.test).expect("rows exist");
    let companies: Vec<Dataset> = split
        .companies
        .iter()
        .map(|rows| all.subset(rows).expect("rows exist"))
        .collect();
    let config = MlpConfig {
        layers: vec![64, 64, 10],
        activation: Activation::Relu,
    };
    let start = config.initial_weights(seed);
    let trainer = Trainer::new(config, Device::cpu()).expect("valid sizes");
    let train = |weights: &[f32], data: &Dataset, steps, seed| {
        let settings = TrainConfig {
            steps,
            seed,
            ..settings.clone()
        };
        trainer
            .train(weights, data, &settings, &mut |_| {})
            .expect("trains")
    };
    let accuracy = |weights: &[f32]| {
        trainer
            .evaluate(weights, &test)
            .expect("evaluates")
            .accuracy
    };

    let mut shared = start.clone();
    for round in 0..ROUNDS as u64 {
        let mut sum = vec![0f32; shared.len()];
        for (k, data) in (0..).zip(&companies) {
            let trained = train(&shared, data, STEPS, seed * 1_000_000 + round * 100 + k);
            sum.iter_mut()
                .zip(trained)
                .for_each(|(sum, weight)| *sum += weight);
        }
        shared = sum.iter().map(|sum| sum / companies.len() as f32).collect();
    }
    let alone = companies
        .iter()
        .map(|data| accuracy(&train(&start, data, STEPS * ROUNDS, seed)));
    Outcome {
        alone: alone.collect(),
        shared: accuracy(&shared),
    }
}

#[test]
fn together_they_pass_92_percent_and_nobody_alone_passes_75() {
    let all = load_csv(&digits_path(), &digits(), &LoadOptions::default())
        .expect("reads")
        .data;
    for seed in 0..3 {
        let Outcome { shared, alone } = share(&all, seed, &TrainConfig::default());
        assert!(shared >= 0.92, "seed {seed}: shared {shared}");
        assert!(
            alone.iter().all(|&a| a <= 0.75),
            "seed {seed}: alone {alone:?}"
        );
    }
}

/// The figures behind the demo's settings: `cargo test --release -- --ignored --nocapture figures`.
#[test]
#[ignore = "a table for people, half a minute"]
fn figures() {
    use unsilo_train::Optimiser::{Adam, Momentum, Sgd};
    let all = load_csv(&digits_path(), &digits(), &LoadOptions::default())
        .expect("reads")
        .data;
    println!(
        "{:<32} {:>22} {:>22}",
        "", "shared mean [min, max]", "best alone mean [max]"
    );
    for (optimiser, learning_rate) in [
        (Sgd, 0.1),
        (Momentum { momentum: 0.9 }, 0.1),
        (Momentum { momentum: 0.9 }, 0.01),
        (Adam, 0.003),
    ] {
        for rare_class_offset in [0.0, 1.0, 2.0] {
            let settings = TrainConfig {
                optimiser,
                learning_rate,
                rare_class_offset,
                ..TrainConfig::default()
            };
            let outcomes: Vec<Outcome> = (0..10).map(|seed| share(&all, seed, &settings)).collect();
            let shared: Vec<f64> = outcomes.iter().map(|o| o.shared).collect();
            let best: Vec<f64> = outcomes
                .iter()
                .map(|o| o.alone.iter().copied().fold(0.0, f64::max))
                .collect();
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
            let least = |values: &[f64]| values.iter().copied().fold(1.0, f64::min);
            println!(
                "{:<32} {:>8.4} [{:.4}, {:.4}] {:>8.4} [{:.4}]",
                format!("{optimiser:?} {learning_rate} offset {rare_class_offset}"),
                mean(&shared),
                least(&shared),
                most(&shared),
                mean(&best),
                most(&best),
            );
        }
    }
}
