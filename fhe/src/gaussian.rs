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
