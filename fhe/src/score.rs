//! What a validator learns: the product of its directions with each accepted update.

use crate::{
    decode::{Decoded, Interpolation},
    direction::Direction,
    direction_answers::DirectionAnswers,
    modular::{centre, subtract},
    params::{DELTA, SIGMA},
};
use std::collections::BTreeMap;
use thiserror::Error;

/// The products of one validator's directions with one update. For the validator only.
#[derive(Clone, PartialEq, Eq)]
pub struct Products {
    /// Whose update.
    pub participant: u32,
    /// `Delta·<v, m> + <v, e>` for each direction: divided by [`DELTA`], the product with the update in steps.
    pub scaled: Vec<i64>,
    /// Seats whose answers on this contribution do not fit the others, ascending.
    pub wrong: Vec<u16>,
}

/// An accepted contribution that the answers say nothing certain about. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// Whose contribution.
    pub participant: u32,
    /// Seats of which at least one answered wrongly on it, as far as these answers tell, ascending; empty where fewer seats
    /// answered on it than the threshold.
    pub seats: Vec<u16>,
}

/// What the answers to one validator decode to, each list in the order of the queries.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Scored {
    /// What is certain, as far as it can be.
    pub products: Vec<Products>,
    /// The accepted contributions without a product.
    pub undecided: Vec<Undecided>,
}

/// Why products were not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScoreError {
    /// One seat answered twice.
    #[error("there are two answers of seat {seat}")]
    Twice {
        /// The seat.
        seat: u16,
    },
    /// Seats are numbered from 1, and so are thresholds.
    #[error("seat and threshold are at least 1")]
    OutOfRange,
    /// Rows with another number of words than there are directions.
    #[error("the numbers on participant {participant} are not for {directions} directions")]
    Directions {
        /// Whose contribution.
        participant: u32,
        /// Directions asked.
        directions: usize,
    },
}

/// Decodes the answers to a validator and takes them off its queries.
///
/// `answers` are those of the seats that the judgement did not erase; `queried` the numbers of [`crate::Queries`] for the
/// ciphertexts; `accepted` the judgement's participants and norm exponents. Contributions that are not in the last two have no
/// products; those on which too few seats answered, or whose answers contradict each other in too many places, are undecided.
///
/// With one answer beyond the threshold a contradiction is resolved only if leaving out exactly one seat gives products
/// that an update of the judged norm can have. And nothing else is ever a product: with no answer beyond the threshold
/// whatever is answered is consistent, so a liar is not found, and this bound is all that holds it.
///
/// # Errors
/// [`ScoreError`] if the inputs do not belong together.
pub fn products(
    threshold: usize,
    directions: &[&Direction],
    answers: &[DirectionAnswers],
    queried: &[(u32, Vec<u64>)],
    accepted: &[(u32, u16)],
) -> Result<Scored, ScoreError> {
    let exponents: BTreeMap<u32, u16> = accepted.iter().copied().collect();
    let by_seat = by_seat(directions.len(), answers)?;
    if threshold == 0 {
        return Err(ScoreError::OutOfRange);
    }
    // Once: a pass over millions of entries each.
    let norms: Vec<f64> = directions.iter().map(|v| v.norm()).collect();
    let mut scored = Scored::default();
    for (participant, queried) in queried {
        let participant = *participant;
        let Some(&exponent) = exponents.get(&participant) else {
            continue;
        };
        check_length(directions.len(), participant, queried)?;
        let (seats, rows): (Vec<u16>, Vec<&[u64]>) = by_seat
            .iter()
            .filter_map(|(&seat, rows)| Some((seat, *rows.get(&participant)?)))
            .unzip();
        let points: Vec<u64> = seats.iter().map(|&seat| seat.into()).collect();
        let mut undecided = |seats| scored.undecided.push(Undecided { participant, seats });
        let Some(interpolation) = Interpolation::new(&points, threshold) else {
            undecided(Vec::new());
            continue;
        };
        let scaled = |hidden: &[u64]| -> Vec<i64> {
            let pairs = queried.iter().zip(hidden);
            pairs
                .map(|(&all, &hidden)| centre(subtract(all, hidden)))
                .collect()
        };
        let plausible = |hidden: &[u64]| {
            let mut pairs = scaled(hidden).into_iter().zip(&norms);
            pairs.all(|(x, norm)| x.unsigned_abs() as f64 <= largest(*norm, exponent))
        };
        let named = |indices: Vec<usize>| indices.into_iter().map(|index| seats[index]).collect();
        match interpolation.decode(&rows, plausible) {
            Decoded::Found(hidden, wrong) if plausible(&hidden) => {
                scored.products.push(Products {
                    participant,
                    scaled: scaled(&hidden),
                    wrong: named(wrong),
                });
            }
            Decoded::Found(..) => undecided(seats.clone()),
            Decoded::Undecodable(wrong) => undecided(named(wrong)),
        }
    }
    Ok(scored)
}

/// Answers by seat, then by participant.
fn by_seat(
    directions: usize,
    answers: &[DirectionAnswers],
) -> Result<BTreeMap<u16, BTreeMap<u32, &[u64]>>, ScoreError> {
    let mut by_seat = BTreeMap::new();
    for answers in answers {
        let seat = answers.seat();
        let mut rows = BTreeMap::new();
        for (participant, words) in answers.rows() {
            check_length(directions, *participant, words)?;
            rows.insert(*participant, &words[..]);
        }
        if seat == 0 {
            return Err(ScoreError::OutOfRange);
        }
        if by_seat.insert(seat, rows).is_some() {
            return Err(ScoreError::Twice { seat });
        }
    }
    Ok(by_seat)
}

fn check_length(directions: usize, participant: u32, words: &[u64]) -> Result<(), ScoreError> {
    match words.len() == directions {
        true => Ok(()),
        false => Err(ScoreError::Directions {
            participant,
            directions,
        }),
    }
}

/// The largest product of a direction of norm `of_direction` with an update of twice the estimated norm, noise included (8 sigma). The validator's own
/// judgement: nobody else has to come to the same.
fn largest(of_direction: f64, exponent: u16) -> f64 {
    let of_update = (f64::from(exponent) / 8.0).exp2();
    (2.0 * DELTA as f64 * of_update + 8.0 * SIGMA) * of_direction
}
