//! Guard records: what this identity has done that may be done once. Written before anyone else can see the act.
//!
//! [`Guards`] is the pure rule book: it says which record may follow which. [`GuardStore`] makes a record durable
//! and applies the same rules again, so that a mistake elsewhere cannot answer twice.

mod records;
mod store;

pub use records::{ContributionRecord, OpeningRecord, SeatRecord};
pub use store::GuardStore;

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::Hash;

/// One act, about to become visible.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// The founding entry with this hash is signed.
    Genesis(Hash),
    /// A seat is offered; its secret key is a file of its own.
    Seat(SeatRecord),
    /// A contribution leaves this machine.
    Contribution(ContributionRecord),
    /// The coordinator's receipt for it.
    Receipt {
        /// The round.
        round: u64,
        /// Canonical bytes of the signed receipt.
        receipt: Vec<u8>,
    },
    /// The close of the round over this set is cosigned.
    Cosigned {
        /// The round.
        round: u64,
        /// Hash of the set.
        contributions: Hash,
    },
    /// The sum of the round is opened.
    Opened(OpeningRecord),
    /// The round is signed as void.
    Voided {
        /// The round.
        round: u64,
    },
    /// The model of the round is signed.
    Published {
        /// The round.
        round: u64,
        /// Hash of the publishing entry.
        entry: Hash,
    },
    /// The round is over: what only it needed (the opening's bytes) is forgotten, what must be remembered stays.
    Finished {
        /// The round.
        round: u64,
    },
    /// The model of the round was evaluated and told.
    Evaluated {
        /// The round.
        round: u64,
    },
}

/// A record that may not follow those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardConflict {
    /// Another founding entry was signed.
    #[error("another founding entry was already signed")]
    Genesis,
    /// Another seat was offered for the round.
    #[error("round {0}: another seat was already offered")]
    Seat(u64),
    /// Another contribution of the round, or to the same model.
    #[error("round {0}: another contribution was already made to this round")]
    Contribution(u64),
    /// Another set was cosigned.
    #[error("round {0}: another set was already cosigned")]
    Cosigned(u64),
    /// Another sum was opened.
    #[error("round {0}: another answer was already given")]
    Opened(u64),
    /// Void excludes an opening, and the reverse.
    #[error("round {0}: void and an answer exclude each other")]
    VoidOrOpened(u64),
    /// Another model was signed.
    #[error("round {0}: another model was already signed")]
    Published(u64),
    /// A receipt for something that was never recorded.
    #[error("round {0}: the record refers to nothing that was recorded before")]
    Unfounded(u64),
}

/// All guard records of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    /// Hash of the founding entry that was signed.
    pub genesis: Option<Hash>,
    /// Seats offered, by round.
    pub seats: BTreeMap<u64, SeatRecord>,
    /// Contributions, by round.
    pub contributions: BTreeMap<u64, ContributionRecord>,
    /// Receipts, by round.
    pub receipts: BTreeMap<u64, Vec<u8>>,
    /// Sets cosigned, by round.
    pub cosigned: BTreeMap<u64, Hash>,
    /// Openings, by round.
    pub opened: BTreeMap<u64, OpeningRecord>,
    /// Rounds signed as void.
    pub voided: BTreeSet<u64>,
    /// Publishing entries signed, by round.
    pub published: BTreeMap<u64, Hash>,
    /// Rounds that are over.
    pub finished: BTreeSet<u64>,
    /// The last round whose model was evaluated.
    pub evaluated: Option<u64>,
}

impl Guards {
    /// Adds `record`. The same record again changes nothing.
    ///
    /// # Errors
    /// [`GuardConflict`] if it contradicts an earlier one; nothing changes then.
    pub fn admit(&mut self, record: &Record) -> Result<(), GuardConflict> {
        match record {
            Record::Genesis(hash) => match self.genesis {
                Some(signed) if signed != *hash => return Err(GuardConflict::Genesis),
                _ => self.genesis = Some(*hash),
            },
            Record::Seat(seat) => {
                if self.finished.contains(&seat.round) {
                    return Err(GuardConflict::Seat(seat.round));
                }
                once(&mut self.seats, seat.round, seat, GuardConflict::Seat)?;
            }
            Record::Contribution(contribution) => {
                once(
                    &mut self.contributions,
                    contribution.round,
                    contribution,
                    GuardConflict::Contribution,
                )?;
            }
            Record::Receipt { round, receipt } => {
                if !self.contributions.contains_key(round) {
                    return Err(GuardConflict::Unfounded(*round));
                }
                self.receipts.insert(*round, receipt.clone());
            }
            Record::Cosigned {
                round,
                contributions,
            } => once(
                &mut self.cosigned,
                *round,
                contributions,
                GuardConflict::Cosigned,
            )?,
            Record::Opened(opening) => self.admit_opening(opening)?,
            Record::Voided { round } => {
                if self.opened.contains_key(round) {
                    return Err(GuardConflict::VoidOrOpened(*round));
                }
                self.voided.insert(*round);
            }
            Record::Published { round, entry } => {
                once(&mut self.published, *round, entry, GuardConflict::Published)?;
            }
            Record::Finished { round } => {
                if let Some(opening) = self.opened.get_mut(round) {
                    opening.answer.clear();
                }
                // Rounds never come again: of a seat nothing need be remembered.
                self.seats.remove(round);
                self.finished.insert(*round);
            }
            Record::Evaluated { round } => self.evaluated = self.evaluated.max(Some(*round)),
        }
        Ok(())
    }

