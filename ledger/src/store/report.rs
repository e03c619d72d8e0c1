//! `ledger verify`: everything derived again from the entries, and counted.

use super::file::{Loaded, LogFile};
use super::{StoreError, cosignatures};
use crate::case::CaseStanding;
use crate::draft::FederationId;
use crate::entry::Entry;
use crate::entry::signed::SignedEntry;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::member::OwnerId;
use crate::replica::Replica;
use crate::round::{Outcome, Phase};
use crate::snapshot::SnapshotTrust;
use crate::state::State;
use std::collections::BTreeSet;
use std::path::Path;

/// What a verified log holds. It exists only if everything in the log was found to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who keeps the log.
    pub coordinator: PublicKey,
    /// The federation; `None` for a log without a genesis.
    pub federation: Option<FederationId>,
    /// Entries under the Merkle root. All from the first that is held on were decoded and are allowed.
    pub entries: u64,
    /// What stands for the entries that are not held, if the log began with a snapshot; `None` if every entry was
    /// verified. With it, balances before the snapshot are the word of the owners that cosigned it.
    pub start: Option<SnapshotTrust>,
    /// The file's length in bytes.
    pub bytes: u64,
    /// Bytes behind the log: of an append that is under way, or did not come to its end. Nobody was told of it.
    pub unfinished: u64,
    /// Signatures that verified: under entries, seats, cosignatures, and the checkpoint.
    pub signatures: u64,
    /// Cosignatures of the newest checkpoints that verified.
    pub cosignatures: u64,
    /// Checkpoints that somebody cosigned and that are kept beside the log, newest first.
    pub cosigned: Vec<CosignedSize>,
    /// How many owners are more than half of them now: with so many cosigners a checkpoint vouches for the books
    /// to somebody who did not replay the log.
    pub majority: u64,
    /// Participants.
    pub participants: u64,
    /// Owners.
    pub owners: u64,
    /// Rounds that ended with a model.
    pub published: u64,
    /// Rounds that ended void.
    pub voided: u64,
    /// The round in progress and how far it is.
    pub in_progress: Option<(u64, Phase)>,
    /// The epoch under way, from 1; 0 before the genesis.
    pub epoch: u64,
    /// What all owners have, and where it came from.
    pub totals: Totals,
    /// Violations: open, cancelled on appeal, executed.
    pub cases: (u64, u64, u64),
    /// The Merkle root over the entries.
    pub root: Hash,
    /// The state root that follows from the entries; equal to the checkpoint's.
    pub state_root: Hash,
    /// The coordinator's signed note over all this; `None` for an empty log.
    pub checkpoint: Option<String>,
}

/// Who cosigned a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CosignedSize {
    /// Its number of entries.
    pub size: u64,
    /// Participants whose cosignatures verified.
    pub participants: u64,
    /// The owners of those, by the books at the end of the log.
    pub owners: u64,
}

/// All money and stake of a federation, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Free balances of all owners.
    pub balances: u64,
    /// Own money that is staked: warming, staked, leaving or left.
    pub staked: u64,
    /// What is left of the grants. They are power and not money.
    pub grants: u64,
    /// Fees in the pool.
    pub pool_fees: u64,
    /// Taken from owners' own money for violations.
    pub burned: u64,
    /// Paid out of emission, ever.
    pub minted: u64,
    /// Fees entered, ever.
    pub fees_entered: u64,
}

impl Totals {
    fn of(state: &State) -> Self {
        let pool = state.pool().copied().unwrap_or_default();
        let mut totals = Self {
            pool_fees: pool.fees,
            burned: pool.burned,
            minted: pool.minted,
            fees_entered: pool.fees_entered,
            ..Self::default()
        };
        for owner in state.all_owners() {
            let account = state.account(owner.id).copied().unwrap_or_default();
            let staked = account.own().saturating_sub(account.balance);
            totals.balances = totals.balances.saturating_add(account.balance);
            totals.staked = totals.staked.saturating_add(staked);
            totals.grants = totals.grants.saturating_add(account.grant);
        }
        totals
    }

    /// Whether every unit that was minted or entered is on an account, in the pool, or burned.
    pub fn are_conserved(&self) -> bool {
        let sum = |parts: &[u64]| {
            parts
                .iter()
                .fold(0_u128, |sum, part| sum.saturating_add(u128::from(*part)))
        };
        sum(&[self.balances, self.staked, self.pool_fees, self.burned])
            == sum(&[self.minted, self.fees_entered])
    }
}

