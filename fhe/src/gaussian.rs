//! The error distribution: `round(sigma·g)` with `g` a standard Gaussian cut at 8 sigma.
//!
//! Box-Muller in double precision without a branch or a table, so that the compiler turns the loop into
//! vector instructions and so that time does not depend on the secret. Every operation is an IEEE 754
//! basic operation and none is fused: all machines draw the same errors from the same stream.
//!
//! The radius is `sqrt(-2 ln U)` with `U` uniform in `(e^-32, 1]`, that is the Gaussian in the plane cut at
//! radius 8, exactly; the polynomials for `ln`, `sin` and `cos` are those of fdlibm (error below one unit
//! in the last place), so the bins' edges move by about 1e-12 of a bin.

use crate::{
    params::{N, SIGMA},
    simd::{Level, vectorised},
    xof::Xof,
};
use zeroize::Zeroize;

/// Bytes of the stream used for one chunk of errors: two 64-bit words for two errors.
const BYTES: usize = N * 8;

/// Draws the errors of one chunk after another from a secret stream.
pub struct ErrorSampler {
    xof: Xof,
    bytes: Box<[u8; BYTES]>,
}

impl ErrorSampler {
    /// A sampler that consumes `xof`.
    #[must_use]
    pub fn new(xof: Xof) -> Self {
        Self {
            xof,
            bytes: Box::new([0; BYTES]),
        }
    }

    /// The errors of the next chunk, each at most [`crate::params::MAX_ERROR`] in absolute value.
    ///
    /// Takes `N/2` words for radii, then `N/2` words for angles (the upper 52 bits of each); error `i` is the
    /// cosine and error `N/2 + i` the sine of pair `i`.
    pub fn fill(&mut self, errors: &mut [i32; N]) {
        self.xof.fill(&mut self.bytes[..]);
        errors_at(Level::best(), &self.bytes, errors);
    }
}

impl Drop for ErrorSampler {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

vectorised! {
    /// Turns one chunk of the stream into errors.
    fn errors_at(bytes: &[u8; BYTES], errors: &mut [i32; N]) {
        let (words, _) = bytes.as_chunks::<8>();
        let (radii, angles) = words.split_at(N / 2);
        let (cosines, sines) = errors.split_at_mut(N / 2);
        for (((radius, angle), cosine), sine) in radii.iter().zip(angles).zip(cosines).zip(sines) {
            (*cosine, *sine) = pair(u64::from_le_bytes(*radius), u64::from_le_bytes(*angle));
        }
    }
}

/// `1 - e^-32`: the part of the plane within 8 sigma.
const WITHIN_CUT: f64 = 0.999_999_999_999_987_3;
/// Adding this number rounds to an integer (ties to even) that then stands in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// Two independent errors from two uniform words.
#[inline(always)]
fn pair(radius: u64, angle: u64) -> (i32, i32) {
    let uniform = 1.0 - fraction(radius) * WITHIN_CUT;
    let scaled = SIGMA * (-2.0 * ln(uniform)).sqrt();
    let (sine, cosine) = sin_cos_turns(fraction(angle));
    (round(scaled * cosine), round(scaled * sine))
}

/// The upper 52 bits as a number in `[0, 1)`.
#[inline(always)]
fn fraction(word: u64) -> f64 {
    f64::from_bits(0x3FF0_0000_0000_0000 | word >> 12) - 1.0
}

#[inline(always)]
fn round(x: f64) -> i32 {
    (x + ROUNDER).to_bits() as i32
}

/// Natural logarithm of a normal positive number (fdlibm's `e_log.c`).
#[inline(always)]
fn ln(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    const ONE: u64 = 0x3FF0_0000_0000_0000;
    // x = 2^k·m with m in [sqrt(1/2), sqrt(2)).
    let shifted = x.to_bits() + (ONE - SQRT_HALF);
    let m = f64::from_bits((shifted & 0x000F_FFFF_FFFF_FFFF) + SQRT_HALF);
    // The biased exponent as a float, by way of the low bits of 2^52.
    let k =
        f64::from_bits(0x4330_0000_0000_0000 | shifted >> 52) - (4_503_599_627_370_496.0 + 1023.0);
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let odd = w
        * (0.399_999_999_994_094_2 + w * (0.222_221_984_321_497_84 + w * 0.153_138_376_992_093_73));
    let even = z
        * (0.666_666_666_666_673_5
            + w * (0.285_714_287_436_623_9
                + w * (0.181_835_721_616_180_5 + w * 0.147_981_986_051_165_86)));
    let half = 0.5 * f * f;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)
}

