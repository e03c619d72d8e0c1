//! Entries with their signatures: canonical bytes, and how they are signed.

use super::Entry;
use crate::draft::FederationId;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::{PublicKey, Signature, SignatureBatch, SigningIdentity, domain_message};
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

const ENTRY: Domain = Domain::new("entry");
const SIGNED_ENTRY: Domain = Domain::new("signed entry");

/// The version that every encoded entry starts with.
pub const ENTRY_VERSION: u8 = 1;
/// The largest encoded entry, signatures included: 1 MiB.
pub const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// An encoded [`EntrySignature`]: key and signature.
const SIGNATURE_BYTES: usize = 96;

/// One signature under an entry.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EntrySignature {
    /// Whose.
    pub signer: PublicKey,
    /// Over the federation's id and the entry's bytes.
    pub signature: Signature,
}

/// An entry and the signatures under it, in ascending order of the signers' keys.
///
/// # Encoding
/// A version byte, then borsh: entry, then signatures. One value has one encoding and one encoding has
/// one value; the leaf of the Merkle tree is the hash of these bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedEntry {
    /// The statement.
    pub entry: Entry,
    /// Who stands by it.
    pub signatures: Vec<EntrySignature>,
}

/// Why bytes are not an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than [`MAX_ENTRY_BYTES`].
    #[error("the entry has {bytes} bytes, at most {MAX_ENTRY_BYTES} are allowed")]
    TooLong {
        /// The length.
        bytes: usize,
    },
    /// No byte at all.
    #[error("the entry is empty")]
    Empty,
    /// Written by another version.
    #[error("the entry has version {version}, this program reads {ENTRY_VERSION}: update it")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// Not the encoding of an entry, or bytes are left over.
    #[error("the entry is malformed: {reason}")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
}

impl Entry {
    /// The canonical bytes that are signed: a version byte, then borsh.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![ENTRY_VERSION];
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`Entry::to_bytes`] wrote: how members receive an entry to sign.
    ///
    /// # Errors
    /// When the bytes are not exactly one entry of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }

    /// `identity`'s signature under this entry of `federation`.
    pub fn sign(&self, federation: &FederationId, identity: &SigningIdentity) -> EntrySignature {
        EntrySignature {
            signer: identity.public(),
            signature: identity.sign(ENTRY, &signed_message(federation, &self.to_bytes())),
        }
    }

    /// Whether `signature` is its signer's under this entry of `federation`: for whoever collects
    /// signatures, so that a bad one is refused before it spoils the entry.
    pub fn verify_signature(&self, federation: &FederationId, signature: &EntrySignature) -> bool {
        let message = signed_message(federation, &self.to_bytes());
        signature
            .signer
            .verify(ENTRY, &message, &signature.signature)
    }
}

impl SignedEntry {
    /// Puts the signatures in order. Nothing is checked: that is for [`crate::State::apply`].
    pub fn new(entry: Entry, mut signatures: Vec<EntrySignature>) -> Self {
        signatures.sort_by_key(|signature| signature.signer);
        Self { entry, signatures }
    }

    /// Signs `entry` by each of `identities`, for callers that hold all keys.
    pub fn signed_by(
        entry: Entry,
        federation: &FederationId,
        identities: &[&SigningIdentity],
    ) -> Self {
        let signatures = identities
            .iter()
            .map(|identity| entry.sign(federation, identity))
            .collect();
        Self::new(entry, signatures)
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![ENTRY_VERSION];
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// How many canonical bytes there are.
    pub fn encoded_len(&self) -> usize {
        // Counting cannot fail.
        borsh::object_length(self).map_or(usize::MAX, |body| body.saturating_add(1))
    }

    /// Parses canonical bytes, with nothing left over.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }

    /// The hash of the canonical bytes, by which people refer to an entry.
    pub fn hash(&self) -> Hash {
        DomainHasher::new(SIGNED_ENTRY)
            .with(&self.encode())
            .finish()
    }

    /// Who signed, in ascending order of keys if the entry is well-formed.
    pub fn signers(&self) -> impl Iterator<Item = &PublicKey> {
        self.signatures.iter().map(|signature| &signature.signer)
    }

    /// Puts the signatures under this entry, whose canonical bytes are `encoded`, into a batch; `false` if one
    /// of them is invalid by its encoding.
    pub(crate) fn add_signatures(
        &self,
        federation: &FederationId,
        encoded: &[u8],
        batch: &mut SignatureBatch<'_>,
    ) -> bool {
        // Borsh writes the signatures last: a count of four bytes, then keys and signatures.
        let signatures = self
            .signatures
            .len()
            .saturating_mul(SIGNATURE_BYTES)
            .saturating_add(4);
        let Some(signed) = encoded
            .len()
            .checked_sub(signatures)
            .and_then(|end| encoded.get(..end))
        else {
            return false;
        };
        let prefix = domain_message(ENTRY, &federation.0);
        self.signatures
            .iter()
            .all(|signature| batch.add(&signature.signer, &[&prefix, signed], &signature.signature))
    }

    /// The first signer whose signature does not verify.
    pub(crate) fn first_bad_signature(&self, federation: &FederationId) -> Option<PublicKey> {
        let message = signed_message(federation, &self.entry.to_bytes());
        self.signatures
            .iter()
            .find(|signature| {
                !signature
                    .signer
                    .verify(ENTRY, &message, &signature.signature)
            })
            .map(|signature| signature.signer)
    }
}

fn signed_message(federation: &FederationId, entry: &[u8]) -> Vec<u8> {
    let mut message = federation.0.to_vec();
    message.extend_from_slice(entry);
    message
}

fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX_ENTRY_BYTES {
        return Err(DecodeError::TooLong { bytes: bytes.len() });
    }
    let (version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if *version != ENTRY_VERSION {
        return Err(DecodeError::Version { version: *version });
    }
    borsh::from_slice(body).map_err(|error| DecodeError::Malformed {
        reason: error.to_string(),
    })
}
