//! An owner stakes its balance, or withdraws what it staked.

use super::books::Books;
use super::signers;
use crate::account::Account;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::{Rejected, StakeRejected};

/// An accepted movement of stake.
pub(super) struct Moved {
    owner: OwnerId,
    after: Account,
    event: Event,
}

/// What an entry asks for.
pub(super) struct Move {
    pub(super) participant: ParticipantId,
    pub(super) number: u64,
    pub(super) amount: u64,
}

pub(super) fn check_deposit(
    books: &Books,
    asked: &Move,
    signed: &SignedEntry,
) -> Result<Moved, Rejected> {
    let (owner, mut after) = account(books, asked, signed)?;
    let (have, need) = (after.balance, asked.amount);
    after.balance = have
        .checked_sub(need)
        .ok_or(StakeRejected::Balance { have, need })?;
    after.warming = after.warming.checked_add(need).ok_or(Rejected::Overflow)?;
    let event = Event::StakeDeposited {
        owner,
        amount: need,
    };
    Ok(Moved {
        owner,
        after,
        event,
    })
}

pub(super) fn check_withdrawal(
    books: &Books,
    asked: &Move,
    signed: &SignedEntry,
) -> Result<Moved, Rejected> {
    let (owner, mut after) = account(books, asked, signed)?;
    let need = asked.amount;
    let have = after.warming.saturating_add(after.staked);
    // What does not count yet goes first: no power is lost for it.
    let from_warming = after.warming.min(need);
    let from_staked = need.saturating_sub(from_warming);
    after.warming = after.warming.saturating_sub(from_warming);
    after.staked = after
        .staked
        .checked_sub(from_staked)
        .ok_or(StakeRejected::Stake { have, need })?;
    // After the plan there is no epoch to wait for, and nothing more to slash but what is under way.
    if books.training_ended() {
        if books.economy.is_accused(owner) {
            return Err(StakeRejected::Accused { owner }.into());
        }
        after.balance = after.balance.checked_add(need).ok_or(Rejected::Overflow)?;
    } else {
        after.leaving = after.leaving.checked_add(need).ok_or(Rejected::Overflow)?;
    }
    let event = Event::StakeWithdrawn {
        owner,
        amount: need,
    };
    Ok(Moved {
        owner,
        after,
        event,
    })
}

/// The signer's account, with this move counted.
fn account(
    books: &Books,
    asked: &Move,
    signed: &SignedEntry,
) -> Result<(OwnerId, Account), Rejected> {
    let owner = signers::participant(books, asked.participant, signed)?.owner;
    let mut account = *books
        .economy
        .account(owner)
        .ok_or(Rejected::UnknownOwner { owner })?;
    if asked.number != account.moves {
        return Err(StakeRejected::OutOfOrder {
            expected: account.moves,
            found: asked.number,
        }
        .into());
    }
    if asked.amount == 0 {
        return Err(StakeRejected::Nothing.into());
    }
    account.moves = account.moves.checked_add(1).ok_or(Rejected::Overflow)?;
    Ok((owner, account))
}

impl Moved {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        books
            .economy
            .change(self.owner, |account| *account = self.after);
        vec![self.event]
    }
}
