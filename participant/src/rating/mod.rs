//! What a rater asks about a round's contributions, and what it makes of the answers: pure functions, which the node and
//! the simulator share. The rule in words, and what it was measured to do, is docs/scoring.md.
//!
//! 1. [`directions`] trains on rows that the company keeps back and says which way they would move the model; and which
//!    part of that the last models have not gone already and was not [`Asked`] for lately.
//! 2. The committee answers with the products of these vectors and each update (a [`crate::Score`] each).
//! 3. [`Averages`] divides them by the updates' norms, remembers them over rounds, and gives the rater's
//!    [`crate::Opinion`] of each contribution.

mod asked;
mod averages;
mod directions;
mod held_out;
mod residual;
mod sample;
mod track_record;

pub use asked::{ASKED, Asked, AskedError};
pub use averages::{Averages, AveragesError, MAX_CONTRIBUTORS};
pub use directions::{
    DIRECTION_STEPS, DirectionsError, HISTORY, Known, chance_product, directions,
};
pub use held_out::{DEFAULT_SHARE, ENOUGH_ROWS, FEW_ROWS, asks_by_all_rows, held_out_fraction};
pub use sample::SAMPLED_CHUNKS;
