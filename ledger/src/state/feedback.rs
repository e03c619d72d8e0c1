//! A participant files feedback.

use super::books::Books;
use super::signers;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::feedback::{FeedbackKind, MAX_FEEDBACK_PER_EPOCH};
use crate::member::ParticipantId;
use crate::rejected::{FeedbackRejected, Rejected};

/// Accepted feedback.
pub(super) struct Filed {
    participant: ParticipantId,
    kind: FeedbackKind,
    epoch: u64,
}

pub(super) fn check(
    books: &Books,
    participant: ParticipantId,
    number: u64,
    kind: FeedbackKind,
    signed: &SignedEntry,
) -> Result<Filed, Rejected> {
    signers::participant(books, participant, signed)?;
    let epoch = books.economy.pool.epoch;
    let (filed, in_epoch) = books.conduct(participant).map_or((0, 0), |conduct| {
        let in_epoch = if conduct.feedback_epoch == epoch {
            conduct.feedback_in_epoch
        } else {
            0
        };
        (conduct.feedback, in_epoch)
    });
    if number != filed {
        return Err(FeedbackRejected::OutOfOrder {
            expected: filed,
            found: number,
        }
        .into());
    }
    if in_epoch >= MAX_FEEDBACK_PER_EPOCH {
        return Err(FeedbackRejected::TooMuch { participant }.into());
    }
    Ok(Filed {
        participant,
        kind,
        epoch,
    })
}

impl Filed {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        books.change_conduct(self.participant, |conduct| {
            if conduct.feedback_epoch != self.epoch {
                conduct.feedback_epoch = self.epoch;
                conduct.feedback_in_epoch = 0;
            }
            conduct.feedback = conduct.feedback.saturating_add(1);
            conduct.feedback_in_epoch = conduct.feedback_in_epoch.saturating_add(1);
        });
        vec![Event::FeedbackFiled {
            participant: self.participant,
            kind: self.kind,
        }]
    }
}
