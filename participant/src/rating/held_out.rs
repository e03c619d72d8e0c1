//! How many of its rows a company keeps back for rating.

/// The share of its rows that a company keeps back unless it says otherwise.
pub const DEFAULT_SHARE: f64 = 0.15;
/// Rows kept back below which opinions are shaky, and the company should be told.
pub const ENOUGH_ROWS: usize = 50;

/// Rows kept back below which a company asks by all its rows.
///
/// Measured with `unsilo simulate` (digits, Dirichlet(.3), 30 % label flippers that also lie as raters; mean over all
/// companies, asking by the rows kept back, then by all): with about 16 kept back .109 of the honest are left out, then
/// .022, and the attackers weigh .057, then .007; with about 24, .116 and .049, .041 and .005; with about 32, .026 and .023, .008
/// and .002; with about 36, .017 and .026, .005 and .005. So it helps where fewer than 30 are kept back and does nothing above.
pub const FEW_ROWS: usize = 30;

/// Whether a company that keeps back so many rows asks by all that it has.
pub fn asks_by_all_rows(held_out: usize) -> bool {
    held_out < FEW_ROWS
}

/// The fraction of `rows` rows to keep back where the company wants to keep `share`: at least [`ENOUGH_ROWS`] rows, but
/// never more than half, so that who has few rows can still train.
///
/// For [`crate::data::stratified_holdout`]. A share that is no number counts as 0.
pub fn held_out_fraction(rows: usize, share: f64) -> f64 {
    let enough = ENOUGH_ROWS as f64 / rows.max(1) as f64;
    // `max` drops a NaN.
    enough.max(share).clamp(0.0, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_fifty_rows_are_held_out_but_never_more_than_half() {
        assert_eq!(held_out_fraction(1_000, DEFAULT_SHARE), 0.15);
        assert_eq!(held_out_fraction(200, DEFAULT_SHARE), 0.25);
        assert_eq!(held_out_fraction(60, DEFAULT_SHARE), 0.5);
        assert_eq!(held_out_fraction(0, DEFAULT_SHARE), 0.5);
        assert_eq!(held_out_fraction(1_000, f64::NAN), 0.05);
        assert_eq!(held_out_fraction(1_000, 7.0), 0.5);
    }
}
