//! Why a contribution was rejected, for third parties.

use super::{
    AnswerSheet, RejectionReason, Verdict, answering,
    bounds::Bounds,
    interpolation, rule,
    shown::{ShownAnswers, ShownError},
};
use crate::{
    committee::MAX_MEMBERS,
    projection::{PROJECTIONS, Projections},
};
use thiserror::Error;

/// All counted seats' answers on one rejected contribution: whoever has the ledger and the stored ciphertext comes to the same
/// ruling.
///
/// Made only where the answers agree with each other, that is for what the *dealer* is to blame for: a ciphertext that
/// does not match its shares, or an update that is too long. Where answers contradict each other, a member may be lying
/// about an honest update, and showing all answers would show everybody its sketch: there the [`Appeal`](super::Appeal) on one
/// share decides. For the same reason it is to be shown only where two answers more count than the threshold: with exactly
/// `t` any answers agree, so one liar makes an honest update look like garbage, and with `t + 1` two who collude do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    participant: u32,
    /// Ascending by seat.
    answers: Vec<ShownAnswers>,
}

/// What a third party takes from the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The round and its challenge.
    pub projections: &'a Projections,
    /// Answers that decide, `t`.
    pub threshold: usize,
    /// The closed set, ascending.
    pub closed: &'a [u32],
    /// The seats that answered, with the roots they signed.
    pub roots: &'a [(u16, [u8; 32])],
    /// The seats whose answers do not count.
    pub erased: &'a [u16],
}

/// Why evidence was not made, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EvidenceError {
    /// The contribution was accepted, or is not in the round.
    #[error("participant {participant} was not rejected")]
    NotRejected {
        /// Whose contribution.
        participant: u32,
    },
    /// The answers contradict each other: showing them all could show the sketch of an honest update.
    #[error(
        "the answers on participant {participant} contradict each other: only an appeal on one share can show who is to blame"
    )]
    Disputed {
        /// Whose contribution.
        participant: u32,
    },
    /// Truncated, left over, or with more seats than a committee has.
    #[error("the bytes are no evidence on one contribution")]
    Length,
    /// Not one answer of each seat that counts, ascending.
    #[error(
        "the evidence does not show the answers of exactly the seats that count, in ascending order"
    )]
    Seats,
    /// A seat's answers are malformed or not under its root.
    #[error(transparent)]
    Shown(#[from] ShownError),
}

impl Evidence {
    /// Collects the evidence on one rejected contribution from the sheets that were judged.
    ///
    /// # Errors
    /// [`EvidenceError::NotRejected`] or [`EvidenceError::Disputed`].
    pub fn new(
        verdict: &Verdict,
        participant: u32,
        sheets: &[&AnswerSheet],
    ) -> Result<Self, EvidenceError> {
        let judgement = verdict.judgement();
        let rejected = judgement.rejected.iter().find(|(j, _)| *j == participant);
        match rejected {
            None => return Err(EvidenceError::NotRejected { participant }),
            Some((_, RejectionReason::OutOfRange | RejectionReason::TooLong)) => {}
            Some(_) => return Err(EvidenceError::Disputed { participant }),
        }
        let mut answers: Vec<_> = sheets
            .iter()
            .filter(|sheet| !judgement.erased.contains(&sheet.seat()))
            .filter_map(|sheet| sheet.show(participant))
            .collect();
        answers.sort_unstable_by_key(ShownAnswers::seat);
        Ok(Self {
            participant,
            answers,
        })
    }

    /// Whose contribution it is about.
    #[must_use]
    pub fn participant(&self) -> u32 {
        self.participant
    }

    /// Runs the rule again on what the seats answered: the reason to reject, or `None` if there was none.
    ///
    /// `projected` is [`crate::project`] of the stored ciphertext, which the caller has checked against its signed root;
    /// the signatures on the roots are on the ledger.
    ///
    /// # Errors
    /// [`EvidenceError`] if it does not show what every counted seat answered.
    pub fn verify(
        &self,
        recorded: &Recorded<'_>,
        projected: &[u64; PROJECTIONS],
    ) -> Result<Option<RejectionReason>, EvidenceError> {
        let mut counted: Vec<_> = recorded
            .roots
            .iter()
            .filter(|(seat, _)| !recorded.erased.contains(seat))
            .collect();
        counted.sort_unstable_by_key(|(seat, _)| *seat);
        let seats = counted.iter().map(|(seat, _)| *seat);
        let distinct = counted.is_sorted_by(|a, b| a.0 < b.0)
            && counted.first().is_some_and(|(seat, _)| *seat > 0);
        if !distinct || !seats.eq(self.answers.iter().map(ShownAnswers::seat)) {
            return Err(EvidenceError::Seats);
        }
        for (shown, (_, root)) in self.answers.iter().zip(&counted) {
            shown.verify(
                recorded.projections,
                recorded.closed,
                self.participant,
                root,
            )?;
        }
        let answers: Vec<_> = self
            .answers
            .iter()
            .map(|shown| (shown.seat, shown.words.as_ref()))
            .collect();
        let bounds = Bounds::new(recorded.projections.params());
        let interpolation = interpolation(&answering(&answers), recorded.threshold);
        let ruling = rule(&bounds, interpolation.as_ref(), projected, &answers);
        Ok(ruling.outcome.err())
    }

    /// `participant (4) || seats (1) || shown answers`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.participant.to_le_bytes().to_vec();
        bytes.push(self.answers.len() as u8);
        for shown in &self.answers {
            bytes.extend(shown.to_bytes());
        }
        bytes
    }

    /// Decodes evidence.
    ///
    /// # Errors
    /// [`EvidenceError`] if the bytes are not what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let (participant, rest) = bytes.split_first_chunk().ok_or(EvidenceError::Length)?;
        let (&seats, mut rest) = rest.split_first().ok_or(EvidenceError::Length)?;
        if usize::from(seats) > MAX_MEMBERS {
            return Err(EvidenceError::Length);
        }
        let mut answers = Vec::with_capacity(seats.into());
        for _ in 0..seats {
            let (shown, after) = ShownAnswers::read(rest)?;
            answers.push(shown);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(EvidenceError::Length);
        }
        Ok(Self {
            participant: u32::from_le_bytes(*participant),
            answers,
        })
    }
}
