//! Receipts: the coordinator's word that a contribution is on the ledger.

use crate::draft::FederationId;
use crate::hash::{Domain, Hash};
use crate::identity::{PublicKey, Signature, SigningIdentity};
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};

const RECEIPT: Domain = Domain::new("receipt");

/// The statement that entry number `entry_index` (from 0) of the federation's log is the
/// participant's [`crate::Entry::ContributionCommitted`] with this root.
///
/// # Flow
/// The coordinator appends the entry, then signs the receipt. The participant keeps it and, if a
/// close is proposed without its contribution, posts it to the committee: no member cosigns a close
/// that lacks a receipted contribution. Against a checkpoint of a greater size the receipt can be
/// checked by an inclusion proof of `entry_index`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// The federation.
    pub federation: FederationId,
    /// The round contributed to.
    pub round: u64,
    /// Who contributed.
    pub participant: ParticipantId,
    /// The root that the participant signed.
    pub root: Hash,
    /// Where the entry is in the log, from 0.
    pub entry_index: u64,
}

/// A [`Receipt`] under the coordinator's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedReceipt {
    /// What is stated.
    pub receipt: Receipt,
    /// The coordinator's signature under it.
    pub signature: Signature,
}

impl Receipt {
    /// Signs the receipt. The same receipt always gets the same bytes.
    pub fn sign(self, coordinator: &SigningIdentity) -> SignedReceipt {
        let signature = coordinator.sign(RECEIPT, &self.message());
        SignedReceipt {
            receipt: self,
            signature,
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }
}

impl SignedReceipt {
    /// Whether the signature is `coordinator`'s.
    pub fn verify(&self, coordinator: &PublicKey) -> bool {
        coordinator.verify(RECEIPT, &self.receipt.message(), &self.signature)
    }

    /// The receipt as bytes, to be stored or sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`SignedReceipt::to_bytes`] wrote; `None` unless it is exactly that.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        borsh::from_slice(bytes).ok()
    }
}
