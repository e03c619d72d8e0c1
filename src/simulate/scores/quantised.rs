//! What encryption makes of an update, and what decryption leaves of its products: the same integers, without the cost.

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use rand_distr::StandardNormal;
use unsilo_fhe::{
    Encoded, Params, ParamsLiteral, Permutation, WeightedSum, encode_permuted,
    params::{DELTA, SIGMA},
};

/// The federation whose permutation is used: any will do, since steps are put back into the model's order.
pub(super) const FEDERATION: [u8; 32] = [0; 32];

/// The production quantiser of a model, with the way back to the model's order.
pub(super) struct Quantiser {
    pub(super) params: Params,
    pub(super) permutation: Permutation,
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

    /// The clipped update in whole steps of 2^`unit_log2`, as it is encrypted.
    pub(super) fn encoded(
        &self,
        unit_log2: i8,
        update: &[f32],
        random: &mut Xoshiro256PlusPlus,
    ) -> anyhow::Result<Encoded> {
        Ok(encode_permuted(
            &self.permutation,
            unit_log2,
            update,
            random.random(),
        )?)
    }

    /// Its steps in the model's order.
    pub(super) fn in_models_order(&self, encoded: &Encoded) -> Vec<i16> {
        let steps = encoded.steps();
        self.places.iter().map(|place| steps[*place]).collect()
    }
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

    fn squares(values: impl Iterator<Item = f64>) -> f64 {
        values.map(|x| x * x).sum()
    }

    #[test]
    fn quantised_updates_come_back_in_the_models_order() {
        let quantiser = Quantiser::new(4_810).expect("parameters");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let update: Vec<f32> = (0..4_810).map(|at| (at % 97) as f32 - 40.0).collect();
        let encoded = quantiser
            .encoded(0, &update, &mut random)
            .expect("quantised");
        let steps = quantiser.in_models_order(&encoded);
        assert!(
            steps
                .iter()
                .zip(&update)
                .all(|(step, value)| f32::from(*step) == *value)
        );
    }

    #[test]
    fn the_errors_of_products_and_sums_are_those_of_the_encryption() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let (direction, steps) = (vec![3_i8; 1_000], vec![2_i16; 1_000]);
        let exact = 6_000 * DELTA as i64;
        let errors = (0..2_000).map(|_| (product(&direction, &steps, &mut random) - exact) as f64);
        let deviation = (squares(errors) / 2_000.0).sqrt();
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
