//! From the members' answers to the key of the sum, naming those who lied.

use crate::{
    committee::MAX_MEMBERS,
    hash::hasher,
    modular,
    opening::Opening,
    params::{CHUNK_BYTES, N},
    reed_solomon::{agreeing, lagrange},
    ring::{self, Poly, PolynomialError},
    xof::Xof,
};
use sha2::Digest;
use thiserror::Error;

/// `S = sum_j w_j·s_j`: the key that opens the weighted sum, and only it. Public once published.
pub struct KeySum(pub(crate) Poly);

impl KeySum {
    /// The packed polynomial, 12,288 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Decodes a published key sum.
    ///
    /// # Errors
    /// [`PolynomialError`] if the length is wrong or a coefficient is not below q.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolynomialError> {
        Poly::from_bytes(bytes).map(Self)
    }
}

impl std::fmt::Debug for KeySum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySum(..)")
    }
}

/// A decoded opening.
#[derive(Debug)]
pub struct Opened {
    /// The key of the sum.
    pub key_sum: KeySum,
    /// Seats whose answer is wrong, ascending.
    pub liars: Vec<u16>,
}

/// Why the answers do not open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Fewer answers than the threshold.
    #[error("{answers} answers do not open: {threshold} are needed")]
    TooFew {
        /// Answers given.
        answers: usize,
        /// Answers needed.
        threshold: usize,
    },
    /// A seat that no committee has, or threshold 0.
    #[error("seat {seat} or threshold {threshold} is out of range: both lie between 1 and {limit}", limit = MAX_MEMBERS)]
    OutOfRange {
        /// Largest or smallest seat given.
        seat: u16,
        /// Threshold given.
        threshold: usize,
    },
    /// One seat answered twice.
    #[error("seat {seat} answered twice")]
    Twice {
        /// The seat.
        seat: u16,
    },
    /// More wrong answers than the redundancy can locate.
    #[error(
        "the {answers} answers contradict each other in more than {locatable} places: wait for more of them"
    )]
    TooManyLiars {
        /// Answers given.
        answers: usize,
        /// Wrong answers that could have been located.
        locatable: usize,
    },
    /// The answers contradict each other, and leaving out one does not show who is wrong.
    #[error(
        "the answers contradict each other and {candidates} members could be the wrong one: nobody is named; wait for more answers"
    )]
    Ambiguous {
        /// Members without whom the rest is plausible, and different.
        candidates: usize,
    },
    /// What the answers open is not the key of the sum; who is wrong does not show.
    #[error("the answers open nothing plausible: more of them are wrong than can be located")]
    Implausible,
}

/// Decodes the key sum from `answers` (seat, answer), of which at least `threshold` are right, and accepts it if it is
/// `plausible`: [`crate::decrypt::is_plausible`] is the test to pass.
///
/// With `r` answers more than the threshold, up to `r/2` wrong ones are located and named. With `r = 1` a contradiction
/// is seen but not located: each subset without one answer is tried, and if `plausible` accepts exactly one, the
/// omitted member is named. With `r = 0` `plausible` alone decides.
///
/// What is returned is the key of the sum in any case, however many lie: a wrong one is not plausible. The names are
/// certain only if no more lie than can be located, one at `r = 1`: there, two who collude can agree on answers that open
/// the right key and make a third look wrong. So a name at `r = 1` asks for an inquiry, and no more.
///
/// # Errors
/// [`OpenError`]; nobody is named then.
pub fn open_key_sum(
    threshold: usize,
    answers: &[(u16, Opening)],
    mut plausible: impl FnMut(&KeySum) -> bool,
) -> Result<Opened, OpenError> {
    let points = check(threshold, answers)?;
    let all: Vec<usize> = (0..answers.len()).collect();
    let redundancy = answers.len() - threshold;
    if redundancy == 0 {
        let key_sum = interpolate(&points, answers, &all);
        return accept(key_sum, vec![], &mut plausible);
    }
    let locatable = redundancy / 2;
    let digest = digest(answers);
    // A wrong answer hides from one random combination with probability 2^-48 (or by grinding that
    // much); the full comparison below then sees it, and the next combination decides.
    for attempt in 0_u64..4 {
        let values = combination(&digest, attempt, answers);
        let Some(agreeing) = agreeing(&points, &values, threshold) else {
            break;
        };
        let good = &agreeing[..threshold];
        let liars = differing(&points, answers, good);
        if liars.len() <= locatable {
            let key_sum = interpolate(&points, answers, good);
            return accept(key_sum, liars, &mut plausible);
        }
    }
    if redundancy > 1 {
        return Err(OpenError::TooManyLiars {
            answers: answers.len(),
            locatable,
        });
    }
    leave_one_out(&points, answers, &mut plausible)
}

