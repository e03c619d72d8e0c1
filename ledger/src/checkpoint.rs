//! Checkpoints: what the coordinator says the log is, as C2SP signed notes.
//!
//! ```text
//! unsilo/<federation id in hexadecimal>
//! <number of entries>
//! <Merkle root in base64>
//! state <state root in base64>
//!
//! — unsilo/<federation id> <signature in base64>
//! ```
//! Lines 1 to 3 are c2sp.org/tlog-checkpoint, line 4 is an extension line of it. Below the coordinator's
//! signature stand those of participants that replayed the log to it ([`CheckpointCosignature`]).

mod cosignature;
mod cosigned;
mod equivocation;

pub use cosignature::{CheckpointCosignature, MAX_LINE_BYTES, MalformedCosignature, cosigner_name};
pub use cosigned::{CosignatureAdded, CosignatureError, CosignedCheckpoint, MAX_COSIGNATURES};
pub use equivocation::{CosignerEquivocation, EquivocationError};

use crate::draft::FederationId;
use crate::hash::Hash;
use crate::identity::{PublicKey, SigningIdentity};
use crate::member::ParticipantId;
use data_encoding::{BASE64, HEXLOWER};
use signed_note::{Note, Signer};
use thiserror::Error;
use tlog_tiles::{checkpoint, tlog};

/// The longest note: room for [`MAX_COSIGNATURES`] lines of up to [`MAX_LINE_BYTES`], and the text.
pub const MAX_NOTE_BYTES: usize = 656 * 1024;
const STATE_LINE: &str = "state ";
/// C2SP's signature type of Ed25519.
const ED25519: u8 = 1;

/// The log at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose log.
    pub federation: FederationId,
    /// How many entries.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Hash,
    /// [`crate::State::root`] after them.
    pub state_root: Hash,
}

/// A [`Checkpoint`] with the coordinator's verified signature under it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

/// Why a note is not a checkpoint of the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("the note has {bytes} bytes, at most {MAX_NOTE_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not a C2SP signed note, or not one whose text is a checkpoint with a state line.
    #[error("the note is not a checkpoint: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Not signed by the coordinator.
    #[error("the checkpoint is not signed by the coordinator {coordinator}")]
    NotSigned {
        /// The key it should be signed by.
        coordinator: PublicKey,
    },
}

impl Checkpoint {
    /// The first line of the note, also the name of the key that signs it.
    pub fn origin(federation: &FederationId) -> String {
        format!("unsilo/{federation}")
    }

    /// The note's text.
    pub fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n{STATE_LINE}{}\n",
            Self::origin(&self.federation),
            self.size,
            BASE64.encode(&self.root),
            BASE64.encode(&self.state_root)
        )
    }

    /// The word of `participant`, whose identity this is, that it replayed the log to this checkpoint: for one that
    /// the replica derived by itself ([`crate::Replica::published`]). The coordinator's signature is not needed for it.
    pub fn cosign(
        &self,
        participant: ParticipantId,
        identity: &SigningIdentity,
        timestamp_s: u64,
    ) -> CheckpointCosignature {
        CheckpointCosignature::new(self, participant, identity, timestamp_s)
    }

    /// The note under the coordinator's signature.
    ///
    /// # Errors
    /// Never within the limits on sizes; what the note's format refuses otherwise.
    pub fn sign(self, coordinator: &SigningIdentity) -> Result<SignedCheckpoint, CheckpointError> {
        let text = self.text();
        let mut note = Note::new(text.as_bytes(), &[]).map_err(malformed)?;
        let key = NoteKey::new(&self.federation, coordinator.public());
        note.add_sigs(&[&NoteSigner { key, coordinator }])
            .map_err(malformed)?;
        let note = String::from_utf8(note.to_bytes()).map_err(malformed)?;
        Ok(SignedCheckpoint {
            checkpoint: self,
            note,
        })
    }
}

impl SignedCheckpoint {
    /// Parses a note and verifies the coordinator's signature. Further signature lines may follow; they are
    /// not kept, so that one checkpoint is one note ([`CosignedCheckpoint::parse`] keeps them).
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn parse(note: &str, coordinator: &PublicKey) -> Result<Self, CheckpointError> {
        Self::split(note, coordinator).map(|(signed, _)| signed)
    }

