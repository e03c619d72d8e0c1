//! What can happen to a round.

use unsilo_ledger::{
    Cosignature, EntrySignature, Hash, ParticipantId, PublicKey, Seat, SignedEntry,
};

/// A member's one answer of a round.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) seat: u16,
    /// Hash of the set and weights it is for.
    pub(crate) digest: Hash,
    /// The packed polynomial, checked to be one.
    pub(crate) opening: Vec<u8>,
    /// By its identity, over `unsilo_proto::opening_statement`.
    pub(crate) signature: [u8; 64],
}

/// A decoded sum: the next model is stored under its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) key_sum: Hash,
    pub(crate) model: Hash,
    pub(crate) total_weight: u64,
    /// Seats whose answers were wrong.
    pub(crate) liars: Vec<u16>,
}

/// Why a sum was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecodeFailure {
    /// The answers open nothing sensible: only another answer can help.
    Answers(String),
    /// This machine failed: the same answers are tried again later.
    Store(String),
}

/// An input of the machine. Senders are authenticated before: a participant's id is the caller's.
pub(crate) enum Event {
    /// The ledger may have moved (or the process just started): do what is due.
    Advanced,
    /// Time has passed.
    Tick,
    /// Who has joined, in order.
    Joined(Vec<(String, PublicKey)>),
    /// A founder's signature under the proposed genesis.
    GenesisSigned {
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// An owner's signature under an admission.
    Approved {
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// A drawn participant offers its seat.
    SeatOffered { round: u64, seat: Seat },
    /// A contribution is stored, complete and checked against its root.
    Stored(Box<SignedEntry>),
    /// A member cosigns the close.
    CloseCosigned {
        round: u64,
        participant: ParticipantId,
        cosignature: Cosignature,
    },
    /// A member answers with its share of the key of the sum.
    Opened {
        round: u64,
        participant: ParticipantId,
        answer: Answer,
    },
    /// The weighted sum of the ciphertexts is on disk.
    SumReady { round: u64, sum: Hash },
    /// The weighted sum could not be made or stored.
    SumFailed { round: u64 },
    /// The answers were tried on the sum.
    Decoded {
        round: u64,
        result: Result<Decoded, DecodeFailure>,
    },
    /// A member recomputed the model.
    PublishSigned {
        round: u64,
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// A member agrees that the round is void.
    VoidSigned {
        round: u64,
        entry: Vec<u8>,
        signature: EntrySignature,
    },
}
