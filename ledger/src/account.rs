//! What an owner has: money, and stake that gives it power.

use borsh::{BorshDeserialize, BorshSerialize};

/// The account of one owner, in the federation's unit. Only [`crate::State::apply`] changes it.
///
/// Payouts go to `balance`. An owner may stake its balance: it is `warming` until the epoch ends and
/// `staked` from then on. What it withdraws is `leaving` until the epoch ends and `left` until the next one
/// does; both can still be slashed, and neither gives power. The grant is power and not money: it is never
/// withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// What is left of the equal grant at admission.
    pub grant: u64,
    /// Own money that counts as stake.
    pub staked: u64,
    /// Own money that will count from the next epoch.
    pub warming: u64,
    /// Withdrawn in this epoch.
    pub leaving: u64,
    /// Withdrawn in an earlier one; free when this epoch ends, unless a violation is being held against it.
    pub left: u64,
    /// Free.
    pub balance: u64,
    /// How many times the owner staked or withdrew: each such entry names this number, so that none can be
    /// entered twice.
    pub moves: u64,
}

impl Account {
    /// What gives power: the grant and what is staked.
    pub fn stake(&self) -> u64 {
        self.grant.saturating_add(self.staked)
    }

    /// What a violation is measured by and taken from.
    pub fn slashable(&self) -> u64 {
        self.stake()
            .saturating_add(self.warming)
            .saturating_add(self.leaving)
            .saturating_add(self.left)
    }

    /// All that was earned and not taken away: everything but the grant.
    pub fn own(&self) -> u64 {
        self.slashable()
            .saturating_sub(self.grant)
            .saturating_add(self.balance)
    }

    /// Takes up to `amount`, first from what is closest to being free; returns what was taken of the
    /// owner's own money and of the grant.
    pub(crate) fn slash(&mut self, amount: u64) -> (u64, u64) {
        let mut rest = amount;
        let mut take = |part: &mut u64| {
            let taken = rest.min(*part);
            *part = part.saturating_sub(taken);
            rest = rest.saturating_sub(taken);
            taken
        };
        let own = [
            take(&mut self.left),
            take(&mut self.leaving),
            take(&mut self.warming),
            take(&mut self.staked),
        ];
        let grant = take(&mut self.grant);
        (
            own.iter().fold(0, |sum, part| sum.saturating_add(*part)),
            grant,
        )
    }

    /// The epoch ends: what warmed counts, and what left is free unless `held`. Returns what became free.
    pub(crate) fn turn(&mut self, held: bool) -> u64 {
        self.staked = self.staked.saturating_add(self.warming);
        self.warming = 0;
        let freed = if held { 0 } else { self.left };
        self.balance = self.balance.saturating_add(freed);
        self.left = self.left.saturating_sub(freed).saturating_add(self.leaving);
        self.leaving = 0;
        freed
    }
}

/// The federation's money that belongs to nobody yet, and what became of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pool {
    /// The epoch under way, from 1.
    pub epoch: u64,
    /// Rounds published in it.
    pub rounds: u32,
    /// Emission of those.
    pub emission: u64,
    /// Fees entered in it, and those that the epochs before did not pay out.
    pub fees: u64,
    /// Fees entered since the last round ended.
    pub round_fees: u64,
    /// Paid out of emission, ever. What the mechanism withholds of an emission is never minted.
    pub minted: u64,
    /// Fees entered, ever.
    pub fees_entered: u64,
    /// Endpoint queries entered, ever.
    pub queries: u64,
    /// Taken from owners' own money for violations, ever. It belongs to nobody.
    pub burned: u64,
}