    /// As [`SignedCheckpoint::parse`], with the other signature lines, which are well-formed.
    fn split<'a>(
        note: &'a str,
        coordinator: &PublicKey,
    ) -> Result<(Self, Vec<&'a str>), CheckpointError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(CheckpointError::TooLong { bytes: note.len() });
        }
        // As the crate's `Note::from_bytes`, which reads at most a hundred signatures.
        let (text, lines) = note
            .rsplit_once("\n\n")
            .ok_or_else(|| malformed("no empty line before the signatures"))?;
        let text = format!("{text}\n");
        let lines = lines
            .strip_suffix('\n')
            .ok_or_else(|| malformed("the last line is cut off"))?;
        Note::new(text.as_bytes(), &[]).map_err(malformed)?;
        let checkpoint = parse_text(text.as_bytes())?;
        let key = NoteKey::new(&checkpoint.federation, *coordinator);
        let mut signature = None;
        let mut others = Vec::new();
        for line in lines.split('\n') {
            let parsed = signed_note::Signature::from_bytes(line.as_bytes()).map_err(malformed)?;
            if parsed.name() != key.name || parsed.id() != key.id() {
                others.push(line);
            } else if signature.is_some() || !key.verify(text.as_bytes(), parsed.signature()) {
                signature = None;
                break;
            } else {
                signature = Some(line);
            }
        }
        let signature = signature.ok_or(CheckpointError::NotSigned {
            coordinator: *coordinator,
        })?;
        let signed = Self {
            checkpoint,
            note: format!("{text}\n{signature}\n"),
        };
        Ok((signed, others))
    }

    /// The word of `participant`, whose identity this is, that it replayed the log to this checkpoint. Who
    /// did, uses [`crate::Replica::cosign`], which makes sure.
    pub fn cosign(
        &self,
        participant: ParticipantId,
        identity: &SigningIdentity,
        timestamp_s: u64,
    ) -> CheckpointCosignature {
        self.checkpoint.cosign(participant, identity, timestamp_s)
    }

    /// What is signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note under the coordinator's signature alone.
    pub fn note(&self) -> &str {
        &self.note
    }
}

impl std::fmt::Debug for SignedCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.note)
    }
}

/// Size and root on one line, for messages.
impl std::fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} entries with root {}",
            self.checkpoint.size,
            BASE64.encode(&self.checkpoint.root)
        )
    }
}

fn parse_text(text: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let parsed = checkpoint::Checkpoint::from_bytes(text).map_err(malformed)?;
    let federation = parsed
        .origin()
        .strip_prefix("unsilo/")
        .and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok())
        .and_then(|bytes| Some(FederationId(bytes.try_into().ok()?)))
        .ok_or_else(|| malformed("the origin is not unsilo/<federation id>"))?;
    let state_root = parsed
        .extension()
        .lines()
        .next()
        .and_then(|line| {
            BASE64
                .decode(line.strip_prefix(STATE_LINE)?.as_bytes())
                .ok()
        })
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| malformed("no line with the state root follows the Merkle root"))?;
    let tlog::Hash(root) = *parsed.hash();
    let checkpoint = Checkpoint {
        federation,
        size: parsed.size(),
        root,
        state_root,
    };
    // What is cosigned is the text, and it is written again from these four: they must be all of it.
    if checkpoint.text().as_bytes() != text {
        return Err(malformed("there is more in it than a checkpoint has"));
    }
    Ok(checkpoint)
}

fn malformed(error: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::Malformed {
        reason: error.to_string(),
    }
}

/// The coordinator's key under the name it has in notes. Our own, not the crate's verifier and signer, because
/// it must verify strictly and must not hold a second copy of the secret.
struct NoteKey {
    name: String,
    key: PublicKey,
}

impl NoteKey {
    fn new(federation: &FederationId, key: PublicKey) -> Self {
        Self {
            name: Checkpoint::origin(federation),
            key,
        }
    }

    fn id(&self) -> u32 {
        let mut encoded = vec![ED25519];
        encoded.extend_from_slice(&self.key.0);
        signed_note::key_id(&self.name, &encoded)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature
            .try_into()
            .is_ok_and(|signature| self.key.verify_raw(message, signature))
    }
}

struct NoteSigner<'a> {
    key: NoteKey,
    coordinator: &'a SigningIdentity,
}

impl Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        &self.key.name
    }

    fn key_id(&self) -> u32 {
        self.key.id()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.coordinator.sign_raw(message).to_vec())
    }
}
