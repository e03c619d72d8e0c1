//! Is the coordinator's sum the sum of the signed contributions? Checked by every participant, before it decrypts.

use crate::{
    commit::ContributionCommitment,
    context::RoundContext,
    digit_sum::ReadSum,
    linear_hash::{LinearHash, combine_hashes},
    params::Params,
};
use std::collections::BTreeSet;
use thiserror::Error;

/// One contribution of the set that the ledger closed and weighed, with what the coordinator shows of it.
#[derive(Clone, Copy, Debug)]
pub struct Summand<'a> {
    /// The participant's number in the federation.
    pub participant: u32,
    /// Its weight, from the ledger.
    pub weight: u16,
    /// The root it signed, from the ledger.
    pub root: &'a [u8; 32],
    /// Merkle root of its chunks, from the coordinator.
    pub chunks_root: [u8; 32],
    /// Hash of the hashes of its sealed shares, from the coordinator.
    pub shares_hash: [u8; 32],
    /// Linear hash of its ciphertext, from the coordinator.
    pub linear_hash: &'a LinearHash,
}

/// What is wrong with a published sum, and whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SumError {
    /// The set is not one: the caller's mistake.
    #[error("participant {participant} stands twice in the set to verify")]
    Twice {
        /// Named twice.
        participant: u32,
    },
    /// The sum was read for other weights: the caller's mistake.
    #[error("the sum was read for a total weight of {read}, the set's weights add up to {set}")]
    TotalWeight {
        /// What the sum was read for.
        read: u64,
        /// What the weights add up to.
        set: u64,
    },
    /// What the coordinator shows of a contribution is not what its participant signed.
    #[error(
        "the coordinator is to blame: the linear hash it shows for the contribution of participant {participant} does not open the root that this participant signed; it took in a contribution that is not what was signed, or shows another one"
    )]
    NotSigned {
        /// Whose contribution.
        participant: u32,
    },
    /// The sum is not that of the signed contributions with these weights.
    #[error(
        "the coordinator is to blame: its sum is not the weighted sum of the contributions that were signed (one was left out, doubled, re-weighted or altered, or the coordinator took in one that does not have the linear hash it was signed with)"
    )]
    NotTheSum,
}

/// Checks that `sum` is `sum_j w_j·c_j` over the contributions whose roots were signed: each linear hash opens its
/// root, and together they give the hash of the sum.
///
/// 1. *Public input*: parameters, context, the set with roots and weights from the ledger; the rest from the coordinator.
///
/// Summands of weight 0 are checked against their root and add nothing.
///
/// # Errors
/// [`SumError`], which says whom to blame.
pub fn verify_sum(
    params: &Params,
    context: &RoundContext,
    summands: &[Summand<'_>],
    sum: &ReadSum,
) -> Result<(), SumError> {
    let mut participants = BTreeSet::new();
    for summand in summands {
        let participant = summand.participant;
        if !participants.insert(participant) {
            return Err(SumError::Twice { participant });
        }
        let opened = ContributionCommitment::from_hashes(
            params,
            context,
            participant,
            summand.chunks_root,
            summand.shares_hash,
            summand.linear_hash.digest(),
        );
        if opened.root != *summand.root {
            return Err(SumError::NotSigned { participant });
        }
    }
    let set = summands
        .iter()
        .map(|summand| u64::from(summand.weight))
        .sum();
    if sum.total_weight != set {
        return Err(SumError::TotalWeight {
            read: sum.total_weight,
            set,
        });
    }
    let weighted: Vec<_> = summands
        .iter()
        .map(|summand| (summand.weight, summand.linear_hash))
        .collect();
    if combine_hashes(&weighted) == sum.linear_hash {
        Ok(())
    } else {
        Err(SumError::NotTheSum)
    }
}
