//! What an epoch is settled from, in one piece: so that it can be settled again with one thing changed.

use crate::attendance::Attendance;
use crate::mechanism::median::{self, Memory, Outcome};
use crate::mechanism::{Epoch, EpochError, Ratings, Row};
use crate::member::OwnerId;

/// Everything that [`median::epoch_by_attendance`] is given. Lists are in the order of `owners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochCase {
    /// Which epoch, from 1.
    pub epoch: u64,
    /// Rounds published in it.
    pub rounds: u32,
    /// What may be minted for it.
    pub emission: u64,
    /// Fees in the pool.
    pub fees: u64,
    /// The rows of the mechanism.
    pub owners: Vec<OwnerId>,
    /// The stake of each.
    pub stakes: Vec<u64>,
    /// The first round that each could contribute to.
    pub joined: Vec<u64>,
    /// In how many of the rounds a contribution of each was accepted.
    pub accepted_in: Vec<u32>,
    /// The round in which each last revealed ratings in this epoch; `None` if it is absent.
    pub rated_in: Vec<Option<u64>>,
    /// In how many of the weighed rounds each was to rate, and did.
    pub attendance: Vec<Attendance>,
    /// How each rates the others, times the part of the rounds that they were accepted in ([`crate::EpochRow::weights`]);
    /// empty if it is absent.
    pub ratings: Vec<Vec<u16>>,
    /// Smoothed ratings and reputations before this epoch.
    pub memory: Memory,
    /// See [`Epoch::activity_cutoff`].
    pub activity_cutoff: u32,
}

impl EpochCase {
    /// Settles it by the rule: the memory after it, and what it came to.
    ///
    /// # Errors
    /// As [`median::epoch_by_attendance`].
    pub fn settle(&self) -> Result<(Memory, Outcome), EpochError> {
        self.run(|epoch, attendance| median::epoch_by_attendance(&self.memory, epoch, attendance))
    }

    /// As [`EpochCase::settle`], without the cap on the power that stake gives: to ask what it changed.
    ///
    /// # Errors
    /// As [`median::epoch_by_attendance`].
    pub fn settle_without_cap(&self) -> Result<(Memory, Outcome), EpochError> {
        self.run(|epoch, attendance| median::epoch_without_cap(&self.memory, epoch, attendance))
    }

    fn run<T>(
        &self,
        settle: impl FnOnce(&Epoch<'_>, &[u64]) -> Result<T, EpochError>,
    ) -> Result<T, EpochError> {
        let terms = self.owners.iter().zip(&self.stakes).zip(&self.joined);
        let given = self.rated_in.iter().zip(&self.ratings);
        let rows: Vec<Row<'_>> = terms
            .zip(given)
            .map(|(((owner, stake), joined), (given, weights))| Row {
                owner: u64::from(owner.0),
                stake: *stake,
                joined: *joined,
                ratings: given.map(|given| Ratings { weights, given }),
            })
            .collect();
        let attendance: Vec<u64> = self.attendance.iter().map(|one| one.part()).collect();
        let epoch = Epoch {
            emission: self
                .emission
                .checked_add(self.fees)
                .ok_or(EpochError::Overflow)?,
            rows: &rows,
            activity_cutoff: self.activity_cutoff,
        };
        settle(&epoch, &attendance)
    }
}
