//! The statistics round: the first of a federation whose schema has measured columns.
//!
//! It is a round like any other up to its close. Then nothing but the sum is opened: there is no judgement, because projections
//! of a few numbers would be these numbers, and nobody rates; every contribution has the same weight. So what a contribution
//! holds is checked by nobody, and what comes out is taken as what it is: sums that no values have are discarded, column by
//! column, and a sum that does not open leaves the declared ranges.

use super::books::Books;
use super::publication::Ending;
use super::signers;
use crate::entry::signed::SignedEntry;
use crate::fixed::Fixed;
use crate::judgement::Judgement;
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Outcome, Weighing};
use crate::statistics::{Statistics, statistics_base};

/// The weight of every contribution.
const WEIGHT: u16 = 1;

impl Books {
    /// Whether the round in progress, or the next one, is the statistics round.
    pub(super) fn is_measuring(&self) -> bool {
        self.model == statistics_base(&self.federation)
    }
}

/// The round is closed: all of it is summed, each contribution as often as every other. (The close was of enough owners.)
pub(super) fn weigh_alike(current: &mut CurrentRound) {
    let ids = || current.contributions.keys().copied();
    let judgement = Judgement {
        answers: Vec::new(),
        projections: [0; 32],
        accepted: ids().map(|id| (id, 0)).collect(),
        rejected: Vec::new(),
        erased: Vec::new(),
    };
    let weighing = Weighing {
        weights: ids().map(|id| (id, WEIGHT)).collect(),
        median_exponent: 0,
        void_due: None,
    };
    current.judgement = Some(Fixed::new(judgement));
    current.weighing = Some(Fixed::new(weighing));
}

pub(super) fn check(
    books: &Books,
    round: u64,
    statistics: Option<&Statistics>,
    signed: &SignedEntry,
) -> Result<Ending, Rejected> {
    let current = books.current(round)?;
    if !books.is_measuring() {
        return Err(Rejected::NoStatisticsDue);
    }
    if current.closing.is_none() {
        return Err(Rejected::RoundNotClosed { round });
    }
    signers::committee(
        books,
        current,
        signed,
        Some((books.draft.coordinator, "the coordinator")),
    )?;
    if let Some(statistics) = statistics {
        let expected = current.total_weight();
        if statistics.contributions != expected {
            return Err(Rejected::WrongTotalWeight {
                expected,
                found: statistics.contributions,
            });
        }
        let (expected, found) = (
            books.draft.schema.measured().count(),
            statistics.columns.len(),
        );
        if expected != found {
            return Err(Rejected::StatisticsColumns { expected, found });
        }
    }
    Ok(Ending {
        round,
        outcome: Outcome::Measured {
            statistics: statistics.cloned(),
        },
        seed: books.seed,
        published: None,
    })
}
