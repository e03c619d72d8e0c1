//! Why a snapshot is not believed.

use super::MAX_SNAPSHOT_BYTES;
use crate::checkpoint::CosignatureError;
use crate::draft::FederationId;
use crate::entry::signed::DecodeError;
use crate::identity::PublicKey;
use crate::rejected::Rejected;
use crate::state::StateSnapshotError;
use thiserror::Error;

/// Why a snapshot is refused. In each case the way out is the same: fetch another one, or the full log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Longer than [`MAX_SNAPSHOT_BYTES`].
    #[error("the snapshot has {bytes} bytes, at most {MAX_SNAPSHOT_BYTES} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Of another version, or something else.
    #[error(
        "this is not a snapshot of a ledger as this version writes it: update the older program"
    )]
    Version,
    /// Cut off, or damaged.
    #[error("the snapshot is malformed: {reason}; fetch it again")]
    Malformed {
        /// What the decoder met.
        reason: String,
    },
    /// Its checkpoint is none, is not the coordinator's, or a cosignature under it is wrong.
    #[error("the snapshot's checkpoint: {0}")]
    Checkpoint(#[from] CosignatureError),
    /// Of another federation.
    #[error("this is a snapshot of federation {found}, not of {expected}")]
    OtherFederation {
        /// The one joined.
        expected: FederationId,
        /// The one found.
        found: FederationId,
    },
    /// The genesis names another coordinator.
    #[error("the genesis names the coordinator {found}, this log is kept by {expected}")]
    OtherCoordinator {
        /// Whose log it should be.
        expected: PublicKey,
        /// Whom the genesis names.
        found: PublicKey,
    },
    /// There is no genesis, or not as the first entry.
    #[error("the snapshot does not begin with the genesis")]
    NoGenesis,
    /// An entry of the chain of membership cannot be read.
    #[error("entry {index} of the snapshot's chain of membership: {error}")]
    Undecodable {
        /// Its position in the log.
        index: u64,
        /// What is wrong.
        #[source]
        error: DecodeError,
    },
    /// An entry that is about something else, or out of order.
    #[error("entry {index} does not belong into the snapshot's chain of membership")]
    NotMembership {
        /// Its position in the log.
        index: u64,
    },
    /// An entry that is not in the log of the checkpoint.
    #[error(
        "entry {index} of the snapshot's chain of membership is not in the log of its checkpoint"
    )]
    NotInTheLog {
        /// The position claimed.
        index: u64,
    },
    /// An entry that those who must did not sign, or that is not allowed.
    #[error("entry {index} of the snapshot's chain of membership is not allowed: {rejected}")]
    Rejected {
        /// Its position in the log.
        index: u64,
        /// Why.
        #[source]
        rejected: Rejected,
    },
    /// The books are not those of the checkpoint.
    #[error("the snapshot's books: {0}")]
    State(#[from] StateSnapshotError),
    /// The members in the books are not those that the signed chain leads to.
    #[error(
        "the members in the snapshot's books are not those that its owners signed for: whoever made it left \
         something out, or made somebody up"
    )]
    OtherMembers,
    /// The frontier does not lead to the checkpoint's root.
    #[error("the snapshot's frontier does not lead to the root of its checkpoint")]
    Frontier,
    /// Not enough owners cosigned.
    #[error(
        "{have} of the owners cosigned the snapshot's checkpoint, {need} must: wait for a newer one"
    )]
    TooFewCosigners {
        /// Owners that cosigned.
        have: usize,
        /// More than half of those present.
        need: usize,
    },
}
