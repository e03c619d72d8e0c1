//! The members of a federation from the signatures of its owners alone.
//!
//! Entries about membership depend on each other and on nothing else in the log, except for one number: the first
//! round that an owner could contribute to. So they are replayed by themselves, from the genesis on, with the
//! rules that every replica applies, and lead to the members that they lead to in the whole log.

use super::{ProvenEntry, SnapshotError};
use crate::checkpoint::Checkpoint;
use crate::draft::FederationId;
use crate::entry::Entry;
use crate::entry::signed::SignedEntry;
use crate::identity::{KnownKeys, PublicKey};
use crate::parallel::{trusts, verify_signatures};
use crate::state::{State, Trust};
use crate::tree::verify_inclusion;

/// Whether an entry says who the members are.
pub(crate) fn is_membership(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::FederationCreated { .. }
            | Entry::ParticipantAdmitted { .. }
            | Entry::ParticipantEvicted { .. }
            | Entry::ParticipantReadmitted { .. }
            | Entry::OwnerChanged { .. }
    )
}

/// The books after the chain alone: right about the members, and about nothing else.
pub(super) fn replay(
    chain: &[ProvenEntry],
    checkpoint: &Checkpoint,
    coordinator: &PublicKey,
    federation: &FederationId,
) -> Result<State, SnapshotError> {
    let mut entries = Vec::with_capacity(chain.len());
    let mut last = None;
    for proven in chain {
        let index = proven.index;
        let entry = SignedEntry::decode(&proven.entry)
            .map_err(|error| SnapshotError::Undecodable { index, error })?;
        if !is_membership(&entry.entry) || last.is_some_and(|last| last >= index) {
            return Err(SnapshotError::NotMembership { index });
        }
        let (size, root) = (checkpoint.size, &checkpoint.root);
        verify_inclusion(&proven.proof, size, root, index, &proven.entry)
            .map_err(|_| SnapshotError::NotInTheLog { index })?;
        last = Some(index);
        entries.push(entry);
    }
    let first = chain.first().map(|proven| proven.index);
    let (Some(0), Some((genesis, changes))) = (first, entries.split_first()) else {
        return Err(SnapshotError::NoGenesis);
    };
    let rejected = |index: u64| move |rejected| SnapshotError::Rejected { index, rejected };
    let mut state = State::new();
    state
        .apply_trusting(genesis, Trust::Verify)
        .map_err(rejected(0))?;
    check_genesis(&state, coordinator, federation)?;

    let mut keys = KnownKeys::default();
    keys.add(state.all_participants().map(|participant| participant.key));
    let encoded: Vec<Vec<u8>> = chain
        .iter()
        .skip(1)
        .map(|proven| proven.entry.clone())
        .collect();
    let inside = vec![Vec::new(); changes.len()];
    let valid = verify_signatures(Some(*federation), &keys, changes, &encoded, &inside);
    let indexes = chain.iter().skip(1).map(|proven| proven.index);
    for ((index, entry), trust) in indexes.zip(changes).zip(trusts(&valid, &inside)) {
        state
            .apply_trusting(entry, trust)
            .map_err(rejected(index))?;
    }
    Ok(state)
}

fn check_genesis(
    state: &State,
    coordinator: &PublicKey,
    federation: &FederationId,
) -> Result<(), SnapshotError> {
    let draft = state.draft().ok_or(SnapshotError::NoGenesis)?;
    let found = draft.federation_id();
    if found != *federation {
        return Err(SnapshotError::OtherFederation {
            expected: *federation,
            found,
        });
    }
    if draft.coordinator != *coordinator {
        return Err(SnapshotError::OtherCoordinator {
            expected: *coordinator,
            found: draft.coordinator,
        });
    }
    Ok(())
}

/// Whether the books have exactly these members. The first round of each owner is left out: it follows from the
/// rounds, which a chain of membership does not have.
pub(super) fn same_members(roster: &State, books: &State) -> bool {
    let owners = |state: &State| -> Vec<_> {
        let owners = state.all_owners();
        owners
            .map(|owner| (owner.id, owner.name.clone(), owner.participants))
            .collect()
    };
    roster.genesis_hash() == books.genesis_hash()
        && roster.all_participants().eq(books.all_participants())
        && owners(roster) == owners(books)
}
