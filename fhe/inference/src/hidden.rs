//! A model with hidden layers as integers: weights, tables, ranges, and what the noise does to each output.
//!
//! Every value `v` between layers is carried as `T = A·(v - middle)/half`, an integer of at most `A`, where
//! `middle ± half` is the range that the value can have for *any* features in 0..=1 (interval arithmetic on the weights; no
//! sample of anybody's rows is used). A row of weights, times the halves of its inputs, is rounded to integers of about
//! a budget in sum of sizes. So a sum can never leave its share of the torus, and no value is clipped.
//!
//! The rounding of the first layer's weights (2^-18 of their sum) and of features (1/1023) costs nothing under
//! encryption; that of later layers is balanced against the noise that integer weights multiply. Activations stay in one small
//! part of the range that they could have, so that a layer's rounding is mostly the same for every row: what it is where all
//! features are in the middle of their ranges is computed here and taken off (`Layer::middle`), which costs nothing. Of 360
//! digits a model of 800 steps then loses .6 % of its classes to rounding instead of 3.6 %.

use crate::model::{Activation, Model, ModelError};
use crate::noise::{
    GUARD_PLACES, TURN, answer_variance, bootstrap_variance, fresh_variance, rounding_variance,
    switch_variance, wrap_exponent,
};
use crate::params::RING;

/// Features are rounded to multiples of 1/1023.
pub(crate) const FEATURE_LEVELS: u32 = 1023;
/// Bits of each word of an answer.
pub(crate) const ANSWER_BITS: u32 = 16;
/// One place of a table, in units of a ciphertext's words.
pub(crate) const PLACE: u64 = 1 << 52;
/// The middle of a table: sums are shifted by a quarter turn.
pub(crate) const QUARTER: u64 = 1 << 62;
/// Largest size of a sum that a table reads: half of its places, without the guard.
const SUM_LIMIT: u64 = (RING / 2 - GUARD_PLACES) as u64 * PLACE;
/// Largest size of an output's sum: half a turn without 1/32 of it, 30 standard deviations of the last switch.
const OUTPUT_LIMIT: u64 = (1 << 63) - (1 << 58);
/// Half of what one level of a feature adds to its ciphertext. Rows of the first layer then have integers of 245,000 in sum
/// of sizes, which multiply a fresh ciphertext's noise of 2^17 to less than 2^36: nothing beside a place.
pub(crate) const FEATURE_UNIT: u64 = 1 << 34;
const FEATURE_AMPLITUDE: u64 = FEATURE_LEVELS as u64 * FEATURE_UNIT;

/// One layer of integer weights.
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// `[outputs][inputs]`.
    pub(crate) weights: Vec<i64>,
    /// What an output is when its sum is zero, so that the output of typical inputs is exact in spite of rounded weights.
    pub(crate) middle: Vec<f64>,
    /// What one unit of the sum is worth.
    pub(crate) unit: Vec<f64>,
    /// Half of the range of each output.
    half: Vec<f64>,
    /// The largest size that what carries an input may have.
    pub(crate) amplitude: u64,
}

impl Layer {
    pub(crate) fn row(&self, output: usize) -> &[i64] {
        &self.weights[output * self.inputs..][..self.inputs]
    }

    /// The value that a sum stands for.
    fn real(&self, output: usize, sum: u64) -> f64 {
        self.middle[output] + self.unit[output] * sum.cast_signed() as f64
    }
}

/// A model is refused if some neuron may be read with the wrong sign more often than once in 2^32 queries. With one hidden
/// layer the bound is 2^-127 whatever the weights are; every further one reads sums that carry the noise of the one before.
const LARGEST_WRAP_EXPONENT: f64 = -32.0;

/// What goes from one layer to the next: ranges of the values, and the noise of what carries them.
struct Values {
    middle: Vec<f64>,
    half: Vec<f64>,
    /// Variance that every carrier `T` has, whatever its amplitude, in fractions of the torus squared.
    own: f64,
    /// Variance of `T/A`: the errors of reading, which grow with the amplitude.
    relative: Vec<f64>,
    /// What a value typically is: for features in the middle of their ranges.
    typical: Vec<f64>,
}

impl Values {
    /// Where in its range a value typically is, -1 to 1: `T/A` of what carries it.
    fn share(&self, input: usize) -> f64 {
        match self.half[input] > 0.0 {
            true => (self.typical[input] - self.middle[input]) / self.half[input],
            false => 0.0,
        }
    }

    /// Variance of a row's sum, in fractions of the torus squared.
    fn sum_variance(&self, row: &[i64], amplitude: f64) -> f64 {
        row.iter()
            .zip(&self.relative)
            .map(|(weight, relative)| {
                (*weight as f64).powi(2) * (self.own + relative * (amplitude / TURN).powi(2))
            })
            .sum()
    }
}

