//! What everybody is paid: the ledger's mechanism over the epochs of a federation.

use std::collections::{BTreeMap, BTreeSet};

use unsilo_ledger::{
    Attendance, EpochRow, OwnerId,
    mechanism::{
        Epoch, EpochError, Ratings, Row,
        median::{Memory, epoch_by_attendance},
    },
};
use unsilo_participant::Opinion;

/// Rounds of an epoch: the fewest that the design pays over.
pub(super) const EPOCH_ROUNDS: u32 = 20;
/// What can be paid for a round.
pub(super) const EMISSION: u64 = 1_000_000_000;
/// Everybody's stake: the grant at admission.
const STAKE: u64 = 1_000_000;
/// Epochs in a row without ratings after which a row has no power: the default of a federation.
const ACTIVITY_CUTOFF: u32 = 3;

/// What an epoch paid to each owner.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    /// In all.
    pub(super) all: Vec<u64>,
    /// Of it, for what it contributed.
    pub(super) contributor: Vec<u64>,
}

/// The books of the owners 0, 1, ...
pub(super) struct Payout {
    memory: Memory,
    /// What each owner revealed in the epoch under way.
    rows: BTreeMap<OwnerId, EpochRow>,
    /// In how many published rounds of it each was accepted.
    accepted: BTreeMap<OwnerId, u32>,
    /// In how many rounds of it each was to rate, and did.
    attendance: BTreeMap<OwnerId, Attendance>,
    owners: Vec<OwnerId>,
    rounds: u32,
}

impl Payout {
    pub(super) fn new(owners: usize) -> Self {
        Self {
            memory: Memory::new(),
            rows: BTreeMap::new(),
            accepted: BTreeMap::new(),
            attendance: BTreeMap::new(),
            owners: (0..owners as u32).map(OwnerId).collect(),
            rounds: 0,
        }
    }

    /// Takes in what an owner revealed about the accepted contributions, in their order, each of the owner given.
    pub(super) fn revealed(
        &mut self,
        round: usize,
        rater: OwnerId,
        accepted: &[OwnerId],
        opinions: &[Opinion],
    ) {
        let mut places: Vec<(OwnerId, usize)> = accepted.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let rewards: Vec<u16> = opinions.iter().map(|opinion| opinion.reward).collect();
        let row = EpochRow::new(round as u64, &places, &rewards);
        let row = match self.rows.get(&rater) {
            Some(earlier) => row.after(earlier),
            None => row,
        };
        self.rows.insert(rater, row);
    }

    /// A round was weighed for which these owners were drawn to rate, and those of `rated` revealed something.
    pub(super) fn weighed(&mut self, drawn: &[OwnerId], rated: &[OwnerId]) {
        for owner in drawn {
            let attendance = self.attendance.entry(*owner).or_default();
            *attendance = attendance.after(rated.contains(owner));
        }
    }

    /// A round with these accepted contributions published its model.
    pub(super) fn published(&mut self, accepted: &[OwnerId]) {
        self.rounds += 1;
        for owner in accepted.iter().collect::<BTreeSet<_>>() {
            *self.accepted.entry(*owner).or_default() += 1;
        }
    }

    /// What the epoch paid, if it ended; `last` in the last round of the federation.
    pub(super) fn after_round(&mut self, last: bool) -> Result<Option<Paid>, EpochError> {
        if self.rounds < EPOCH_ROUNDS && !last {
            return Ok(None);
        }
        let accepted = |owner: OwnerId| self.accepted.get(&owner).copied().unwrap_or(0);
        let given: Vec<Option<(u64, Vec<u16>)>> = self
            .owners
            .iter()
            .map(|owner| {
                let row = self.rows.get(owner)?;
                let weights = row.weights(&self.owners, accepted, self.rounds);
                Some((row.round(), weights))
            })
            .collect();
        let rows: Vec<Row<'_>> = self
            .owners
            .iter()
            .zip(&given)
            .map(|(owner, given)| Row {
                owner: u64::from(owner.0),
                stake: STAKE,
                joined: 0,
                ratings: given.as_ref().map(|(given, weights)| Ratings {
                    weights,
                    given: *given,
                }),
            })
            .collect();
        let attendance = |owner| self.attendance.get(owner).copied().unwrap_or_default();
        let parts: Vec<u64> = self
            .owners
            .iter()
            .map(attendance)
            .map(Attendance::part)
            .collect();
        let (memory, outcome) = epoch_by_attendance(
            &self.memory,
            &Epoch {
                emission: EMISSION * u64::from(self.rounds),
                rows: &rows,
                activity_cutoff: ACTIVITY_CUTOFF,
            },
            &parts,
        )?;
        self.memory = memory;
        self.rows.clear();
        self.accepted.clear();
        self.attendance.clear();
        self.rounds = 0;
        let contributor = outcome
            .payment
            .map_or_else(|| vec![0; self.owners.len()], |payment| payment.contributor);
        Ok(Some(Paid {
            all: outcome.payout,
            contributor,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_pays_by_the_last_rows_and_an_owner_by_the_mean_of_its_contributions() {
        // Participants 4 and 5 are of owner 4.
        let owner = |participant: usize| OwnerId(participant.min(4) as u32);
        let accepted: Vec<_> = (0..6).map(owner).collect();
        let mut payout = Payout::new(5);
        for round in 1..=EPOCH_ROUNDS {
            for rater in 0..5 {
                // What was said before the last round does not count.
                let last = round == EPOCH_ROUNDS;
                let reward = |id: usize| match id {
                    _ if owner(id) == OwnerId(rater) => 0,
                    4 => {
                        if last {
                            8_000
                        } else {
                            0
                        }
                    }
                    5 => 0,
                    _ => 4_000,
                };
                let opinions: Vec<_> = (0..6)
                    .map(|id| Opinion {
                        score: 0,
                        reward: reward(id),
                    })
                    .collect();
                payout.revealed(round as usize, OwnerId(rater), &accepted, &opinions);
            }
            let raters: Vec<_> = (0..5).map(OwnerId).collect();
            payout.weighed(&raters, &raters);
            payout.published(&accepted);
            let paid = payout.after_round(false).expect("settled");
            assert_eq!(paid.is_some(), round == EPOCH_ROUNDS);
            let Some(paid) = paid else { continue };
            assert_eq!(paid.all.iter().sum::<u64>(), 20 * EMISSION);
            let spread =
                paid.all.iter().max().expect("five") - paid.all.iter().min().expect("five");
            assert!(spread * 100 < paid.all[0], "{paid:?}");
            assert!(paid.contributor.iter().sum::<u64>() < 20 * EMISSION);
        }
    }

    #[test]
    fn the_last_round_ends_an_epoch_early_and_silence_is_paid_nothing() {
        let mut payout = Payout::new(4);
        payout.published(&[OwnerId(0)]);
        assert!(payout.after_round(false).expect("settled").is_none());
        let paid = payout
            .after_round(true)
            .expect("settled")
            .expect("an epoch");
        assert_eq!((paid.all, paid.contributor), (vec![0; 4], vec![0; 4]));
    }
}
