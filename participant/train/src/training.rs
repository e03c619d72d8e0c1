//! The training loop.

use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer, SgdConfig};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{ElementConversion, Tensor, TensorData, activation};

use crate::batches::Batches;
use crate::config::MlpConfig;
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::mlp::Mlp;

/// Most steps of one call.
pub const MAX_STEPS: usize = 10_000_000;
/// Most values in one batch's widest layer (256 MB as f32).
const MAX_BATCH_VALUES: usize = 1 << 26;
/// Classes with fewer own rows than this are rare ([`TrainConfig::rare_class_offset`]).
const RARE_BELOW: usize = 2;
/// Added to the logits of classes left out. Not infinite: a target of 0 times that is NaN, and this times 0 is 0, with
/// a probability of exactly 0 and a gradient of exactly 0.
const LEFT_OUT: f32 = -1e30;

/// How a step moves the weights. Its state (momentum, moments) starts anew with each call.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Optimiser {
    /// Plain stochastic gradient descent: `w -= lr * g`.
    #[default]
    Sgd,
    /// Gradient descent with heavy-ball momentum: `v = momentum * v + g; w -= lr * v`.
    Momentum {
        /// In `[0, 1)`; .9 is usual.
        momentum: f64,
    },
    /// Adam (Kingma and Ba 2015) with beta .9 and .999, epsilon 1e-8.
    Adam,
}

/// Settings of one local training.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Number of batches, 1 to [`MAX_STEPS`].
    pub steps: usize,
    /// Rows a batch, at least 1; more than there are rows means all of them.
    pub batch: usize,
    /// Learning rate, above 0 and finite.
    pub learning_rate: f64,
    /// How a step moves the weights.
    pub optimiser: Optimiser,
    /// Fixes the order of the rows, and with it the whole run.
    pub seed: u64,
    /// Subtracted, **while training only**, from the logits of classes with fewer than two own
    /// rows: the model then unlearns less of what others know about classes this company never
    /// sees. 0 turns it off; at most 100.
    pub rare_class_offset: f32,
    /// Leaves classes with fewer than two own rows out of this training: their logits count as minus
    /// infinity and their rows are not shown, so that no step moves anything for or against them.
    pub without_rare_classes: bool,
    /// Shows every class equally often: each row of a batch is of the next class in a shuffled order of
    /// classes. Otherwise as often as it has rows.
    pub balanced_classes: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 40,
            batch: 16,
            learning_rate: 0.1,
            optimiser: Optimiser::Sgd,
            seed: 0,
            rare_class_offset: 1.0,
            without_rare_classes: false,
            balanced_classes: false,
        }
    }
}

/// What [`Trainer::train`](crate::Trainer::train) tells after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Steps done, from 1.
    pub step: usize,
    /// Steps asked for.
    pub of: usize,
    /// Mean cross-entropy of this step's batch in nats, before the step, with the rare-class offset.
    pub loss: f32,
}

impl TrainConfig {
    /// Every setting in its range.
    pub(crate) fn check(&self, model: &MlpConfig) -> Result<(), TrainError> {
        let refuse = |setting, found: String, expected: String| {
            Err(TrainError::Setting {
                setting,
                found,
                expected,
            })
        };
        let most_rows = (MAX_BATCH_VALUES / model.widest()).max(1);
        if !(1..=MAX_STEPS).contains(&self.steps) {
            return refuse("steps", self.steps.to_string(), format!("1 to {MAX_STEPS}"));
        }
        if !(1..=most_rows).contains(&self.batch) {
            let expected = format!("1 to {most_rows} for {model}");
            return refuse("batch", self.batch.to_string(), expected);
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            let expected = "a number above 0".to_owned();
            return refuse("learning_rate", self.learning_rate.to_string(), expected);
        }
        if let Optimiser::Momentum { momentum } = self.optimiser
            && !(0.0..1.0).contains(&momentum)
        {
            let expected = "at least 0 and below 1".to_owned();
            return refuse("momentum", momentum.to_string(), expected);
        }
        if !(0.0..=100.0).contains(&self.rare_class_offset) {
            let expected = "0 (off) to 100".to_owned();
            return refuse(
                "rare_class_offset",
                self.rare_class_offset.to_string(),
                expected,
            );
        }
        Ok(())
    }
}

/// Trains on one backend. Weights, data and settings were checked by the caller.
pub(crate) fn train<B: AutodiffBackend>(
    config: &MlpConfig,
    weights: &[f32],
    data: &Dataset,
    settings: &TrainConfig,
    device: &B::Device,
    progress: &mut dyn FnMut(StepReport),
) -> Result<Vec<f32>, TrainError> {
    let run = Run {
        config,
        weights,
        data,
        settings,
        device,
    };
    match settings.optimiser {
        Optimiser::Sgd => run.steps::<B, _>(SgdConfig::new().init(), progress),
        Optimiser::Momentum { momentum } => {
            // burn damps the gradient by .1 unless told otherwise.
            let heavy_ball = MomentumConfig {
                momentum,
                dampening: 0.0,
                nesterov: false,
            };
            let optimiser = SgdConfig::new().with_momentum(Some(heavy_ball)).init();
            run.steps::<B, _>(optimiser, progress)
        }
        Optimiser::Adam => run.steps::<B, _>(AdamConfig::new().with_epsilon(1e-8).init(), progress),
    }
}

