//! Which vectors a member has answered on in a round: the cap on openings, as a set of hashes and not a number.

use crate::{
    direction::{MAX_OPENED, max_opened},
    params::Params,
    projection::PROJECTIONS,
};
use std::collections::BTreeSet;
use thiserror::Error;

/// The directions a member has agreed to answer on in one round, by [`crate::direction_hash`].
///
/// The member stores this durably *before* it gives out an answer, and restores it after a crash; so a direction that is
/// asked twice counts once, and no order of crashes opens one more than allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedVectors {
    limit: usize,
    hashes: BTreeSet<[u8; 32]>,
}

/// One direction more than may be opened in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{opened} vectors are opened in this round, which is all that a model of this size allows: a further direction is refused"
)]
pub struct TooManyOpened {
    /// Vectors opened, the projections included.
    pub opened: usize,
}

/// Why stored bytes are not such a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenedVectorsError {
    /// Not a whole number of hashes.
    #[error("{actual} bytes are no whole number of 32-byte hashes")]
    Length {
        /// Bytes given.
        actual: usize,
    },
    /// Not strictly ascending.
    #[error("the hashes are not in ascending order")]
    Order,
    /// More than the limit.
    #[error(transparent)]
    TooMany(#[from] TooManyOpened),
}

impl OpenedVectors {
    /// The set at the start of a round: the [`PROJECTIONS`] are counted from the start, as they are always answered.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self {
            limit: max_opened(params),
            hashes: BTreeSet::new(),
        }
    }

    /// Vectors opened, the projections included.
    #[must_use]
    pub fn opened(&self) -> usize {
        PROJECTIONS + self.hashes.len()
    }

    /// Whether the direction is in the set.
    #[must_use]
    pub fn contains(&self, direction: &[u8; 32]) -> bool {
        self.hashes.contains(direction)
    }

    /// Admits a direction, or finds it admitted already.
    ///
    /// # Errors
    /// [`TooManyOpened`] if it would be one more than [`max_opened`]; the set is then unchanged.
    pub fn admit(&mut self, direction: [u8; 32]) -> Result<(), TooManyOpened> {
        let opened = self.opened();
        if !self.contains(&direction) && opened >= self.limit {
            return Err(TooManyOpened { opened });
        }
        self.hashes.insert(direction);
        Ok(())
    }

    /// The hashes in ascending order, 32 bytes each: what the member stores.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flatten().copied().collect()
    }

    /// Restores the set.
    ///
    /// # Errors
    /// [`OpenedVectorsError`] if the bytes are not what [`Self::to_bytes`] wrote for these parameters.
    pub fn from_bytes(params: &Params, bytes: &[u8]) -> Result<Self, OpenedVectorsError> {
        let (hashes, []) = bytes.as_chunks() else {
            return Err(OpenedVectorsError::Length {
                actual: bytes.len(),
            });
        };
        if !hashes.is_sorted_by(|a, b| a < b) {
            return Err(OpenedVectorsError::Order);
        }
        if hashes.len() > MAX_OPENED {
            let opened = PROJECTIONS + hashes.len();
            return Err(TooManyOpened { opened }.into());
        }
        let mut set = Self::new(params);
        for &hash in hashes {
            set.admit(hash)?;
        }
        Ok(set)
    }
}
