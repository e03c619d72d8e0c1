//! Checkpoints held against a replica: where another one stands to it, proofs of forks, and cosignatures.

use super::Replica;
use crate::checkpoint::{
    CheckpointCosignature, CosignatureError, CosignedCheckpoint, SignedCheckpoint,
};
use crate::diverged::{AppendError, Diverged};
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::identity::SigningIdentity;
use crate::state::State;
use crate::tree::{Tree, verify_consistency};

/// Where another checkpoint stands to this replica when they do fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same log.
    Equal,
    /// A larger log: fetch this many entries.
    Ahead {
        /// How many.
        entries: u64,
    },
}

impl Replica {
    /// Where a checkpoint stands to this replica, as far as can be said without the entries.
    ///
    /// # Errors
    /// [`Diverged::Fork`] or [`Diverged::RolledBack`]; not this log's note.
    pub fn compare(&self, note: &str) -> Result<Standing, AppendError> {
        let theirs = self.parse(note)?;
        self.standing(&theirs)
    }

    /// Checks by an RFC 6962 proof that a larger checkpoint extends this replica's log.
    ///
    /// # Errors
    /// [`Diverged::Unreconciled`] when it does not; as [`Replica::compare`] otherwise.
    pub fn check_consistency(&self, note: &str, proof: &[Hash]) -> Result<(), AppendError> {
        let theirs = self.parse(note)?;
        let Standing::Ahead { .. } = self.standing(&theirs)? else {
            return Ok(());
        };
        let Some(ours) = &self.checkpoint else {
            return Ok(());
        };
        let (old, new) = (ours.checkpoint(), theirs.checkpoint());
        verify_consistency(proof, old.size, &old.root, new.size, &new.root).map_err(|_| {
            Diverged::Unreconciled {
                ours: Box::new(ours.clone()),
                theirs: Box::new(theirs.clone()),
            }
            .into()
        })
    }

