//! The coordinator enters endpoint queries, and the fees it owes for them.
//!
//! The ledger cannot see whether a caller paid. An entry of fees is the coordinator's signed word that it
//! owes them to the federation: one that enters more than it received raises everybody's payouts in
//! proportion, and nobody's in particular. The draft bounds what it can enter between two rounds.

use super::State;
use super::books::Books;
use super::settling::check_balances;
use super::signers;
use crate::account::Pool;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::mechanism::split::largest_remainder;
use crate::member::OwnerId;
use crate::rejected::{FeesRejected, Rejected};

/// Accepted queries.
pub(super) struct Entered {
    pool: Pool,
    fees: u64,
    /// After the training plan's end fees are paid at once, by the shares of its last epoch.
    payouts: Vec<(OwnerId, u64)>,
}

pub(super) fn check(
    books: &Books,
    first: u64,
    count: u32,
    fees: u64,
    signed: &SignedEntry,
) -> Result<Entered, Rejected> {
    signers::coordinator(books, signed)?;
    if count == 0 {
        return Err(FeesRejected::NoQueries.into());
    }
    let pool = books.economy.pool;
    if first != pool.queries {
        let expected = pool.queries;
        return Err(FeesRejected::OutOfOrder {
            expected,
            found: first,
        }
        .into());
    }
    let (already, left) = fees_left(books);
    if fees > left {
        return Err(FeesRejected::TooHigh { fees, left }.into());
    }
    let add = |sum: u64, more: u64| sum.checked_add(more).ok_or(Rejected::Overflow);
    let mut pool = Pool {
        fees: add(pool.fees, fees)?,
        round_fees: add(already, fees)?,
        fees_entered: add(pool.fees_entered, fees)?,
        queries: add(pool.queries, u64::from(count))?,
        ..pool
    };
    let mut payouts = Vec::new();
    if books.training_ended() {
        payouts = after_the_plan(books, pool.fees)?;
        let paid = payouts
            .iter()
            .fold(0_u64, |sum, (_, part)| sum.saturating_add(*part));
        pool.fees = pool.fees.saturating_sub(paid);
        check_balances(books, &payouts)?;
    }
    Ok(Entered {
        pool,
        fees,
        payouts,
    })
}

/// Fees entered since the last round ended, as far as they count, and how many more may be.
fn fees_left(books: &Books) -> (u64, u64) {
    // After the plan no round ends any more: then each batch has the bound to itself.
    let already = if books.training_ended() {
        0
    } else {
        books.economy.pool.round_fees
    };
    let most = books.draft.incentive.max_round_fees;
    (already, most.saturating_sub(already))
}

impl State {
    /// The most fees that a batch of queries may enter now ([`crate::Incentive::max_round_fees`]); 0 before the
    /// genesis.
    pub fn query_fees_left(&self) -> u64 {
        self.books.as_ref().map_or(0, |books| fees_left(books).1)
    }
}

/// `fees`, divided as the last epoch was among the owners that are still there.
fn after_the_plan(books: &Books, fees: u64) -> Result<Vec<(OwnerId, u64)>, Rejected> {
    let present = |owner: OwnerId| {
        let owner = books.members.owner(owner);
        owner.is_some_and(crate::member::Owner::is_present)
    };
    let last: Vec<(OwnerId, u64)> = books
        .economy
        .rows
        .payouts
        .iter()
        .filter(|(owner, _)| present(*owner))
        .copied()
        .collect();
    let shares: Vec<u64> = last.iter().map(|(_, payout)| *payout).collect();
    let parts = largest_remainder(fees, &shares).map_err(|_| Rejected::Overflow)?;
    Ok(last.iter().map(|(owner, _)| *owner).zip(parts).collect())
}

impl Entered {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        books.economy.pool = self.pool;
        for (owner, payout) in &self.payouts {
            books.economy.change(*owner, |account| {
                account.balance = account.balance.saturating_add(*payout);
            });
        }
        let mut events = vec![Event::FeesEntered { fees: self.fees }];
        if !self.payouts.is_empty() {
            events.push(Event::FeesPaid {
                payouts: self.payouts,
            });
        }
        events
    }
}
