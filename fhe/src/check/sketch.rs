//! The committee's view of the accepted updates, and the equalities that bind the sum to what was checked.

use super::{Judgement, ProjectionTable, Ruling, projections_of};
use crate::{
    answer::hidden,
    modular::{add, multiply},
    open::KeySum,
    params::MAX_WEIGHT,
    projection::{PROJECTIONS, Projections},
};
use std::collections::BTreeMap;
use thiserror::Error;
use zeroize::Zeroize;

/// 48 numbers about one update. For the committee only: wiped when dropped, no `Debug`, no `Clone`.
pub(super) struct Sketch {
    /// `y_k = <row(A_k), s>`.
    hidden: [u64; PROJECTIONS],
    /// `x_k = Delta·<r_k, m> + <r_k, e>`.
    projections: [i64; PROJECTIONS],
}

impl Sketch {
    pub(super) fn new(row: &[u64; PROJECTIONS], hidden: &[u64]) -> Self {
        let mut words = [0; PROJECTIONS];
        words.copy_from_slice(hidden);
        Self {
            hidden: words,
            projections: projections_of(row, hidden),
        }
    }

    pub(super) fn projections(&self) -> &[i64; PROJECTIONS] {
        &self.projections
    }
}

impl Drop for Sketch {
    fn drop(&mut self) {
        self.hidden.zeroize();
        self.projections.zeroize();
    }
}

/// A judgement with what only the committee knows: the projections of the accepted updates. No `Debug`, no `Clone`.
pub struct Verdict {
    projections: Projections,
    judgement: Judgement,
    sketches: BTreeMap<u32, Sketch>,
}

/// Why an equality of the opened sum does not hold or cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EqualityError {
    /// A weight above the limit.
    #[error("participant {participant} has weight {weight}, above {MAX_WEIGHT}")]
    Weight {
        /// Whose weight.
        participant: u32,
        /// Weight given.
        weight: u16,
    },
    /// A weight for somebody who is not in the table, or was not accepted.
    #[error("participant {participant} has a weight but no accepted contribution")]
    NotAccepted {
        /// Whose weight.
        participant: u32,
    },
    /// A participant counted twice.
    #[error("participant {participant} has two weights")]
    Twice {
        /// Whose weights.
        participant: u32,
    },
    /// The ciphertext that was summed is not the weighted sum of those that were checked.
    #[error(
        "projection {projection} of the summed ciphertext is not the weighted sum of the contributions' projections: the coordinator summed something else"
    )]
    Ciphertext {
        /// First projection that differs, from 0.
        projection: usize,
    },
    /// The opened key does not belong to the contributions that were checked.
    #[error(
        "the opened key does not fit the answers that were checked, at projection {projection}"
    )]
    KeySum {
        /// First projection that differs, from 0.
        projection: usize,
    },
}

impl Verdict {
    pub(super) fn new(
        projections: &Projections,
        table: &ProjectionTable,
        rulings: Vec<Ruling>,
        erased: Vec<u16>,
        bad_pairs: Vec<(u32, u16)>,
    ) -> Self {
        let mut verdict = Self {
            projections: *projections,
            judgement: Judgement {
                accepted: Vec::new(),
                rejected: Vec::new(),
                erased,
                bad_pairs,
            },
            sketches: BTreeMap::new(),
        };
        for (participant, ruling) in table.participants().zip(rulings) {
            match ruling.outcome {
                Ok((sketch, exponent)) => {
                    verdict.judgement.accepted.push((participant, exponent));
                    verdict.sketches.insert(participant, sketch);
                }
                Err(reason) => verdict.judgement.rejected.push((participant, reason)),
            }
        }
        verdict
    }

    /// What is signed and goes to the ledger.
    #[must_use]
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// The projections of an accepted update, `Delta·<r_k, m>` with noise. For members' eyes only.
    #[must_use]
    pub fn sketch(&self, participant: u32) -> Option<&[i64; PROJECTIONS]> {
        self.sketches.get(&participant).map(Sketch::projections)
    }

