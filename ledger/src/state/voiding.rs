//! A round ends without a model, on the word of its committee or of the owners. Never on the
//! coordinator's: it could otherwise have a round repeated until it likes the sum.

use super::books::Books;
use super::publication::Ending;
use super::signers;
use crate::close::seed_after_void;
use crate::entry::signed::SignedEntry;
use crate::entry::{OWNERS_VOID_DELAY_MS, VoidAuthority, VoidReason};
use crate::rejected::Rejected;
use crate::round::{Outcome, Phase};
use crate::waits::MOST_VOIDS;

pub(super) fn check(
    books: &Books,
    round: u64,
    reason: VoidReason,
    authority: VoidAuthority,
    signed: &SignedEntry,
) -> Result<Ending, Rejected> {
    let (closed, need_ms) = match &books.current {
        Some(_) => {
            let current = books.current(round)?;
            let closed = current.closing.is_some();
            let day_after = current
                .opening
                .open_by_ms
                .saturating_add(OWNERS_VOID_DELAY_MS);
            (closed, if closed { day_after } else { 0 })
        }
        None if round == books.next_round => (false, 0),
        None => {
            return Err(Rejected::WrongRound {
                expected: books.next_round,
                found: round,
            });
        }
    };
    if !is_founded(books, reason) {
        return Err(Rejected::UnfoundedVoid { reason });
    }
    match authority {
        VoidAuthority::Committee => {
            let current = books
                .current
                .as_ref()
                .ok_or(Rejected::NoCommittee { round })?;
            signers::committee(books, current, signed, None)?;
            let voids = books.voids_in_a_row();
            if voids >= MOST_VOIDS && !reason.is_derived() {
                return Err(Rejected::VoidsSpent { voids });
            }
        }
        VoidAuthority::Owners { passed_ms } => {
            let stated_well = if closed {
                passed_ms >= need_ms
            } else {
                passed_ms == 0
            };
            if !stated_well {
                return Err(Rejected::VoidTime {
                    need_ms,
                    found_ms: passed_ms,
                });
            }
            signers::majority_of_owners(books, signed)?;
        }
    }
    // A close has drawn a new challenge already; without one, the old seed must not draw again.
    let seed = if closed {
        books.seed
    } else {
        seed_after_void(&books.seed, round)
    };
    Ok(Ending {
        round,
        outcome: Outcome::Voided { reason },
        seed,
        published: None,
    })
}

/// Whether a reason that the ledger can see is true. The others are the word of those who sign.
fn is_founded(books: &Books, reason: VoidReason) -> bool {
    let current = books.current.as_ref();
    match reason {
        VoidReason::Brake | VoidReason::TooFewAccepted => {
            let weighing = current.and_then(|round| round.weighing.as_ref());
            weighing.and_then(|weighing| weighing.void_due) == Some(reason)
        }
        VoidReason::NoVerdict => current.is_some_and(|round| round.phase() == Phase::Closed),
        VoidReason::TooFewContributions => current.is_none_or(|round| round.closing.is_none()),
        VoidReason::TooFewMembers
        | VoidReason::Dispute
        | VoidReason::BadSum
        | VoidReason::LostData => true,
    }
}
