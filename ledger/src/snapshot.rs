//! A log without its entries: what somebody who joins late, or comes back after long, begins with.
//!
//! # What is in it
//! - a **checkpoint** with the cosignatures of more than half of the owners that are present;
//! - the **books** at that checkpoint ([`State::to_snapshot`]); their hash is the checkpoint's state root;
//! - the **frontier** of the Merkle tree there: a hash for every bit of the size. It leads to the checkpoint's
//!   root, and the entries that follow are held against it like on any replica;
//! - the **chain of membership**: the genesis and every admission, eviction, readmission and change of owner, as
//!   signed, each with the proof that it is in this log. They are few: a handful, or one for each participant.
//!
//! # Why a newcomer may believe it
//! The keys of the cosigners stand in the books that they cosigned. By itself that would prove nothing: whoever
//! keeps the log could write books with owners of its own making and cosign for them. Therefore nobody is believed
//! because the books say so:
//! 1. The invite pins the federation: its id is the hash of the draft, which names the coordinator's key and the
//!    founders. The genesis is signed by every founder; the list of founders and keys ([`SnapshotTrust::founders`])
//!    is what people compare out of band when they join.
//! 2. Each further owner is admitted, evicted or given another key by the signatures of more than half of the
//!    owners of that time. The chain is replayed from the genesis by the same rules as everything else, and must
//!    lead to exactly the members in the books. The coordinator cannot add a step: it has none of the keys.
//! 3. More than half of *these* owners say that they replayed the log to this checkpoint.
//!
//! So who starts from a snapshot trusts that more than half of the owners did not agree to lie about the books
//! (balances, stakes, the last model), the very majority that can admit and evict anybody. It trusts neither the
//! coordinator nor who sent the snapshot. Who replays the whole log trusts nobody for the books.
//!
//! What remains, for a replay of the whole log as well: that the founders' keys are the companies' (step 1, out of
//! band), and *old keys*. If more than half of the owners of some past time lost their keys or sold them, those
//! can sign another continuation from there on. Nothing in a log can tell; that the cosignatures are recent can
//! ([`SnapshotTrust::agreed_at_s`]), and so can asking an owner whose key has not changed.

mod error;
mod roster;
mod verified;

pub use error::SnapshotError;
pub(crate) use roster::is_membership;
pub use verified::{SnapshotTrust, VerifiedSnapshot};

use crate::checkpoint::CosignedCheckpoint;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::replica::Replica;
use crate::state::State;
use crate::tree::ProofError;
use borsh::{BorshDeserialize, BorshSerialize};

const SNAPSHOT: Domain = Domain::new("log snapshot");
/// What an encoded snapshot starts with.
const VERSION: &[u8; 24] = b"unsilo/v1/log snapshot\0\x01";

/// The largest encoded snapshot that is made or read: 1 GiB. Of 500 participants, each admitted by its own entry,
/// it has some 10 MB; of 8,000 admitted one by one, the signatures under the admissions alone have more than this,
/// and such a federation has no snapshots.
pub const MAX_SNAPSHOT_BYTES: usize = 1024 * 1024 * 1024;

/// A log at a cosigned checkpoint, without its entries. Nothing in it is believed before
/// [`LogSnapshot::verify`].
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogSnapshot {
    /// The checkpoint with the coordinator's signature and the cosignatures.
    note: String,
    /// [`State::to_snapshot`].
    state: Vec<u8>,
    /// From the left.
    frontier: Vec<Hash>,
    /// In the order of the log.
    membership: Vec<ProvenEntry>,
}

/// An entry with the proof that it is in the log of the checkpoint.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct ProvenEntry {
    index: u64,
    /// Canonical bytes.
    entry: Vec<u8>,
    proof: Vec<Hash>,
}

/// What of a snapshot only the log in memory knows. It is small and quickly made, so that the rest, which is neither,
/// can be done elsewhere.
pub(crate) struct Outline {
    frontier: Vec<Hash>,
    /// Positions and proofs.
    membership: Vec<(u64, Vec<Hash>)>,
}

impl Outline {
    /// Of the snapshot at `size` entries.
    pub(crate) fn of(log: &Replica, size: u64) -> Result<Self, ProofError> {
        let positions = log.membership().iter().take_while(|index| **index < size);
        let membership = positions.map(|index| Ok((*index, log.prove_inclusion(*index, size)?)));
        Ok(Self {
            frontier: log.frontier(size)?,
            membership: membership.collect::<Result<_, ProofError>>()?,
        })
    }

    /// Where the entries are that the snapshot holds, ascending.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u64> {
        self.membership.iter().map(|(index, _)| *index)
    }

    /// The snapshot at that checkpoint, when the books were `state`. `entry` gives the canonical bytes of an entry of
    /// the log by its position; it is asked in order.
    pub(crate) fn fill<E>(
        self,
        state: &State,
        cosigned: &CosignedCheckpoint,
        mut entry: impl FnMut(u64) -> Result<Vec<u8>, E>,
    ) -> Result<LogSnapshot, E> {
        let membership = self.membership.into_iter().map(|(index, proof)| {
            Ok(ProvenEntry {
                index,
                entry: entry(index)?,
                proof,
            })
        });
        Ok(LogSnapshot {
            membership: membership.collect::<Result<_, E>>()?,
            note: cosigned.note(),
            state: state.to_snapshot(),
            frontier: self.frontier,
        })
    }
}

impl LogSnapshot {
    /// The bytes to store or send, one encoding for each snapshot.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_vec();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`LogSnapshot::to_bytes`] wrote. Nothing is verified yet.
    ///
    /// # Errors
    /// When the bytes are not exactly that, or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > MAX_SNAPSHOT_BYTES {
            return Err(SnapshotError::TooLong { bytes: bytes.len() });
        }
        let body = bytes.strip_prefix(VERSION).ok_or(SnapshotError::Version)?;
        borsh::from_slice(body).map_err(|error| SnapshotError::Malformed {
            reason: error.to_string(),
        })
    }
}

/// The hash by which encoded snapshots are told apart, and a download is checked before it is parsed.
pub fn snapshot_hash(bytes: &[u8]) -> Hash {
    DomainHasher::new(SNAPSHOT).with(bytes).finish()
}