/// Sine and cosine of `2·pi·turns` for `turns` in `[0, 1)` (fdlibm's `k_sin.c`, `k_cos.c`).
#[inline(always)]
fn sin_cos_turns(turns: f64) -> (f64, f64) {
    let quarters = 4.0 * turns;
    let rounded = quarters + ROUNDER;
    let quadrant = rounded.to_bits();
    let x = (quarters - (rounded - ROUNDER)) * core::f64::consts::FRAC_PI_2;
    let z = x * x;
    let sine = x + x
        * z
        * (-1.666_666_666_666_663_2e-1
            + z * (8.333_333_333_322_49e-3
                + z * (-1.984_126_982_985_795e-4
                    + z * (2.755_731_370_707_007e-6
                        + z * (-2.505_076_025_340_686_4e-8 + z * 1.589_690_995_211_55e-10)))));
    let cosine = 1.0 - 0.5 * z
        + z * z
            * (4.166_666_666_666_66e-2
                + z * (-1.388_888_888_887_411e-3
                    + z * (2.480_158_728_947_673e-5
                        + z * (-2.755_731_435_139_066_4e-7
                            + z * (2.087_572_321_298_175e-9 + z * -1.135_964_755_778_819_5e-11)))));
    // Quadrants 1 and 3 exchange the two; sine is negative in 2 and 3, cosine in 1 and 2.
    let swap = (quadrant & 1).wrapping_neg();
    let (s, c) = (sine.to_bits(), cosine.to_bits());
    let exchange = (s ^ c) & swap;
    (
        f64::from_bits(s ^ exchange ^ (quadrant & 2) << 62),
        f64::from_bits(c ^ exchange ^ (quadrant.wrapping_add(1) & 2) << 62),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::MAX_ERROR;

    /// `P(g > x)` for a standard Gaussian and `x >= 0`, by a power series or a continued fraction.
    fn upper_tail(x: f64) -> f64 {
        let density = (-x * x / 2.0).exp() / (2.0 * core::f64::consts::PI).sqrt();
        if x < 3.0 {
            let (mut term, mut sum) = (x, x);
            for k in 1..200 {
                term *= x * x / f64::from(2 * k + 1);
                sum += term;
            }
            0.5 - density * sum
        } else {
            let fraction = (1..200).rev().fold(x, |below, k| x + f64::from(k) / below);
            density / fraction
        }
    }

    /// Probability that the rounded Gaussian lies in `low..=high`.
    fn probability(low: i32, high: i32) -> f64 {
        let above = |edge: f64| match edge / SIGMA {
            x if x < 0.0 => 1.0 - upper_tail(-x),
            x => upper_tail(x),
        };
        above(f64::from(low) - 0.5) - above(f64::from(high) + 0.5)
    }

    /// `CHUNKS·N` = 2^24 errors.
    const CHUNKS: usize = 1 << 13;

    fn for_each_chunk(mut visit: impl FnMut(&[i32; N])) {
        let mut sampler = ErrorSampler::new(Xof::new("sampler test", &[]));
        let mut errors = [0; N];
        for _ in 0..CHUNKS {
            sampler.fill(&mut errors);
            visit(&errors);
        }
    }

    /// Chi-square against exact probabilities stays within 5 deviations of its expectation.
    fn assert_fits(counts: &[u64], probabilities: &[f64]) {
        let total = (CHUNKS * N) as f64;
        let mut chi_square = 0.0;
        for (&count, probability) in counts.iter().zip(probabilities) {
            let expected = total * probability;
            assert!(expected > 5.0, "a bin is too small for this test");
            chi_square += (count as f64 - expected).powi(2) / expected;
        }
        let freedom = counts.len() as f64 - 1.0;
        let deviations = (chi_square - freedom) / (2.0 * freedom).sqrt();
        assert!(
            deviations.abs() < 5.0,
            "chi-square {chi_square} at {freedom}"
        );
    }

    #[test]
    fn errors_have_the_distribution_of_rounded_gaussians() {
        // Bins of 100 up to 5600 (4.8 sigma), single values within 200, and what is beyond.
        let mut wide = [0_u64; 114];
        let mut single = [0_u64; 402];
        let (mut sum, mut squares, mut fourth) = (0.0, 0.0, 0.0);
        for_each_chunk(|errors| {
            for &error in errors {
                let bin = (error + 5600).div_euclid(100) + 1;
                wide[bin.clamp(0, 113) as usize] += 1;
                let value = error + 200;
                single[if (0..=400).contains(&value) {
                    value as usize
                } else {
                    401
                }] += 1;
                let x = f64::from(error);
                sum += x;
                squares += x * x;
                fourth += x.powi(4);
            }
        });
        let far = 20_000;
        let mut probabilities: Vec<_> = (0..112)
            .map(|b| -5600 + b * 100)
            .map(|low| probability(low, low + 99))
            .collect();
        probabilities.insert(0, probability(-far, -5601));
        probabilities.push(probability(5600, far));
        assert_fits(&wide, &probabilities);

        let mut probabilities: Vec<_> = (-200..=200)
            .map(|value| probability(value, value))
            .collect();
        probabilities.push(1.0 - probabilities.iter().sum::<f64>());
        assert_fits(&single, &probabilities);

        let n = (CHUNKS * N) as f64;
        let variance = SIGMA * SIGMA + 1.0 / 12.0;
        assert!((sum / n).abs() < 5.0 * SIGMA / n.sqrt());
        assert!((squares / n / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((fourth / n / variance.powi(2) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn tails_are_as_heavy_as_they_should_be() {
        let mut beyond = [0_u64; 6];
        for_each_chunk(|errors| {
            for error in errors {
                for (sigmas, count) in (0_u32..).zip(&mut beyond) {
                    *count += u64::from(f64::from(error.abs()) > f64::from(sigmas) * SIGMA);
                }
            }
        });
        for (sigmas, &beyond) in beyond.iter().enumerate().skip(1) {
            let edge = (sigmas as f64 * SIGMA) as i32 + 1;
            let expected = 2.0 * probability(edge, 20_000) * (CHUNKS * N) as f64;
            let deviation = (beyond as f64 - expected) / expected.sqrt();
            assert!(
                deviation.abs() < 5.0,
                "{beyond} beyond {sigmas} sigma, expected {expected}"
            );
        }
    }

    #[test]
    fn errors_of_a_pair_and_of_neighbours_are_uncorrelated() {
        let mut products = [0.0; 3];
        for_each_chunk(|errors| {
            for i in 0..N / 2 {
                let x = f64::from(errors[i]);
                products[0] += x * f64::from(errors[N / 2 + i]);
                products[1] += x * f64::from(errors[i + 1]);
                // A radius is shared: squares must be uncorrelated too.
                products[2] += (x * x - SIGMA * SIGMA)
                    * (f64::from(errors[N / 2 + i]).powi(2) - SIGMA * SIGMA);
            }
        });
        let pairs = (CHUNKS * N / 2) as f64;
        let scale = [SIGMA.powi(2), SIGMA.powi(2), 2.0 * SIGMA.powi(4)];
        for (product, scale) in products.iter().zip(scale) {
            assert!((product / scale).abs() < 5.0 * pairs.sqrt());
        }
    }

    #[test]
    fn no_error_is_beyond_the_cut() {
        // The largest radius that 52 bits give, 7.998 sigma, in all eight directions.
        for eighth in 0..8_u64 {
            let (cosine, sine) = pair(u64::MAX, eighth << 61);
            assert!(cosine.abs() <= MAX_ERROR && sine.abs() <= MAX_ERROR);
            let radius = f64::from(cosine).hypot(f64::from(sine));
            assert!((9275.0..9280.0).contains(&radius), "{radius}");
        }
        assert_eq!(pair(0, 12345), (0, 0));
    }

    #[test]
    fn the_elementary_functions_are_those_of_the_standard_library() {
        let mut xof = Xof::new("function test", &[]);
        for _ in 0..200_000 {
            let (word, small) = (xof.next_u64(), xof.next_u64());
            // Also numbers near e^-32, where the tail comes from.
            for x in [
                1.0 - fraction(word) * WITHIN_CUT,
                (-32.0 * fraction(small)).exp(),
            ] {
                let error = ln(x) - x.ln();
                assert!(error.abs() <= 2.0 * f64::EPSILON * x.ln().abs(), "ln {x:e}");
            }
            let angle = 2.0 * core::f64::consts::PI * fraction(word);
            let (sine, cosine) = sin_cos_turns(fraction(word));
            // The reference rounds its angle.
            assert!((sine - angle.sin()).abs() < 2e-15 && (cosine - angle.cos()).abs() < 2e-15);
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(sin_cos_turns(0.25), (1.0, sin_cos_turns(0.25).1));
    }

    #[test]
    fn every_instruction_set_draws_the_same_errors() {
        let mut bytes = [0; BYTES];
        Xof::new("level test", &[]).fill(&mut bytes);
        let mut all = Level::available().map(|level| {
            let mut errors = [0; N];
            errors_at(level, &bytes, &mut errors);
            errors
        });
        let best = all.next();
        assert!(best.is_some() && all.all(|errors| Some(errors) == best));
    }
}
