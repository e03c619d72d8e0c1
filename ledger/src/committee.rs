//! How large a committee is, how many of it must act, and how few companies may be summed.

/// The fewest owners of a federation that can have a round: no sum is of fewer.
pub const FEWEST_OWNERS: usize = 3;

/// Seats of a committee among `owners` companies: all of them up to 5, 5 at 6, 7 from 7, 21 from 42.
pub fn size_for(owners: usize) -> usize {
    match owners {
        0..=5 => owners,
        6 => 5,
        7..=41 => 7,
        _ => 21,
    }
}

/// How many of `size` members must act: floor(2 * size / 3) + 1. 3/3, 4/3, 5/4, 7/5, 21/15.
pub fn threshold_for(size: usize) -> usize {
    size.saturating_mul(2)
        .checked_div(3)
        .unwrap_or(0)
        .saturating_add(1)
}

/// How many owners, in the order of the draw, may fill a committee of `size` seats: the seats and
/// one reserve for every member that may be missing, `2 * size - threshold`.
///
/// Absence cannot be proved to a ledger, so the coordinator is believed when it says that a drawn
/// owner did not answer. The bound keeps that from becoming a choice: with the whole draw open to
/// it, a coordinator could pass over everyone but its friends.
pub fn candidates_for(size: usize) -> usize {
    size.saturating_mul(2).saturating_sub(threshold_for(size))
}

/// The minimum cohort, in owners, when the draft asks for none: min(5, owners - 1), never below 3.
pub fn minimum_cohort(owners: usize) -> usize {
    owners.saturating_sub(1).clamp(FEWEST_OWNERS, 5)
}

/// Half of `active` owners, rounded up: the other bound on a cohort.
pub fn half_of(active: usize) -> usize {
    active.div_ceil(2)
}

/// The fewest of `owners` that are more than half of them.
pub fn majority_of(owners: usize) -> usize {
    owners.checked_div(2).unwrap_or(0).saturating_add(1)
}
