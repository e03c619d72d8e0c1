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
//! | the whole of `median` | [`median::epoch`], by attendance [`median::epoch_by_attendance`] |
//!
//! [`yuma`] and [`trust`] are there to compare with: `unsilo ledger simulate` and `unsilo simulate rewards` ask
//! what each would pay. They use the chain's signed [`fixed`] point instead.

mod epoch;
pub mod fixed;
mod last_weights;
pub mod median;
pub mod power;
pub mod q32;
pub mod split;
pub mod trust;
pub mod weighted_median;
pub mod yuma;

pub use epoch::{Epoch, EpochError, MAX_ROWS, Ratings, Row};

/// The one signature of all mechanisms.
pub trait Mechanism {
    /// What is carried from epoch to epoch; its default is that before the first.
    type Memory: Default;
    /// Payouts and intermediate values.
    type Outcome;

    /// Settles an epoch: the new memory, and what it came to.
    ///
    /// # Errors
    /// [`EpochError`] if the epoch does not fit the limits or the memory.
    fn settle(
        &self,
        memory: &Self::Memory,
        epoch: &Epoch<'_>,
    ) -> Result<(Self::Memory, Self::Outcome), EpochError>;

    /// What each row is paid, and what is withheld.
    fn payout(outcome: &Self::Outcome) -> (&[u64], u64);
}
