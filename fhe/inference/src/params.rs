//! The one parameter set, and where each number comes from.
//!
//! Everything is from `PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of tfhe 1.8 (there under its first name,
//! `V1_4_…`), which its authors estimate at 132 bits or more: with TUniform noise of bound 2^b at dimension n, b is at least
//! `ceil(64 + 4.10067 - 0.025167785·n)` (`core_crypto::commons::noise_formulas::secure_noise`). A test recomputes that for
//! each key here. Only the *use* differs from tfhe's: see [`crate::noise`].

use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DynamicDistribution,
    GlweDimension, LweDimension, PolynomialSize,
};

/// Of the formats on the wire; another parameter set is another number.
pub const PARAMETER_SET: u16 = 1;

/// Bits of the small key, under which neurons are read and answers are sent.
pub const SMALL_DIMENSION: usize = 918;
/// Coefficients of the bootstrap's ring, and bits of the big key, under which features are sent.
pub const RING: usize = 2048;
/// Coefficients of the ring of linear models.
pub const LINEAR_RING: usize = 1024;
/// Polynomials of a linear model's key: `LINEAR_MASKS · LINEAR_RING` bits, as many as the big key has.
pub const LINEAR_MASKS: usize = 2;

pub(crate) const SMALL_NOISE_BOUND: u32 = 45;
pub(crate) const BIG_NOISE_BOUND: u32 = 17;
pub(crate) const BOOTSTRAP_BASE_LOG: usize = 23;
pub(crate) const BOOTSTRAP_LEVELS: usize = 1;
pub(crate) const SWITCH_BASE_LOG: usize = 4;
pub(crate) const SWITCH_LEVELS: usize = 4;

/// Features in one request, and hidden neurons in one layer.
pub const MAX_WIDTH: usize = 1024;
/// Bootstraps of one query: some eight seconds of one core.
pub const MAX_NEURONS: usize = 512;
/// Outputs of a model.
pub const MAX_OUTPUTS: usize = 256;

pub(crate) fn small_noise() -> DynamicDistribution<u64> {
    DynamicDistribution::new_t_uniform(SMALL_NOISE_BOUND)
}

pub(crate) fn big_noise() -> DynamicDistribution<u64> {
    DynamicDistribution::new_t_uniform(BIG_NOISE_BOUND)
}

pub(crate) const fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

pub(crate) const SMALL: LweDimension = LweDimension(SMALL_DIMENSION);
pub(crate) const BIG: LweDimension = LweDimension(RING);
pub(crate) const POLYNOMIAL: PolynomialSize = PolynomialSize(RING);
pub(crate) const MASKS: GlweDimension = GlweDimension(1);
pub(crate) const LINEAR_POLYNOMIAL: PolynomialSize = PolynomialSize(LINEAR_RING);
pub(crate) const LINEAR_MASK_COUNT: GlweDimension = GlweDimension(LINEAR_MASKS);
pub(crate) const BOOTSTRAP_BASE: DecompositionBaseLog = DecompositionBaseLog(BOOTSTRAP_BASE_LOG);
pub(crate) const BOOTSTRAP_DEPTH: DecompositionLevelCount =
    DecompositionLevelCount(BOOTSTRAP_LEVELS);
pub(crate) const SWITCH_BASE: DecompositionBaseLog = DecompositionBaseLog(SWITCH_BASE_LOG);
pub(crate) const SWITCH_DEPTH: DecompositionLevelCount = DecompositionLevelCount(SWITCH_LEVELS);

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::commons::noise_formulas::secure_noise::minimal_lwe_bound_for_132_bits_security_tuniform;

    use super::*;

    #[test]
    fn every_key_has_the_noise_that_132_bits_ask_for() {
        let modulus = 2f64.powi(64);
        for (dimension, bound) in [
            (SMALL, SMALL_NOISE_BOUND),
            (BIG, BIG_NOISE_BOUND),
            (LweDimension(LINEAR_MASKS * LINEAR_RING), BIG_NOISE_BOUND),
        ] {
            let least = minimal_lwe_bound_for_132_bits_security_tuniform(dimension, modulus);
            assert!(
                bound >= least,
                "{dimension:?}: 2^{bound}, asked for 2^{least}"
            );
        }
        // One dimension less would be refused: the test can fail.
        assert!(
            minimal_lwe_bound_for_132_bits_security_tuniform(LweDimension(1700), modulus)
                > BIG_NOISE_BOUND
        );
    }
}
