//! What the signed root of a stored contribution covers.

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::Hash;

use super::{Contributions, upload::check_file};
use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
    payload::Payload,
};

/// The parts under a contribution's root, as they were checked: what members compare their shares with, and
/// everybody the sum.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Leaves {
    /// The Merkle root of the chunks.
    pub(crate) chunks_root: Hash,
    /// Hash of each seat's sealed share, in seat order.
    pub(crate) share_hashes: Vec<Hash>,
    /// Hash of the linear hash.
    pub(crate) linear_hash_hash: Hash,
    /// The linear hash.
    pub(crate) linear_hash: Vec<u8>,
}

impl Contributions {
    /// Keeps the leaves of a contribution that was checked; written before the ciphertext counts as complete.
    pub(super) fn keep_leaves(
        &self,
        round: u64,
        participant: u32,
        leaves: &Leaves,
    ) -> Result<(), CoordinatorError> {
        let path = self.leaves_path(round, participant);
        let bytes = borsh::to_vec(leaves).map_err(CoordinatorError::io("write", &path))?;
        durable::write(&path, &bytes, Readers::Owner)
    }

    /// The leaves of a complete contribution.
    pub(crate) fn leaves(&self, round: u64, participant: u32) -> Result<Leaves, CoordinatorError> {
        let path = self.leaves_path(round, participant);
        let bytes = std::fs::read(&path).map_err(CoordinatorError::io("read", &path))?;
        borsh::from_slice(&bytes).map_err(|error| CoordinatorError::config(path, error.to_string()))
    }

    /// Whether a stored contribution is still what was checked when it came in.
    pub(crate) fn is_intact(
        &self,
        payload: Payload,
        round: u64,
        participant: u32,
    ) -> Result<bool, CoordinatorError> {
        let leaves = self.leaves(round, participant)?;
        let path = self.ciphertext_path(round, participant);
        let check = check_file(payload, &mut self.ciphertext(round, participant)?)
            .map_err(CoordinatorError::io("read", path))?;
        Ok(check.finish().is_ok_and(|checked| {
            checked.chunks_root == leaves.chunks_root
                && checked.linear_hash.to_bytes() == leaves.linear_hash
        }))
    }
}
