//! A member's scalar answers on its shares: `y = <row(A), f_j(i)>`.
//!
//! Linear in the share, so the answers of `t` seats give `<row(A), s_j>`, which is what the key hides of `<v, c_j>`. Each
//! answered vector is one linear equation on the key, known to the recipients: how many there may be is
//! [`crate::direction::max_opened`], and members keep count ([`crate::OpenedVectors`]).
//!
//! Constant time in the shares: products and sums of fixed length, reduced without a branch.

use crate::{
    direction::DirectionKey,
    params::N,
    projection::{PROJECTIONS, Projections},
    query::Vectors,
    ring::{Poly, scalar_product},
    share::KeyShare,
    transpose::{row, transposed},
};
use thiserror::Error;
use zeroize::Zeroize;

/// `row(A_k)` of the round's projections, recomputed by everybody from the challenge: 768 KiB.
pub struct ProjectionKeys {
    projections: Projections,
    rows: Vec<Poly>,
}

impl ProjectionKeys {
    /// Expands the public polynomials and the projections once, over the threads of the caller's rayon pool.
    #[must_use]
    pub fn new(projections: &Projections) -> Self {
        let keys = transposed(projections.context(), &Vectors::Projections(projections));
        Self {
            projections: *projections,
            rows: keys.iter().map(row).collect(),
        }
    }

    /// Whose keys these are.
    #[must_use]
    pub fn projections(&self) -> &Projections {
        &self.projections
    }

    /// `<row(A_k), s>` for every projection.
    pub(crate) fn products(&self, s: &[u64; N]) -> [u64; PROJECTIONS] {
        let mut products = [0; PROJECTIONS];
        for (product, row) in products.iter_mut().zip(&self.rows) {
            *product = scalar_product(&row.0, s);
        }
        products
    }
}

/// Why a share was not answered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The share is of another round or model than the projections.
    #[error(
        "the share of participant {participant} is of another round or model than the projections"
    )]
    OtherRound {
        /// Whose share.
        participant: u32,
    },
}

/// One member's answers on the projections of one contribution, or that it has no usable share of it.
///
/// With the answers of `t - 1` others this is a sketch of the update, for the committee only: wiped when dropped, no
/// `Debug`, no `Clone`.
pub struct ProjectionAnswers {
    pub(crate) participant: u32,
    /// The seat that answers; `None` as long as `words` is.
    pub(crate) seat: Option<u16>,
    pub(crate) words: Option<[u64; PROJECTIONS]>,
}

impl ProjectionAnswers {
    /// For a contribution whose sealed share was not accepted ([`crate::share::ShareError`]). It keeps the contribution
    /// out of the sum, until an appeal shows whether dealer or member is to blame.
    #[must_use]
    pub fn unusable(participant: u32) -> Self {
        Self {
            participant,
            seat: None,
            words: None,
        }
    }

    /// Whose contribution this is about.
    #[must_use]
    pub fn participant(&self) -> u32 {
        self.participant
    }
}

impl Drop for ProjectionAnswers {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// A member's answers on the projections of one contribution.
///
/// 1. *Private input*: the seat's share.
/// 2. *Public input*: the keys of the projections.
/// 3. *Private output*, for the committee: 48 numbers mod q.
///
/// # Errors
/// [`AnswerError`] if share and projections are of different rounds.
pub fn answer_projections(
    share: &KeyShare,
    keys: &ProjectionKeys,
) -> Result<ProjectionAnswers, AnswerError> {
    let participant = share.participant();
    if share.slot().context != *keys.projections.context() {
        return Err(AnswerError::OtherRound { participant });
    }
    Ok(ProjectionAnswers {
        participant,
        seat: Some(share.seat()),
        words: Some(keys.products(&share.value().0)),
    })
}

/// A member's answer on one direction, for the validator that asked.
///
/// The caller has checked that the direction was committed before the close, that its validator has another owner than
/// the contribution, and that it is within the round's limit.
#[must_use]
pub fn answer_direction(share: &KeyShare, key: &DirectionKey) -> u64 {
    scalar_product(key.row(), &share.value().0)
}
