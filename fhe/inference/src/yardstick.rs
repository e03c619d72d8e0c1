//! The least that a query takes, done by tfhe's own functions one after the other: what evaluation is measured against.

use rayon::prelude::*;
use tfhe::core_crypto::algorithms::polynomial_algorithms::polynomial_wrapping_add_mul_assign;
use tfhe::core_crypto::prelude::*;

use crate::evaluate::EncryptedModel;
use crate::key::ServerKey;
use crate::params::{LINEAR_MASKS, LINEAR_POLYNOMIAL, MASKS, POLYNOMIAL, RING, SMALL, modulus};
use crate::query::check_table;

/// As many bare bootstraps as a query of this model has, or for a linear model as many products of polynomials, spread over
/// the current rayon pool: no sums, no switch of keys, nothing encrypted, packed or decrypted. `key` is not needed for a linear
/// model, and a model with hidden layers does nothing without one.
pub fn bare(model: &EncryptedModel, key: Option<&ServerKey>) {
    match (model, key) {
        (EncryptedModel::Linear(model), _) => {
            let polynomial = Polynomial::from_container(scattered(LINEAR_POLYNOMIAL.0));
            (0..(LINEAR_MASKS + 1) * model.layout.polynomials())
                .into_par_iter()
                .for_each(|_| {
                    let mut product = Polynomial::new(0u64, LINEAR_POLYNOMIAL);
                    polynomial_wrapping_add_mul_assign(&mut product, &polynomial, &polynomial);
                    std::hint::black_box(product);
                });
        }
        (EncryptedModel::Hidden(_), Some(key)) => {
            let mut accumulator =
                GlweCiphertext::new(0u64, MASKS.to_glwe_size(), POLYNOMIAL, modulus());
            accumulator.as_mut()[RING..].copy_from_slice(&check_table());
            let input = LweCiphertext::from_container(scattered(SMALL.0 + 1), modulus());
            (0..model.bootstraps()).into_par_iter().for_each(|_| {
                let mut output = LweCiphertext::new(0u64, LweSize(RING + 1), modulus());
                programmable_bootstrap_lwe_ciphertext(
                    &input,
                    &mut output,
                    &accumulator,
                    &key.bootstrap,
                );
                std::hint::black_box(output);
            });
        }
        (EncryptedModel::Hidden(_), None) => {}
    }
}

/// Words that look random, as a ciphertext's do: zeros would be skipped. Multiples of 2^64 over the golden ratio.
fn scattered(count: usize) -> Vec<u64> {
    (1..=count as u64)
        .map(|place| place.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect()
}
