//! Local training for [Unsilo](https://github.com/unsilo/unsilo): the only crate that names burn.
//!
//! A model is a shape ([`MlpConfig`]) and a flat vector of f32 weights in a documented order, which
//! is what the federation adds up. A [`Trainer`] takes weights and a company's [`Dataset`] and gives
//! new weights, an [`Evaluation`] or logits; [`weights`] reads and writes safetensors files.
//!
//! The CPU backend is `burn-flex`. The cargo feature `cuda` compiles `burn-cuda` next to it, and
//! [`select`] decides at run time which one is used.
//!
//! ```
//! use unsilo_train::{Activation, Dataset, DeviceChoice, MlpConfig, TrainConfig, Trainer, select};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = MlpConfig { layers: vec![2, 8, 2], activation: Activation::Relu };
//! let rows = Dataset::new(vec![0., 0., 0., 1., 1., 0., 1., 1.], vec![0, 0, 1, 1], 2, 2)?;
//! let start = config.initial_weights(1);
//! let trainer = Trainer::new(config, select(DeviceChoice::Auto)?)?;
//! let trained = trainer.train(&start, &rows, &TrainConfig::default(), &mut |_| {})?;
//! assert!(trainer.evaluate(&trained, &rows)?.loss < trainer.evaluate(&start, &rows)?.loss);
//! # Ok(())
//! # }
//! ```

mod batches;
mod config;
mod dataset;
mod device;
mod error;
mod evaluation;
mod mlp;
mod random;
mod trainer;
mod training;
pub mod weights;

pub use config::{Activation, ConfigError, MAX_LAYERS, MAX_PARAMETERS, MlpConfig};
pub use dataset::{Dataset, DatasetError};
pub use device::{Device, DeviceChoice, DeviceError, select};
pub use error::TrainError;
pub use evaluation::{Evaluation, largest};
pub use random::SeededRandom;
pub use trainer::Trainer;
pub use training::{MAX_STEPS, Optimiser, StepReport, TrainConfig};
