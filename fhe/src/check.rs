//! The check of a round: which contributions are accepted, by a rule that every member evaluates alike.
//!
//! From the members' sheets of answers the committee decodes `y_jk = <row(A_k), s_j>`, and with the published `X_jk` the projections
//! `x_jk = X_jk - y_jk = Delta·<r_k, m_j> + <r_k, e_j>`. A contribution that does not match its shares, wraps around or is too long
//! gives garbage or a long sketch, and is rejected: no zero-knowledge proof is needed.

mod appeal;
mod bounds;
mod evidence;
mod sealed_sheet;
mod sheet;
mod shown;
mod sketch;
mod table;

pub use appeal::{Appeal, AppealError, Blame, Dispute};
pub use evidence::{Evidence, EvidenceError, Recorded};
pub use sealed_sheet::{ReceivedSheet, SEALED_SHEET_KEY_BYTES, SealedSheet, sealed_sheet_bytes};
pub use sheet::{AnswerSheet, SheetError};
pub use shown::{ShownAnswers, ShownError};
pub use sketch::{EqualityError, Verdict, verify_projections_of_sum};
pub use table::{ProjectionTable, TableError};

use crate::{
    committee::MAX_MEMBERS,
    decode::{Decoded, Interpolation},
    modular::{centre, subtract},
    params::Params,
    projection::{PROJECTIONS, Projections},
};
use bounds::Bounds;
use rayon::prelude::*;
use sketch::Sketch;
use std::collections::BTreeMap;
use thiserror::Error;

/// Why a contribution is left out of the accepted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectionReason {
    /// The answers of a seat that is not erased lie off the decoded polynomial, or it has no usable share. Blames nobody
    /// by itself: on appeal the dealer shows the one disputed share.
    BadPair,
    /// The answers contradict each other in more places than can be located. Blames nobody.
    Undecodable,
    /// A projection is larger than any of an update within the clip norm: the ciphertext does not match its shares, is
    /// no encryption, wraps around, or is far too long.
    OutOfRange,
    /// The projections together are longer than those of an update within the clip norm.
    TooLong,
}

impl std::fmt::Display for RejectionReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BadPair => "a member's answers do not fit the others: a share is disputed",
            Self::Undecodable => "the members' answers contradict each other",
            Self::OutOfRange => "no update within the clip norm has such a projection",
            Self::TooLong => "the update is longer than the clip norm",
        })
    }
}

/// What the committee signs: nothing of the projections but an estimate of each norm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Accepted participants, ascending, each with `e`: its norm is estimated at `2^(e/8)` steps, rounded up.
    pub accepted: Vec<(u32, u16)>,
    /// The other participants of the closed set, ascending.
    pub rejected: Vec<(u32, RejectionReason)>,
    /// Seats whose answers were bad for more than half of the closed set, ascending: not counted in this round.
    pub erased: Vec<u16>,
    /// Participant and seat that do not fit, ascending; those of erased seats included.
    pub bad_pairs: Vec<(u32, u16)>,
}

/// The rule for the projections of one update, centred: `|x| <= 6·Delta·C/sqrt 2 + 8·sigma·sqrt(D/2)` for each, and
/// `2·sum_k x_k^2 <= 132·(Delta·C)^2`. Gives the norm exponent `e`: the norm is estimated at `2^(e/8)` steps, rounded up.
///
/// # Errors
/// [`RejectionReason::OutOfRange`] or [`RejectionReason::TooLong`].
pub fn acceptance(
    params: &Params,
    projections: &[i64; PROJECTIONS],
) -> Result<u16, RejectionReason> {
    Bounds::new(params).accept(projections)
}

