//! Who is paid how much for an epoch: mechanisms as pure functions from ratings and stake to payouts.
//!
//! [`median`] is the one the state machine runs. A mechanism takes its memory of the epochs before and one
//! [`Epoch`], and returns the new memory and an outcome that holds the payouts and every intermediate value,
//! so that `unsilo ledger explain` can show how a number came about. Integers only: two replicas compute the
//! same bits on any machine.
//!
//! Fractions are Q32: an integer `x` stands for `x / 2^32`, and every division rounds down. Products of two
//! such numbers are taken in 128 bits.
//!
//! | step of the rule | here |
//! |---|---|
//! | capped power (5) | [`power`] |
//! | weighted median (6, 8) | [`weighted_median`] |
//! | largest remainder (11) | [`split`] |
//! | the whole of `median` | [`median::epoch`] |

mod epoch;
pub mod median;
pub mod power;
pub mod q32;
pub mod split;
pub mod weighted_median;

pub use epoch::{Epoch, EpochError, MAX_ROWS, Ratings, Row};
