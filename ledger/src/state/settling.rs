//! An epoch ends: the mechanism divides the pool, cases are executed, stake warms and becomes free.

use super::books::Books;
use super::economy::Rows;
use crate::account::Pool;
use crate::attendance::supports_somebody;
use crate::case::CaseStanding;
use crate::epoch_case::EpochCase;
use crate::epoch_row::EpochRow;
use crate::event::Event;
use crate::fixed::Fixed;
use crate::judgement::Judgement;
use crate::mechanism::q32::ONE;
use crate::member::{Owner, OwnerId};
use crate::rejected::Rejected;
use crate::settlement::Settlement;
use std::collections::{BTreeMap, BTreeSet};

/// An epoch worked out, ready to be put into the books.
pub(super) struct Settled {
    settlement: Box<Settlement>,
    rows: Fixed<Rows>,
    pool: Pool,
}

/// The pool after one more published round.
pub(super) fn pool_after_round(books: &Books) -> Result<Pool, Rejected> {
    let pool = books.economy.pool;
    let emission = books.draft.incentive.emission;
    Ok(Pool {
        rounds: pool.rounds.checked_add(1).ok_or(Rejected::Overflow)?,
        emission: pool
            .emission
            .checked_add(emission)
            .ok_or(Rejected::Overflow)?,
        ..pool
    })
}

/// In how many published rounds of the epoch each owner was accepted, after the round in progress is published.
pub(super) fn accepted_after_round(books: &Books) -> BTreeMap<OwnerId, u32> {
    let mut rounds = books.economy.accepted_rounds.clone();
    let current = books.current.as_ref();
    let judgement = current.and_then(|current| current.judgement.as_ref());
    let mut places = judgement.map_or_else(Vec::new, |judgement| places_by_owner(books, judgement));
    places.dedup_by_key(|(owner, _)| *owner);
    for (owner, _) in places {
        let count = rounds.entry(owner).or_default();
        *count = count.saturating_add(1);
    }
    rounds
}

/// Settles the epoch if `round`, just published, is its last, or the last of the training plan.
pub(super) fn settle(
    books: &Books,
    round: u64,
    pool: Pool,
    accepted: &BTreeMap<OwnerId, u32>,
) -> Result<Option<Settled>, Rejected> {
    let published = books.published.checked_add(1).ok_or(Rejected::Overflow)?;
    let ends = pool.rounds >= books.draft.incentive.epoch_rounds
        || published == books.draft.training.rounds;
    if !ends {
        return Ok(None);
    }
    let (mut rows, case) = case(books, pool, accepted);
    let emission = pool
        .emission
        .checked_add(pool.fees)
        .ok_or(Rejected::Overflow)?;
    let (memory, outcome) = case.settle().map_err(|_| Rejected::Overflow)?;
    let fees_carried = share_of(outcome.withheld, pool.fees, emission);
    rows.memory = memory;
    rows.consensus = paired(&rows.owners, &outcome.consensus);
    rows.payouts = paired(&rows.owners, &outcome.payout);
    let paid = outcome
        .payout
        .iter()
        .fold(0, |sum: u64, part| sum.saturating_add(*part));
    let fees_paid = pool.fees.saturating_sub(fees_carried);
    let next = Pool {
        epoch: pool.epoch.checked_add(1).ok_or(Rejected::Overflow)?,
        rounds: 0,
        emission: 0,
        fees: fees_carried,
        minted: pool
            .minted
            .checked_add(paid.saturating_sub(fees_paid))
            .ok_or(Rejected::Overflow)?,
        ..pool
    };
    check_balances(books, &rows.payouts)?;
    let settlement = Settlement {
        epoch: pool.epoch,
        round,
        rounds: pool.rounds,
        owners: rows.owners.clone(),
        stakes: case.stakes,
        rated_in: case.rated_in,
        attendance: case.attendance,
        ratings: case.ratings,
        emission: pool.emission,
        fees: pool.fees,
        outcome,
        fees_carried,
        slashed: Vec::new(),
        freed: Vec::new(),
    };
    Ok(Some(Settled {
        settlement: Box::new(settlement),
        rows: Fixed::new(rows),
        pool: next,
    }))
}