/// Why no judgement was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JudgeError {
    /// Fewer sheets than the threshold.
    #[error("{sheets} sheets of answers do not decide: {threshold} are needed")]
    TooFew {
        /// Sheets given.
        sheets: usize,
        /// Sheets needed.
        threshold: usize,
    },
    /// A seat that no committee has, or threshold 0.
    #[error(
        "seat {seat} or threshold {threshold} is out of range: both lie between 1 and {MAX_MEMBERS}"
    )]
    OutOfRange {
        /// Seat given.
        seat: u16,
        /// Threshold given.
        threshold: usize,
    },
    /// One seat answered twice.
    #[error("there are two sheets of seat {seat}")]
    Twice {
        /// The seat.
        seat: u16,
    },
    /// A sheet of another round or challenge.
    #[error("the sheet of seat {seat} is of another round or challenge")]
    OtherRound {
        /// The seat.
        seat: u16,
    },
    /// A sheet about other contributions than the table.
    #[error("the sheet of seat {seat} is not about the contributions of the table")]
    OtherContributions {
        /// The seat.
        seat: u16,
    },
}

/// Decodes all answers and applies the rule. Deterministic: the same table and sheets, in any order, give the same verdict.
///
/// 1. *Private input*, of the committee: the sheets of at least `threshold` seats.
/// 2. *Public input*: the projections of the ciphertexts.
/// 3. *Public output*: the judgement. *Private output*, for the committee: the projections of the accepted updates.
///
/// # Errors
/// [`JudgeError`] if the sheets do not belong together or are too few.
pub fn judge(
    projections: &Projections,
    threshold: usize,
    table: &ProjectionTable,
    sheets: &[&AnswerSheet],
) -> Result<Verdict, JudgeError> {
    let mut sheets = check(projections, threshold, table, sheets)?;
    let bounds = Bounds::new(projections.params());
    let mut erased = Vec::new();
    let mut bad_pairs = Vec::new();
    loop {
        let rulings = rule_all(&bounds, threshold, table, &sheets);
        let mut bad: BTreeMap<u16, usize> = BTreeMap::new();
        for (participant, ruling) in table.participants().zip(&rulings) {
            for &seat in &ruling.bad {
                *bad.entry(seat).or_default() += 1;
            }
            bad_pairs.extend(ruling.bad.iter().map(|&seat| (participant, seat)));
        }
        bad.retain(|_, &mut count| 2 * count > table.rows().len());
        if bad.is_empty() {
            erased.sort_unstable();
            bad_pairs.sort_unstable();
            bad_pairs.dedup();
            return Ok(Verdict::new(projections, table, rulings, erased, bad_pairs));
        }
        // Then decode again without them. Of wrong answers at most r/2 (one at r = 1) are located for any contribution, with
        // r sheets beyond the threshold; but any number of seats may say that they have no usable share. If fewer than the
        // threshold are left nothing decodes: everything is left out, nobody is blamed, and the ledger takes no such judgement.
        sheets.retain(|sheet| !bad.contains_key(&sheet.seat()));
        bad_pairs.retain(|(_, seat)| erased.contains(seat) || bad.contains_key(seat));
        erased.extend(bad.into_keys());
    }
}

/// Checks that the sheets belong together; returns them by seat.
fn check<'a>(
    projections: &Projections,
    threshold: usize,
    table: &ProjectionTable,
    sheets: &[&'a AnswerSheet],
) -> Result<Vec<&'a AnswerSheet>, JudgeError> {
    let mut by_seat = BTreeMap::new();
    for &sheet in sheets {
        let seat = sheet.seat();
        if !(1..=MAX_MEMBERS).contains(&seat.into()) {
            return Err(JudgeError::OutOfRange { seat, threshold });
        }
        if sheet.projections() != projections {
            return Err(JudgeError::OtherRound { seat });
        }
        let participants = sheet.entries.iter().map(|entry| entry.participant);
        if !participants.eq(table.participants()) {
            return Err(JudgeError::OtherContributions { seat });
        }
        if by_seat.insert(seat, sheet).is_some() {
            return Err(JudgeError::Twice { seat });
        }
    }
    if threshold == 0 {
        return Err(JudgeError::OutOfRange { seat: 0, threshold });
    }
    if by_seat.len() < threshold {
        return Err(JudgeError::TooFew {
            sheets: by_seat.len(),
            threshold,
        });
    }
    Ok(by_seat.into_values().collect())
}

