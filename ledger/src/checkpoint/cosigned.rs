//! A checkpoint with the word of participants under it, and how many are enough.

use super::cosignature::{CheckpointCosignature, MalformedCosignature};
use super::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::identity::PublicKey;
use crate::member::{OwnerId, ParticipantId};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The most cosignatures under one checkpoint: room for more than half of the largest federation.
pub const MAX_COSIGNATURES: usize = 4_096;

/// A coordinator-signed checkpoint and cosignatures of participants, all verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    signed: SignedCheckpoint,
    cosignatures: BTreeMap<ParticipantId, CheckpointCosignature>,
}

/// What became of a cosignature that was given to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosignatureAdded {
    /// It is under the checkpoint now.
    New,
    /// This participant's cosignature was there already; the first one stays.
    Known,
}

/// Why a cosignature is refused. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CosignatureError {
    /// Not a cosignature at all.
    #[error(transparent)]
    Malformed(#[from] MalformedCosignature),
    /// Not a checkpoint at all, or not the coordinator's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// By nobody in the books, or by a key that is not the participant's.
    #[error("there is no participant {participant} with the key of this cosignature")]
    UnknownCosigner {
        /// The number given.
        participant: ParticipantId,
    },
    /// The identity that should cosign is nobody's in the books.
    #[error("no participant has the key {key}")]
    NotAParticipant {
        /// The key.
        key: PublicKey,
    },
    /// Not over this checkpoint: over another size, other entries or other books.
    #[error(
        "participant {participant} did not cosign the checkpoint of {size} entries: it signed something else"
    )]
    OtherCheckpoint {
        /// Who.
        participant: ParticipantId,
        /// The size of the checkpoint it was held against.
        size: u64,
    },
    /// No checkpoint of this size is kept.
    #[error("there is no checkpoint of {size} entries to cosign; the newest has {newest}")]
    NoCheckpoint {
        /// What was asked for.
        size: u64,
        /// What there is.
        newest: u64,
    },
    /// One participant twice in one note.
    #[error("participant {participant} is twice under one checkpoint")]
    Twice {
        /// Who.
        participant: ParticipantId,
    },
    /// More than [`MAX_COSIGNATURES`].
    #[error("the checkpoint has {MAX_COSIGNATURES} cosignatures already, more are not kept")]
    TooMany,
}

impl CosignedCheckpoint {
    /// `signed`, with nobody's word under it yet.
    pub fn new(signed: SignedCheckpoint) -> Self {
        Self {
            signed,
            cosignatures: BTreeMap::new(),
        }
    }

    /// Parses a note, and verifies the coordinator's signature and every cosignature whose key `key_of` knows.
    ///
    /// Lines of anybody else are left out, as C2SP asks for: a replica may not know the newest participant yet.
    /// A line that bears a known key and does not verify refuses the whole note.
    ///
    /// # Errors
    /// See [`CosignatureError`].
    pub fn parse(
        note: &str,
        coordinator: &PublicKey,
        key_of: impl Fn(ParticipantId) -> Option<PublicKey>,
    ) -> Result<Self, CosignatureError> {
        let (signed, lines) = SignedCheckpoint::split(note, coordinator)?;
        let mut cosigned = Self::new(signed);
        for line in lines {
            let Ok(cosignature) = CheckpointCosignature::parse(line) else {
                continue;
            };
            let participant = cosignature.participant;
            let Some(key) = key_of(participant).filter(|key| cosignature.is_by(key)) else {
                continue;
            };
            if cosigned.add(cosignature, &key)? == CosignatureAdded::Known {
                return Err(CosignatureError::Twice { participant });
            }
        }
        Ok(cosigned)
    }

    /// Puts the cosignature of the participant with this key under the checkpoint.
    ///
    /// # Errors
    /// When it is not by this key, or not over this checkpoint.
    pub fn add(
        &mut self,
        cosignature: CheckpointCosignature,
        key: &PublicKey,
    ) -> Result<CosignatureAdded, CosignatureError> {
        let participant = cosignature.participant;
        if !cosignature.is_by(key) {
            return Err(CosignatureError::UnknownCosigner { participant });
        }
        if !cosignature.verify(self.checkpoint(), key) {
            return Err(CosignatureError::OtherCheckpoint {
                participant,
                size: self.checkpoint().size,
            });
        }
        if self.cosignatures.contains_key(&participant) {
            return Ok(CosignatureAdded::Known);
        }
        if self.cosignatures.len() >= MAX_COSIGNATURES {
            return Err(CosignatureError::TooMany);
        }
        self.cosignatures.insert(participant, cosignature);
        Ok(CosignatureAdded::New)
    }

