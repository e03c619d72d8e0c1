//! How numbers are written for people.

/// A whole number with separators: 1,234,567.
pub(in crate::commands) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A fraction in Q32 as a number.
pub(in crate::commands::ledger) fn q32(value: u64) -> f64 {
    value as f64 / 4_294_967_296.0
}

/// A fraction in Q16 as a number.
pub(in crate::commands::ledger) fn q16(value: impl Into<f64>) -> f64 {
    value.into() / 65_536.0
}

/// A fraction as a percentage: 12.3 %.
pub(super) fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

/// `part` of `all` as a percentage.
pub(super) fn percent_of(part: u64, all: u64) -> String {
    percent(share(part, all))
}

/// `part` of `all`; 0 of nothing.
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// `one` thing, or so many.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", whole(number as u64)),
    }
}

/// How long an update is beside the median one: 2^((e - median) / 8).
pub(in crate::commands::ledger) fn length(exponent: u16, median: u16) -> f64 {
    ((f64::from(exponent) - f64::from(median)) / 8.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        assert_eq!(whole(0), "0");
        assert_eq!(whole(999), "999");
        assert_eq!(whole(1_000), "1,000");
        assert_eq!(whole(20_000_000), "20,000,000");
    }

    #[test]
    fn shares_of_nothing_are_nothing() {
        assert_eq!(percent_of(1, 0), "0.0 %");
        assert_eq!(percent_of(1, 3), "33.3 %");
    }
}
