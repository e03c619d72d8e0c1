//! What the machine asks of the world, in this order.

use unsilo_ledger::{Entry, EntrySignature, Hash, ParticipantId, SignedEntry, VoidReason};
use unsilo_proto::v1::step;

use super::event::Answer;

/// The step that everybody is told.
pub(crate) type Announcement = step::Kind;

/// A decision that is on disk before anybody hears of it, for after a restart it must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The seats whose answers are judged, with the roots of their sheets.
    Judged(Vec<(u16, Hash)>),
    /// The closed round is to be void: from now on members are asked for nothing else.
    Void(VoidReason),
}

/// An output of the machine. Durable before visible: an append or a note comes before the announcement of it.
pub(crate) enum Effect {
    /// Adds the coordinator's signature and appends.
    SignAndAppend {
        entry: Entry,
        signatures: Vec<EntrySignature>,
    },
    /// Appends what others signed.
    Append(SignedEntry),
    /// Tells everybody the step that is due; `cosigned` with the checkpoint and the members' cosignatures.
    Announce { kind: Announcement, cosigned: bool },
    /// Reads what the disk holds of a closed round; [`super::Event::Recalled`] follows.
    Recall { round: u64 },
    /// Writes a decision; [`super::Event::Noted`] follows.
    Note { round: u64, note: Note },
    /// Projects the ciphertexts of a closed round; [`super::Event::Projected`] follows.
    Project { round: u64 },
    /// Sums the ciphertexts of the round with these weights; [`super::Event::SumReady`] follows.
    Sum {
        round: u64,
        weights: Vec<(ParticipantId, u16)>,
    },
    /// Opens the key of the sum from these answers and decrypts; [`super::Event::Decoded`] follows.
    Decode {
        round: u64,
        threshold: usize,
        answers: Vec<Answer>,
        weights: Vec<(ParticipantId, u16)>,
        /// The model the round started from.
        from: Hash,
        unit_log2: i8,
    },
}

impl Effect {
    /// Tells a step that needs no cosigned checkpoint.
    pub(super) fn announce(kind: Announcement) -> Self {
        Self::Announce {
            kind,
            cosigned: false,
        }
    }
}