/// What an epoch with this pool is settled from, and the rows it changes, without their memory.
fn case(books: &Books, pool: Pool, accepted: &BTreeMap<OwnerId, u32>) -> (Rows, EpochCase) {
    let accepted = |owner: OwnerId| accepted.get(&owner).copied().unwrap_or(0);
    let mut rows = Rows::clone(&books.economy.rows);
    add_newcomers(books, &mut rows);
    let given: Vec<Option<&EpochRow>> = rows
        .owners
        .iter()
        .map(|owner| books.economy.epoch_rows.get(owner).map(|row| &**row))
        .collect();
    let joined = |owner: &OwnerId| {
        let owner = books.members.owner(*owner);
        owner.map_or(u64::MAX, |owner| owner.admitted_round)
    };
    let case = EpochCase {
        epoch: pool.epoch,
        rounds: pool.rounds,
        emission: pool.emission,
        fees: pool.fees,
        stakes: rows
            .owners
            .iter()
            .map(|owner| books.stake(*owner))
            .collect(),
        joined: rows.owners.iter().map(joined).collect(),
        accepted_in: rows.owners.iter().map(|owner| accepted(*owner)).collect(),
        rated_in: given.iter().map(|row| row.map(EpochRow::round)).collect(),
        attendance: rows
            .owners
            .iter()
            .map(|owner| books.economy.attendance.get(owner).copied())
            .map(Option::unwrap_or_default)
            .collect(),
        ratings: given
            .iter()
            .map(|row| {
                row.map_or_else(Vec::new, |row| {
                    row.weights(&rows.owners, accepted, pool.rounds)
                })
            })
            .collect(),
        owners: rows.owners.clone(),
        memory: std::mem::take(&mut rows.memory),
        activity_cutoff: u32::from(books.draft.incentive.activity_epochs),
    };
    (rows, case)
}

/// What the epoch would be settled from if it ended now; if `publishing`, after the round in progress.
pub(super) fn epoch_case(books: &Books, publishing: bool) -> Result<EpochCase, Rejected> {
    Ok(if publishing {
        case(
            books,
            pool_after_round(books)?,
            &accepted_after_round(books),
        )
        .1
    } else {
        case(books, books.economy.pool, &books.economy.accepted_rounds).1
    })
}

/// Owners that are there and have no row get one at the end; those that come back with their reputation.
fn add_newcomers(books: &Books, rows: &mut Rows) {
    let mut known: Vec<OwnerId> = rows.owners.clone();
    known.sort_unstable();
    let mut reputations = Vec::new();
    for owner in books.members.present_owners() {
        if known.binary_search(&owner.id).is_err() {
            rows.owners.push(owner.id);
            reputations.push(rows.left.remove(&owner.id).unwrap_or(ONE));
        }
    }
    rows.memory.add(&reputations);
}

fn paired(owners: &[OwnerId], values: &[u64]) -> Vec<(OwnerId, u64)> {
    owners.iter().copied().zip(values.iter().copied()).collect()
}

