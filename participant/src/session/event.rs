//! What happens to a session.

use unsilo_ledger::Hash;
use unsilo_proto::Rejected;

use super::{effect::Task, facts::Facts};
use crate::{alarm::Alarm, guard::SeatRecord, progress::RoundEvaluation};

/// One thing that happened, in the order it happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The connection is gone: acts over it may or may not have arrived and are made again at the next step.
    Disconnected,
    /// The replica grew.
    Ledger(Box<Facts>),
    /// The coordinator pushed a step.
    Step(Step),
    /// Seen by the runtime, for example a fork of the ledger.
    Alarmed(Alarm),
    /// The weights with this hash are in the store.
    ModelHeld(Hash),
    /// A seat was made; its secret key is durable.
    SeatMade(SeatRecord),
    /// A contribution was made; it is durable in the outbox.
    Encrypted {
        /// The round it is for.
        round: u64,
        /// The model it starts from.
        model: Hash,
        /// Its root.
        root: Hash,
        /// Bytes of its ciphertext.
        bytes: u64,
    },
    /// The coordinator answered the upload with a receipt.
    Uploaded {
        /// The round.
        round: u64,
        /// Canonical bytes of the signed receipt.
        receipt: Vec<u8>,
    },
    /// All shares fit, and were combined.
    SharesCombined {
        /// The round.
        round: u64,
        /// Hash of the set and weights they were combined for.
        digest: Hash,
        /// The answer.
        answer: Vec<u8>,
    },
    /// A share as served is not the one its sender committed to.
    ShareSubstituted {
        /// The round.
        round: u64,
        /// Whose contribution.
        participant: u32,
    },
    /// The committed share of one participant cannot be opened: its dealer or this member is at fault.
    ShareUnusable {
        /// The round.
        round: u64,
        /// Whose contribution.
        participant: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The sum, decrypted and applied, gave exactly the expected model, which is in the store.
    Recomputed {
        /// The round.
        round: u64,
        /// The model.
        model: Hash,
    },
    /// It did not.
    SumDiffers {
        /// The round.
        round: u64,
        /// The model that was expected.
        model: Hash,
        /// What differs.
        reason: String,
    },
    /// A published model was evaluated (or no evaluation is configured).
    Evaluated {
        /// The round.
        round: u64,
        /// The model.
        model: Hash,
        /// How good it is.
        evaluation: Option<RoundEvaluation>,
    },
    /// The coordinator accepted what a task sent.
    Accepted(Task),
    /// The coordinator refused what a task sent or asked for.
    Refused {
        /// Which.
        task: Task,
        /// Why.
        rejected: Rejected,
    },
    /// A task failed on this machine.
    Failed {
        /// Which.
        task: Task,
        /// Why.
        reason: String,
    },
}

/// A step of the federation, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Grows with every step.
    pub id: u64,
    /// The replica must have this many entries before the step is acted on.
    pub ledger_entries: u64,
    /// Coordinator's clock, milliseconds since 1970.
    pub now_ms: u64,
    /// What is to be done.
    pub kind: StepKind,
}

/// What a step asks for. See `unsilo.proto` for who does what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are those of the messages in unsilo.proto"
)]
pub enum StepKind {
    /// Founders sign the first entry.
    Founding {
        entry: Vec<u8>,
        missing: Vec<String>,
    },
    /// Drawn participants offer seats.
    Seating {
        round: u64,
        model: Hash,
        asked: Vec<u32>,
    },
    /// Everybody contributes.
    Contributing { round: u64 },
    /// Members cosign the set.
    Closing { round: u64 },
    /// Members open the sum.
    Opening { round: u64 },
    /// Members recompute and sign the model.
    Publishing { round: u64, entry: Vec<u8> },
    /// The model is on the ledger.
    Published { round: u64, model: Hash },
    /// Members sign that the round is void.
    Voiding {
        round: u64,
        entry: Vec<u8>,
        reason: String,
    },
    /// Nothing is under way.
    Resting { finished: bool, reason: String },
}
