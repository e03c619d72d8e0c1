//! What everybody is paid: the ledger's mechanism over the epochs of a federation.

use std::collections::BTreeMap;

use unsilo_ledger::{
    OwnerId, ParticipantId,
    mechanism::{
        Epoch, EpochError, Ratings, Row,
        median::{Memory, epoch},
    },
};
use unsilo_participant::Opinion;

/// Rounds of an epoch: the fewest that the design pays over.
pub(super) const EPOCH_ROUNDS: usize = 20;
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
    /// What each owner revealed last in the epoch under way, and when.
    rows: BTreeMap<usize, (u64, Vec<u16>)>,
    owners: usize,
    rounds: usize,
}

impl Payout {
    pub(super) fn new(owners: usize) -> Self {
        Self {
            memory: Memory::new(),
            rows: BTreeMap::new(),
            owners,
            rounds: 0,
        }
    }

    /// Takes in what an owner revealed about the accepted contributions: of each owner's, the mean, rounded down.
    pub(super) fn revealed(
        &mut self,
        round: usize,
        rater: OwnerId,
        accepted: &[(ParticipantId, u16)],
        opinions: &[Opinion],
        owner_of: impl Fn(usize) -> OwnerId,
    ) {
        let mut sums = vec![(0_u32, 0_u32); self.owners];
        for ((id, _), opinion) in accepted.iter().zip(opinions) {
            let (sum, count) = &mut sums[owner_of(id.0 as usize).0 as usize];
            *sum += u32::from(opinion.reward);
            *count += 1;
        }
        let row = sums
            .iter()
            .map(|(sum, count)| sum.checked_div(*count).unwrap_or(0) as u16);
        self.rows
            .insert(rater.0 as usize, (round as u64, row.collect()));
    }

    /// After a round; `last` is that of the federation. What the epoch paid, if it ended.
    pub(super) fn after_round(&mut self, last: bool) -> Result<Option<Paid>, EpochError> {
        self.rounds += 1;
        if self.rounds < EPOCH_ROUNDS && !last {
            return Ok(None);
        }
        let rows: Vec<Row<'_>> = (0..self.owners)
            .map(|owner| Row {
                owner: owner as u64,
                stake: STAKE,
                joined: 0,
                ratings: self.rows.get(&owner).map(|(given, weights)| Ratings {
                    weights,
                    given: *given,
                }),
            })
            .collect();
        let (memory, outcome) = epoch(
            &self.memory,
            &Epoch {
                emission: EMISSION * self.rounds as u64,
                rows: &rows,
                activity_cutoff: ACTIVITY_CUTOFF,
            },
        )?;
        self.memory = memory;
        self.rows.clear();
        self.rounds = 0;
        let contributor = outcome
            .payment
            .map_or_else(|| vec![0; self.owners], |payment| payment.contributor);
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
        let accepted: Vec<_> = (0..6).map(|id| (ParticipantId(id), 0)).collect();
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
                payout.revealed(round, OwnerId(rater), &accepted, &opinions, owner);
            }
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
        assert!(payout.after_round(false).expect("settled").is_none());
        let paid = payout
            .after_round(true)
            .expect("settled")
            .expect("an epoch");
        assert_eq!((paid.all, paid.contributor), (vec![0; 4], vec![0; 4]));
    }
}
