//! The face of the crate: train, evaluate and query a model on whichever device was chosen.

use burn::backend::Autodiff;
use burn_flex::{Flex, FlexDevice};

use crate::config::MlpConfig;
use crate::dataset::Dataset;
use crate::device::{Backend, Device};
use crate::error::TrainError;
use crate::evaluation::{self, Evaluation};
use crate::mlp::check_weights;
use crate::training::{self, StepReport, TrainConfig};

/// A model's shape on a device. It holds no weights: they come in and go out as a flat vector in
/// the order of [`MlpConfig`], so one trainer serves any number of rounds and threads.
///
/// On the CPU the same call gives the same bits on the same machine, run to run and for any number
/// of threads. A GPU, or a CPU with another instruction set, may differ in the last bits.
#[derive(Debug, Clone)]
pub struct Trainer {
    config: MlpConfig,
    device: Device,
}

impl Trainer {
    /// Checks the model's sizes.
    ///
    /// # Errors
    ///
    /// [`TrainError::Config`].
    pub fn new(config: MlpConfig, device: Device) -> Result<Self, TrainError> {
        config.check()?;
        Ok(Self { config, device })
    }

    /// The model's shape.
    pub fn config(&self) -> &MlpConfig {
        &self.config
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Trains from `weights` on `data` and returns the new weights in the same order.
    ///
    /// `progress` is called after every step, from the calling thread. Nothing is kept on the
    /// device or in the optimiser between calls: a round starts fresh.
    ///
    /// # Errors
    ///
    /// Wrong lengths, data that does not fit, settings out of range, divergence, a failing GPU.
    pub fn train(
        &self,
        weights: &[f32],
        data: &Dataset,
        settings: &TrainConfig,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, TrainError> {
        check_weights(&self.config, weights)?;
        self.check_data(data)?;
        settings.check(&self.config)?;
        match self.device.backend() {
            Backend::Flex => training::train::<Autodiff<Flex>>(
                &self.config,
                weights,
                data,
                settings,
                &FlexDevice,
                progress,
            ),
            #[cfg(feature = "cuda")]
            Backend::Cuda(device) => self.device.guard(|| {
                training::train::<Autodiff<burn_cuda::Cuda>>(
                    &self.config,
                    weights,
                    data,
                    settings,
                    device,
                    progress,
                )
            }),
        }
    }

    /// Measures `weights` on `data`, in batches of bounded memory.
    ///
    /// # Errors
    ///
    /// Wrong lengths, data that does not fit, a failing GPU.
    pub fn evaluate(&self, weights: &[f32], data: &Dataset) -> Result<Evaluation, TrainError> {
        self.check_data(data)?;
        let logits = self.logits(weights, data.features())?;
        Ok(evaluation::evaluate(&logits, data))
    }

    /// The model's raw outputs, without softmax and without the rare-class offset.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[n, columns]` row-major, any `n`
    /// - result: `[n, classes]` row-major
    ///
    /// # Errors
    ///
    /// Weights of the wrong length, rows that are not whole or not finite, a failing GPU.
    pub fn logits(&self, weights: &[f32], rows: &[f32]) -> Result<Vec<f32>, TrainError> {
        check_weights(&self.config, weights)?;
        self.check_rows(rows)?;
        match self.device.backend() {
            Backend::Flex => evaluation::logits::<Flex>(&self.config, weights, rows, &FlexDevice),
            #[cfg(feature = "cuda")]
            Backend::Cuda(device) => self.device.guard(|| {
                evaluation::logits::<burn_cuda::Cuda>(&self.config, weights, rows, device)
            }),
        }
    }

    fn check_data(&self, data: &Dataset) -> Result<(), TrainError> {
        let (model_columns, model_classes) = (self.config.columns(), self.config.classes());
        if (data.columns(), data.classes()) == (model_columns, model_classes) {
            return Ok(());
        }
        Err(TrainError::DataShape {
            model_columns,
            model_classes,
            columns: data.columns(),
            classes: data.classes(),
        })
    }

    fn check_rows(&self, rows: &[f32]) -> Result<(), TrainError> {
        let columns = self.config.columns();
        let problem = if !rows.len().is_multiple_of(columns) {
            format!("{} values are not a whole number of rows", rows.len())
        } else if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
            format!(
                "row {}, column {} (from 0) is {}",
                at / columns,
                at % columns,
                rows[at]
            )
        } else {
            return Ok(());
        };
        Err(TrainError::Rows { columns, problem })
    }
}
