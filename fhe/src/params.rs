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
//! 128 opened directions, each of which costs one of the 2048 dimensions. A ciphertext by itself: **232.5 bits**. (1000
//! opened vectors would leave 75.7.) `params/estimate.py` explains the reductions and computes these numbers,
//! `params/budgets.py` the noise and range budgets; tests hold the constants here against what the two have recorded.
//! Keys and errors are expanded by AES-128-CTR from 256 bits of seed (key and initial counter): at least 128 bits on its
//! own, the level of AES-128.

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
/// less than half of `q/2`. So a sum of honest contributions never wraps around, nor one whose coefficients are twice as
/// large.
pub const MAX_TOTAL_WEIGHT: u64 = MAX_PARTICIPANTS * MAX_WEIGHT as u64;
/// Chunks that encrypt zero, after the data: a direction is hidden behind small random numbers on them, and what they
/// decrypt to shows whether a key sum fits.
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
}

#[cfg(test)]
mod tests {
    //! The constants are those that the evidence was computed for. After a change of one: `params/estimate.py --write`
    //! and `params/budgets.py --write`, and a look at what they say.

    use super::*;
    use crate::{
        HASH_MODULUS, PROJECTIONS,
        direction::{MAX_BLINDING, MAX_OPENED},
    };
    use serde_json::Value;

    fn record(json: &str) -> Value {
        serde_json::from_str(json).expect("the record is JSON")
    }

    fn estimates() -> Value {
        record(include_str!("../params/estimates.json"))
    }

    fn budgets() -> Value {
        record(include_str!("../params/budgets.json"))
    }

    fn assert_constants(record: &Value, expected: &[(&str, u64)]) {
        let recorded = record["constants"].as_object().expect("an object");
        for &(name, value) in expected {
            assert_eq!(recorded[name].as_u64(), Some(value), "{name}");
        }
        assert_eq!(recorded.len(), expected.len());
    }

    #[test]
    fn the_constants_are_those_that_the_security_was_estimated_for() {
        assert_constants(
            &estimates(),
            &[
                ("N", N as u64),
                ("Q", Q),
                ("SIGMA", SIGMA as u64),
                ("MAX_WEIGHT", MAX_WEIGHT.into()),
                ("MAX_OPENED", MAX_OPENED as u64),
                ("MAX_BLINDING", MAX_BLINDING as u64),
                ("HASH_MODULUS", HASH_MODULUS),
                ("BLINDING_CHUNKS", BLINDING_CHUNKS as u64),
            ],
        );
        assert_eq!(SIGMA.fract(), 0.0);
    }

    #[test]
    fn the_security_is_what_the_documentation_says() {
        let estimates = estimates();
        let rows = estimates["rows"].as_array().expect("rows");
        let bits = |what: &str| {
            let row = rows.iter().find(|row| row["what"] == what);
            row.and_then(|row| row["bits"].as_f64())
                .unwrap_or_else(|| panic!("no estimate of {what}"))
        };
        // In use, and what the documentation here says of it.
        let documentation = include_str!("params.rs");
        for (what, stated) in [
            ("two honest, nothing opened", "149.9"),
            ("two honest, 128 vectors opened", "139.8"),
            ("one ciphertext alone", "232.5"),
        ] {
            assert_eq!(bits(what).to_string(), stated, "{what}");
            assert!(bits(what) >= 128.0);
            assert!(documentation.contains(&format!("**{stated} bits**")));
        }
        for what in [
            "two honest, 48 projections opened",
            "direction behind its blinding",
            "linear hash, 1000 participants, 10^6 parameters",
            "linear hash, 1000 participants, 10^6 parameters, either sign",
            "linear hash, 100 participants, 10^8 parameters",
            "linear hash, 1000 participants, 2^27 parameters",
            "linear hash, 8000 participants, 10^6 parameters",
        ] {
            assert!(bits(what) >= 128.0, "{what}");
        }
        // Why there are a cap on openings and a blinding of directions.
        assert!(bits("two honest, 1000 vectors opened") < 80.0);
        assert!(bits("direction of 2410 entries, no blinding") < 50.0);
    }