/// One training, apart from the optimiser's type.
struct Run<'a, D> {
    config: &'a MlpConfig,
    weights: &'a [f32],
    data: &'a Dataset,
    settings: &'a TrainConfig,
    device: &'a D,
}

impl<D> Run<'_, D> {
    fn steps<B, O>(
        &self,
        mut optimiser: O,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, TrainError>
    where
        B: AutodiffBackend<Device = D>,
        O: Optimizer<Mlp<B>, B>,
    {
        let of = self.settings.steps;
        let diverged = |step, what| TrainError::Diverged {
            step,
            of,
            what,
            learning_rate: self.settings.learning_rate,
        };
        let mut model = Mlp::<B>::load(self.config, self.weights, self.device)?;
        let mut batches = self.batches()?;
        let mut rows = Vec::with_capacity(batches.size());
        let offset = self.offset::<B>();

        for step in 1..=of {
            batches.fill(&mut rows);
            let (features, targets) = self.batch::<B>(&rows);
            let mut logits = model.forward(features, self.config.activation);
            if let Some(offset) = &offset {
                logits = logits + offset.clone();
            }
            // Cross-entropy with one-hot targets: the sum picks each row's own class.
            let picked = activation::log_softmax(logits, 1) * targets;
            let loss = picked.sum().div_scalar(-(rows.len() as f32));

            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimiser.step(self.settings.learning_rate, model, gradients);

            let loss: f32 = loss.into_scalar().elem();
            if !loss.is_finite() {
                return Err(diverged(step, "loss"));
            }
            progress(StepReport { step, of, loss });
        }

        let weights = model.flatten();
        // A finite loss before the last step says nothing about what that step did.
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(diverged(of, "weights"));
        }
        Ok(weights)
    }

    /// The rows that the settings ask for, in the order that their seed fixes.
    fn batches(&self) -> Result<Batches, TrainError> {
        let TrainConfig { batch, seed, .. } = *self.settings;
        let (balanced, without) = (
            self.settings.balanced_classes,
            self.settings.without_rare_classes,
        );
        let mut classes = vec![Vec::new(); self.data.classes()];
        for (row, &label) in self.data.labels().iter().enumerate() {
            classes[label as usize].push(row);
        }
        let fewest = if without { RARE_BELOW } else { 1 };
        classes.retain(|rows| rows.len() >= fewest);
        let shown: usize = classes.iter().map(Vec::len).sum();
        if shown == 0 {
            return Err(TrainError::OnlyRareClasses {
                rows: self.data.rows(),
            });
        }
        Ok(if balanced {
            Batches::balanced(classes, batch, seed)
        } else if shown < self.data.rows() {
            Batches::of(classes.concat(), batch, seed)
        } else {
            Batches::new(shown, batch, seed)
        })
    }

    /// # Shapes
    ///
    /// - features: `[batch, columns]`
    /// - targets: `[batch, classes]`, 1 at the label and 0 elsewhere
    fn batch<B: AutodiffBackend<Device = D>>(
        &self,
        rows: &[usize],
    ) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let (columns, classes) = (self.data.columns(), self.data.classes());
        let mut features = Vec::with_capacity(rows.len() * columns);
        let mut targets = vec![0f32; rows.len() * classes];
        for (i, &row) in rows.iter().enumerate() {
            features.extend_from_slice(self.data.row(row));
            targets[i * classes + self.data.labels()[row] as usize] = 1.0;
        }
        let features = TensorData::new(features, [rows.len(), columns]);
        let targets = TensorData::new(targets, [rows.len(), classes]);
        (
            Tensor::from_data(features, self.device),
            Tensor::from_data(targets, self.device),
        )
    }

    /// `[1, classes]`: what is added to the logits of rare classes, 0 elsewhere; none where it would be 0.
    fn offset<B: AutodiffBackend<Device = D>>(&self) -> Option<Tensor<B, 2>> {
        let counts = self.data.class_counts();
        let rare = if self.settings.without_rare_classes {
            LEFT_OUT
        } else {
            -self.settings.rare_class_offset
        };
        if rare == 0.0 || counts.iter().all(|&rows| rows >= RARE_BELOW) {
            return None;
        }
        let offset: Vec<f32> = counts
            .iter()
            .map(|&rows| if rows < RARE_BELOW { rare } else { 0.0 })
            .collect();
        Some(Tensor::from_data(
            TensorData::new(offset, [1, counts.len()]),
            self.device,
        ))
    }
}
