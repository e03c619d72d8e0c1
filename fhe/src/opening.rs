//! A member's answer: its share of the key of the weighted sum.

use crate::{
    modular::{Factor, add},
    params::{MAX_TOTAL_WEIGHT, MAX_WEIGHT},
    ring::{Poly, PolynomialError},
    share::KeyShare,
};
use std::collections::BTreeSet;
use thiserror::Error;

/// `z_i = sum_j w_j·f_j(i)`, 12,288 bytes: the one value a member gives out in a round.
///
/// `t` of them are the key of the sum, and nothing about a single key as long as the guard rule holds: one set of
/// weights a round, ever. The member's store enforces that, not this type.
pub struct Opening(pub(crate) Poly);

impl Opening {
    /// The packed polynomial.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Decodes an answer.
    ///
    /// # Errors
    /// [`PolynomialError`] if the length is wrong or a coefficient is not below q.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolynomialError> {
        Poly::from_bytes(bytes).map(Self)
    }
}

/// Why shares were not combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CombineError {
    /// Nothing to open.
    #[error("no share has a weight: there is no sum to open")]
    Empty,
    /// A weight above the limit that the error distribution was chosen for.
    #[error("participant {participant} has weight {weight}, above {MAX_WEIGHT}")]
    Weight {
        /// Whose share.
        participant: u32,
        /// Weight given.
        weight: u16,
    },
    /// The sum could wrap around.
    #[error("the weights add up to {total}, above {MAX_TOTAL_WEIGHT}")]
    TotalWeight {
        /// Sum of the weights.
        total: u64,
    },
    /// Two shares that do not belong in one sum.
    #[error(
        "the share of participant {participant} is for another round, model or seat than the others"
    )]
    Mixed {
        /// Whose share.
        participant: u32,
    },
    /// A participant counted twice.
    #[error("two shares are of participant {participant}")]
    Twice {
        /// Whose shares.
        participant: u32,
    },
}

/// Adds up the shares of one seat with the round's weights. Shares of weight 0 are left out.
///
/// 1. *Private input*: the seat's shares.
/// 2. *Public input*: the weights.
/// 3. *Public output*: the seat's answer.
///
/// # Errors
/// [`CombineError`] if the shares do not belong together or the weights are out of range.
pub fn combine(shares: &[(u16, &KeyShare)]) -> Result<Opening, CombineError> {
    let mut participants = BTreeSet::new();
    let mut total = 0;
    let mut sum = Poly::zero();
    let first = shares.first().ok_or(CombineError::Empty)?.1.slot();
    for &(weight, share) in shares {
        let participant = share.participant();
        if weight > MAX_WEIGHT {
            return Err(CombineError::Weight {
                participant,
                weight,
            });
        }
        if (share.slot().context, share.seat()) != (first.context, first.seat) {
            return Err(CombineError::Mixed { participant });
        }
        if !participants.insert(participant) {
            return Err(CombineError::Twice { participant });
        }
        total += u64::from(weight);
        let weight = Factor::new(weight.into());
        for (sum, &value) in sum.0.iter_mut().zip(share.value().0.iter()) {
            *sum = add(*sum, weight.multiply(value));
        }
    }
    match total {
        0 => Err(CombineError::Empty),
        1..=MAX_TOTAL_WEIGHT => Ok(Opening(sum)),
        _ => Err(CombineError::TotalWeight { total }),
    }
}