    /// Whether the log of a checkpoint larger than ours is another one, by its entries (canonical bytes) from
    /// 0 on; `None` if it begins with ours, so that nothing is wrong but what was sent before.
    ///
    /// # Errors
    /// [`Diverged::WrongEntries`] or [`Diverged::Count`] when the entries are not those of the checkpoint; as
    /// [`Replica::compare`] otherwise.
    pub fn prove_fork(
        &self,
        note: &str,
        entries: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Option<ForkProof>, AppendError> {
        let theirs = self.parse(note)?;
        let (Standing::Ahead { .. }, Some(ours)) = (self.standing(&theirs)?, &self.checkpoint)
        else {
            return Ok(None);
        };
        let mut tree = Tree::default();
        for entry in entries {
            let growth = tree.growth(std::iter::once(entry.as_ref()));
            tree.grow(growth);
        }
        let needed = theirs.checkpoint().size;
        if tree.size() != needed {
            return Err(Diverged::Count {
                given: tree.size(),
                needed,
                theirs: Box::new(theirs),
            }
            .into());
        }
        self.check_root(&theirs, tree.root())?;
        Ok(rewritten(ours, &theirs, &tree))
    }

    /// The word of `identity`, one of the participants, that it replayed the log to exactly this checkpoint,
    /// entries and books. The time is the caller's, in seconds since 1970.
    ///
    /// # Errors
    /// [`CosignatureError::NoCheckpoint`] for a log longer than this one; as [`Replica::compare`] otherwise.
    pub fn cosign(
        &self,
        note: &str,
        identity: &SigningIdentity,
        timestamp_s: u64,
    ) -> Result<CheckpointCosignature, AppendError> {
        let signed = self.parse(note)?;
        self.check_is_ours(&signed)?;
        let key = identity.public();
        let participant = self
            .state
            .participant_by_key(&key)
            .ok_or(CosignatureError::NotAParticipant { key })?
            .id;
        Ok(signed.cosign(participant, identity, timestamp_s))
    }

    /// A checkpoint of exactly this log with its cosignatures, all verified with the keys in the books: for
    /// [`State::threshold_cosigned`] and [`State::majority_cosigned`].
    ///
    /// # Errors
    /// [`CosignatureError::NoCheckpoint`] for a log longer than this one; as [`Replica::compare`] otherwise; a
    /// cosignature that does not verify.
    pub fn cosigned(&self, note: &str) -> Result<CosignedCheckpoint, AppendError> {
        let cosigned = self.parse_cosigned(note, &self.state)?;
        self.check_is_ours(cosigned.signed())?;
        Ok(cosigned)
    }

    /// The checkpoint of `size` entries with one more cosignature, not kept yet; `None` if it was there.
    pub(crate) fn with_cosignature(
        &self,
        size: u64,
        line: &str,
    ) -> Result<Option<CosignedCheckpoint>, AppendError> {
        let cosignature =
            CheckpointCosignature::parse(line).map_err(CosignatureError::Malformed)?;
        Ok(self.kept.with(size, cosignature, &self.state)?)
    }

    /// The cosignatures in a note that `state` knows the signers of, and those kept; `None` if there is nothing new.
    pub(crate) fn with_cosignatures_of(
        &self,
        note: &str,
        state: &State,
    ) -> Result<Option<CosignedCheckpoint>, AppendError> {
        let cosigned = self.parse_cosigned(note, state)?;
        Ok(self.kept.merged(cosigned, state)?)
    }

    /// Keeps cosignatures that are durable by now.
    pub(crate) fn keep(&mut self, cosigned: CosignedCheckpoint) {
        self.kept.keep(cosigned);
    }

    /// Takes over a stored checkpoint of any size, once the log is read back.
    pub(crate) fn adopt_checkpoint(&mut self, note: &str) -> Result<(), AppendError> {
        let signed = self.parse(note)?;
        match self.standing(&signed) {
            Ok(Standing::Equal) | Err(AppendError::Diverged(Diverged::RolledBack { .. })) => {
                self.kept.keep_signed(&signed);
                Ok(())
            }
            Ok(Standing::Ahead { .. }) => Err(self.not_there(&signed)),
            Err(error) => Err(error),
        }
    }

    /// Takes over a stored cosignature of a checkpoint adopted before. One by a key that its participant does
    /// not have any more is left out.
    pub(crate) fn adopt_cosignature(
        &mut self,
        size: u64,
        cosignature: CheckpointCosignature,
    ) -> Result<(), AppendError> {
        match self.kept.with(size, cosignature, &self.state) {
            Ok(Some(cosigned)) => self.kept.keep(cosigned),
            Ok(None) | Err(CosignatureError::UnknownCosigner { .. }) => (),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn parse_cosigned(&self, note: &str, state: &State) -> Result<CosignedCheckpoint, AppendError> {
        self.parse(note)?;
        let key_of = |participant| state.cosigner_key(participant);
        Ok(CosignedCheckpoint::parse(note, &self.coordinator, key_of)?)
    }

    fn check_is_ours(&self, signed: &SignedCheckpoint) -> Result<(), AppendError> {
        match self.standing(signed)? {
            Standing::Equal => Ok(()),
            Standing::Ahead { .. } => Err(self.not_there(signed)),
        }
    }

    fn not_there(&self, signed: &SignedCheckpoint) -> AppendError {
        let error = CosignatureError::NoCheckpoint {
            size: signed.checkpoint().size,
            newest: self.len(),
        };
        error.into()
    }

    pub(super) fn parse(&self, note: &str) -> Result<SignedCheckpoint, AppendError> {
        let signed = SignedCheckpoint::parse(note, &self.coordinator)?;
        let found = signed.checkpoint().federation;
        match self.federation {
            Some(expected) if expected != found => {
                Err(AppendError::OtherFederation { expected, found })
            }
            _ => Ok(signed),
        }
    }

    pub(super) fn standing(&self, theirs: &SignedCheckpoint) -> Result<Standing, AppendError> {
        let (size, found) = (self.len(), theirs.checkpoint());
        let Some(ours) = &self.checkpoint else {
            return Ok(Standing::Ahead {
                entries: found.size,
            });
        };
        if let Some(entries) = found.size.checked_sub(size).filter(|entries| *entries > 0) {
            return Ok(Standing::Ahead { entries });
        }
        let before = if found.size == size {
            Some(ours)
        } else {
            self.kept.at(found.size).map(CosignedCheckpoint::signed)
        };
        let fork = before
            .and_then(|before| ForkProof::of_one_size(before.clone(), theirs.clone()).ok())
            .or_else(|| rewritten(theirs, ours, &self.tree));
        if let Some(proof) = fork {
            return Err(Diverged::Fork(Box::new(proof)).into());
        }
        if found.size == size {
            return Ok(Standing::Equal);
        }
        Err(Diverged::RolledBack {
            ours: Box::new(ours.clone()),
            theirs: Box::new(theirs.clone()),
        }
        .into())
    }

    /// Whether the signed root is the one the entries lead to.
    pub(super) fn check_root(
        &self,
        theirs: &SignedCheckpoint,
        root: Hash,
    ) -> Result<(), AppendError> {
        if theirs.checkpoint().root == root {
            return Ok(());
        }
        Err(Diverged::WrongEntries {
            ours: self.checkpoint.clone().map(Box::new),
            theirs: Box::new(theirs.clone()),
        }
        .into())
    }

    pub(super) fn hold_against(
        &self,
        theirs: &SignedCheckpoint,
        root: Hash,
        state_root: Hash,
    ) -> Result<(), AppendError> {
        self.check_root(theirs, root)?;
        if theirs.checkpoint().state_root != state_root {
            return Err(Diverged::WrongState {
                ours: state_root,
                theirs: Box::new(theirs.clone()),
            }
            .into());
        }
        Ok(())
    }
}

/// The proof that the larger of two checkpoints is of another log, by the tree of the larger; `None` if that
/// begins with the smaller one, or is none larger.
fn rewritten(
    smaller: &SignedCheckpoint,
    larger: &SignedCheckpoint,
    tree: &Tree,
) -> Option<ForkProof> {
    let (at, size) = (smaller.checkpoint().size, larger.checkpoint().size);
    let found = tree.root_at(at).ok()?;
    let consistency = tree.prove_consistency(at, size).ok()?;
    ForkProof::of_two_sizes(smaller.clone(), larger.clone(), found, consistency).ok()
}