    /// What is cosigned.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.signed.checkpoint()
    }

    /// It under the coordinator's signature alone.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// The cosignatures, in ascending order of participants.
    pub fn cosignatures(&self) -> impl ExactSizeIterator<Item = &CheckpointCosignature> {
        self.cosignatures.values()
    }

    /// Whether this participant cosigned.
    pub fn has(&self, participant: ParticipantId) -> bool {
        self.cosignatures.contains_key(&participant)
    }

    /// Who cosigned, ascending.
    pub fn cosigners(&self) -> impl ExactSizeIterator<Item = ParticipantId> {
        self.cosignatures.keys().copied()
    }

    /// The note with all cosignatures.
    pub fn note(&self) -> String {
        self.note_of(|_| true)
    }

    /// The note with the cosignatures of those that `include` names: for sending no more than is needed.
    pub fn note_of(&self, include: impl Fn(ParticipantId) -> bool) -> String {
        let mut note = self.signed.note().to_owned();
        for cosignature in self.cosignatures.values() {
            if include(cosignature.participant) {
                note.push_str(&cosignature.line());
                note.push('\n');
            }
        }
        note
    }
}

/// Who cosigned a checkpoint of these very books.
impl State {
    /// The key that a participant's cosignatures verify with, for [`CosignedCheckpoint::parse`].
    pub fn cosigner_key(&self, participant: ParticipantId) -> Option<PublicKey> {
        Some(self.participant(participant)?.key)
    }

    /// Whether at least `threshold` of the seated members of the round in progress cosigned these books:
    /// what a member asks for before it answers, judges or opens. `false` without a round, and for a
    /// checkpoint of other books; that it is of the same entries, [`crate::Replica::cosigned`] tells.
    pub fn threshold_cosigned(&self, cosigned: &CosignedCheckpoint) -> bool {
        let Some(round) = self.round() else {
            return false;
        };
        let seated: BTreeSet<ParticipantId> = round
            .opening
            .seats
            .iter()
            .map(|seat| seat.participant)
            .collect();
        let members = self
            .valid_cosigners(cosigned)
            .filter(|participant| seated.contains(participant))
            .count();
        members >= usize::from(round.opening.threshold) && self.is_of_these_books(cosigned)
    }

    /// Whether more than half of the owners cosigned these books, each by one participant or more: what
    /// somebody who did not replay the log may rest on. Those that were evicted have no say in it.
    pub fn majority_cosigned(&self, cosigned: &CosignedCheckpoint) -> bool {
        let owners = self.cosigning_owners(cosigned).len();
        owners > 0 && owners >= self.majority() && self.is_of_these_books(cosigned)
    }

    /// The owners that cosigned, by participants with a say, and when each last did, by its own clock, in seconds
    /// since 1970.
    pub(crate) fn cosigning_owners(&self, cosigned: &CosignedCheckpoint) -> BTreeMap<OwnerId, u64> {
        let mut owners = BTreeMap::new();
        for cosignature in cosigned.cosignatures() {
            let participant = self.participant(cosignature.participant);
            let Some(participant) = participant.filter(|participant| {
                participant.is_present
                    && cosignature.verify(cosigned.checkpoint(), &participant.key)
            }) else {
                continue;
            };
            let last: &mut u64 = owners.entry(participant.owner).or_default();
            *last = cosignature.timestamp_s.max(*last);
        }
        owners
    }

    /// Those whose key, by these books, made the cosignature. Verified again, because the checkpoint may have
    /// been parsed with an older or a stranger's list of keys.
    fn valid_cosigners<'a>(
        &'a self,
        cosigned: &'a CosignedCheckpoint,
    ) -> impl Iterator<Item = ParticipantId> + 'a {
        cosigned
            .cosignatures()
            .filter(|cosignature| {
                self.cosigner_key(cosignature.participant)
                    .is_some_and(|key| cosignature.verify(cosigned.checkpoint(), &key))
            })
            .map(|cosignature| cosignature.participant)
    }

    fn is_of_these_books(&self, cosigned: &CosignedCheckpoint) -> bool {
        cosigned.checkpoint().state_root == self.root()
    }
}
