//! What is in the books about money, stake, trust and violations.

use super::State;
use super::economy::Economy;
use super::settling::epoch_case;
use super::weighing;
use crate::account::{Account, Pool};
use crate::case::Case;
use crate::epoch_case::EpochCase;
use crate::mechanism::median;
use crate::member::{OwnerId, ParticipantId};
use crate::weights::Row;

impl State {
    fn economy(&self) -> Option<&Economy> {
        Some(&self.books.as_ref()?.economy)
    }

    /// What an owner has; `None` if there is no such owner.
    pub fn account(&self, owner: OwnerId) -> Option<&Account> {
        self.economy()?.account(owner)
    }

    /// An owner's free money, 0 if there is no such owner.
    pub fn balance(&self, owner: OwnerId) -> u64 {
        self.account(owner).map_or(0, |account| account.balance)
    }

    /// What an owner's power comes from, before the cap; 0 if it has nobody in the federation.
    pub fn stake(&self, owner: OwnerId) -> u64 {
        let present = self.owner(owner).is_some_and(crate::Owner::is_present);
        self.account(owner)
            .filter(|_| present)
            .map_or(0, Account::stake)
    }

    /// The capped power of every owner that is present, ascending, in Q32: their sum is at most 2^32.
    pub fn powers(&self) -> Vec<(OwnerId, u64)> {
        let books = self.books.as_ref();
        // Only more owners than there can be would have no powers.
        books
            .and_then(|books| books.powers().ok())
            .unwrap_or_default()
    }

    /// The federation's money that belongs to nobody yet.
    pub fn pool(&self) -> Option<&Pool> {
        Some(&self.economy()?.pool)
    }

    /// The epoch under way, from 1; 0 before the genesis.
    pub fn epoch(&self) -> u64 {
        self.pool().map_or(0, |pool| pool.epoch)
    }

    /// Whether all rounds of the training plan have been published.
    pub fn training_ended(&self) -> bool {
        self.books
            .as_ref()
            .is_some_and(|books| books.training_ended())
    }

    /// rep: the trust in an owner as a rater, in Q32; `None` until it took part in an epoch.
    pub fn reputation(&self, owner: OwnerId) -> Option<u64> {
        let rows = &self.economy()?.rows;
        let row = row_of(&rows.owners, owner)?;
        rows.memory.reputation().get(row).copied()
    }

    /// M_ij: how owner `rater` rates owner `rated`, averaged over epochs, in Q32.
    pub fn rating(&self, rater: OwnerId, rated: OwnerId) -> Option<u64> {
        let rows = &self.economy()?.rows;
        let row = rows.memory.ratings(row_of(&rows.owners, rater)?)?;
        row.get(row_of(&rows.owners, rated)?).copied()
    }

    /// M_i: how owner `rater` rates every owner that takes part, averaged over epochs, in Q32; empty if it takes
    /// no part yet. For many at once.
    pub fn ratings_by(&self, rater: OwnerId) -> Vec<(OwnerId, u64)> {
        let row = || {
            let rows = &self.economy()?.rows;
            let ratings = rows.memory.ratings(row_of(&rows.owners, rater)?)?;
            let owners = rows.owners.iter().copied();
            Some(owners.zip(ratings.iter().copied()).collect())
        };
        row().unwrap_or_default()
    }

    /// T_ij = min(M_ij, C_j) / C_j: how far `rater` supports the consensus about `rated`, in Q32.
    pub fn trust(&self, rater: OwnerId, rated: OwnerId) -> Option<u64> {
        let (_, consensus) = *self.consensus().iter().find(|(owner, _)| *owner == rated)?;
        Some(median::trust(self.rating(rater, rated)?, consensus))
    }

    /// C_j of the last epoch, in Q32: what a majority of the others' power says each owner is worth at
    /// least. Empty before the first epoch ended.
    pub fn consensus(&self) -> &[(OwnerId, u64)] {
        self.economy()
            .map_or(&[], |economy| &economy.rows.consensus)
    }

    /// What was paid for the last epoch. Empty before the first ended.
    pub fn last_payouts(&self) -> &[(OwnerId, u64)] {
        self.economy().map_or(&[], |economy| &economy.rows.payouts)
    }

    /// The ratings for rewards that an owner revealed last in the epoch under way: the round, and what it
    /// gave to each owner that contributed then, ascending.
    pub fn epoch_ratings(&self, rater: OwnerId) -> Option<(u64, &[(OwnerId, u16)])> {
        let row = self.economy()?.epoch_rows.get(&rater)?;
        Some((row.round(), row.rewards()))
    }

    /// What the epoch would be settled from if it ended now; if `publishing`, with the round in progress
    /// published and counted.
    pub(crate) fn epoch_case(&self, publishing: bool) -> Option<EpochCase> {
        epoch_case(self.books.as_ref()?, publishing).ok()
    }

    /// What raters revealed in the round in progress, of those that have a say by now.
    pub(crate) fn rows_to_weigh(&self) -> Vec<Row<'_>> {
        let rows = self.books.as_ref().and_then(|books| {
            // Only more owners than there can be would have no powers.
            weighing::rows(books, books.current.as_ref()?).ok()
        });
        rows.unwrap_or_default()
    }

    /// All violations on the books, in order of numbers.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.economy()
            .into_iter()
            .flat_map(|economy| economy.cases.iter())
    }

    /// How many pieces of feedback a participant filed: the number of its next one.
    pub fn feedback_filed(&self, participant: ParticipantId) -> u64 {
        let books = self.books.as_ref();
        books
            .and_then(|books| books.conduct(participant))
            .map_or(0, |conduct| conduct.feedback)
    }

    /// The rounds in which a participant's contribution was rejected by its fault, and that are not yet held
    /// against it.
    pub fn faults(&self, participant: ParticipantId) -> &[u64] {
        let books = self.books.as_ref();
        books
            .and_then(|books| books.conduct(participant))
            .map_or(&[], |conduct| &conduct.faults)
    }
}

fn row_of(owners: &[OwnerId], owner: OwnerId) -> Option<usize> {
    owners.iter().position(|other| *other == owner)
}