    /// Pairs of accepted participants, ascending, whose updates are all but the same:
    /// `sum_k (x_ik - x_jk)^2 <= min(sum_k x_ik^2, sum_k x_jk^2)/100`. Nothing new is opened for this.
    #[must_use]
    pub fn copies(&self) -> Vec<(u32, u32)> {
        let sketches: Vec<_> = self
            .sketches
            .iter()
            .map(|(&j, sketch)| (j, &sketch.projections, squares(sketch.projections)))
            .collect();
        let mut copies = Vec::new();
        for (at, &(i, a, norm)) in sketches.iter().enumerate() {
            for &(j, b, other_norm) in &sketches[at + 1..] {
                let difference = squares(std::array::from_fn(|k| a[k] - b[k]));
                if 100 * difference <= norm.min(other_norm) {
                    copies.push((i, j));
                }
            }
        }
        copies
    }

    /// Members' check of the opened key: `<row(A_k), S> = sum_j w_j·y_jk` for every projection. Also the test to give
    /// [`crate::open_key_sum`], which tries each subset when one answer of five contradicts the others.
    ///
    /// # Errors
    /// [`EqualityError`] if it does not hold, or the weights are not those of accepted contributions.
    pub fn verify_key_sum(
        &self,
        key_sum: &KeySum,
        weights: &[(u32, u16)],
    ) -> Result<(), EqualityError> {
        let of = |participant| Some(self.sketches.get(&participant)?.hidden);
        let expected = weighted(weights, of)?;
        let found = hidden(&self.projections, &[&key_sum.0.0]);
        match found.first().map(|found| differing(&expected, found)) {
            Some(None) => Ok(()),
            other => Err(EqualityError::KeySum {
                projection: other.flatten().unwrap_or(0),
            }),
        }
    }
}

/// Everybody's check of the sum: `<C_sum, r_k> = sum_j w_j·X_jk` for every projection, so that what was checked is what was
/// summed. `sum` is [`crate::project`] of the summed ciphertext.
///
/// # Errors
/// [`EqualityError`] if it does not hold, or a weight is of somebody who is not in the table.
pub fn verify_projections_of_sum(
    table: &ProjectionTable,
    weights: &[(u32, u16)],
    sum: &[u64; PROJECTIONS],
) -> Result<(), EqualityError> {
    let expected = weighted(weights, |participant| table.row(participant).copied())?;
    match differing(&expected, sum) {
        None => Ok(()),
        Some(projection) => Err(EqualityError::Ciphertext { projection }),
    }
}

fn squares(projections: [i64; PROJECTIONS]) -> u128 {
    let squared = |x: i64| u128::from(x.unsigned_abs()).pow(2);
    projections.into_iter().map(squared).sum()
}

fn differing(a: &[u64; PROJECTIONS], b: &[u64; PROJECTIONS]) -> Option<usize> {
    (0..PROJECTIONS).find(|&k| a[k] != b[k])
}

/// `sum_j w_j·row_j`; weights of zero count for nobody.
fn weighted(
    weights: &[(u32, u16)],
    row: impl Fn(u32) -> Option<[u64; PROJECTIONS]>,
) -> Result<[u64; PROJECTIONS], EqualityError> {
    let mut sum = [0; PROJECTIONS];
    let mut seen = std::collections::BTreeSet::new();
    for &(participant, weight) in weights {
        if weight > MAX_WEIGHT {
            return Err(EqualityError::Weight {
                participant,
                weight,
            });
        }
        if !seen.insert(participant) {
            return Err(EqualityError::Twice { participant });
        }
        if weight == 0 {
            continue;
        }
        let row = row(participant).ok_or(EqualityError::NotAccepted { participant })?;
        for (sum, word) in sum.iter_mut().zip(row) {
            *sum = add(*sum, multiply(weight.into(), word));
        }
    }
    Ok(sum)
}
