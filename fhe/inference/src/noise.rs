//! Variances of what the operations add, as fractions of the torus squared, and the bounds that follow.
//!
//! tfhe guarantees its parameter set for five bits a ciphertext: errors of more than half a step of 1/32 have a probability
//! of 2^-128. We read a neuron's sum to the last of the 2048 places of its table, below the noise. So a read is *never*
//! exact, and the library's bound says nothing about it. What can be said instead:
//!
//! - a read is off by a nearly Gaussian error of standard deviation [`read_places`] places, 4.8 of 2048. ReLU and tanh change
//!   by at most as much as their argument, so the logits are off by a nearly Gaussian error whose standard deviation
//!   [`HiddenModel`](crate::hidden::HiddenModel) computes for each output and every answer states;
//! - a read is *wildly* wrong (the sign of the table flips) only if the error exceeds the [`GUARD_PLACES`] places that are kept
//!   free at both ends: [`wrap_exponent`] gives 2^-127 for each neuron of a first hidden layer; later
//!   layers read sums that carry noise themselves, and a model is refused above 2^-32. The ranges of sums are bounds over all
//!   features in 0..=1, not percentiles of some sample, so nothing else can reach the guard.

use tfhe::core_crypto::commons::noise_formulas::{
    centered_mean_shifted_modulus_switch::centered_binary_shifted_modulus_switch_additive_variance,
    lwe_keyswitch::keyswitch_additive_variance_132_bits_security_tuniform,
    lwe_programmable_bootstrap::pbs_variance_132_bits_security_tuniform_fft_mul,
};

use crate::params::{
    BIG, BIG_NOISE_BOUND, BOOTSTRAP_BASE, BOOTSTRAP_DEPTH, MASKS, POLYNOMIAL, RING, SMALL,
    SWITCH_BASE, SWITCH_DEPTH,
};

/// 2^64: one turn of the torus in units of a ciphertext's words.
pub(crate) const TURN: f64 = 18_446_744_073_709_551_616.0;

/// Places of a table that are free at each end.
pub const GUARD_PLACES: usize = 64;

/// Of a fresh ciphertext: TUniform of bound 2^17 has variance (2^35 + 1)/6.
pub fn fresh_variance() -> f64 {
    (2f64.powi(2 * BIG_NOISE_BOUND as i32 + 1) + 1.0) / 6.0 / (TURN * TURN)
}

/// Added by the switch from the big key to the small one.
pub fn switch_variance() -> f64 {
    keyswitch_additive_variance_132_bits_security_tuniform(
        BIG,
        SMALL,
        SWITCH_BASE,
        SWITCH_DEPTH,
        TURN,
        TURN,
    )
    .0
}

/// Added by rounding to the 4096 places of the ring.
pub fn rounding_variance() -> f64 {
    centered_binary_shifted_modulus_switch_additive_variance(SMALL, TURN, 2.0 * RING as f64).0
}

/// Of a bootstrap's output, whatever its input was. 53 bits: the mantissa of the Fourier transform.
pub fn bootstrap_variance() -> f64 {
    pbs_variance_132_bits_security_tuniform_fft_mul(
        SMALL,
        MASKS,
        POLYNOMIAL,
        BOOTSTRAP_BASE,
        BOOTSTRAP_DEPTH,
        53.0,
        TURN,
    )
    .0
}

/// Of an answer's rounding to `bits` bits a word under the small key, half of whose bits are one.
pub fn answer_variance(bits: u32) -> f64 {
    crate::params::SMALL_DIMENSION as f64 / 24.0 / 4f64.powi(bits as i32)
}

/// Standard deviation of reading a neuron whose sum carries no noise of its own, in places of the table.
pub fn read_places() -> f64 {
    (switch_variance() + rounding_variance()).sqrt() * 2.0 * RING as f64
}

/// log2 of a bound on the probability that a Gaussian, or a sum of independent uniform errors, is more than `deviations`
/// standard deviations off: `2·exp(-t²/2)`.
pub fn tail_exponent(deviations: f64) -> f64 {
    1.0 - deviations * deviations / 2.0 * std::f64::consts::LOG2_E
}

/// log2 of a bound on the probability that an error of `deviation` places exceeds the guard on either side.
pub fn wrap_exponent(deviation: f64) -> f64 {
    tail_exponent(GUARD_PLACES as f64 / deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_the_one_in_the_documents() {
        let places = |variance: f64| variance.sqrt() * 4096.0;
        for (what, found, written) in [
            ("switch", places(switch_variance()), 1.98),
            ("rounding", places(rounding_variance()), 4.37),
            ("read", read_places(), 4.80),
        ] {
            assert!((found - written).abs() < 0.02, "{what}: {found}");
        }
        let bootstrap = bootstrap_variance().sqrt().log2();
        assert!((bootstrap + 14.83).abs() < 0.01, "{bootstrap}");
        assert!(wrap_exponent(read_places()) < -120.0);
    }
}
