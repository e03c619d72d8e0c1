//! Steps a second of local training on the CPU.

use divan::counter::ItemsCount;
use unsilo_train::{Activation, Dataset, Device, MlpConfig, Optimiser, TrainConfig, Trainer};

const STEPS: usize = 100;

fn main() {
    divan::main();
}

/// Items are steps of one batch.
#[divan::bench(args = [
    (&[64, 64, 10][..], 16, Optimiser::Sgd),
    (&[64, 64, 10][..], 16, Optimiser::Adam),
    (&[784, 128, 10][..], 16, Optimiser::Sgd),
    (&[784, 128, 10][..], 64, Optimiser::Sgd),
    (&[784, 1024, 1024, 10][..], 64, Optimiser::Sgd),
], sample_count = 10)]
fn steps(bencher: divan::Bencher<'_, '_>, case: (&[usize], usize, Optimiser)) {
    let (layers, batch, optimiser) = case;
    let config = MlpConfig {
        layers: layers.to_vec(),
        activation: Activation::Relu,
    };
    let (columns, classes, rows) = (config.columns(), config.classes(), 512);
    let features = (0..rows * columns)
        .map(|i| (i * 7 % 17) as f32 / 16.0)
        .collect();
    let labels = (0..rows).map(|row| (row % classes) as u32).collect();
    let data = Dataset::new(features, labels, columns, classes).expect("valid rows");
    let weights = config.initial_weights(1);
    let trainer = Trainer::new(config, Device::cpu()).expect("valid sizes");
    let learning_rate = if optimiser == Optimiser::Adam {
        0.001
    } else {
        0.05
    };
    let settings = TrainConfig {
        steps: STEPS,
        batch,
        learning_rate,
        optimiser,
        ..TrainConfig::default()
    };
    bencher.counter(ItemsCount::new(STEPS)).bench(|| {
        trainer
            .train(&weights, &data, &settings, &mut |_| {})
            .expect("trains")
    });
}