/// A model with at least one hidden layer, ready to be evaluated on ciphertexts.
pub struct HiddenModel {
    pub(crate) layers: Vec<Layer>,
    /// Of each hidden layer, each neuron's 2048 outputs; `None` for one that is constant.
    pub(crate) tables: Vec<Vec<Option<Vec<u64>>>>,
    deviation: Vec<f64>,
    worst_wrap: f64,
}

fn layer(
    (inputs, outputs, matrix, bias): (usize, usize, &[f32], &[f32]),
    values: &Values,
    limit: u64,
    amplitude: Option<u64>,
) -> Layer {
    let scaled: Vec<Vec<f64>> = (0..outputs)
        .map(|output| {
            (0..inputs)
                .map(|input| f64::from(matrix[input * outputs + output]) * values.half[input])
                .collect()
        })
        .collect();
    let sums: Vec<f64> = scaled
        .iter()
        .map(|row| row.iter().map(|weight| weight.abs()).sum())
        .collect();
    let rounded = |budget: f64| -> Vec<i64> {
        scaled
            .iter()
            .zip(&sums)
            .flat_map(|(row, sum)| {
                row.iter().map(move |weight| match *sum > 0.0 {
                    true => (weight * budget / sum).round() as i64,
                    false => 0,
                })
            })
            .collect()
    };
    let largest = |weights: &[i64]| -> u64 {
        weights
            .chunks_exact(inputs)
            .map(|row| row.iter().map(|weight| weight.unsigned_abs()).sum::<u64>())
            .max()
            .unwrap_or_default()
            .max(1)
    };
    // The error of the worst row relative to its range, from rounding (uniform, inputs a quarter of their half range off what
    // is typical) and from noise that the integers multiply.
    let error = |budget: f64| -> f64 {
        let weights = rounded(budget);
        let amplitude = limit as f64 / largest(&weights) as f64;
        weights
            .chunks_exact(inputs)
            .map(|row| {
                values.sum_variance(row, amplitude) / (amplitude / TURN * budget).powi(2)
                    + inputs as f64 / 192.0 / (budget * budget)
            })
            .fold(0.0, f64::max)
    };
    let budget = match amplitude {
        Some(amplitude) => (limit / amplitude) as f64 - inputs as f64,
        None => {
            (12..=40)
                .map(|half_bits| 2f64.powf(f64::from(half_bits) / 2.0).round())
                .fold((f64::INFINITY, 1.0), |best, budget| {
                    let error = error(budget);
                    if error < best.0 {
                        (error, budget)
                    } else {
                        best
                    }
                })
                .1
        }
    };
    let weights = rounded(budget);
    let amplitude = amplitude.unwrap_or_else(|| limit / largest(&weights));
    let middle = (0..outputs)
        .map(|output| {
            let rounding = |input: usize| {
                let place = output * inputs + input;
                scaled[output][input] - weights[place] as f64 * sums[output] / budget
            };
            f64::from(bias[output])
                + (0..inputs)
                    .map(|input| {
                        f64::from(matrix[input * outputs + output]) * values.middle[input]
                            + rounding(input) * values.share(input)
                    })
                    .sum::<f64>()
        })
        .collect();
    Layer {
        inputs,
        outputs,
        middle,
        unit: sums
            .iter()
            .map(|sum| sum / budget / amplitude as f64)
            .collect(),
        half: sums,
        weights,
        amplitude,
    }
}

/// What a layer gives, in the clear, where its inputs are what they typically are.
fn typical(
    (inputs, outputs, matrix, bias): (usize, usize, &[f32], &[f32]),
    values: &[f64],
    activation: Activation,
) -> Vec<f64> {
    (0..outputs)
        .map(|output| {
            let products = (0..inputs)
                .map(|input| f64::from(matrix[input * outputs + output]) * values[input]);
            activation.at(f64::from(bias[output]) + products.sum::<f64>())
        })
        .collect()
}

