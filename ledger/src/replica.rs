//! The log in memory: entries are applied, put into the tree, and held against checkpoints.
//!
//! [`crate::store::LedgerStore`] is a `Replica` whose entries are also on disk.

use crate::checkpoint::{Checkpoint, CosignedCheckpoint, SignedCheckpoint};
use crate::diverged::{AppendError, Diverged};
use crate::draft::FederationId;
use crate::entry::Entry;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::hash::Hash;
use crate::identity::{KnownKeys, PublicKey, SigningIdentity};
use crate::kept::KeptCheckpoints;
use crate::parallel::{Batch, Verified, trusts, verify_signatures};
use crate::rejected::Rejected;
use crate::seated_keys::SeatedKeys;
use crate::snapshot::{SnapshotTrust, VerifiedSnapshot, is_membership};
use crate::state::State;
use crate::tree::{Growth, Proof, ProofError, Tree};
use std::sync::Arc;

mod checkpoints;

pub use checkpoints::Standing;

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first entry in the log, from 0; the others follow it.
    pub first_index: u64,
    /// What follows from the entries, in order.
    pub events: Vec<Event>,
}

/// A model's publication as this replica replayed it: what everybody can cosign, whatever sizes of the log the
/// coordinator showed each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedPublication {
    /// The round.
    pub round: u64,
    /// The log right after the entry that published its model.
    pub checkpoint: Checkpoint,
}

/// The last publication among entries that are applied.
#[derive(Clone, Copy, Debug)]
struct Publication {
    round: u64,
    /// Entries of the log up to it, with it.
    size: u64,
    state_root: Hash,
}

/// A federation's log and books in memory.
#[derive(Clone)]
pub struct Replica {
    coordinator: PublicKey,
    /// Known from the invite; the coordinator's own log learns it from the genesis.
    federation: Option<FederationId>,
    state: State,
    tree: Tree,
    checkpoint: Option<SignedCheckpoint>,
    kept: KeptCheckpoints,
    /// The keys of the participants and of the coordinator.
    keys: Arc<KnownKeys>,
    /// Where the entries are that say who the members are.
    membership: Vec<u64>,
    /// What it began with, if not with the genesis.
    start: Option<Arc<SnapshotTrust>>,
    published: Option<ReplayedPublication>,
    /// While a log is read back: round and size of the last publication.
    loaded_publication: Option<(u64, u64)>,
}

/// Entries applied to a copy of the state, not yet part of the log.
pub(crate) struct Prepared {
    pub(crate) state: State,
    growth: Growth,
    pub(crate) encoded: Vec<Vec<u8>>,
    pub(crate) appended: Appended,
    pub(crate) checkpoint: SignedCheckpoint,
    membership: Vec<u64>,
    publication: Option<Publication>,
}

impl Replica {
    /// An empty log kept by `coordinator`. A participant gives the `federation` of its invite, so that
    /// no other genesis is accepted.
    pub fn new(coordinator: PublicKey, federation: Option<FederationId>) -> Self {
        Self {
            coordinator,
            federation,
            state: State::new(),
            tree: Tree::default(),
            checkpoint: None,
            kept: KeptCheckpoints::default(),
            keys: Arc::default(),
            membership: Vec::new(),
            start: None,
            published: None,
            loaded_publication: None,
        }
    }

    /// The log as of a snapshot, without the entries before it.
    pub fn from_snapshot(snapshot: &VerifiedSnapshot) -> Self {
        let cosigned = snapshot.cosigned();
        let trust = snapshot.trust();
        let mut replica = Self {
            state: snapshot.state().clone(),
            tree: snapshot.tree().clone(),
            checkpoint: Some(cosigned.signed().clone()),
            start: Some(Arc::new(trust.clone())),
            ..Self::new(trust.coordinator, Some(trust.federation))
        };
        replica.kept.keep(cosigned.clone());
        replica.know_keys();
        replica
    }

