//! What encryption makes of an update, and what decryption leaves of its products: the same integers, without the cost.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use unsilo_fhe::{
    N, PROJECTIONS, Params, ParamsLiteral, Permutation, WeightedSum, encode_permuted,
    params::{DELTA, SIGMA},
};
use unsilo_ledger::judgement::MAX_NORM_EXPONENT;

/// The federation whose permutation is used: any will do, since steps are put back into the model's order.
const FEDERATION: [u8; 32] = [0; 32];
/// A sketch is all but another one if their squared distance is at most this part of the shorter one's square.
const COPY: f64 = 0.01;

/// The production quantiser of a model, with the way back to the model's order.
pub(super) struct Quantiser {
    pub(super) params: Params,
    permutation: Permutation,
    /// Where each parameter stands in an encoded update.
    places: Vec<usize>,
}

impl Quantiser {
    pub(super) fn new(parameters: usize) -> anyhow::Result<Self> {
        let params = Params::new(&ParamsLiteral {
            profile: "default".to_owned(),
            parameters: parameters as u64,
        })?;
        let permutation = Permutation::new(&params, &FEDERATION);
        // Markers: the digits of each parameter's number, plus one, are whole steps, so they are not rounded.
        let base = parameters.isqrt() + 1;
        let encoded = |digit: &dyn Fn(usize) -> usize| -> anyhow::Result<Vec<i16>> {
            let markers: Vec<f32> = (0..parameters).map(|at| (digit(at) + 1) as f32).collect();
            Ok(encode_permuted(&permutation, 0, &markers, [0; 32])?
                .steps()
                .to_vec())
        };
        let (high, low) = (encoded(&|at| at / base)?, encoded(&|at| at % base)?);
        let mut places = vec![usize::MAX; parameters];
        for (place, (high, low)) in high.iter().zip(&low).enumerate() {
            if *high > 0 {
                let at = (*high as usize - 1) * base + (*low as usize).saturating_sub(1);
                if let Some(entry) = places.get_mut(at) {
                    *entry = place;
                }
            }
        }
        anyhow::ensure!(
            !places.contains(&usize::MAX),
            "the order of an encoded update cannot be read off"
        );
        Ok(Self {
            params,
            permutation,
            places,
        })
    }

    /// The update in whole steps of 2^`unit_log2`, in the model's order, and what it was multiplied by to stay within the norm
    /// bound.
    pub(super) fn steps(
        &self,
        unit_log2: i8,
        update: &[f32],
        random: &mut Xoshiro256PlusPlus,
    ) -> anyhow::Result<(Vec<i16>, f64)> {
        let encoded = encode_permuted(&self.permutation, unit_log2, update, random.random())?;
        let steps = encoded.steps();
        let in_order = self.places.iter().map(|place| steps[*place]).collect();
        Ok((in_order, encoded.clip()))
    }

    /// What the committee learns of these updates: 48 products of each with vectors of -1, 0, 0 and 1, times 1024, with
    /// the error of the encryption of all coefficients, padding included.
    pub(super) fn sketches(
        &self,
        updates: &[Vec<i16>],
        random: &mut Xoshiro256PlusPlus,
    ) -> Vec<Sketch> {
        let mut sketches = vec![Sketch([0.0; PROJECTIONS]); updates.len()];
        let deviation = SIGMA * ((self.params.chunks() * N) as f64 / 2.0).sqrt();
        for projection in 0..PROJECTIONS {
            let entries: Vec<i64> = (0..self.params.parameters().div_ceil(32))
                .flat_map(|_| {
                    let bits: u64 = random.random();
                    (0..32).map(move |at| {
                        let pair = bits >> (2 * at);
                        (pair & 1) as i64 - (pair >> 1 & 1) as i64
                    })
                })
                .collect();
            for (sketch, update) in sketches.iter_mut().zip(updates) {
                let products = entries.iter().zip(update);
                let product: i64 = products.map(|(r, m)| r * i64::from(*m)).sum();
                let error: f64 = random.sample(StandardNormal);
                sketch.0[projection] =
                    (product * DELTA as i64) as f64 + (deviation * error).round();
            }
        }
        sketches
    }
}

/// The projections of one update.
#[derive(Clone)]
pub(super) struct Sketch([f64; PROJECTIONS]);

impl Sketch {
    /// The least e with an estimated norm of at most 2^(e/8) steps.
    pub(super) fn norm_exponent(&self) -> u16 {
        let mean = squares(self.0.iter().copied()) / PROJECTIONS as f64;
        let norm = (2.0 * mean).sqrt() / DELTA as f64;
        ((8.0 * norm.log2()).ceil().max(0.0) as u16).min(MAX_NORM_EXPONENT)
    }