/// More liars than can be located may agree on another polynomial, but not on a plausible key.
fn accept(
    key_sum: KeySum,
    liars: Vec<u16>,
    plausible: &mut impl FnMut(&KeySum) -> bool,
) -> Result<Opened, OpenError> {
    if plausible(&key_sum) {
        Ok(Opened { key_sum, liars })
    } else {
        Err(OpenError::Implausible)
    }
}

/// Checks seats and counts; returns the seats as points.
fn check(threshold: usize, answers: &[(u16, Opening)]) -> Result<Vec<u64>, OpenError> {
    if answers.len() < threshold {
        return Err(OpenError::TooFew {
            answers: answers.len(),
            threshold,
        });
    }
    let mut points = Vec::with_capacity(answers.len());
    for &(seat, _) in answers {
        if !(1..=MAX_MEMBERS).contains(&usize::from(seat)) || threshold == 0 {
            return Err(OpenError::OutOfRange { seat, threshold });
        }
        let point = u64::from(seat);
        if points.contains(&point) {
            return Err(OpenError::Twice { seat });
        }
        points.push(point);
    }
    match threshold {
        0 => Err(OpenError::OutOfRange { seat: 0, threshold }),
        _ => Ok(points),
    }
}

/// `f(0)` of the polynomial through the answers at the indices `chosen`.
fn interpolate(points: &[u64], answers: &[(u16, Opening)], chosen: &[usize]) -> KeySum {
    KeySum(through(points, answers, chosen, 0))
}

/// `f(at)` of the polynomial through the answers at the indices `chosen`.
fn through(points: &[u64], answers: &[(u16, Opening)], chosen: &[usize], at: u64) -> Poly {
    let chosen_points: Vec<u64> = chosen.iter().map(|&i| points[i]).collect();
    let values = chosen.iter().map(|&i| &*answers[i].1.0.0);
    ring::linear_combination(lagrange(&chosen_points, at).into_iter().zip(values))
}

/// Seats whose whole answer is not on the polynomial through the answers at the indices `good`, ascending.
fn differing(points: &[u64], answers: &[(u16, Opening)], good: &[usize]) -> Vec<u16> {
    let mut liars: Vec<u16> = (0..answers.len())
        .filter(|index| !good.contains(index))
        .filter(|&index| through(points, answers, good, points[index]).0 != answers[index].1.0.0)
        .map(|index| answers[index].0)
        .collect();
    liars.sort_unstable();
    liars
}

/// Hash of all answers: the combinations are fixed only after every answer is.
fn digest(answers: &[(u16, Opening)]) -> [u8; 32] {
    let mut hasher = hasher("answers");
    for (seat, answer) in answers {
        hasher.update(seat.to_le_bytes());
        hasher.update(answer.to_bytes());
    }
    hasher.finalize().into()
}

/// One random linear combination of each answer's coefficients.
fn combination(digest: &[u8; 32], attempt: u64, answers: &[(u16, Opening)]) -> Vec<u64> {
    let mut factors = [0; N];
    Xof::new("answer combination", &[digest, &attempt.to_le_bytes()])
        .fill_uniform(&mut [0; CHUNK_BYTES], &mut factors);
    let combine = |(_, answer): &(u16, Opening)| {
        let terms = factors.iter().zip(answer.0.0.iter());
        terms.fold(0, |sum, (&factor, &value)| {
            modular::add(sum, modular::multiply(factor, value))
        })
    };
    answers.iter().map(combine).collect()
}

/// One redundant answer: finds the member without whom the others are plausible.
fn leave_one_out(
    points: &[u64],
    answers: &[(u16, Opening)],
    plausible: &mut impl FnMut(&KeySum) -> bool,
) -> Result<Opened, OpenError> {
    let mut found: Vec<(u16, KeySum)> = Vec::new();
    for omitted in 0..answers.len() {
        let others: Vec<usize> = (0..answers.len()).filter(|&i| i != omitted).collect();
        let key_sum = interpolate(points, answers, &others);
        if plausible(&key_sum) {
            found.push((answers[omitted].0, key_sum));
        }
    }
    let candidates = found.len();
    let agree = found.windows(2).all(|pair| pair[0].1.0.0 == pair[1].1.0.0);
    match found.pop() {
        None => Err(OpenError::Implausible),
        Some(_) if !agree => Err(OpenError::Ambiguous { candidates }),
        // Several that agree on the key: it is right, but any of the omitted could be the liar.
        Some((seat, key_sum)) => Ok(Opened {
            key_sum,
            liars: if candidates == 1 { vec![seat] } else { vec![] },
        }),
    }
}