    /// What a replica that began with a snapshot rests on; `None` for one that holds every entry.
    ///
    /// Such a replica follows the log, checks everything from there on and cosigns like any other. It holds no
    /// entry before [`Replica::first`]: what is asked about those ([`Replica::prove_inclusion`],
    /// [`Replica::prove_consistency`], the entries themselves) needs the full log and says so, and an older
    /// checkpoint than that is [`Diverged::RolledBack`], never proved to be a fork.
    pub fn start(&self) -> Option<&SnapshotTrust> {
        self.start.as_deref()
    }

    /// The first entry that is held; 0 unless it began with a snapshot.
    pub fn first(&self) -> u64 {
        self.tree.first()
    }

    /// Where in the log the entries are that say who the members are: the genesis, and every admission, eviction,
    /// readmission and change of owner held.
    pub(crate) fn membership(&self) -> &[u64] {
        &self.membership
    }

    /// The frontier of the Merkle tree of the first `size` entries.
    pub(crate) fn frontier(&self, size: u64) -> Result<Vec<Hash>, ProofError> {
        self.tree.frontier(size)
    }

    /// The newest publication of a model that this replica replayed, with the checkpoint right after it. Root and
    /// books are the replica's own; whether the coordinator signed a checkpoint of that size does not matter.
    ///
    /// `None` before the first; for what a snapshot stands for; and, in a log that was read back from disk, for a
    /// publication that entries follow.
    pub fn published(&self) -> Option<&ReplayedPublication> {
        self.published.as_ref()
    }

    /// The Merkle root of the first `size` entries.
    ///
    /// # Errors
    /// When there are fewer, or the log began later with a snapshot.
    pub fn root_at(&self, size: u64) -> Result<Hash, ProofError> {
        self.tree.root_at(size)
    }

