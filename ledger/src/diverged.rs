//! Why a log was not extended: the entries' fault, or a coordinator that signed two stories.

use crate::checkpoint::{CheckpointError, CosignatureError, SignedCheckpoint};
use crate::draft::FederationId;
use crate::fork::ForkProof;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::rejected::Rejected;
use thiserror::Error;

/// Why entries were not appended. Nothing changed.
#[derive(Debug, Error)]
pub enum AppendError {
    /// An entry that is not allowed.
    #[error("entry {index} is not allowed: {rejected}")]
    Rejected {
        /// Its position in the log, from 0.
        index: u64,
        /// Why.
        #[source]
        rejected: Rejected,
    },
    /// A genesis that names another coordinator than the one whose log this is.
    #[error("the genesis names the coordinator {found}, this log is kept by {expected}")]
    OtherCoordinator {
        /// Whose log this is.
        expected: PublicKey,
        /// Whom the genesis names.
        found: PublicKey,
    },
    /// A genesis or a checkpoint of another federation than the one joined.
    #[error("this is the log of federation {found}, not of {expected}")]
    OtherFederation {
        /// The one joined.
        expected: FederationId,
        /// The one found.
        found: FederationId,
    },
    /// Not the coordinator's key.
    #[error("checkpoints of this log are signed by {coordinator}, not by the key given")]
    NotTheCoordinator {
        /// Who signs.
        coordinator: PublicKey,
    },
    /// The checkpoint is not one.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A cosignature under the checkpoint, or one to be made.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// The coordinator's checkpoint and this replica do not fit.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

/// The coordinator signed something that does not fit what it signed before, or what it sent.
///
/// Where two checkpoints are carried, both are under the coordinator's signature: keep them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Diverged {
    /// Two logs, or one whose history was rewritten. The proof convicts by itself: show it to everybody.
    #[error("the coordinator signed two logs that do not fit: {0}")]
    Fork(Box<ForkProof>),
    /// A larger log, without the proof that it begins with ours. The coordinator alone can say whether it
    /// does: with its entries from 0 on, [`crate::Replica::prove_fork`] tells.
    #[error("the coordinator does not show that its log of {theirs} begins with ours of {ours}")]
    Unreconciled {
        /// The checkpoint this replica follows.
        ours: Box<SignedCheckpoint>,
        /// The larger one.
        theirs: Box<SignedCheckpoint>,
    },
    /// An older part of our log: a coordinator restored from a backup, or a message that came late.
    #[error("the coordinator shows an older log: we have {ours}, it shows {theirs}")]
    RolledBack {
        /// The checkpoint this replica follows.
        ours: Box<SignedCheckpoint>,
        /// The older one.
        theirs: Box<SignedCheckpoint>,
    },
    /// Not as many entries as lie between the two sizes.
    #[error("{given} entries were given where {needed} lead to {theirs}")]
    Count {
        /// Given.
        given: u64,
        /// Needed.
        needed: u64,
        /// The checkpoint to reach.
        theirs: Box<SignedCheckpoint>,
    },
    /// The entries do not lead to the signed root. Either they were altered on the way, or history was
    /// rewritten: [`crate::Replica::check_consistency`] or [`crate::Replica::prove_fork`] tells which.
    #[error(
        "the entries do not lead to the signed log of {theirs}: fetch them again, then ask for a proof"
    )]
    WrongEntries {
        /// The checkpoint this replica follows; `None` while it is empty.
        ours: Option<Box<SignedCheckpoint>>,
        /// The checkpoint to reach.
        theirs: Box<SignedCheckpoint>,
    },
    /// The entries are those signed, but the coordinator's books differ from what follows from them.
    #[error("the coordinator's books after {theirs} differ from what the entries say")]
    WrongState {
        /// [`crate::State::root`] here.
        ours: Hash,
        /// The checkpoint with another state root.
        theirs: Box<SignedCheckpoint>,
    },
}
