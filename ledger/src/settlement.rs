//! The end of an epoch: who was paid what, and from which numbers that follows.

use crate::attendance::Attendance;
use crate::mechanism::median::Outcome;
use crate::member::OwnerId;

/// What the end of an epoch did, with everything it was computed from. Lists are in the order of `owners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which epoch, from 1.
    pub epoch: u64,
    /// The round whose publication ended it.
    pub round: u64,
    /// Rounds published in it.
    pub rounds: u32,
    /// The rows of the mechanism: the owners that take part, in the order in which they joined it.
    pub owners: Vec<OwnerId>,
    /// The stake of each that counted in this epoch.
    pub stakes: Vec<u64>,
    /// The round in which each last revealed ratings in this epoch; `None` if it is absent.
    pub rated_in: Vec<Option<u64>>,
    /// In how many of the weighed rounds each was to rate, and did: its claim to the raters' part counts by that.
    pub attendance: Vec<Attendance>,
    /// How each rated the others (w_ij), times the part of the rounds that they were accepted in, 0 where it did not; empty
    /// if it is absent.
    pub ratings: Vec<Vec<u16>>,
    /// Of the amount paid out at most, what was minted for it.
    pub emission: u64,
    /// And what fees were entered, those carried over from before included.
    pub fees: u64,
    /// The mechanism's result: payouts and every intermediate value.
    pub outcome: Outcome,
    /// Fees that were not paid out and stay in the pool. The emission that was not paid is never minted.
    pub fees_carried: u64,
    /// The cases that were executed, and what was taken.
    pub slashed: Vec<(u64, u64)>,
    /// Withdrawn stake that became free.
    pub freed: Vec<(OwnerId, u64)>,
}