    #[test]
    fn the_constants_are_those_that_the_budgets_were_computed_for() {
        assert_constants(
            &budgets(),
            &[
                ("N", N as u64),
                ("Q", Q),
                ("DELTA", DELTA),
                ("SIGMA", SIGMA as u64),
                ("MAX_ERROR", MAX_ERROR as u64),
                ("MAX_STEP", MAX_STEP as u64),
                ("MAX_WEIGHT", MAX_WEIGHT.into()),
                ("MAX_PARTICIPANTS", MAX_PARTICIPANTS),
                ("MAX_TOTAL_WEIGHT", MAX_TOTAL_WEIGHT),
                ("BLINDING_CHUNKS", BLINDING_CHUNKS as u64),
                ("PROJECTIONS", PROJECTIONS as u64),
                ("MAX_BLINDING", MAX_BLINDING as u64),
                ("MAX_PARAMETERS", MAX_PARAMETERS),
                ("HASH_MODULUS", HASH_MODULUS),
            ],
        );
    }

    #[test]
    fn noise_and_range_stay_within_their_budgets() {
        let budgets = budgets();
        let value = |part: &str, what: &str| {
            budgets[part][what]
                .as_f64()
                .unwrap_or_else(|| panic!("no budget for {what}"))
        };
        let sum = |what| value("key and sum", what);
        // The width against which integer weights were found to give keys away.
        assert!(sum("residual deviation at weight 256") >= 3.2);
        assert!(sum("q/2 over the largest coefficient of a sum") > 2.0);
        assert!(sum("decrypted sum off by at most, steps per weight") <= 10.1);
        assert!(sum("mean of 10 off by the noise, steps rms") <= 0.36);
        let rule = |what| value("accept rule", what);
        assert!(rule("honest at C, rejected, log2 (gaussian)") <= -23.0);
        assert!(rule("honest at C, rejected, log2 (any update)") <= -21.0);
        assert!(rule("norm 2C, accepted") <= 0.05);
        assert!(rule("norm 3C, accepted, log10") <= -6.0);
        assert!(value("digit sums", "p/2 over the largest digit") > 1.0);
        assert_eq!(
            value("digit sums", "bytes of the largest digit") as usize * 3 * N,
            crate::digit_sum_bytes(&params(1), MAX_TOTAL_WEIGHT) / 3
        );
        for model in budgets["models"].as_array().expect("models") {
            let product = model["largest product with an update, bits"].as_f64();
            assert!(product.is_some_and(|bits| bits <= 36.0));
            // An accepted update may be a little longer than C: it still has room.
            let room = model["q/2 over the largest product, noise included"].as_f64();
            assert!(room.is_some_and(|room| room >= 2.0 - 0.001));
            assert!(
                model["garbage accepted, log2"]
                    .as_f64()
                    .is_some_and(|log| log < -128.0)
            );
        }
    }

    #[test]
    fn the_limits_of_a_model_are_those_of_the_budgets() {
        let budgets = budgets();
        for model in budgets["models"].as_array().expect("models") {
            let number = |what: &str| model[what].as_u64().unwrap_or_else(|| panic!("{what}"));
            let params = params(number("parameters"));
            assert_eq!(params.clip_steps(), number("clip, steps"));
            let longest = crate::decrypt::longest_sum(&params, MAX_TOTAL_WEIGHT);
            let recorded = number("longest sum at full weight, steps");
            assert_eq!(longest, recorded.into());
            let decides = number("contributions at weight 256 up to which the blinding decides");
            let limit = |n: u64| crate::decrypt::longest_sum(&params, n * u64::from(MAX_WEIGHT));
            assert!(limit(decides) <= crate::decrypt::BLINDING_DECIDES);
            assert!(limit(decides + 1) > crate::decrypt::BLINDING_DECIDES);
            assert!(
                model["wrong key taken at full weight, log2"]
                    .as_f64()
                    .is_some_and(|log| log < -3800.0)
            );
            assert_eq!(
                crate::max_opened(&params) as u64,
                number("vectors opened at most")
            );
            assert_eq!(
                crate::direction::max_squared_norm(&params),
                number("largest squared norm of a direction")
            );
        }
    }

    fn params(parameters: u64) -> Params {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters,
        };
        Params::new(&literal).expect("in range")
    }
}