    /// The books.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.tree.size()
    }

    /// Whether there is no entry yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The Merkle root over all entries.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Who signs this log's checkpoints.
    pub fn coordinator(&self) -> PublicKey {
        self.coordinator
    }

    /// The newest checkpoint; `None` while there is no entry.
    pub fn checkpoint(&self) -> Option<&SignedCheckpoint> {
        self.checkpoint.as_ref()
    }

    /// The checkpoint of `size` entries with the cosignatures it has so far; `None` for a size at which no
    /// append ended, and for those that are not kept any more ([`crate::KEPT_CHECKPOINTS`],
    /// [`crate::KEPT_COSIGNED`]).
    pub fn checkpoint_at(&self, size: u64) -> Option<&CosignedCheckpoint> {
        self.kept.at(size)
    }

    /// The kept checkpoints that somebody cosigned, newest first.
    pub fn checkpoints(&self) -> impl Iterator<Item = &CosignedCheckpoint> {
        self.kept.cosigned()
    }

    /// The proof that entry `index` is in the log of the first `size` entries.
    ///
    /// # Errors
    /// When either lies outside of the log.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Proof, ProofError> {
        self.tree.prove_inclusion(index, size)
    }

    /// The proof that the log of `new` entries begins with that of `old` entries.
    ///
    /// # Errors
    /// When either lies outside of the log.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<Proof, ProofError> {
        self.tree.prove_consistency(old, new)
    }

    /// The coordinator's append: all entries, or none and an error.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(
        &mut self,
        entries: &[SignedEntry],
        coordinator: &SigningIdentity,
    ) -> Result<Appended, AppendError> {
        let Some(prepared) = self.prepare(entries, coordinator)? else {
            return Ok(self.nothing());
        };
        Ok(self.commit(prepared))
    }

    /// A participant's append: all entries, if they lead exactly to the coordinator's checkpoint.
    /// No entries and an equal checkpoint are accepted and change nothing.
    ///
    /// # Errors
    /// See [`AppendError`], above all [`Diverged`].
    pub fn append_verified(
        &mut self,
        entries: &[SignedEntry],
        note: &str,
    ) -> Result<Appended, AppendError> {
        let Some(prepared) = self.prepare_verified(entries, note)? else {
            return Ok(self.nothing());
        };
        Ok(self.commit(prepared))
    }

    /// The keys that signatures of a log to be loaded are verified with, as far as they are known.
    pub(crate) fn keys(&self) -> &Arc<KnownKeys> {
        &self.keys
    }

    /// Adds entries while a stored log is read back. Afterwards [`Replica::adopt`] must succeed.
    pub(crate) fn load(&mut self, batch: &Batch, verified: &Verified) -> Result<(), AppendError> {
        let trusts = batch.trusts(verified);
        for (index, (entry, trust)) in (self.len()..).zip(batch.entries.iter().zip(trusts)) {
            let applied = self.state.apply_trusting(entry, trust);
            applied.map_err(|rejected| AppendError::Rejected { index, rejected })?;
            if index == 0 {
                self.federation = Some(self.check_genesis(&self.state)?);
            }
            if is_membership(&entry.entry) {
                self.membership.push(index);
            }
            if let Entry::ModelPublished { round, .. } = entry.entry {
                self.loaded_publication = Some((round, index.saturating_add(1)));
            }
        }
        let growth = self.tree.growth_of(verified.leaves.iter().copied());
        self.tree.grow(growth);
        self.know_keys();
        Ok(())
    }

    /// Takes over the stored checkpoint if it is of exactly the entries loaded.
    pub(crate) fn adopt(&mut self, note: &str) -> Result<(), AppendError> {
        let theirs = self.parse(note)?;
        let (size, found) = (self.len(), theirs.checkpoint());
        if found.size != size {
            let theirs = Box::new(theirs.clone());
            return Err(Diverged::Count {
                given: size,
                needed: theirs.checkpoint().size,
                theirs,
            }
            .into());
        }
        self.hold_against(&theirs, self.root(), self.state.root())?;
        self.published = self
            .loaded_publication
            .filter(|(_, at)| *at == size)
            .map(|(round, _)| ReplayedPublication {
                round,
                checkpoint: *theirs.checkpoint(),
            });
        self.kept.keep_signed(&theirs);
        self.checkpoint = Some(theirs);
        Ok(())
    }

    /// `None` if there is nothing to append.
    pub(crate) fn prepare(
        &self,
        entries: &[SignedEntry],
        coordinator: &SigningIdentity,
    ) -> Result<Option<Prepared>, AppendError> {
        if coordinator.public() != self.coordinator {
            return Err(AppendError::NotTheCoordinator {
                coordinator: self.coordinator,
            });
        }
        if entries.is_empty() {
            return Ok(None);
        }
        let encoded = encode(entries);
        let (state, appended, publication) = self.try_entries(entries, &encoded)?;
        let growth = self.tree.growth(encoded.iter().map(Vec::as_slice));
        let checkpoint = Checkpoint {
            federation: self.check_genesis(&state)?,
            size: self
                .len()
                .saturating_add(u64::try_from(entries.len()).unwrap_or(u64::MAX)),
            root: self.tree.root_after(&growth),
            state_root: state.root(),
        };
        let checkpoint = checkpoint.sign(coordinator)?;
        Ok(Some(Prepared {
            state,
            growth,
            encoded,
            appended,
            checkpoint,
            membership: self.membership_in(entries),
            publication,
        }))
    }

    /// `None` if there is nothing to append.
    pub(crate) fn prepare_verified(
        &self,
        entries: &[SignedEntry],
        note: &str,
    ) -> Result<Option<Prepared>, AppendError> {
        let theirs = self.parse(note)?;
        let needed = match self.standing(&theirs)? {
            Standing::Equal => 0,
            Standing::Ahead { entries } => entries,
        };
        let given = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if given != needed {
            return Err(Diverged::Count {
                given,
                needed,
                theirs: Box::new(theirs),
            }
            .into());
        }
        if entries.is_empty() {
            return Ok(None);
        }
        // The tree first: entries that the coordinator did not sign are not held against it.
        let encoded = encode(entries);
        let growth = self.tree.growth(encoded.iter().map(Vec::as_slice));
        self.check_root(&theirs, self.tree.root_after(&growth))?;
        let (state, appended, publication) = self.try_entries(entries, &encoded)?;
        self.check_genesis(&state)?;
        self.hold_against(&theirs, theirs.checkpoint().root, state.root())?;
        Ok(Some(Prepared {
            state,
            growth,
            encoded,
            appended,
            checkpoint: theirs,
            membership: self.membership_in(entries),
            publication,
        }))
    }

    /// Makes prepared entries part of the log. Cannot fail: they are durable by now.
    pub(crate) fn commit(&mut self, prepared: Prepared) -> Appended {
        self.federation = prepared.state.federation_id();
        self.state = prepared.state;
        self.membership.extend(prepared.membership);
        self.tree.grow(prepared.growth);
        if let Some(replayed) = prepared.publication.and_then(|of| self.replayed(of)) {
            self.published = Some(replayed);
        }
        self.kept.keep_signed(&prepared.checkpoint);
        self.checkpoint = Some(prepared.checkpoint);
        self.know_keys();
        prepared.appended
    }

    fn replayed(&self, of: Publication) -> Option<ReplayedPublication> {
        Some(ReplayedPublication {
            round: of.round,
            checkpoint: Checkpoint {
                federation: self.federation?,
                size: of.size,
                root: self.tree.root_at(of.size).ok()?,
                state_root: of.state_root,
            },
        })
    }

    /// Prepares the keys of participants who are new.
    fn know_keys(&mut self) {
        if self.keys.len() <= self.state.participants().count() {
            let participants = self.state.participants().map(|one| one.key);
            Arc::make_mut(&mut self.keys)
                .add(participants.chain(std::iter::once(self.coordinator)));
        }
    }

    /// Where those of `entries`, which come next, are that say who the members are.
    fn membership_in(&self, entries: &[SignedEntry]) -> Vec<u64> {
        let positions = (self.len()..).zip(entries);
        positions
            .filter(|(_, signed)| is_membership(&signed.entry))
            .map(|(index, _)| index)
            .collect()
    }

    /// What an append of no entries did.
    pub(crate) fn nothing(&self) -> Appended {
        Appended {
            first_index: self.len(),
            events: Vec::new(),
        }
    }

    /// The books after `entries`, tried on a copy, and the last publication among them.
    fn try_entries(
        &self,
        entries: &[SignedEntry],
        encoded: &[Vec<u8>],
    ) -> Result<(State, Appended, Option<Publication>), AppendError> {
        let published = |signed: &SignedEntry| matches!(signed.entry, Entry::ModelPublished { .. });
        let last_published = entries.iter().rposition(published);
        let mut publication = None;
        let mut state = self.state.clone();
        let mut appended = self.nothing();
        let mut seated = SeatedKeys::of(&self.state);
        let inside: Vec<_> = entries
            .iter()
            .map(|signed| seated.inside(&signed.entry, &self.state))
            .collect();
        let valid = verify_signatures(self.federation, &self.keys, entries, encoded, &inside);
        let trusts = trusts(&valid, &inside);
        let numbered = (self.len()..).zip(entries.iter().zip(trusts));
        for (position, (index, (entry, trust))) in numbered.enumerate() {
            let events = state
                .apply_trusting(entry, trust)
                .map_err(|rejected| AppendError::Rejected { index, rejected })?;
            appended.events.extend(events);
            if let (true, Entry::ModelPublished { round, .. }) =
                (last_published == Some(position), &entry.entry)
            {
                publication = Some(Publication {
                    round: *round,
                    size: index.saturating_add(1),
                    state_root: state.root(),
                });
            }
        }
        Ok((state, appended, publication))
    }

    /// The federation in the books, if it is the one this log is for.
    fn check_genesis(&self, state: &State) -> Result<FederationId, AppendError> {
        let draft = state.draft().ok_or(AppendError::Rejected {
            index: 0,
            rejected: Rejected::NotFounded,
        })?;
        if draft.coordinator != self.coordinator {
            return Err(AppendError::OtherCoordinator {
                expected: self.coordinator,
                found: draft.coordinator,
            });
        }
        let found = draft.federation_id();
        match self.federation {
            Some(expected) if expected != found => {
                Err(AppendError::OtherFederation { expected, found })
            }
            _ => Ok(found),
        }
    }
}

fn encode(entries: &[SignedEntry]) -> Vec<Vec<u8>> {
    entries.iter().map(SignedEntry::encode).collect()
}