/// Reads and verifies the log at `path` as [`verify`] does, showing each accepted entry that is held with its
/// position in the log (from 0, or from [`Replica::first`]), and returns log and books: for `ledger show`. Works
/// beside a process that has the log open.
///
/// # Errors
/// The first thing that is wrong; entries before it have been shown by then.
pub fn read(path: &Path, each: impl FnMut(u64, &SignedEntry)) -> Result<Replica, StoreError> {
    read_from(path, |_| (), each)
}

/// As [`read`], for who replays the entries once more: `begin` is shown what the log begins with before the first
/// entry is shown, which is nothing, or what a snapshot stands for ([`Replica::first`], [`Replica::state`]).
///
/// # Errors
/// As [`read`].
pub fn read_from(
    path: &Path,
    begin: impl FnMut(&Replica),
    each: impl FnMut(u64, &SignedEntry),
) -> Result<Replica, StoreError> {
    Ok(load(path, begin, each)?.replica)
}

fn load(
    path: &Path,
    mut begin: impl FnMut(&Replica),
    mut each: impl FnMut(u64, &SignedEntry),
) -> Result<Loaded, StoreError> {
    let mut loaded = LogFile::read(path, &mut begin, &mut each)?;
    let file = &loaded.file;
    cosignatures::read(path, &mut loaded.replica, || file.entries_by_now())?;
    Ok(loaded)
}

/// Verifies the log at `path`: every signature, every rule, every hash, the checkpoint and the state
/// root. Works beside a process that has the log open; it then sees the log as of this moment. A log that began
/// with a snapshot is verified from there on, and the snapshot as when it was fetched ([`Report::start`]).
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(path: &Path) -> Result<Report, StoreError> {
    let mut signatures = 0_u64;
    let count_entry =
        |_, entry: &SignedEntry| signatures = signatures.saturating_add(count_signatures(entry));
    let Loaded { file, replica } = load(path, |_| (), count_entry)?;
    let cosignatures = replica.checkpoints().fold(0, |sum, kept| {
        count(kept.cosigners().len()).saturating_add(sum)
    });
    let state = replica.state();
    let cosigned = replica.checkpoints().map(|kept| {
        let owners: BTreeSet<OwnerId> = kept
            .cosigners()
            .filter_map(|participant| Some(state.participant(participant)?.owner))
            .collect();
        CosignedSize {
            size: kept.checkpoint().size,
            participants: count(kept.cosigners().len()),
            owners: count(owners.len()),
        }
    });
    let cases = |standing| {
        count(
            state
                .cases()
                .filter(|case| case.standing == standing)
                .count(),
        )
    };
    let published = state
        .history()
        .filter(|record| matches!(record.outcome, Outcome::Published { .. }))
        .count();
    let voided = state
        .history()
        .filter(|record| record.outcome.void().is_some())
        .count();
    let checkpoint = replica
        .checkpoint()
        .map(|checkpoint| checkpoint.note().to_owned());
    Ok(Report {
        coordinator: replica.coordinator(),
        federation: state.federation_id(),
        entries: replica.len(),
        start: replica.start().cloned(),
        bytes: file.bytes(),
        unfinished: file.unfinished(),
        signatures: signatures.saturating_add(u64::from(checkpoint.is_some())),
        cosignatures,
        cosigned: cosigned.collect(),
        majority: count(state.majority()),
        participants: count(state.participants().count()),
        owners: count(state.owners().count()),
        published: count(published),
        voided: count(voided),
        in_progress: state
            .round()
            .map(|round| (round.opening.round, round.phase())),
        epoch: state.epoch(),
        totals: Totals::of(state),
        cases: (
            cases(CaseStanding::Open),
            cases(CaseStanding::Cancelled),
            cases(CaseStanding::Executed),
        ),
        root: replica.root(),
        state_root: state.root(),
        checkpoint,
    })
}

fn count_signatures(signed: &SignedEntry) -> u64 {
    let inside = match &signed.entry {
        Entry::RoundOpened { seats, .. } => seats.len(),
        Entry::RoundClosed { cosignatures, .. } => cosignatures.len(),
        _ => 0,
    };
    count(signed.signatures.len().saturating_add(inside))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
