//! The bytes of the file, besides the entries.
//!
//! ```text
//!     0  identity   magic, coordinator, federation, start, checksum; written once
//!  1024  head       one of two slots, written in turn: how far the log reaches, and the checkpoint there
//!  2048  head       the other
//!  3072  confirmed  the sequence number of the newest head that was synced before its caller was told
//!  4096  snapshot   what the log begins with, if not with the genesis: as long as the identity's start says
//!        entries    of each its length (u32 little endian) and its canonical bytes, without gaps
//! ```
//! Every slot lies in sectors of its own and ends with a checksum, so that one that was written in part is no
//! slot. What the entries are is not said by a checksum: the signed checkpoint in the head is over them.

use super::StoreError;
use crate::draft::FederationId;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};

const SLOT: Domain = Domain::new("ledger file slot");
/// The first bytes of a log of this format.
pub(super) const MAGIC: [u8; 16] = *b"unsilo ledger 6\n";
/// Of every slot.
pub(super) const SLOT_BYTES: u64 = 1_024;
const CONFIRMED_AT: u64 = 3_072;
/// Where the snapshot begins, and the entries of a log without one.
pub(super) const SLOTS_END: u64 = 4_096;
/// The length in front of an entry.
pub(super) const LENGTH_BYTES: u64 = 4;

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Identity {
    pub(super) magic: [u8; 16],
    pub(super) coordinator: PublicKey,
    pub(super) federation: Option<FederationId>,
    /// The snapshot that it begins with; `None` for a log with all its entries.
    pub(super) start: Option<Start>,
}

/// The snapshot at the beginning of a log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Start {
    /// Its length in bytes.
    pub(super) bytes: u64,
    /// [`crate::snapshot::snapshot_hash`] of them.
    pub(super) hash: Hash,
}

impl Identity {
    /// Where the entries begin.
    pub(super) fn entries_at(&self) -> u64 {
        let snapshot = self.start.as_ref().map_or(0, |start| start.bytes);
        SLOTS_END.saturating_add(snapshot)
    }
}

/// How far the log reaches.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Head {
    /// From 0 on, one more with every append.
    pub(super) sequence: u64,
    /// Where the entries end.
    pub(super) end: u64,
    /// How many there are, with those before the snapshot.
    pub(super) entries: u64,
    /// The checkpoint over them; empty without entries.
    pub(super) note: String,
}

/// The slots as they were found. A head is `None` if its slot was cut short or damaged.
pub(super) struct Slots {
    pub(super) identity: Identity,
    /// Newest first.
    pub(super) heads: [Option<Head>; 2],
    pub(super) confirmed: Option<u64>,
}

impl Head {
    /// Of a new log: with the entries before the snapshot it begins with, and the checkpoint there.
    pub(super) fn first(end: u64, entries: u64, note: String) -> Self {
        Self {
            sequence: 0,
            end,
            entries,
            note,
        }
    }

    /// Where it is written: in turn, so that the one before it stays.
    pub(super) fn offset(&self) -> u64 {
        SLOT_BYTES.saturating_mul(
            self.sequence
                .checked_rem(2)
                .map_or(1, |odd| odd.saturating_add(1)),
        )
    }
}

/// The slot of `value`: its length, its borsh bytes, and a checksum over them and the slot's place.
pub(super) fn encode(offset: u64, value: &impl BorshSerialize) -> Vec<u8> {
    let mut body = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = value.serialize(&mut body);
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut slot = length.to_le_bytes().to_vec();
    slot.extend_from_slice(&body);
    let checksum = checksum(offset, &slot);
    slot.extend_from_slice(&checksum);
    slot
}

/// The confirmation of `sequence`, and where it is written.
pub(super) fn confirmation(sequence: u64) -> (u64, Vec<u8>) {
    (CONFIRMED_AT, encode(CONFIRMED_AT, &sequence))
}

/// Parses what [`encode`] wrote at `offset`, from the beginning of `bytes`; and how many bytes it took.
pub(super) fn decode<T: BorshDeserialize>(offset: u64, bytes: &[u8]) -> Option<(T, usize)> {
    let (length, _) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (signed, rest) = bytes.split_at_checked(length.checked_add(4)?)?;
    if rest.first_chunk() != Some(&checksum(offset, signed)) {
        return None;
    }
    let value = borsh::from_slice(signed.get(4..)?).ok()?;
    Some((value, signed.len().checked_add(32)?))
}

/// The slot at `offset` of the first bytes of the file.
fn slot<T: BorshDeserialize>(offset: u64, header: &[u8]) -> Option<T> {
    let start = usize::try_from(offset).ok()?;
    let slot = header.get(start..)?;
    let slot = slot
        .get(..usize::try_from(SLOT_BYTES).ok()?)
        .unwrap_or(slot);
    Some(decode(offset, slot)?.0)
}

fn checksum(offset: u64, slot: &[u8]) -> Hash {
    DomainHasher::new(SLOT)
        .with(&offset.to_le_bytes())
        .with(slot)
        .finish()
}

impl Slots {
    /// Parses the first [`SLOTS_END`] bytes of a file.
    pub(super) fn parse(header: &[u8]) -> Result<Self, StoreError> {
        let damaged = |reason: &str| StoreError::Damaged {
            reason: reason.to_owned(),
        };
        let identity: Identity = slot(0, header)
            .filter(|identity: &Identity| identity.magic == MAGIC)
            .ok_or_else(|| damaged("it does not begin as a ledger of this version does"))?;
        let head = |offset| slot::<Head>(offset, header).filter(|head| head.offset() == offset);
        let mut heads = [head(SLOT_BYTES), head(SLOT_BYTES.saturating_mul(2))];
        heads.sort_by_key(|head| std::cmp::Reverse(head.as_ref().map(|head| head.sequence)));
        Ok(Self {
            identity,
            heads,
            confirmed: slot(CONFIRMED_AT, header),
        })
    }
}
