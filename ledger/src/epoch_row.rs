//! What an owner says of the others in an epoch, as its pay is worked out from it.
//!
//! Each rater's last word on a contributor counts, and a contributor's part of the epoch's published rounds: who
//! contributes to one round of twenty is paid a twentieth of what twenty such contributions are, and who is missing from
//! the last round alone loses that round and not the epoch.

use crate::member::OwnerId;
use borsh::{BorshDeserialize, BorshSerialize};

/// The ratings that an owner revealed in an epoch. Only their ratios count.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochRow {
    /// The round of the last ones.
    round: u64,
    /// Ascending.
    rewards: Vec<(OwnerId, u16)>,
}

impl EpochRow {
    /// The ratings of one round. `accepted` are the owners of its accepted contributions, ascending, each with the place of
    /// its contribution among `rewards`. Of several contributions of one owner the mean counts, rounded down, so that
    /// splitting gains nothing.
    pub fn new(round: u64, accepted: &[(OwnerId, usize)], rewards: &[u16]) -> Self {
        let of_owner = accepted.chunk_by(|(one, _), (next, _)| one == next);
        Self {
            round,
            rewards: of_owner.filter_map(|own| mean(own, rewards)).collect(),
        }
    }

    /// This row after an `earlier` one of the same epoch and rater: what that one says of owners that were not accepted this
    /// time still stands. It is brought to this row's scale by the owners that both rate; without one, it is dropped.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        let sum_of_common = |row: &Self, other: &Self| {
            let common = row.rewards.iter().filter(|(of, _)| other.rates(*of));
            common.fold(0_u64, |sum, (_, weight)| {
                sum.saturating_add(u64::from(*weight))
            })
        };
        let (now, then) = (sum_of_common(&self, earlier), sum_of_common(earlier, &self));
        let missing = earlier.rewards.iter().filter(|(of, _)| !self.rates(*of));
        let carried: Vec<(OwnerId, u16)> = missing
            .filter_map(|(of, weight)| {
                let scaled = u64::from(*weight).saturating_mul(now).checked_div(then)?;
                Some((*of, u16::try_from(scaled).unwrap_or(u16::MAX)))
            })
            .collect();
        self.rewards.extend(carried);
        self.rewards.sort_unstable();
        self
    }

    /// The round of the last ratings in it.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The ratings, ascending by owner.
    pub fn rewards(&self) -> &[(OwnerId, u16)] {
        &self.rewards
    }

    /// The weights that the mechanism is given, in the order of `owners`: each rating times the owner's part of the epoch's
    /// `rounds`, of which it was accepted in `accepted(owner)`. 0 for who is not rated.
    pub fn weights(
        &self,
        owners: &[OwnerId],
        accepted: impl Fn(OwnerId) -> u32,
        rounds: u32,
    ) -> Vec<u16> {
        let weight = |owner: &OwnerId| {
            let place = self.place(*owner).ok()?;
            let (_, reward) = self.rewards.get(place)?;
            let part = u64::from(accepted(*owner).min(rounds));
            let scaled = u64::from(*reward).saturating_mul(part);
            u16::try_from(scaled.checked_div(u64::from(rounds))?).ok()
        };
        owners
            .iter()
            .map(|owner| weight(owner).unwrap_or(0))
            .collect()
    }

    /// Whether it says anything of this owner.
    pub(crate) fn rates(&self, owner: OwnerId) -> bool {
        self.place(owner).is_ok()
    }

    /// Without what it says of this owner.
    pub(crate) fn without(mut self, owner: OwnerId) -> Self {
        self.rewards.retain(|(of, _)| *of != owner);
        self
    }

    fn place(&self, owner: OwnerId) -> Result<usize, usize> {
        self.rewards.binary_search_by_key(&owner, |(of, _)| *of)
    }
}

/// The mean reward of one owner's contributions.
fn mean(of_owner: &[(OwnerId, usize)], rewards: &[u16]) -> Option<(OwnerId, u16)> {
    let (owner, _) = of_owner.first()?;
    let rewards = of_owner.iter().filter_map(|(_, place)| rewards.get(*place));
    // At most 8,000 of 2^16.
    let (sum, count) = rewards.fold((0_u32, 0_u32), |(sum, count), reward| {
        (
            sum.saturating_add(u32::from(*reward)),
            count.saturating_add(1),
        )
    });
    let mean = sum.checked_div(count)?;
    Some((*owner, u16::try_from(mean).unwrap_or(u16::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(round: u64, rewards: &[(u32, u16)]) -> EpochRow {
        EpochRow {
            round,
            rewards: rewards.iter().map(|(of, w)| (OwnerId(*of), *w)).collect(),
        }
    }

    #[test]
    fn of_several_contributions_of_one_owner_the_mean_counts() {
        let accepted = [(OwnerId(1), 0), (OwnerId(4), 1), (OwnerId(4), 3)];
        let made = EpochRow::new(7, &accepted, &[10, 20, 99, 31]);
        assert_eq!(made, row(7, &[(1, 10), (4, 25)]));
    }

    #[test]
    fn who_is_missing_once_is_paid_by_what_was_said_before_in_the_later_scale() {
        let earlier = row(3, &[(1, 100), (2, 300), (5, 50)]);
        let later = row(4, &[(1, 200), (2, 600), (9, 7)]);
        let both = later.after(&earlier);
        assert_eq!(both, row(4, &[(1, 200), (2, 600), (5, 100), (9, 7)]));
        // Nobody in common: there is no scale to bring it to.
        assert_eq!(row(4, &[(9, 7)]).after(&earlier), row(4, &[(9, 7)]));
        // It never outgrows the integer.
        let small = row(3, &[(1, 1), (5, 60_000)]);
        assert_eq!(
            row(4, &[(1, 60_000)]).after(&small),
            row(4, &[(1, 60_000), (5, u16::MAX)])
        );
    }

    #[test]
    fn one_round_of_twenty_weighs_a_twentieth() {
        let said = row(20, &[(0, 40_000), (1, 40_000), (3, 40_000)]);
        let owners = [OwnerId(1), OwnerId(0), OwnerId(2), OwnerId(3)];
        let accepted = |owner: OwnerId| match owner.0 {
            0 => 20,
            1 => 1,
            _ => 0,
        };
        assert_eq!(said.weights(&owners, accepted, 20), [2_000, 40_000, 0, 0]);
        assert_eq!(said.weights(&owners, accepted, 0), [0; 4]);
    }
}
