//! How good a model is on given rows.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use crate::config::MlpConfig;
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::mlp::Mlp;

/// Values of the widest layer that one forward pass may hold (16 MB as f32).
const BATCH_VALUES: usize = 1 << 22;

/// What a model got right.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Share of rows whose largest logit is their label's, 0 to 1. Of equal logits the first
    /// class counts, so a model that says nothing scores what class 0 has.
    pub accuracy: f64,
    /// `(correct, total)` rows of each class, `[classes]`.
    pub per_class: Vec<(usize, usize)>,
    /// Mean cross-entropy in nats.
    pub loss: f64,
}

/// Position of the largest value, the first of equals; 0 for none.
pub fn largest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = i;
        }
    }
    best
}

/// Runs the model without gradients, some rows at a time so that memory stays flat.
pub(crate) fn logits<B: Backend>(
    config: &MlpConfig,
    weights: &[f32],
    rows: &[f32],
    device: &B::Device,
) -> Result<Vec<f32>, TrainError> {
    let columns = config.columns();
    let model = Mlp::<B>::load(config, weights, device)?;
    let at_once = (BATCH_VALUES / config.widest()).max(1);
    let mut logits = Vec::with_capacity(rows.len() / columns * config.classes());
    for batch in rows.chunks(at_once * columns) {
        let batch = TensorData::new(batch.to_vec(), [batch.len() / columns, columns]);
        let output = model.forward(Tensor::from_data(batch, device), config.activation);
        logits.extend(output.into_data().iter::<f32>());
    }
    Ok(logits)
}

/// Counts on the host, in f64, so that both backends count alike.
pub(crate) fn evaluate(logits: &[f32], data: &Dataset) -> Evaluation {
    let mut per_class = vec![(0, 0); data.classes()];
    let mut loss = 0.0;
    for (row, &label) in logits.chunks(data.classes()).zip(data.labels()) {
        let label = label as usize;
        let predicted = largest(row);
        per_class[label].0 += usize::from(predicted == label);
        per_class[label].1 += 1;
        let top = f64::from(row[predicted]);
        let sum: f64 = row.iter().map(|&z| (f64::from(z) - top).exp()).sum();
        loss += sum.ln() + top - f64::from(row[label]);
    }
    let rows = data.rows() as f64;
    let correct: usize = per_class.iter().map(|class| class.0).sum();
    Evaluation {
        accuracy: correct as f64 / rows,
        per_class,
        loss: loss / rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_loss_are_those_worked_out_by_hand() {
        let data = Dataset::new(vec![0.0; 3], vec![0, 1, 1], 1, 2).expect("valid rows");
        // Right, wrong, and a tie that goes to class 0.
        let result = evaluate(&[2.0, 0.0, 2.0, 0.0, 1.0, 1.0], &data);
        assert_eq!(result.per_class, [(1, 1), (0, 2)]);
        assert!((result.accuracy - 1.0 / 3.0).abs() < 1e-12);
        let (right, wrong) = ((1.0 + (-2f64).exp()).ln(), (1.0 + 2f64.exp()).ln());
        assert!((result.loss - (right + wrong + 2f64.ln()) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn huge_logits_do_not_overflow_the_loss() {
        let data = Dataset::new(vec![0.0], vec![1], 1, 2).expect("valid rows");
        let result = evaluate(&[f32::MAX, -f32::MAX], &data);
        assert!(result.loss.is_finite() && result.loss > 1e38);
    }
}
