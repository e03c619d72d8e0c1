//! A linear model as one product of polynomials: no bootstrap, no evaluation key, and an exact answer.
//!
//! The features are the first coefficients of one polynomial, `x_0 + x_1·X + …`; the weights of output `c` are those of
//! `sum_i w_ci·X^(c·F + F-1-i)`, F the number of features. In the product, coefficient `c·F + F-1` is output `c`
//! (Cheetah, eprint 2022/207, section 3.2). As many outputs as fit come in one ciphertext, and only their coefficients of its
//! body are sent.
//!
//! One more feature and one more output, which is that feature, check the key.

use tfhe::core_crypto::algorithms::polynomial_algorithms::polynomial_wrapping_add_mul_assign;
use tfhe::core_crypto::prelude::*;

use crate::model::{Model, ModelError};
use crate::noise::TURN;
use crate::params::{
    BIG_NOISE_BOUND, LINEAR_MASK_COUNT, LINEAR_MASKS, LINEAR_POLYNOMIAL, LINEAR_RING, modulus,
};
use crate::wire::{pack_rounded, packed_bytes, unpack};

/// Features are rounded to multiples of 1/127.
pub(crate) const LINEAR_LEVELS: u32 = 127;
/// An output is an integer of this many bits, with its sign.
pub(crate) const OUTPUT_BITS: u32 = 18;
/// One unit of an output in a ciphertext's words.
pub(crate) const OUTPUT_UNIT: u64 = 1 << (64 - OUTPUT_BITS);
/// Bits of each word of a request: 1024 of them and the rest are less than 4,000 bytes.
pub(crate) const REQUEST_BITS: u32 = 30;
/// Bits of each word of an answer.
pub(crate) const LINEAR_ANSWER_BITS: u32 = 27;
/// Polynomials of an answer: less than 32 KB.
pub const MAX_POLYNOMIALS: usize = 4;
/// Standard deviations that fit into half a unit: beyond with a probability of 2^-68 for each output.
const DEVIATIONS: f64 = 9.6;

/// How outputs are laid out over polynomials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Features, with the one that checks the key.
    pub(crate) features: usize,
    /// Outputs, with the one that checks the key (the last).
    pub(crate) outputs: usize,
    per_polynomial: usize,
}

impl Layout {
    pub(crate) fn new(features: usize, outputs: usize) -> Result<Self, ModelError> {
        let per_polynomial = LINEAR_RING / (features + 1);
        if per_polynomial == 0 || (outputs + 1).div_ceil(per_polynomial) > MAX_POLYNOMIALS {
            return Err(ModelError::TooWide {
                features,
                outputs,
                polynomials: MAX_POLYNOMIALS,
            });
        }
        Ok(Self {
            features: features + 1,
            outputs: outputs + 1,
            per_polynomial,
        })
    }

    pub(crate) fn polynomials(self) -> usize {
        self.outputs.div_ceil(self.per_polynomial)
    }

    /// Outputs in polynomial `index`.
    fn outputs_of(self, index: usize) -> usize {
        (self.outputs - index * self.per_polynomial).min(self.per_polynomial)
    }

    /// Where an output is in its polynomial.
    fn place(self, within: usize) -> usize {
        within * self.features + self.features - 1
    }

    /// Bytes of an answer's polynomials.
    pub(crate) fn answer_bytes(self) -> usize {
        (0..self.polynomials())
            .map(|index| {
                packed_bytes(
                    LINEAR_MASKS * LINEAR_RING + self.outputs_of(index),
                    LINEAR_ANSWER_BITS,
                )
            })
            .sum()
    }
}

/// A linear model of integer weights.
pub struct LinearModel {
    pub(crate) layout: Layout,
    /// `[outputs][features]`.
    weights: Vec<i64>,
    /// What an output of zero is, and what one unit is worth.
    pub(crate) middle: Vec<f64>,
    pub(crate) unit: Vec<f64>,
}

impl LinearModel {
    /// Rounds the weights as finely as the noise allows.
    ///
    /// # Errors
    /// [`ModelError::TooWide`] if the answer would not fit; [`ModelError::Noise`] if no rounding is coarse enough.
    pub(crate) fn quantise(model: &Model) -> Result<Self, ModelError> {
        let Some((inputs, outputs, matrix, bias)) = model.layers().next() else {
            return Err(ModelError::Layers(model.sizes().to_vec()));
        };
        let layout = Layout::new(inputs, outputs)?;
        // |sum of w·x| <= 127·(budget + inputs/2) stays below 2^17.
        let room = f64::from((1u32 << (OUTPUT_BITS - 1)) - 1) / f64::from(LINEAR_LEVELS);
        let mut budget = (room - inputs as f64 / 2.0).floor();
        while budget >= 1.0 {
            let rounded = Self::rounded(layout, inputs, outputs, matrix, bias, budget);
            if rounded.deviations_in_half_a_unit() >= DEVIATIONS {
                return Ok(rounded);
            }
            budget = (budget / 1.5).floor();
        }
        Err(ModelError::Noise)
    }

