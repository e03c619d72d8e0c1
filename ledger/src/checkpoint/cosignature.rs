//! One participant's word that it replayed the log to a checkpoint: c2sp.org/tlog-cosignature.
//!
//! ```text
//! — unsilo/participant/17 <base64 of key id, timestamp and signature>
//! ```
//! The key id is the first four bytes of `SHA-256(name || "\n" || 0x04 || public key)`, the timestamp eight
//! bytes, big endian, in seconds since 1970. What is signed is the text
//! ```text
//! cosignature/v1
//! time <timestamp in decimal>
//! <the checkpoint's text, see [`super::Checkpoint::text`]>
//! ```
//! The name says the participant's number in the federation that the checkpoint's first line names. A
//! checkpoint with the signatures of witnesses in it is readable by every C2SP verifier.

use super::Checkpoint;
use crate::identity::{PublicKey, Signature, SigningIdentity};
use crate::member::ParticipantId;
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// C2SP's signature type of a timestamped Ed25519 cosignature.
const COSIGNATURE_V1: u8 = 4;
const NAME: &str = "unsilo/participant/";
/// The longest line that is read: the longest name, and 4 + 8 + 64 bytes in base64, with room.
pub const MAX_LINE_BYTES: usize = 160;

/// A participant's cosignature of some [`Checkpoint`]; which one, [`CheckpointCosignature::verify`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CheckpointCosignature {
    /// Who says it.
    pub participant: ParticipantId,
    /// The C2SP key id: of the name and the key.
    pub key_id: u32,
    /// When, by the cosigner's clock, in seconds since 1970.
    pub timestamp_s: u64,
    /// Over the text above.
    pub signature: Signature,
}

/// Why a line is not a cosignature.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the line is not a cosignature of a participant: {reason}")]
pub struct MalformedCosignature {
    /// What is wrong.
    pub reason: &'static str,
}

impl CheckpointCosignature {
    pub(super) fn new(
        checkpoint: &Checkpoint,
        participant: ParticipantId,
        identity: &SigningIdentity,
        timestamp_s: u64,
    ) -> Self {
        Self {
            participant,
            key_id: key_id(participant, &identity.public()),
            timestamp_s,
            signature: identity.sign_raw(&message(checkpoint, timestamp_s)),
        }
    }

    /// Parses one line, with or without the line feed at its end.
    ///
    /// # Errors
    /// When it is no signature line, or not of a participant.
    pub fn parse(line: &str) -> Result<Self, MalformedCosignature> {
        let malformed = |reason| MalformedCosignature { reason };
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.len() > MAX_LINE_BYTES {
            return Err(malformed("it is too long"));
        }
        let parsed = signed_note::Signature::from_bytes(line.as_bytes())
            .map_err(|_| malformed("not a signature line"))?;
        let number = parsed
            .name()
            .strip_prefix(NAME)
            .ok_or(malformed("the name is not unsilo/participant/<number>"))?;
        let participant = ParticipantId(
            number
                .parse()
                .map_err(|_| malformed("the participant's number cannot be read"))?,
        );
        // One cosigner, one name: no plus sign, no leading zeros.
        if parsed.name() != cosigner_name(participant) {
            return Err(malformed("the participant's number is not plain"));
        }
        let (timestamp, signature) = parsed
            .signature()
            .split_first_chunk()
            .ok_or(malformed("the signature is cut off"))?;
        Ok(Self {
            participant,
            key_id: parsed.id(),
            timestamp_s: u64::from_be_bytes(*timestamp),
            signature: signature
                .try_into()
                .map_err(|_| malformed("the signature is not 64 bytes long"))?,
        })
    }

    /// The line, without a line feed.
    pub fn line(&self) -> String {
        let mut bytes = Vec::with_capacity(76);
        bytes.extend_from_slice(&self.key_id.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp_s.to_be_bytes());
        bytes.extend_from_slice(&self.signature);
        format!(
            "— {} {}",
            cosigner_name(self.participant),
            data_encoding::BASE64.encode(&bytes)
        )
    }

    /// Whether the line names this key. A line that does not is by a key the participant no longer has, or
    /// never had, and to be treated like one of a stranger.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.key_id == key_id(self.participant, key)
    }

    /// Whether the holder of `key` cosigned `checkpoint`. Verified strictly, as every signature here.
    pub fn verify(&self, checkpoint: &Checkpoint, key: &PublicKey) -> bool {
        self.is_by(key) && key.verify_raw(&message(checkpoint, self.timestamp_s), &self.signature)
    }
}

/// The name that a participant has in signature lines.
pub fn cosigner_name(participant: ParticipantId) -> String {
    format!("{NAME}{participant}")
}

fn key_id(participant: ParticipantId, key: &PublicKey) -> u32 {
    let mut encoded = vec![COSIGNATURE_V1];
    encoded.extend_from_slice(&key.0);
    signed_note::key_id(&cosigner_name(participant), &encoded)
}

fn message(checkpoint: &Checkpoint, timestamp_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {timestamp_s}\n{}", checkpoint.text()).into_bytes()
}