impl HiddenModel {
    /// Rounds weights, makes the tables and computes the noise.
    ///
    /// # Errors
    /// [`ModelError::Noise`] if the sums of some neuron would be as noisy as the guard is wide.
    pub(crate) fn quantise(model: &Model) -> Result<Self, ModelError> {
        let activation = model.activation();
        let count = model.sizes().len() - 1;
        let mut values = Values {
            middle: vec![0.5; model.sizes()[0]],
            half: vec![0.5; model.sizes()[0]],
            own: fresh_variance(),
            relative: vec![0.0; model.sizes()[0]],
            typical: vec![0.5; model.sizes()[0]],
        };
        let mut layers: Vec<Layer> = Vec::with_capacity(count);
        let mut deviation = Vec::new();
        let mut worst_wrap = f64::NEG_INFINITY;
        for (index, parts) in model.layers().enumerate() {
            let last = index + 1 == count;
            let limit = if last { OUTPUT_LIMIT } else { SUM_LIMIT };
            let made = layer(
                parts,
                &values,
                limit,
                (index == 0).then_some(FEATURE_AMPLITUDE),
            );
            let added = switch_variance()
                + if last {
                    answer_variance(ANSWER_BITS)
                } else {
                    rounding_variance()
                };
            let noise: Vec<f64> = (0..made.outputs)
                .map(|output| values.sum_variance(made.row(output), made.amplitude as f64) + added)
                .collect();
            if last {
                deviation = noise
                    .iter()
                    .zip(&made.unit)
                    .map(|(variance, unit)| variance.sqrt() * TURN * unit)
                    .collect();
            } else {
                let places = noise.iter().copied().fold(0.0, f64::max).sqrt() * 2.0 * RING as f64;
                worst_wrap = worst_wrap.max(wrap_exponent(places));
                // A table is flat within a place: reading one place off, either way, adds a sixth of a place squared.
                let place = 1.0 / 6.0 / (2.0 * RING as f64).powi(2);
                let (mut middle, mut half, mut relative) = (Vec::new(), Vec::new(), Vec::new());
                for (output, variance) in noise.iter().enumerate() {
                    let low = activation.at(made.middle[output] - made.half[output]);
                    let high = activation.at(made.middle[output] + made.half[output]);
                    middle.push((low + high) / 2.0);
                    half.push((high - low) / 2.0);
                    let slope = match high > low {
                        true => made.unit[output] * TURN / ((high - low) / 2.0),
                        false => 0.0,
                    };
                    relative.push(slope * slope * (variance + place));
                }
                values = Values {
                    middle,
                    half,
                    own: bootstrap_variance(),
                    relative,
                    typical: typical(parts, &values.typical, activation),
                };
            }
            layers.push(made);
        }
        if worst_wrap > LARGEST_WRAP_EXPONENT
            || deviation.iter().any(|deviation| !deviation.is_finite())
        {
            return Err(ModelError::Noise);
        }
        let tables = layers
            .windows(2)
            .map(|pair| tables(activation, &pair[0], pair[1].amplitude))
            .collect();
        Ok(Self {
            layers,
            tables,
            deviation,
            worst_wrap,
        })
    }

    /// Standard deviation of each logit's error against [`reference`](Self::reference), computed.
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// log2 of the bound on the probability that some one neuron is read with the wrong sign.
    pub fn wrap_exponent(&self) -> f64 {
        self.worst_wrap
    }

    /// Bootstraps of one query, without the one that checks the key.
    pub fn bootstraps(&self) -> usize {
        self.tables.iter().flatten().flatten().count()
    }

    /// The circuit in the clear and without noise: what an answer would say if encryption were exact.
    /// `levels` are features as multiples of 1/1023.
    pub fn reference(&self, levels: &[u32]) -> Vec<f64> {
        let mut values: Vec<u64> = levels.iter().map(|level| feature(*level)).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            let sums = (0..layer.outputs).map(|output| {
                layer
                    .row(output)
                    .iter()
                    .zip(&values)
                    .fold(0u64, |sum, (weight, value)| {
                        sum.wrapping_add(weight.cast_unsigned().wrapping_mul(*value))
                    })
            });
            let Some(tables) = self.tables.get(index) else {
                return sums
                    .enumerate()
                    .map(|(output, sum)| layer.real(output, sum))
                    .collect();
            };
            values = sums
                .zip(tables)
                .map(|(sum, table)| {
                    let place = (sum.wrapping_add(QUARTER) / PLACE) as usize;
                    table.as_ref().map_or(0, |table| table[place % RING])
                })
                .collect();
        }
        Vec::new()
    }
}

/// What a feature is encrypted as: -1023 to 1023 units.
pub(crate) fn feature(level: u32) -> u64 {
    (2 * i64::from(level) - i64::from(FEATURE_LEVELS))
        .cast_unsigned()
        .wrapping_mul(FEATURE_UNIT)
}

/// What the neurons of `layer` give, for the middle of each place of their sums.
fn tables(activation: Activation, layer: &Layer, amplitude: u64) -> Vec<Option<Vec<u64>>> {
    (0..layer.outputs)
        .map(|output| {
            let (middle, half) = (layer.middle[output], layer.half[output]);
            let (low, high) = (activation.at(middle - half), activation.at(middle + half));
            (high > low).then(|| {
                (0..RING)
                    .map(|place| {
                        let sum = (place as f64 + 0.5 - RING as f64 / 2.0) * PLACE as f64;
                        let value = activation
                            .at(middle + sum * layer.unit[output])
                            .clamp(low, high);
                        let share = (2.0 * value - low - high) / (high - low);
                        ((share * amplitude as f64) as i64).cast_unsigned()
                    })
                    .collect()
            })
        })
        .collect()
}
