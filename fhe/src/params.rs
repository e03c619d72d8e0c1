//! The one parameter set, with its evidence.
//!
//! | symbol | value | why |
//! |---|---|---|
//! | `N` | 2048 | ring `Z_q[X]/(X^N + 1)`; one polynomial ("chunk") carries 2048 parameters |
//! | `q` | 281474976546817 | 48-bit prime, `q = 1 mod 2^15`, so the negacyclic NTT exists; below `2^50`, so it runs on AVX512-IFMA; `2^48 - q` is 163839, so rejecting a 48-bit word costs nothing |
//! | `s` | uniform mod q | one-time key |
//! | `e` | rounded Gaussian, sigma 1160, cut at 8 sigma | the opened sum shows `sum w·e`: sigma must be at least `3.2·sqrt(2)·W` = 1158.5 or integer weights up to `W` = 256 give keys away |
//! | `Delta` | `2^10` | one quantisation step |
//! | `C` | `min(2^23, 2^12·ceil(sqrt d))` steps | bound on the L2 norm of an update |
//! | `W` | 256 | largest weight |
//! | `n` | 8000 | participants at `W`; see [`MAX_TOTAL_WEIGHT`] |
//!
//! **Security.** Lattice-estimator (commit 27a581b, default cost model, best of primal uSVP, primal BDD, dual and dual
//! hybrid), in the worst case of two honest participants with weights 255 and 256 and the sum of their keys opened, which
//! leaves an error of deviation `sigma/(W·sqrt 2)` = 3.2: **149.9 bits** when no direction is opened and **139.8 bits** with
//! 128 opened directions, each of which costs one of the 2048 dimensions. A ciphertext by itself: 232.5 bits.
//! `params/estimate.py` explains the reduction and prints these numbers. Keys and errors are expanded by AES-128-CTR
//! from 256 bits of seed (key and initial counter): at least 128 bits on its own, the level of AES-128.

use thiserror::Error;

/// Ring degree, and number of parameters in one chunk.
pub const N: usize = 2048;
/// Ciphertext modulus, a 48-bit prime.
pub const Q: u64 = 281_474_976_546_817;
/// Bytes of one packed chunk: `N` coefficients of 48 bits.
pub const CHUNK_BYTES: usize = N * 6;
/// Message scale: one quantisation step is `DELTA` in the ciphertext.
pub const DELTA: u64 = 1 << 10;
/// Standard deviation of the encryption error.
pub const SIGMA: f64 = 1160.0;
/// No error coefficient is larger than this (8 sigma).
pub const MAX_ERROR: i32 = 9280;
/// Largest aggregation weight of one contribution.
pub const MAX_WEIGHT: u16 = 256;
/// Largest number of contributions in one sum when all of them have the largest weight.
pub const MAX_PARTICIPANTS: u64 = 8000;
/// Largest sum of weights that one sum may have, `MAX_PARTICIPANTS · MAX_WEIGHT`.
///
/// Headroom: a coefficient of the sum is at most `(DELTA·32767 + MAX_ERROR)·MAX_TOTAL_WEIGHT`, which is
/// less than half of `q/2`. So a sum of valid contributions never wraps around, and one that is twice too
/// long (the norm check's limit) is still seen as such.
pub const MAX_TOTAL_WEIGHT: u64 = MAX_PARTICIPANTS * MAX_WEIGHT as u64;
/// Chunks that encrypt zero, after the data: later they hide which direction is opened; here they show
/// whether a key sum fits.
pub const BLINDING_CHUNKS: usize = 2;
/// Quantised parameters saturate here, on both sides.
pub const MAX_STEP: i16 = 32767;
/// Largest number of parameters of one model: indices fit in 32 bits, norms in 63 bits.
pub const MAX_PARAMETERS: u64 = 1 << 27;

const _: () = assert!(Q % (1 << 15) == 1 && Q < 1 << 48);
const _: () = assert!(
    2 * (DELTA * MAX_STEP as u64 + MAX_ERROR as u64) * MAX_TOTAL_WEIGHT < Q / 2,
    "a sum at full weight must leave a factor of two before it wraps around"
);

/// Parameters as they are written down (configuration, ledger), not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamsLiteral {
    /// Name of the parameter set; only `default` exists.
    pub profile: String,
    /// Number of model parameters, 1 to [`MAX_PARAMETERS`].
    pub parameters: u64,
}

/// Checked parameters. Small, immutable, copied freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    parameters: usize,
}

/// Why a [`ParamsLiteral`] was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParamsError {
    /// The profile has no definition here.
    #[error("unknown encryption profile {profile:?}: this version knows only \"default\"")]
    UnknownProfile {
        /// The name that was asked for.
        profile: String,
    },
    /// The model has no parameters, or more than the index type and the norm bound were checked for.
    #[error("a model of {parameters} parameters cannot be encrypted: between 1 and {limit} are supported", limit = MAX_PARAMETERS)]
    ParametersOutOfRange {
        /// The number that was asked for.
        parameters: u64,
    },
}

impl Params {
    /// Checks a literal.
    ///
    /// # Errors
    /// [`ParamsError`] if the profile is unknown or the number of parameters is out of range.
    pub fn new(literal: &ParamsLiteral) -> Result<Self, ParamsError> {
        if literal.profile != "default" {
            return Err(ParamsError::UnknownProfile {
                profile: literal.profile.clone(),
            });
        }
        match usize::try_from(literal.parameters) {
            Ok(parameters) if (1..=MAX_PARAMETERS).contains(&literal.parameters) => {
                Ok(Self { parameters })
            }
            _ => Err(ParamsError::ParametersOutOfRange {
                parameters: literal.parameters,
            }),
        }
    }

    /// Number of model parameters, `d`.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Chunks that carry parameters, zero padding included.
    #[must_use]
    pub fn data_chunks(&self) -> usize {
        self.parameters.div_ceil(N)
    }

    /// All chunks of a contribution: data, then [`BLINDING_CHUNKS`].
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.data_chunks() + BLINDING_CHUNKS
    }

    /// Bytes of a ciphertext, [`CHUNK_BYTES`] a chunk.
    #[must_use]
    pub fn ciphertext_bytes(&self) -> usize {
        self.chunks() * CHUNK_BYTES
    }

    /// `C`: bound on the L2 norm of a quantised update, in steps.
    #[must_use]
    pub fn clip_steps(&self) -> u64 {
        let root = self.parameters.isqrt();
        let ceil = root + usize::from(root * root < self.parameters);
        (1 << 23).min((ceil as u64) << 12)
    }

    /// Largest number of contributions in one sum.
    #[must_use]
    pub fn max_participants(&self) -> u64 {
        MAX_PARTICIPANTS
    }
}
