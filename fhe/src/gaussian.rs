//! The error distribution: `round(sigma·g)` with `g` a standard Gaussian cut at 8 sigma.
//!
//! Box-Muller in double precision without a branch or a table, so that the compiler turns the loop into
//! vector instructions. Time does not depend on the errors as far as the processor's arithmetic does not: additions,
//! fused multiply-adds, conversions, and per pair one division and one square root (see the README on these).
//! Every operation is correctly rounded by IEEE 754: all machines draw the same errors from the same stream.
//!
//! The radius is `sqrt(-2 ln U)` with `U` uniform in `(e^-32, 1]`, that is the Gaussian in the plane cut at
//! radius 8, exactly. The polynomials for `ln`, `sin` and `cos` interpolate at Chebyshev nodes and are off by
//! less than 5e-12 of the value: the edges of the bins move by less than 1e-7 of a bin, all of them smoothly, so that
//! the probability of a value changes by a part in 10^10. The angle has 32 bits: neighbouring rays are 1.4e-5 apart where
//! they are furthest apart.

use crate::{
    params::{N, SIGMA},
    simd::{Level, vectorised},
    xof::Xof,
};
use zeroize::Zeroize;

/// Bytes of the stream used for one chunk of errors: 64 bits of radius and 32 bits of angle for two errors.
const BYTES: usize = RADII + N / 2 * 4;
/// Those of the radii.
const RADII: usize = N / 2 * 8;

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
    /// Takes `N/2` words of 8 bytes for radii (the upper 52 bits of each), then `N/2` words of 4 bytes for angles, little
    /// endian. Pair `i` gives errors `i` and `N/2 + i`: with `u = 1 - radius/2^52·(1 - e^-32)` and `x` the low 30 bits of
    /// the angle as a signed number, `sigma·sqrt(-2 ln u)` times the cosine (negative if bit 30 is set) and the sine of
    /// `pi/2·x/2^30`, in this order or, if bit 31 is set, the other.
    pub fn fill(&mut self, errors: &mut [i32; N]) {
        self.xof.fill(&mut self.bytes[..]);
        errors_at(Level::best(), &self.bytes, errors);
    }

    /// The errors of chunk number `chunk`, counted from the beginning of the stream: chunks can be drawn in any order.
    pub(crate) fn fill_chunk(&mut self, chunk: u64, errors: &mut [i32; N]) {
        const { assert!(BYTES.is_multiple_of(16)) };
        self.xof.seek(chunk * (BYTES / 16) as u64);
        self.fill(errors);
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
        let (radii, angles) = bytes.split_at(RADII);
        let words = radii.as_chunks::<8>().0.iter().zip(angles.as_chunks::<4>().0);
        let (first, second) = errors.split_at_mut(N / 2);
        for (((radius, angle), first), second) in words.zip(first).zip(second) {
            (*first, *second) = pair(u64::from_le_bytes(*radius), u32::from_le_bytes(*angle));
        }
    }
}

/// `1 - e^-32`: the part of the plane within 8 sigma.
const WITHIN_CUT: f64 = 0.999_999_999_999_987_3;
/// Adding this number rounds to an integer (ties to even) that then stands in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// Two independent errors from two uniform words.
#[inline(always)]
fn pair(radius: u64, angle: u32) -> (i32, i32) {
    let uniform = (-WITHIN_CUT).mul_add(fraction(radius), 1.0);
    let length = (ln(uniform) * (-2.0 * SIGMA * SIGMA)).sqrt();
    let angle = u64::from(angle);
    let (sine, cosine) = sine_and_cosine(angle);
    let (sine, cosine) = (sine.to_bits(), cosine.to_bits() ^ angle << 33 & 1 << 63);
    // All ones if bit 31 is set.
    let exchange = (sine ^ cosine) & ((angle << 32) as i64 >> 63) as u64;
    let first = f64::from_bits(cosine ^ exchange);
    let second = f64::from_bits(sine ^ exchange);
    (round(length, first), round(length, second))
}

