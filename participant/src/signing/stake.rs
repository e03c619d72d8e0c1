//! An owner stakes its balance, or withdraws what it staked.

use unsilo_ledger::{Entry, Participant, State};

/// Stakes `amount` of the balance of `me`'s owner; it counts from the next epoch.
pub fn deposit(state: &State, me: &Participant, amount: u64) -> Entry {
    Entry::StakeDeposited {
        participant: me.id,
        number: moves(state, me),
        amount,
    }
}

/// Withdraws `amount` of the stake of `me`'s owner; it gives no power from now on, and is free after the next epoch.
pub fn withdrawal(state: &State, me: &Participant, amount: u64) -> Entry {
    Entry::StakeWithdrawn {
        participant: me.id,
        number: moves(state, me),
        amount,
    }
}

/// How often the owner moved its stake before.
fn moves(state: &State, me: &Participant) -> u64 {
    state.account(me.owner).map_or(0, |account| account.moves)
}
