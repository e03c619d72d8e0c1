//! The proof that a participant cosigned two logs or two books of one size.

use super::cosignature::CheckpointCosignature;
use super::cosigned::CosignedCheckpoint;
use super::{Checkpoint, parse_text};
use crate::identity::PublicKey;
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// What [`CosignerEquivocation::to_bytes`] starts with.
const VERSION: &[u8; 24] = b"unsilo/v1/equivocation\0\x01";
/// The longest encoding that is read: two texts of a few lines, two cosignatures.
const MAX_BYTES: usize = 4 * 1024;

/// Two cosignatures by one participant over checkpoints of the same size that differ. As an honest
/// participant cosigns what it replayed, and replays one log, this convicts it; nobody else's word is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerEquivocation {
    first: (Checkpoint, CheckpointCosignature),
    second: (Checkpoint, CheckpointCosignature),
}

/// Why something is not the proof of an equivocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EquivocationError {
    /// Not the bytes of one.
    #[error("the bytes are not the proof of an equivocation")]
    Malformed,
    /// By two participants.
    #[error("the two cosignatures are not by the same participant")]
    TwoCosigners,
    /// Checkpoints of two federations, of two sizes, or the same twice.
    #[error("the two checkpoints do not contradict each other")]
    NoContradiction,
    /// Not by this key.
    #[error("a cosignature does not verify with the participant's key")]
    BadSignature,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Encoded {
    first: (String, CheckpointCosignature),
    second: (String, CheckpointCosignature),
}

impl CosignerEquivocation {
    /// The proof, if it is one: each cosignature over its checkpoint, by `key`.
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn new(
        first: (Checkpoint, CheckpointCosignature),
        second: (Checkpoint, CheckpointCosignature),
        key: &PublicKey,
    ) -> Result<Self, EquivocationError> {
        let proof = Self { first, second };
        proof.verify(key)?;
        Ok(proof)
    }

    /// All participants that are under both of two checkpoints which contradict each other.
    pub fn between(
        one: &CosignedCheckpoint,
        other: &CosignedCheckpoint,
        key_of: impl Fn(ParticipantId) -> Option<PublicKey>,
    ) -> Vec<Self> {
        let pairs = one.cosignatures().filter_map(|first| {
            let second = other
                .cosignatures()
                .find(|second| second.participant == first.participant)?;
            Self::new(
                (*one.checkpoint(), *first),
                (*other.checkpoint(), *second),
                &key_of(first.participant)?,
            )
            .ok()
        });
        pairs.collect()
    }

    /// Checks it with the key that the federation's ledger has for [`CosignerEquivocation::participant`].
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), EquivocationError> {
        let ((first, by_first), (second, by_second)) = (&self.first, &self.second);
        if by_first.participant != by_second.participant {
            return Err(EquivocationError::TwoCosigners);
        }
        let comparable = first.federation == second.federation && first.size == second.size;
        if !comparable || first == second {
            return Err(EquivocationError::NoContradiction);
        }
        if !by_first.verify(first, key) || !by_second.verify(second, key) {
            return Err(EquivocationError::BadSignature);
        }
        Ok(())
    }

    /// Whom it convicts.
    pub fn participant(&self) -> ParticipantId {
        self.first.1.participant
    }

    /// The two checkpoints.
    pub fn checkpoints(&self) -> [&Checkpoint; 2] {
        [&self.first.0, &self.second.0]
    }

    /// To be kept or sent: a version, then both texts and cosignatures in borsh.
    pub fn to_bytes(&self) -> Vec<u8> {
        let encode = |(checkpoint, cosignature): &(Checkpoint, CheckpointCosignature)| {
            (checkpoint.text(), *cosignature)
        };
        let encoded = Encoded {
            first: encode(&self.first),
            second: encode(&self.second),
        };
        let mut bytes = VERSION.to_vec();
        // Writing to a Vec cannot fail.
        let _ = encoded.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`CosignerEquivocation::to_bytes`] wrote, and checks it with the participant's key.
    ///
    /// # Errors
    /// See [`EquivocationError`].
    pub fn from_bytes(
        bytes: &[u8],
        key_of: impl Fn(ParticipantId) -> Option<PublicKey>,
    ) -> Result<Self, EquivocationError> {
        let malformed = EquivocationError::Malformed;
        let body = Some(bytes)
            .filter(|bytes| bytes.len() <= MAX_BYTES)
            .and_then(|bytes| bytes.strip_prefix(VERSION))
            .ok_or(malformed)?;
        let encoded: Encoded = borsh::from_slice(body).map_err(|_| malformed)?;
        let decode = |(text, cosignature): (String, CheckpointCosignature)| {
            let checkpoint = parse_text(text.as_bytes()).map_err(|_| malformed)?;
            Ok((checkpoint, cosignature))
        };
        let (first, second) = (decode(encoded.first)?, decode(encoded.second)?);
        let key = key_of(first.1.participant).ok_or(EquivocationError::BadSignature)?;
        Self::new(first, second, &key)
    }
}
