//! The clip factor: what is left of the weight of an update longer than twice the median.

use super::ONE_Q16;

/// Eighths of a factor of two that a norm may lie above the median before it is clipped: a factor of 2.
/// (With a factor of 3, one boosted update got through.)
const FREE_EIGHTHS: u16 = 8;

/// floor(2^16 · 2^(-f/8)).
const FRACTIONS: [u32; 8] = [
    65_536, 60_096, 55_108, 50_535, 46_340, 42_494, 38_967, 35_733,
];

/// min(1, 2B / nu) in Q16, for a norm nu of 2^(`norm_exponent` / 8) and B of 2^(`median_exponent` / 8)
/// steps: 2^16 up to a factor of two above the median, then floor(2^16 · 2^(-(e - e_B - 8) / 8)).
pub fn clip_q16(norm_exponent: u16, median_exponent: u16) -> u32 {
    let free = median_exponent.saturating_add(FREE_EIGHTHS);
    let above = norm_exponent.saturating_sub(free);
    let fraction = FRACTIONS
        .get(usize::from(above & 7))
        .copied()
        .unwrap_or(ONE_Q16);
    // floor(floor(x) / 2^k) = floor(x / 2^k), so the table's rounding is not rounded again.
    fraction.checked_shr(u32::from(above >> 3)).unwrap_or(0)
}