    /// Whether both are of all but the same update.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        let distance = squares(pairs.map(|(x, y)| x - y));
        distance <= COPY * squares(self.0.iter().copied()).min(squares(other.0.iter().copied()))
    }
}

fn squares(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum()
}

/// `Delta·<v, m> + <v, e>` as a rater decodes it.
pub(super) fn product(direction: &[i8], steps: &[i16], random: &mut Xoshiro256PlusPlus) -> i64 {
    let pairs = direction.iter().zip(steps);
    let product: i64 = pairs.map(|(v, m)| i64::from(*v) * i64::from(*m)).sum();
    let squares: i64 = direction.iter().map(|v| i64::from(*v).pow(2)).sum();
    let error: f64 = random.sample(StandardNormal);
    product * DELTA as i64 + (SIGMA * (squares as f64).sqrt() * error).round() as i64
}

/// The weighted sum as its members decrypt it.
pub(super) fn sum(
    updates: &[Vec<i16>],
    weights: &[u16],
    random: &mut Xoshiro256PlusPlus,
) -> WeightedSum {
    let squares: f64 = weights
        .iter()
        .map(|weight| f64::from(*weight).powi(2))
        .sum();
    let deviation = SIGMA / DELTA as f64 * squares.sqrt();
    let mut values = vec![0_i64; updates.first().map_or(0, Vec::len)];
    for (update, weight) in updates
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0)
    {
        for (sum, step) in values.iter_mut().zip(update) {
            *sum += i64::from(*weight) * i64::from(*step);
        }
    }
    for sum in &mut values {
        let error: f64 = random.sample(StandardNormal);
        *sum += (deviation * error).round() as i64;
    }
    WeightedSum {
        values,
        total_weight: weights.iter().map(|weight| u64::from(*weight)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn quantised_updates_come_back_in_the_models_order() {
        let quantiser = Quantiser::new(4_810).expect("parameters");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let update: Vec<f32> = (0..4_810).map(|at| (at % 97) as f32 - 40.0).collect();
        let (steps, bounded) = quantiser.steps(0, &update, &mut random).expect("quantised");
        assert_eq!(bounded, 1.0);
        assert!(
            steps
                .iter()
                .zip(&update)
                .all(|(step, value)| f32::from(*step) == *value)
        );
    }

    #[test]
    fn an_estimated_norm_is_near_the_norm() {
        let quantiser = Quantiser::new(4_096).expect("parameters");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        // 6400 steps; rounded up by half an eighth on average.
        let mut estimate = || {
            let sketches = quantiser.sketches(&[vec![100_i16; 4_096]], &mut random);
            f64::from(sketches[0].norm_exponent())
        };
        let mean = (0..100).map(|_| estimate()).sum::<f64>() / 100.0;
        assert!((mean / 8.0 - 6_400.0_f64.log2()).abs() < 0.12, "{mean}");
    }

    #[test]
    fn what_is_all_but_the_same_is_like_it_and_a_mixture_is_not() {
        let quantiser = Quantiser::new(4_096).expect("parameters");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let one: Vec<i16> = (0..4_096)
            .map(|_| random.random_range(-500..=500))
            .collect();
        let mixed = |part: f64, random: &mut Xoshiro256PlusPlus| -> Vec<i16> {
            let other = one.iter().map(|step| {
                let noise: f64 = random.random_range(-500.0..=500.0);
                (f64::from(*step) + part * noise).round() as i16
            });
            other.collect()
        };
        let updates = [
            one.clone(),
            mixed(0.05, &mut random),
            mixed(0.3, &mut random),
        ];
        let sketches = quantiser.sketches(&updates, &mut random);
        assert!(sketches[0].is_like(&sketches[1]) && sketches[1].is_like(&sketches[0]));
        assert!(!sketches[0].is_like(&sketches[2]));
    }

    #[test]
    fn the_errors_of_products_and_sums_are_those_of_the_encryption() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let (direction, steps) = (vec![3_i8; 1_000], vec![2_i16; 1_000]);
        let exact = 6_000 * DELTA as i64;
        let errors: Vec<f64> = (0..2_000)
            .map(|_| (product(&direction, &steps, &mut random) - exact) as f64)
            .collect();
        let deviation = (squares(errors.iter().copied()) / 2_000.0).sqrt();
        let expected = SIGMA * 9_000_f64.sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.05, "{deviation}");
        let sum = sum(&[vec![5; 2_000], vec![9; 2_000]], &[256, 0], &mut random);
        assert_eq!(sum.total_weight, 256);
        let errors = sum.values.iter().map(|value| (*value - 1_280) as f64);
        let deviation = (squares(errors) / 2_000.0).sqrt();
        assert!(
            (deviation / (1.1328 * 256.0) - 1.0).abs() < 0.05,
            "{deviation}"
        );
    }
}
