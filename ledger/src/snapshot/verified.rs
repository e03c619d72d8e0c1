//! A snapshot that was found to be right, and on whose word.

use super::roster::{replay, same_members};
use super::{LogSnapshot, SnapshotError};
use crate::checkpoint::CosignedCheckpoint;
use crate::draft::FederationId;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::member::ParticipantId;
use crate::state::State;
use crate::tree::Tree;

/// What a replica rests on that began with a snapshot, for people to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotTrust {
    /// Who keeps the log.
    pub coordinator: PublicKey,
    /// The federation.
    pub federation: FederationId,
    /// Entries before it, which were not seen but for those about membership.
    pub entries: u64,
    /// [`crate::SignedEntry::hash`] of the genesis.
    pub genesis: Hash,
    /// Legal names and keys, in order: what people compare out of band.
    pub founders: Vec<(String, PublicKey)>,
    /// Admissions, evictions, readmissions and changes of owner since the genesis, each signed by more than half of
    /// the owners of its time.
    pub membership_changes: u64,
    /// Owners that are present.
    pub owners: u64,
    /// Those of them that cosigned the checkpoint: more than half.
    pub cosigners: u64,
    /// Seconds since 1970: more than half of the owners cosigned at this time or later, each by its own clock. What
    /// is too old to start from is for the caller to say: nothing here knows the time.
    pub agreed_at_s: u64,
}

/// A snapshot whose every part was verified: a replica can begin with it.
#[derive(Clone)]
pub struct VerifiedSnapshot {
    snapshot: LogSnapshot,
    state: State,
    tree: Tree,
    cosigned: CosignedCheckpoint,
    trust: SnapshotTrust,
}

impl LogSnapshot {
    /// Verifies everything: that books and frontier are those of the coordinator's checkpoint, that the chain of
    /// membership leads from the genesis of `federation` to the members in the books, and that more than half of the
    /// owners cosigned. Why that is enough stands at the head of [`crate::snapshot`].
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(
        self,
        coordinator: &PublicKey,
        federation: &FederationId,
    ) -> Result<VerifiedSnapshot, SnapshotError> {
        let nobody = |_: ParticipantId| None;
        let bare = CosignedCheckpoint::parse(&self.note, coordinator, nobody)?;
        let checkpoint = *bare.checkpoint();
        if checkpoint.federation != *federation {
            return Err(SnapshotError::OtherFederation {
                expected: *federation,
                found: checkpoint.federation,
            });
        }
        // What costs only hashes first.
        let tree = Tree::from_frontier(checkpoint.size, &self.frontier)
            .filter(|tree| tree.root() == checkpoint.root)
            .ok_or(SnapshotError::Frontier)?;
        let state = State::from_snapshot(&self.state, &checkpoint.state_root)?;
        let roster = replay(&self.membership, &checkpoint, coordinator, federation)?;
        if !same_members(&roster, &state) {
            return Err(SnapshotError::OtherMembers);
        }
        let key_of = |participant| roster.cosigner_key(participant);
        let cosigned = CosignedCheckpoint::parse(&self.note, coordinator, key_of)?;
        let cosigners = roster.cosigning_owners(&cosigned);
        let need = roster.majority();
        if cosigners.len() < need {
            return Err(SnapshotError::TooFewCosigners {
                have: cosigners.len(),
                need,
            });
        }
        let mut times: Vec<u64> = cosigners.values().copied().collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        let agreed_at_s = need.checked_sub(1).and_then(|last| times.get(last));
        let founders = roster.draft().map_or(0, |draft| draft.founders.len());
        let trust = SnapshotTrust {
            coordinator: *coordinator,
            federation: *federation,
            entries: checkpoint.size,
            genesis: roster.genesis_hash().unwrap_or_default(),
            founders: founding_keys(&roster, founders),
            membership_changes: count(self.membership.len().saturating_sub(1)),
            owners: count(roster.owners().count()),
            cosigners: count(cosigners.len()),
            agreed_at_s: agreed_at_s.copied().unwrap_or_default(),
        };
        Ok(VerifiedSnapshot {
            snapshot: self,
            state,
            tree,
            cosigned,
            trust,
        })
    }
}

/// The keys that the founders signed the genesis with, also if they have others now.
fn founding_keys(roster: &State, founders: usize) -> Vec<(String, PublicKey)> {
    let founders = roster.all_participants().take(founders);
    founders
        .map(|founder| {
            let first = founder.former_keys.first().unwrap_or(&founder.key);
            (founder.name.clone(), *first)
        })
        .collect()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl VerifiedSnapshot {
    /// The books.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The checkpoint with the cosignatures.
    pub fn cosigned(&self) -> &CosignedCheckpoint {
        &self.cosigned
    }

    /// What it rests on.
    pub fn trust(&self) -> &SnapshotTrust {
        &self.trust
    }

    /// The bytes that it was verified from.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.snapshot.to_bytes()
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }
}