/// floor(amount · part / whole); 0 of nothing.
pub(super) fn share_of(amount: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(amount)
        .saturating_mul(u128::from(part))
        .checked_div(u128::from(whole))
        .unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// That no account passes 64 bits, with all it holds.
pub(super) fn check_balances(books: &Books, payouts: &[(OwnerId, u64)]) -> Result<(), Rejected> {
    for (owner, payout) in payouts {
        if let Some(account) = books.economy.account(*owner) {
            let held = account.slashable().checked_add(account.balance);
            held.and_then(|held| held.checked_add(*payout))
                .ok_or(Rejected::Overflow)?;
        }
    }
    Ok(())
}

impl Settled {
    /// Payouts by the stakes of the epoch; then cases; then what warmed and what left.
    pub(super) fn carry_out(mut self, books: &mut Books) -> Vec<Event> {
        let economy = &mut books.economy;
        for (owner, payout) in &self.rows.payouts {
            economy.change(*owner, |account| {
                account.balance = account.balance.saturating_add(*payout);
            });
        }
        economy.rows = self.rows;
        economy.pool = self.pool;
        economy.epoch_rows.clear();
        economy.accepted_rounds.clear();
        economy.attendance.clear();
        self.settlement.slashed = execute_cases(books, self.settlement.epoch);
        self.settlement.freed = turn_accounts(books);
        vec![Event::EpochSettled(self.settlement)]
    }
}

/// Returns the numbers of the cases that were due, and what was taken.
fn execute_cases(books: &mut Books, epoch: u64) -> Vec<(u64, u64)> {
    let economy = &mut books.economy;
    let due: Vec<_> = economy
        .cases
        .iter()
        .filter(|case| case.standing == CaseStanding::Open && case.executed_after <= epoch)
        .copied()
        .collect();
    let mut slashed = Vec::with_capacity(due.len());
    for case in due {
        let mut taken = (0_u64, 0_u64);
        economy.change(case.owner, |account| taken = account.slash(case.amount));
        economy.pool.burned = economy.pool.burned.saturating_add(taken.0);
        slashed.push((case.number, taken.0.saturating_add(taken.1)));
        if let Ok(index) = usize::try_from(case.number) {
            let executed = |case: &mut crate::case::Case| case.standing = CaseStanding::Executed;
            economy.cases.change(index, executed);
        }
    }
    slashed
}

/// Returns what became free. After the last epoch of a plan nothing waits any longer.
fn turn_accounts(books: &mut Books) -> Vec<(OwnerId, u64)> {
    let turns = if books.training_ended() { 2 } else { 1 };
    let economy = &mut books.economy;
    let mut freed = Vec::new();
    let moving: Vec<OwnerId> = (0_u32..)
        .zip(economy.accounts.iter())
        .filter(|(_, account)| account.warming > 0 || account.leaving > 0 || account.left > 0)
        .map(|(owner, _)| OwnerId(owner))
        .collect();
    for owner in moving {
        let held = economy.is_accused(owner);
        let mut amount = 0_u64;
        economy.change(owner, |account| {
            for _ in 0..turns {
                amount = amount.saturating_add(account.turn(held));
            }
        });
        if amount > 0 {
            freed.push((owner, amount));
        }
    }
    freed
}

/// What raters revealed in a round becomes their owners' rows of the epoch, after earlier ones. A row that supports nobody, as an
/// honest rater's that failed, leaves what was said before as it was.
pub(super) fn keep_ratings(books: &mut Books) {
    let Some(current) = &books.current else {
        return;
    };
    let Some(judgement) = &current.judgement else {
        return;
    };
    let places = places_by_owner(books, judgement);
    let mut rows = Vec::with_capacity(current.ratings.len());
    for (rater, record) in &current.ratings {
        let revealed = record.revealed.as_ref();
        if let (Some(ratings), Some(participant)) = (
            revealed.filter(|ratings| supports_somebody(ratings)),
            books.members.participant(*rater),
        ) {
            let row = EpochRow::new(current.opening.round, &places, &ratings.rewards);
            let row = match books.economy.epoch_rows.get(&participant.owner) {
                Some(earlier) => row.after(earlier),
                None => row,
            };
            rows.push((participant.owner, Fixed::new(row)));
        }
    }
    books.economy.epoch_rows.extend(rows);
}

/// Notes who of the owners drawn for the round rated in it, now that its rating is over. An owner that has left by then is asked
/// nothing; nor is anybody in a round that ends without rating.
pub(super) fn keep_attendance(books: &mut Books) {
    let Some(current) = &books.current else {
        return;
    };
    let rated: BTreeSet<OwnerId> = current
        .ratings
        .iter()
        .filter(|(_, record)| record.revealed.as_ref().is_some_and(supports_somebody))
        .filter_map(|(rater, _)| Some(books.members.participant(*rater)?.owner))
        .collect();
    let is_present = |owner: &&OwnerId| {
        let owner = books.members.owner(**owner);
        owner.is_some_and(Owner::is_present)
    };
    let asked: Vec<OwnerId> = current
        .opening
        .raters
        .iter()
        .filter(is_present)
        .copied()
        .collect();
    for owner in asked {
        let attendance = books.economy.attendance.entry(owner).or_default();
        *attendance = attendance.after(rated.contains(&owner));
    }
}

/// Whose each accepted contribution is and where in the judgement it stands, by owner: the same for every rater.
fn places_by_owner(books: &Books, judgement: &Judgement) -> Vec<(OwnerId, usize)> {
    let accepted = judgement.accepted.iter().enumerate();
    let mut places: Vec<(OwnerId, usize)> = accepted
        .filter_map(|(place, (id, _))| Some((books.members.participant(*id)?.owner, place)))
        .collect();
    places.sort_unstable();
    places
}
