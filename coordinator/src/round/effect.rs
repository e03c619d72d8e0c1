//! What the machine asks of the world, in this order.

use unsilo_ledger::{Entry, EntrySignature, Hash, ParticipantId, SignedEntry};
use unsilo_proto::v1::step;

use super::event::Answer;

/// The step that everybody is told.
pub(crate) type Announcement = step::Kind;

/// An output of the machine. Durable before visible: an append comes before the announcement of it.
pub(crate) enum Effect {
    /// Adds the coordinator's signature and appends.
    SignAndAppend {
        entry: Entry,
        signatures: Vec<EntrySignature>,
    },
    /// Appends what others signed.
    Append(SignedEntry),
    /// Tells everybody the step that is due.
    Announce(Announcement),
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