    fn rounded(
        layout: Layout,
        inputs: usize,
        outputs: usize,
        matrix: &[f32],
        bias: &[f32],
        budget: f64,
    ) -> Self {
        let column = |output: usize| {
            (0..inputs).map(move |input| f64::from(matrix[input * outputs + output]))
        };
        let sums: Vec<f64> = (0..outputs)
            .map(|output| column(output).map(f64::abs).sum())
            .collect();
        let weights: Vec<i64> = (0..outputs)
            .flat_map(|output| {
                let sum = sums[output];
                column(output).map(move |weight| match sum > 0.0 {
                    true => (weight * budget / sum).round() as i64,
                    false => 0,
                })
            })
            .collect();
        // What rounding changes where all features are in the middle of their ranges is taken off.
        let middle = (0..outputs).map(|output| {
            let whole = &weights[output * inputs..][..inputs];
            let rounding = column(output)
                .zip(whole)
                .map(|(weight, whole)| weight - *whole as f64 * sums[output] / budget);
            f64::from(bias[output]) + 0.5 * rounding.sum::<f64>()
        });
        Self {
            layout,
            middle: middle.collect(),
            unit: sums
                .iter()
                .map(|sum| sum / budget / f64::from(LINEAR_LEVELS))
                .collect(),
            weights,
        }
    }

    /// How many standard deviations of the noise fit into half a unit of an output.
    pub fn deviations_in_half_a_unit(&self) -> f64 {
        let squares = (0..self.layout.polynomials())
            .map(|index| {
                self.weights_of(index)
                    .iter()
                    .map(|weight| (weight.cast_signed() as f64).powi(2))
                    .sum::<f64>()
            })
            .fold(0.0, f64::max);
        let fresh = (2f64.powi(2 * BIG_NOISE_BOUND as i32 + 1) + 1.0) / 6.0;
        let request = (TURN / 2f64.powi(REQUEST_BITS as i32)).powi(2) / 12.0;
        // Half of the key's bits are one.
        let answer = (TURN / 2f64.powi(LINEAR_ANSWER_BITS as i32)).powi(2) / 12.0
            * (1.0 + (LINEAR_MASKS * LINEAR_RING) as f64 / 2.0);
        let deviation = (squares * (fresh + request) + answer).sqrt();
        OUTPUT_UNIT as f64 / 2.0 / deviation
    }

    /// The outputs in the clear; an answer says exactly this. `levels` are features as multiples of 1/127.
    pub fn reference(&self, levels: &[u32]) -> Vec<f64> {
        self.weights
            .chunks_exact(self.layout.features - 1)
            .zip(self.middle.iter().zip(&self.unit))
            .map(|(row, (middle, unit))| {
                let sum: i64 = row
                    .iter()
                    .zip(levels)
                    .map(|(weight, level)| weight * i64::from(*level))
                    .sum();
                middle + unit * sum as f64
            })
            .collect()
    }

    /// The weights' polynomial `index`.
    fn weights_of(&self, index: usize) -> Vec<u64> {
        let layout = self.layout;
        let inputs = layout.features - 1;
        let mut polynomial = vec![0u64; LINEAR_RING];
        for within in 0..layout.outputs_of(index) {
            let output = index * layout.per_polynomial + within;
            if output == layout.outputs - 1 {
                // The last feature alone.
                polynomial[within * layout.features] = 1;
                continue;
            }
            for (input, weight) in self.weights[output * inputs..][..inputs].iter().enumerate() {
                polynomial[layout.place(within) - input] = weight.cast_unsigned();
            }
        }
        polynomial
    }

    /// The answer's polynomials, one after the other: masks, then the outputs' coefficients of the body.
    pub(crate) fn evaluate(&self, query: &GlweCiphertextOwned<u64>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.layout.answer_bytes());
        for index in 0..self.layout.polynomials() {
            let weights = Polynomial::from_container(self.weights_of(index));
            let mut words = Vec::with_capacity(LINEAR_MASKS * LINEAR_RING + self.layout.outputs);
            for (part, polynomial) in query.as_polynomial_list().iter().enumerate() {
                let mut product = Polynomial::new(0u64, LINEAR_POLYNOMIAL);
                polynomial_wrapping_add_mul_assign(&mut product, &polynomial, &weights);
                if part < LINEAR_MASKS {
                    words.extend_from_slice(product.as_ref());
                } else {
                    words.extend(
                        (0..self.layout.outputs_of(index))
                            .map(|within| product.as_ref()[self.layout.place(within)]),
                    );
                }
            }
            pack_rounded(&mut bytes, &words, LINEAR_ANSWER_BITS);
        }
        bytes
    }
}

/// The integers of an answer's polynomials; `bytes` are [`Layout::answer_bytes`] many.
pub(crate) fn decrypt(layout: Layout, key: &GlweSecretKeyOwned<u64>, bytes: &[u8]) -> Vec<i64> {
    let mut rest = bytes;
    let mut outputs = Vec::with_capacity(layout.outputs);
    for index in 0..layout.polynomials() {
        let count = LINEAR_MASKS * LINEAR_RING + layout.outputs_of(index);
        let (part, after) = rest.split_at(packed_bytes(count, LINEAR_ANSWER_BITS));
        rest = after;
        let words = unpack(part, count, LINEAR_ANSWER_BITS);
        let mut ciphertext = GlweCiphertext::new(
            0u64,
            LINEAR_MASK_COUNT.to_glwe_size(),
            LINEAR_POLYNOMIAL,
            modulus(),
        );
        let (masks, body) = words.split_at(LINEAR_MASKS * LINEAR_RING);
        ciphertext.as_mut()[..masks.len()].copy_from_slice(masks);
        for (within, word) in body.iter().enumerate() {
            ciphertext.as_mut()[masks.len() + layout.place(within)] = *word;
        }
        let mut plain = PlaintextList::new(0u64, PlaintextCount(LINEAR_RING));
        decrypt_glwe_ciphertext(key, &ciphertext, &mut plain);
        outputs.extend((0..body.len()).map(|within| {
            let word = plain.as_ref()[layout.place(within)];
            word.wrapping_add(OUTPUT_UNIT / 2).cast_signed() >> (64 - OUTPUT_BITS)
        }));
    }
    outputs
}