/// The upper 52 bits as a number in `[0, 1)`.
#[inline(always)]
fn fraction(word: u64) -> f64 {
    f64::from_bits(0x3FF0_0000_0000_0000 | word >> 12) - 1.0
}

/// `length·direction` to the nearest integer.
#[inline(always)]
fn round(length: f64, direction: f64) -> i32 {
    length.mul_add(direction, ROUNDER).to_bits() as i32
}

/// `a + b·z + c·z^2 + d·z^3 + e·z^4` for the coefficients `[a, b, c, d, e]`.
///
/// Written out: the vectoriser does not see through a fold over the array.
#[inline(always)]
fn polynomial(z: f64, [a, b, c, d, e]: [f64; 5]) -> f64 {
    e.mul_add(z, d).mul_add(z, c).mul_add(z, b).mul_add(z, a)
}

/// Natural logarithm of a normal positive number, off by less than 5e-13 of itself.
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
    // ln m = 2·artanh(s) with s = (m - 1)/(m + 1); the coefficients are those of (artanh(s)/s - 1)/z, z = s^2.
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let tail = polynomial(
        z,
        [
            0.333_333_333_336_875_4,
            0.199_999_993_986_687_94,
            0.142_858_772_679_572_45,
            0.110_957_004_151_542_51,
            0.096_813_268_571_010_04,
        ],
    );
    let twice = s + s;
    k.mul_add(core::f64::consts::LN_2, (twice * z).mul_add(tail, twice))
}

/// Sine and cosine of `pi/2·x/2^30`, `x` the low 30 bits of `angle` as a signed number: both off by less than 5e-12 of
/// themselves.
#[inline(always)]
fn sine_and_cosine(angle: u64) -> (f64, f64) {
    // x/2^30 in [-1/2, 1/2), exactly, by way of the low bits of 2^22: x + 2^29 is the low 30 bits with the top one flipped.
    let offset = (angle ^ 1 << 29) & ((1 << 30) - 1);
    let x = f64::from_bits(0x4150_0000_0000_0000 | offset) - (4_194_304.0 + 0.5);
    let z = x * x;
    let sine = polynomial(
        z,
        [
            1.570_796_326_788_1,
            -0.645_964_096_146_795_4,
            0.079_692_582_725_630_62,
            -0.004_681_266_256_726_245,
            0.000_158_206_303_556_477_33,
        ],
    );
    let tail = polynomial(
        z,
        [
            -1.233_700_550_135_279,
            0.253_669_507_722_846_63,
            -0.020_863_475_058_875_536,
            0.000_919_196_334_318_355_4,
            -2.490_922_870_096_779_3e-5,
        ],
    );
    (sine * x, tail.mul_add(z, 1.0))
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
        for eighth in 0..8_u32 {
            let (cosine, sine) = pair(u64::MAX, eighth << 29);
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
                assert!(error.abs() <= 5e-13 * x.ln().abs(), "ln {x:e}");
            }
            let angle = word as u32;
            let x = (angle << 2) as i32 >> 2;
            let (expected_sine, expected_cosine) =
                (core::f64::consts::FRAC_PI_2 * f64::from(x) / f64::from(1 << 30)).sin_cos();
            let (sine, cosine) = sine_and_cosine(angle.into());
            assert!((sine - expected_sine).abs() <= 5e-12 * expected_sine.abs());
            assert!((cosine - expected_cosine).abs() <= 5e-12 * expected_cosine);
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(sine_and_cosine(0), (0.0, 1.0));
    }

    #[test]
    fn chunks_can_be_drawn_in_any_order() {
        let stream = || Xof::new("seek test", &[]);
        let (mut in_order, mut by_number) =
            (ErrorSampler::new(stream()), ErrorSampler::new(stream()));
        let mut chunks = [[0; N]; 4];
        for errors in &mut chunks {
            in_order.fill(errors);
        }
        for chunk in [2, 0, 3, 3, 1] {
            let mut errors = [0; N];
            by_number.fill_chunk(chunk, &mut errors);
            assert_eq!(errors, chunks[chunk as usize]);
        }
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
