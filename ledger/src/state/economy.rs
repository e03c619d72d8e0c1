//! The money part of the books: accounts, the pool, the ratings of the epoch, and cases.

use super::shelf::Shelf;
use crate::account::{Account, Pool};
use crate::attendance::Attendance;
use crate::case::{Case, CaseStanding};
use crate::committee::FEWEST_OWNERS;
use crate::epoch_row::EpochRow;
use crate::fixed::Fixed;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::mechanism::median::Memory;
use crate::member::OwnerId;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

const ECONOMY: Domain = Domain::new("economy");

/// What the mechanism keeps from epoch to epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Rows {
    /// The owners of the memory's rows, in order.
    pub(super) owners: Vec<OwnerId>,
    pub(super) memory: Memory,
    /// The reputation with which owners left, for when they come back.
    pub(super) left: BTreeMap<OwnerId, u64>,
    /// C of the last epoch, in the order of `owners` then.
    pub(super) consensus: Vec<(OwnerId, u64)>,
    /// What was paid for it.
    pub(super) payouts: Vec<(OwnerId, u64)>,
}

/// Accounts are numbered by owner, as in the list of members.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Economy {
    pub(super) accounts: Shelf<Account>,
    pub(super) pool: Pool,
    /// Of the epoch under way.
    pub(super) epoch_rows: BTreeMap<OwnerId, Fixed<EpochRow>>,
    /// In how many published rounds of the epoch under way a contribution of each owner was accepted.
    pub(super) accepted_rounds: BTreeMap<OwnerId, u32>,
    /// In how many weighed rounds of it each owner was to rate, and did.
    pub(super) attendance: BTreeMap<OwnerId, Attendance>,
    pub(super) rows: Fixed<Rows>,
    pub(super) cases: Shelf<Case>,
    /// The owners and stakes that the next committee and the next raters are drawn by: those of when the
    /// round opened whose close gave the seed. Nobody knew a nonce of it then. Who could move stake, or hold
    /// back an admission, once the seed is known, or only about to be logged, could try until the draw suits
    /// it (with 5 of 20 owners an amount that seats only these is found in a few hundred tries).
    pub(super) drawn_by: Fixed<Vec<(OwnerId, u64)>>,
    /// Those of when the round in progress opened, until it closes.
    pub(super) opened_with: Option<Fixed<Vec<(OwnerId, u64)>>>,
}

impl Economy {
    /// The economy of a federation whose owners have these grants.
    pub(super) fn new(grants: impl ExactSizeIterator<Item = (OwnerId, u64)>) -> Self {
        let mut accounts = Shelf::default();
        let mut drawn_by = Vec::with_capacity(grants.len());
        for (owner, grant) in grants {
            drawn_by.push((owner, grant));
            accounts.push(Account {
                grant,
                ..Account::default()
            });
        }
        Self {
            accounts,
            pool: Pool {
                epoch: 1,
                ..Pool::default()
            },
            epoch_rows: BTreeMap::new(),
            accepted_rounds: BTreeMap::new(),
            attendance: BTreeMap::new(),
            rows: Fixed::new(Rows::default()),
            cases: Shelf::default(),
            drawn_by: Fixed::new(drawn_by),
            opened_with: None,
        }
    }

    pub(super) fn account(&self, owner: OwnerId) -> Option<&Account> {
        self.accounts.get(usize::try_from(owner.0).ok()?)
    }

    pub(super) fn change(&mut self, owner: OwnerId, change: impl FnOnce(&mut Account)) {
        if let Ok(index) = usize::try_from(owner.0) {
            self.accounts.change(index, change);
        }
    }

    /// An owner joins with a grant.
    pub(super) fn join(&mut self, owner: OwnerId, grant: u64) {
        self.accounts.push(Account {
            grant,
            ..Account::default()
        });
        self.draw_if_needed(owner, grant);
    }

    /// An owner comes back to its account.
    pub(super) fn come_back(&mut self, owner: OwnerId) {
        let stake = self.account(owner).map_or(0, Account::stake);
        self.draw_if_needed(owner, stake);
    }

    /// A newcomer is drawn after the next round that opens, as everybody's stake counts from then; but where
    /// too few are left for a round to open at all, at once.
    fn draw_if_needed(&mut self, owner: OwnerId, stake: u64) {
        if self.drawn_by.len() < FEWEST_OWNERS {
            let mut drawn_by = without(&self.drawn_by, owner);
            drawn_by.push((owner, stake));
            drawn_by.sort_unstable();
            self.drawn_by = Fixed::new(drawn_by);
        }
    }

    /// An owner has nobody left in the federation: its stake leaves, and what it said and what was said of
    /// it is forgotten.
    pub(super) fn leave(&mut self, owner: OwnerId) {
        self.change(owner, |account| {
            let own = account.staked.saturating_add(account.warming);
            account.leaving = account.leaving.saturating_add(own);
            account.staked = 0;
            account.warming = 0;
        });
        self.drawn_by = Fixed::new(without(&self.drawn_by, owner));
        self.opened_with = self
            .opened_with
            .take()
            .map(|opened_with| Fixed::new(without(&opened_with, owner)));
        self.forget_ratings(owner);
    }

    /// The row and the column of an id that registers again, or is gone, are not those of what comes next.
    /// Its reputation is kept, so that leaving and coming back cleans nobody.
    pub(super) fn forget_ratings(&mut self, owner: OwnerId) {
        self.epoch_rows.remove(&owner);
        for row in self.epoch_rows.values_mut().filter(|row| row.rates(owner)) {
            *row = Fixed::new(EpochRow::clone(row).without(owner));
        }
        self.accepted_rounds.remove(&owner);
        self.attendance.remove(&owner);
        if let Some(row) = self.rows.owners.iter().position(|other| *other == owner) {
            let mut rows = Rows::clone(&self.rows);
            rows.owners.remove(row);
            if let Some(reputation) = rows.memory.remove(row) {
                rows.left.insert(owner, reputation);
            }
            self.rows = Fixed::new(rows);
        }
    }

    /// The cases against this owner that still stand to be executed.
    fn open_cases(&self, owner: OwnerId) -> impl Iterator<Item = &Case> {
        let cases = self.cases.iter();
        cases.filter(move |case| case.owner == owner && case.standing == CaseStanding::Open)
    }

    /// Whether there are any.
    pub(super) fn is_accused(&self, owner: OwnerId) -> bool {
        self.open_cases(owner).next().is_some()
    }

    /// What they will take.
    pub(super) fn accused_of(&self, owner: OwnerId) -> u64 {
        self.open_cases(owner)
            .fold(0, |sum, case| sum.saturating_add(case.amount))
    }

    pub(super) fn digest(&self) -> Hash {
        let rows: Vec<_> = self
            .epoch_rows
            .iter()
            .map(|(owner, row)| (owner, row.digest()))
            .collect();
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = (
            self.accounts.digest(),
            self.pool,
            rows,
            &self.accepted_rounds,
            &self.attendance,
            self.rows.digest(),
            self.cases.digest(),
            self.drawn_by.digest(),
            self.opened_with.as_ref().map(Fixed::digest),
        )
            .serialize(&mut bytes);
        DomainHasher::new(ECONOMY).with(&bytes).finish()
    }
}

fn without(stakes: &[(OwnerId, u64)], owner: OwnerId) -> Vec<(OwnerId, u64)> {
    let others = stakes.iter().filter(|(other, _)| *other != owner);
    others.copied().collect()
}
