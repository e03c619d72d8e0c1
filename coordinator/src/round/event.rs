//! What can happen to a round.

use unsilo_ledger::{
    ColumnSums, Cosignature, Entry, EntrySignature, Hash, ParticipantId, PublicKey, Seat,
    SignedEntry, VoidReason,
};

use super::{effect::Note, proposals::Signed, queries::QueryBatch};

/// What the disk holds of a closed round that is not on the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// Seats whose answers are stored, with the roots of their sheets.
    pub(crate) answers: Vec<(u16, Hash)>,
    /// The seats whose answers are judged, if that was decided.
    pub(crate) judged: Option<Vec<(u16, Hash)>>,
    /// That the round is to be void, if that was decided.
    pub(crate) void: Option<VoidReason>,
}

/// A member's one answer of a round.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) seat: u16,
    /// Hash of the set and weights it is for.
    pub(crate) digest: Hash,
    /// The packed polynomial, checked to be one.
    pub(crate) opening: Vec<u8>,
    /// By its identity, over the [`unsilo_ledger::OpeningStatement`].
    pub(crate) signature: [u8; 64],
}

/// A decoded sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) key_sum: Hash,
    pub(crate) gives: Gives,
    pub(crate) total_weight: u64,
    /// Seats whose answers were wrong.
    pub(crate) liars: Vec<u16>,
}

/// What a sum decodes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// The next model, stored under its hash.
    Model(Hash),
    /// Of the statistics round: the sums over each measured column.
    Statistics(Vec<Option<ColumnSums>>),
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
    /// Answered queries wait for the ledger.
    Queries(QueryBatch),
    /// A participant signs an entry outside of the rounds.
    Signed(Signed),
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
    /// A rater's directions are stored, checked against this entry.
    DirectionsStored(Box<SignedEntry>),
    /// What was on disk of a round.
    Recalled { round: u64, recalled: Recalled },
    /// A decision is on disk.
    Noted { round: u64, note: Note },
    /// The table of the projections is on disk.
    Projected { round: u64, table: Hash },
    /// The projections could not be made or stored.
    ProjectFailed { round: u64 },
    /// At least the threshold of seated members cosigned the checkpoint of the whole log.
    Cosigned,
    /// A member's answers on projections and directions are stored, checked against its signature.
    Answered {
        round: u64,
        participant: ParticipantId,
        seat: u16,
        sheet_root: Hash,
    },
    /// A member signs the judgement it computed.
    JudgementSigned {
        round: u64,
        participant: ParticipantId,
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// A rater commits to its row, or reveals it.
    Rated(Box<SignedEntry>),
    /// A member signs that one half of the rating step is over.
    RatingStepSigned {
        round: u64,
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// A member signs a violation that it verified.
    ViolationSigned {
        entry: Vec<u8>,
        signature: EntrySignature,
    },
    /// A participant signed two statements that exclude each other; the entry holds both.
    Contradicted(Box<Entry>),
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
