//! What happens to a session.

use unsilo_ledger::{Hash, Judgement, ParticipantId, Violation};
use unsilo_proto::Rejected;

use super::{effect::Task, facts::Facts, job::DirectionValues};
use crate::{
    alarm::Alarm,
    guard::{AnswerRecord, DirectionsRecord, SeatRecord},
    progress::{RoundEvaluation, Score},
    rater::Opinion,
};

/// One thing that happened, in the order it happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The connection is gone: acts over it may or may not have arrived and are made again at the next step.
    Disconnected,
    /// Time has passed: what was too early may be due now.
    Clock,
    /// The replica grew.
    Ledger(Box<Facts>),
    /// The coordinator pushed a step.
    Step(Step),
    /// A person of this company signed the owners' void of the round, beside the node.
    OwnersVoid {
        /// The round.
        round: u64,
    },
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
    /// From outside: the directions that this company asks about in the open round, one number a parameter in the
    /// model's order. Nobody else learns them.
    Directions {
        /// The round.
        round: u64,
        /// One or two.
        values: DirectionValues,
    },
    /// Directions are blinded; they and the key for their answers are durable.
    DirectionsMade(DirectionsRecord),
    /// What the committee answered on this company's directions.
    Scores {
        /// The round.
        round: u64,
        /// By contribution and direction.
        scores: Vec<Score>,
        /// Accepted contributions on which the answers say nothing certain, with the seats of which at least one is at fault.
        undecided: Vec<(ParticipantId, Vec<u16>)>,
    },
    /// The coordinator left out what a seat answered on this company's directions.
    AnswersWithheld {
        /// The round.
        round: u64,
        /// The first such seat.
        seat: u16,
    },
    /// What the rater makes of the scores.
    Row {
        /// The round.
        round: u64,
        /// One for each accepted contribution of another owner, ascending by participant.
        opinions: Vec<Opinion>,
        /// 32 random bytes for the commitment.
        salt: Hash,
    },
    /// The receipts that were posted for the round, as the coordinator hands them out.
    Mailbox {
        /// The round.
        round: u64,
        /// Canonical bytes of signed receipts.
        receipts: Vec<Vec<u8>>,
    },
    /// All scalars are answered, and the sealed answers are durable.
    Answered(AnswerRecord),
    /// What a seat sent is not what its member signed, or somebody else's share was served: the coordinator's doing.
    AnswerSubstituted {
        /// What was being done.
        task: Task,
        /// The round.
        round: u64,
        /// Whose answers.
        seat: u16,
    },
    /// The coordinator's projections of a contribution are not those of the ciphertext that was signed, or it does not show
    /// that ciphertext.
    RowFalse {
        /// The round.
        round: u64,
        /// Whose contribution.
        participant: u32,
    },
    /// Every contribution is judged.
    Judged {
        /// The round.
        round: u64,
        /// What follows from the answers, the same for every honest member.
        judgement: Judgement,
        /// Evidence for rejections.
        evidence: Vec<Vec<u8>>,
    },
    /// Who is to blame in the appeals of the round.
    AppealsChecked {
        /// The round.
        round: u64,
        /// What was found, by dealer; those who have not appealed yet are missing.
        found: Vec<Found>,
        /// What was wrong with what the coordinator handed out.
        alarms: Vec<Alarm>,
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
        /// What was being done.
        task: Task,
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
    /// The claimed statistics are those of the verified sum.
    StatisticsConfirmed {
        /// The round.
        round: u64,
        /// [`super::PublishedFacts::claim`] of what was verified.
        claim: Hash,
    },
    /// The sum, decrypted and applied, gave exactly the expected model, which is in the store.
    Recomputed {
        /// The round.
        round: u64,
        /// [`super::PublishedFacts::claim`] of what was verified.
        claim: Hash,
        /// The model.
        model: Hash,
    },
    /// It did not.
    SumDiffers {
        /// The round.
        round: u64,
        /// [`super::PublishedFacts::claim`] of what is not true.
        claim: Hash,
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

/// A decided appeal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who appealed.
    pub dealer: ParticipantId,
    /// Against whom, as every member writes it; `None` if the appeal is not about the dispute.
    pub violation: Option<Violation>,
    /// What the member on the disputed seat had answered, in canonical bytes: evidence beside the appeal.
    pub shown: Vec<u8>,
}

/// A step of the federation, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Grows with every step.
    pub id: u64,
    /// The replica must have this many entries before the step is acted on.
    pub ledger_entries: u64,
    /// The checkpoint over so many entries with the members' cosignatures; empty before there are enough.
    pub checkpoint: String,
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
    /// Members answer scalars on every contribution.
    Answering { round: u64 },
    /// Members judge every contribution from these seats' answers.
    Judging { round: u64, seats: Vec<u32> },
    /// Raters commit or reveal their rows; with an entry, members sign that this is over.
    Rating {
        round: u64,
        revealing: bool,
        entry: Vec<u8>,
    },
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

impl StepKind {
    /// The round it is about.
    #[must_use]
    pub fn round(&self) -> Option<u64> {
        match self {
            Self::Founding { .. } | Self::Resting { .. } => None,
            Self::Seating { round, .. }
            | Self::Contributing { round }
            | Self::Closing { round }
            | Self::Answering { round }
            | Self::Judging { round, .. }
            | Self::Rating { round, .. }
            | Self::Opening { round }
            | Self::Publishing { round, .. }
            | Self::Published { round, .. }
            | Self::Voiding { round, .. } => Some(*round),
        }
    }
}