    fn admit_opening(&mut self, opening: &OpeningRecord) -> Result<(), GuardConflict> {
        let round = opening.round;
        if self.voided.contains(&round) {
            return Err(GuardConflict::VoidOrOpened(round));
        }
        if self.finished.contains(&round) && !self.opened.contains_key(&round) {
            // Its shares are erased: an answer now could only be an invented one.
            return Err(GuardConflict::Opened(round));
        }
        once(&mut self.opened, round, opening, GuardConflict::Opened)
    }

    /// The round in which this identity contributed to `model`, leaving out `round` itself and the rounds that
    /// `is_void` says have ended without a sum.
    #[must_use]
    pub fn contributed_to(
        &self,
        model: &Hash,
        round: u64,
        is_void: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        self.contributions
            .values()
            .find(|made| made.model == *model && made.round != round && !is_void(made.round))
            .map(|made| made.round)
    }
}

/// Inserts a value that may be inserted again only if it is the same.
fn once<T: Clone + PartialEq>(
    map: &mut BTreeMap<u64, T>,
    round: u64,
    value: &T,
    conflict: fn(u64) -> GuardConflict,
) -> Result<(), GuardConflict> {
    match map.get(&round) {
        Some(known) if known != value => Err(conflict(round)),
        Some(_) => Ok(()),
        None => {
            map.insert(round, value.clone());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(round: u64, answer: u8) -> Record {
        Record::Opened(OpeningRecord {
            round,
            seat: 1,
            digest: [9; 32],
            contributions: [8; 32],
            answer: vec![answer],
        })
    }

    #[test]
    fn what_may_happen_once_happens_once() {
        let mut guards = Guards::default();
        guards.admit(&opening(1, 1)).unwrap();
        guards.admit(&opening(1, 1)).unwrap();
        assert_eq!(guards.admit(&opening(1, 2)), Err(GuardConflict::Opened(1)));
        assert_eq!(
            guards.admit(&Record::Voided { round: 1 }),
            Err(GuardConflict::VoidOrOpened(1))
        );
        guards.admit(&Record::Voided { round: 2 }).unwrap();
        assert_eq!(
            guards.admit(&opening(2, 1)),
            Err(GuardConflict::VoidOrOpened(2))
        );
        guards.admit(&Record::Genesis([1; 32])).unwrap();
        assert_eq!(
            guards.admit(&Record::Genesis([2; 32])),
            Err(GuardConflict::Genesis)
        );
        let cosigned = |contributions| Record::Cosigned {
            round: 3,
            contributions,
        };
        guards.admit(&cosigned([1; 32])).unwrap();
        assert_eq!(
            guards.admit(&cosigned([2; 32])),
            Err(GuardConflict::Cosigned(3))
        );
        let receipt = Record::Receipt {
            round: 3,
            receipt: vec![],
        };
        assert_eq!(guards.admit(&receipt), Err(GuardConflict::Unfounded(3)));
    }

    #[test]
    fn a_finished_round_cannot_be_opened_any_more() {
        let mut guards = Guards::default();
        guards.admit(&Record::Finished { round: 1 }).unwrap();
        assert_eq!(guards.admit(&opening(1, 1)), Err(GuardConflict::Opened(1)));
        guards.admit(&opening(2, 1)).unwrap();
        guards.admit(&Record::Finished { round: 2 }).unwrap();
        assert!(guards.opened[&2].answer.is_empty());
        assert_eq!(guards.admit(&opening(2, 2)), Err(GuardConflict::Opened(2)));
    }
}
