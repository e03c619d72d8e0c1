//! The quantisation step of the next round, in integers.

/// log2 of the factor between the median norm and the clip norm: room for updates four times the median.
const HEADROOM_LOG2: i64 = 2;
/// C = min(2^23, 2^12 · ceil(sqrt d)) = 2^12 · min(2^11, ceil(sqrt d)).
const CLIP_LOG2: i64 = 12;
const MAX_ROOT: u64 = 2_048;

/// The smallest exponent of a unit.
pub const MIN_UNIT_LOG2: i8 = -30;
/// The largest exponent of a unit.
pub const MAX_UNIT_LOG2: i8 = 10;

/// The bound on an update's norm, C, in steps, for a model of `parameters`.
pub fn clip_norm(parameters: u64) -> u64 {
    ceil_root(parameters).saturating_mul(4_096)
}

/// The next round's unit, `2^ceil(log2(4 · B · unit / C))`, where `unit` is 2^`unit_log2` and
/// B = 2^(`norm_exponent` / 8) the median norm in steps. Kept within [`MIN_UNIT_LOG2`] and
/// [`MAX_UNIT_LOG2`].
pub fn next_unit_log2(parameters: u64, unit_log2: i8, norm_exponent: u16) -> i8 {
    // 4 B unit / C = 2^(2 + e/8 + u - 12 - log2 s), s = ceil(sqrt d): in eighths, and rounded up once, since
    // ceil(ceil(x) / 8) = ceil(x / 8). s^8 is at most 2^88.
    let root = u128::from(ceil_root(parameters));
    let root_eighths = i64::from(root.saturating_pow(8).checked_ilog2().unwrap_or(0));
    let eighths = i64::from(norm_exponent).saturating_sub(root_eighths);
    let exponent = ceil_div_8(eighths)
        .saturating_add(HEADROOM_LOG2)
        .saturating_sub(CLIP_LOG2)
        .saturating_add(i64::from(unit_log2));
    let bounded = exponent.clamp(i64::from(MIN_UNIT_LOG2), i64::from(MAX_UNIT_LOG2));
    // Between -30 and 10.
    i8::try_from(bounded).unwrap_or(unit_log2)
}

fn ceil_root(parameters: u64) -> u64 {
    let floor = parameters.isqrt();
    let exact = floor.checked_mul(floor) == Some(parameters);
    floor.saturating_add(u64::from(!exact)).clamp(1, MAX_ROOT)
}

fn ceil_div_8(value: i64) -> i64 {
    value.saturating_add(7).div_euclid(8)
}