/// What one contribution's answers say, before anybody is erased.
struct Ruling {
    /// Seats whose answers do not fit, ascending.
    bad: Vec<u16>,
    outcome: Result<(Sketch, u16), RejectionReason>,
}

fn rule_all(
    bounds: &Bounds,
    threshold: usize,
    table: &ProjectionTable,
    sheets: &[&AnswerSheet],
) -> Vec<Ruling> {
    let answers_on = |index: usize| -> Vec<Answer<'_>> {
        sheets
            .iter()
            .map(|sheet| (sheet.seat(), sheet.entries[index].words.as_ref()))
            .collect()
    };
    // Few sets of seats occur: all of them, and those without one that complains.
    let mut interpolations = BTreeMap::new();
    for index in 0..table.rows().len() {
        interpolations
            .entry(answering(&answers_on(index)))
            .or_insert_with_key(|seats| interpolation(seats, threshold));
    }
    let rows = table.rows().par_iter().enumerate().with_min_len(16);
    rows.map(|(index, (_, row))| {
        let answers = answers_on(index);
        let interpolation = interpolations.get(&answering(&answers));
        rule(
            bounds,
            interpolation.and_then(Option::as_ref),
            row,
            &answers,
        )
    })
    .collect()
}

/// One seat's answers on one contribution, `None` if its share is unusable.
type Answer<'a> = (u16, Option<&'a [u64; PROJECTIONS]>);

/// The seats that have a usable share.
fn answering(answers: &[Answer<'_>]) -> Vec<u16> {
    let usable = answers.iter().filter(|(_, words)| words.is_some());
    usable.map(|&(seat, _)| seat).collect()
}

fn interpolation(seats: &[u16], threshold: usize) -> Option<Interpolation> {
    let points: Vec<u64> = seats.iter().map(|&seat| seat.into()).collect();
    Interpolation::new(&points, threshold)
}

/// The rule for one contribution: a function of its projections and of the answers on it, and of nothing else.
/// `interpolation` is over the seats that have a usable share; there is none if they are too few.
fn rule(
    bounds: &Bounds,
    interpolation: Option<&Interpolation>,
    row: &[u64; PROJECTIONS],
    answers: &[Answer<'_>],
) -> Ruling {
    let seats = answering(answers);
    let words: Vec<&[u64]> = answers
        .iter()
        .filter_map(|(_, words)| Some(&words.as_ref()?[..]))
        .collect();
    let complaints = answers.iter().filter(|(_, words)| words.is_none());
    let mut bad: Vec<u16> = complaints.map(|&(seat, _)| seat).collect();
    let decoded = interpolation.map_or(Decoded::Undecodable(Vec::new()), |interpolation| {
        interpolation.decode(&words, |hidden| {
            bounds.in_range(&projections_of(row, hidden))
        })
    });
    let outcome = match decoded {
        Decoded::Found(hidden, wrong) => {
            bad.extend(wrong.into_iter().map(|index| seats[index]));
            bad.sort_unstable();
            let sketch = Sketch::new(row, &hidden);
            bounds
                .accept(sketch.projections())
                .map(|exponent| (sketch, exponent))
        }
        Decoded::Undecodable(_) => Err(RejectionReason::Undecodable),
    };
    let outcome = match bad.is_empty() {
        true => outcome,
        false => Err(RejectionReason::BadPair),
    };
    Ruling { bad, outcome }
}

/// `x = X - y`, centred.
fn projections_of(row: &[u64; PROJECTIONS], hidden: &[u64]) -> [i64; PROJECTIONS] {
    let mut projections = [0; PROJECTIONS];
    for ((x, &all), &hidden) in projections.iter_mut().zip(row).zip(hidden) {
        *x = centre(subtract(all, hidden));
    }
    projections
}
