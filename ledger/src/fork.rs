//! The proof that a coordinator signed two stories, which anybody can check who knows its key.

use crate::checkpoint::SignedCheckpoint;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::tree::{Proof, verify_consistency};
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// What [`ForkProof::to_bytes`] starts with.
const VERSION: &[u8; 22] = b"unsilo/v1/fork proof\0\x01";
/// The longest encoding that is read: two notes of one signature, and a proof of at most 128 hashes.
const MAX_BYTES: usize = 8 * 1024;

/// Two checkpoints under one coordinator's signature that cannot be of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    first: SignedCheckpoint,
    second: SignedCheckpoint,
    /// For two sizes; `first` is then the smaller.
    rewritten: Option<Rewritten>,
}

/// What the larger log begins with instead of the smaller one.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Rewritten {
    /// The root over the first entries of the larger log, as many as the smaller one has.
    found: Hash,
    /// The consistency proof from there to the larger root. As no other root has one, the coordinator, who
    /// signed another at the smaller size, rewrote history.
    consistency: Proof,
}

/// Why something is not the proof of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForkProofError {
    /// Not the bytes of one.
    #[error("the bytes are not the proof of a fork")]
    Malformed,
    /// A checkpoint that this coordinator did not sign.
    #[error("a checkpoint is not signed by this coordinator")]
    NotSigned,
    /// Of two federations, or nothing in one says that the other is false.
    #[error("the two checkpoints do not contradict each other")]
    NoContradiction,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Encoded {
    first: String,
    second: String,
    rewritten: Option<Rewritten>,
}

impl ForkProof {
    /// From two checkpoints of one size, with different entries or different books.
    ///
    /// # Errors
    /// When they are not that.
    pub fn of_one_size(
        first: SignedCheckpoint,
        second: SignedCheckpoint,
    ) -> Result<Self, ForkProofError> {
        Self {
            first,
            second,
            rewritten: None,
        }
        .checked()
    }

    /// From two sizes: the larger log begins with entries whose root is `found`, which is not the root of the
    /// smaller one; `consistency` is the RFC 6962 proof from `found` to the larger root.
    ///
    /// # Errors
    /// When they are not that.
    pub fn of_two_sizes(
        smaller: SignedCheckpoint,
        larger: SignedCheckpoint,
        found: Hash,
        consistency: Proof,
    ) -> Result<Self, ForkProofError> {
        Self {
            first: smaller,
            second: larger,
            rewritten: Some(Rewritten { found, consistency }),
        }
        .checked()
    }

    fn checked(self) -> Result<Self, ForkProofError> {
        let (first, second) = (self.first.checkpoint(), self.second.checkpoint());
        let contradict = first.federation == second.federation
            && match &self.rewritten {
                // The smaller size is not zero, or its root would be that of no entries.
                Some(Rewritten { found, consistency }) => {
                    first.size < second.size
                        && first.root != *found
                        && verify_consistency(
                            consistency,
                            first.size,
                            found,
                            second.size,
                            &second.root,
                        )
                        .is_ok()
                }
                None => first.size == second.size && first != second,
            };
        if contradict {
            Ok(self)
        } else {
            Err(ForkProofError::NoContradiction)
        }
    }

    /// The two checkpoints; of two sizes the smaller is first.
    pub fn checkpoints(&self) -> [&SignedCheckpoint; 2] {
        [&self.first, &self.second]
    }

    /// To be kept, and to be shown to everybody: a version, then notes and proof in borsh.
    pub fn to_bytes(&self) -> Vec<u8> {
        let encoded = Encoded {
            first: self.first.note().to_owned(),
            second: self.second.note().to_owned(),
            rewritten: self.rewritten.clone(),
        };
        let mut bytes = VERSION.to_vec();
        // Writing to a Vec cannot fail.
        let _ = encoded.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`ForkProof::to_bytes`] wrote, and checks all of it: a third party needs nothing else than
    /// the coordinator's key, which stands in the genesis and in every invitation.
    ///
    /// # Errors
    /// See [`ForkProofError`].
    pub fn from_bytes(bytes: &[u8], coordinator: &PublicKey) -> Result<Self, ForkProofError> {
        let encoded: Encoded = Some(bytes)
            .filter(|bytes| bytes.len() <= MAX_BYTES)
            .and_then(|bytes| bytes.strip_prefix(VERSION))
            .and_then(|body| borsh::from_slice(body).ok())
            .ok_or(ForkProofError::Malformed)?;
        let parse = |note: &str| {
            let signed = SignedCheckpoint::parse(note, coordinator)
                .map_err(|_| ForkProofError::NotSigned)?;
            // One proof, one encoding: nothing below the coordinator's signature.
            if signed.note() != note {
                return Err(ForkProofError::Malformed);
            }
            Ok(signed)
        };
        Self {
            first: parse(&encoded.first)?,
            second: parse(&encoded.second)?,
            rewritten: encoded.rewritten,
        }
        .checked()
    }
}

/// Both checkpoints on one line, for messages.
impl std::fmt::Display for ForkProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, and {}", self.first, self.second)
    }
}
