//! What a session wants done.

use unsilo_ledger::{Hash, Signature};

use super::{
    facts::PublishedFacts,
    job::{
        AnswerJob, AppealJob, AppealsJob, ContributionJob, DirectionsJob, JudgingJob, OpeningJob,
        ReceiveJob, RowJob,
    },
};
use crate::{
    alarm::Alarm,
    guard::{Duty, Record},
    progress::Progress,
};

/// One effect. The runtime carries them out **in order** and must not start one before the [`Effect::Record`]s in front of
/// it are durable; if a record cannot be written, the rest of the list is dropped and the node stops.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make this durable first.
    Record(Record),
    /// Tell whoever watches.
    Tell(Progress),
    /// Keep on disk and tell.
    Alarm(Alarm),
    /// Stop the node; the reason was the alarm before.
    Halt,
    /// The last round's model is here and evaluated; the node may end.
    Finish,
    /// One small request.
    Call(Call),
    /// Make a round key and a nonce, keep the secret key, and come back with [`super::Event::SeatMade`].
    MakeSeat {
        /// All but the key and the nonce.
        round: u64,
        /// The model.
        model: Hash,
        /// Seats as drawn.
        size: u64,
        /// Owners in the order of the draw.
        draw: Vec<u32>,
    },
    /// Derive the first weights from the founders' seed.
    FirstModel {
        /// The founders' seed.
        seed: Hash,
        /// The hash they must have.
        model: Hash,
    },
    /// Fetch weights whose hash the ledger holds.
    FetchModel {
        /// The hash they must have.
        model: Hash,
    },
    /// Fetch the sum, its key and its proof; verify, decrypt, apply, compare every hash, store the model.
    Recompute {
        /// The model and what it comes from.
        published: PublishedFacts,
        /// What a member compares the opened key with: the answers it judged.
        judged: Option<Box<JudgingJob>>,
    },
    /// Train, encode, encrypt, keep in the outbox.
    Contribute(ContributionJob),
    /// Send what is in the outbox.
    Upload {
        /// The round.
        round: u64,
        /// The contribution's root.
        root: Hash,
        /// The signed ledger entry.
        entry: Vec<u8>,
    },
    /// Ask the rater for directions; [`super::Event::Directions`] follows.
    AskRater {
        /// The round.
        round: u64,
        /// The model it starts from; in the store.
        model: Hash,
        /// The models before it, the latest first; they may be in the store.
        earlier: Vec<Hash>,
    },
    /// Let a rater give up that still works on directions for this round; what it was asked fails.
    StopRater {
        /// The round.
        round: u64,
    },
    /// Ask the rater for its row; [`super::Event::Row`] follows.
    MakeRow(RowJob),
    /// Blind directions, keep them and the key for their answers.
    MakeDirections(DirectionsJob),
    /// Send the kept directions' keys under the signed entry.
    CommitDirections {
        /// The round.
        round: u64,
        /// The model it starts from.
        model: Hash,
        /// The signed ledger entry.
        entry: Vec<u8>,
    },
    /// Fetch what members answered on this company's directions, and the contributions; decode.
    ReceiveAnswers(ReceiveJob),
    /// Fetch the receipts that were posted for the round.
    FetchMailbox {
        /// The round.
        round: u64,
    },
    /// Fetch shares and directions, check each against the ledger, answer all scalars, keep the sealed answers.
    Answer(AnswerJob),
    /// Send the kept answers.
    SendAnswers {
        /// The round.
        round: u64,
        /// The hash they must have.
        sent: Hash,
    },
    /// Fetch every seat's answers and judge every contribution.
    Judge(JudgingJob),
    /// Show one share of the own contribution.
    Appeal(AppealJob),
    /// Fetch the appeals of the round and find out who is to blame in each.
    CheckAppeals(AppealsJob),
    /// Fetch the shares sealed to this seat, check each against its root, open and combine them.
    OpenShares(OpeningJob),
    /// Evaluate a published model.
    Evaluate {
        /// The founders' seed, from which the model trained alone starts too.
        seed: Hash,
        /// The round.
        round: u64,
        /// The model.
        model: Hash,
    },
    /// Forget the secrets of a round that is over: the seat's key, answers, directions, the outbox.
    Forget {
        /// The round.
        round: u64,
    },
    /// Erase a contribution that was made and is never sent; what else is kept for its round stays.
    Discard {
        /// The round.
        round: u64,
    },
    /// Erase whatever is in the outbox of rounds that are over: work that ended after them left it there.
    Sweep {
        /// All rounds before this one.
        before: u64,
    },
}

/// A small request; making it twice does what making it once does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "fields are those of the messages in unsilo.proto"
)]
pub enum Call {
    /// `Admission.SignGenesis`.
    SignGenesis {
        entry: Vec<u8>,
        signature: Signature,
    },
    /// `LedgerLog.Cosign`.
    Cosign {
        round: u64,
        duty: Duty,
        size: u64,
        line: String,
    },
    /// `Committee.OfferSeat`.
    OfferSeat { round: u64, seat: Vec<u8> },
    /// `Committee.PostReceipt`.
    PostReceipt { round: u64, receipt: Vec<u8> },
    /// `Committee.CosignClose`.
    CosignClose { round: u64, cosignature: Vec<u8> },
    /// `Committee.SignJudgement`.
    SignJudgement {
        round: u64,
        entry: Vec<u8>,
        signature: Signature,
        evidence: Vec<Vec<u8>>,
    },
    /// `Rounds.Rate`.
    Rate {
        round: u64,
        revealing: bool,
        entry: Vec<u8>,
    },
    /// `Committee.SignRatingStep`.
    SignRatingStep {
        round: u64,
        revealing: bool,
        set: Hash,
        entry: Vec<u8>,
        signature: Signature,
    },
    /// `Committee.SignViolation`.
    SignViolation {
        round: u64,
        dealer: u32,
        entry: Vec<u8>,
        signature: Signature,
        shown: Vec<u8>,
    },
    /// `Committee.Open`.
    Open {
        round: u64,
        seat: u16,
        digest: Hash,
        opening: Vec<u8>,
        signature: Signature,
    },
    /// `Committee.SignPublish`.
    SignPublish {
        round: u64,
        entry: Vec<u8>,
        signature: Signature,
    },
    /// `Committee.SignVoid`.
    SignVoid {
        round: u64,
        entry: Vec<u8>,
        signature: Signature,
    },
}

/// Work under way, by what it is for: the same task is not started twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "one for each effect that takes time, with its round, model or claim"
)]
pub enum Task {
    SignGenesis,
    Cosign(u64, Duty),
    MakeSeat(u64),
    OfferSeat(u64),
    FirstModel(Hash),
    FetchModel(Hash),
    Recompute(u64, Hash),
    Contribute(u64),
    Upload(u64),
    PostReceipt(u64),
    AskRater(u64),
    MakeDirections(u64),
    CommitDirections(u64),
    ReceiveAnswers(u64),
    MakeRow(u64),
    Rate(u64, bool),
    FetchMailbox(u64),
    CosignClose(u64),
    Answer(u64),
    SendAnswers(u64),
    Judge(u64),
    SignJudgement(u64),
    SignRatingStep(u64, bool, Hash),
    Appeal(u64),
    CheckAppeals(u64),
    SignViolation(u64, u32),
    OpenShares(u64),
    Open(u64),
    SignPublish(u64),
    SignVoid(u64),
    Evaluate(u64),
}

impl Task {
    /// Whether it needs no connection, and so goes on without one.
    #[must_use]
    pub fn is_local(self) -> bool {
        matches!(
            self,
            Self::MakeSeat(_)
                | Self::FirstModel(_)
                | Self::Contribute(_)
                | Self::AskRater(_)
                | Self::MakeDirections(_)
                | Self::MakeRow(_)
                | Self::Evaluate(_)
        )
    }
}

impl Call {
    /// The task it belongs to.
    #[must_use]
    pub fn task(&self) -> Task {
        match *self {
            Self::SignGenesis { .. } => Task::SignGenesis,
            Self::Cosign { round, duty, .. } => Task::Cosign(round, duty),
            Self::OfferSeat { round, .. } => Task::OfferSeat(round),
            Self::PostReceipt { round, .. } => Task::PostReceipt(round),
            Self::CosignClose { round, .. } => Task::CosignClose(round),
            Self::SignJudgement { round, .. } => Task::SignJudgement(round),
            Self::Rate {
                round, revealing, ..
            } => Task::Rate(round, revealing),
            // More rows make another set, which is signed too.
            Self::SignRatingStep {
                round,
                revealing,
                set,
                ..
            } => Task::SignRatingStep(round, revealing, set),
            Self::SignViolation { round, dealer, .. } => Task::SignViolation(round, dealer),
            Self::Open { round, .. } => Task::Open(round),
            Self::SignPublish { round, .. } => Task::SignPublish(round),
            Self::SignVoid { round, .. } => Task::SignVoid(round),
        }
    }
}

impl Effect {
    /// The task it starts, for effects that take time.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        Some(match self {
            Self::Call(call) => call.task(),
            Self::MakeSeat { round, .. } => Task::MakeSeat(*round),
            Self::FirstModel { model, .. } => Task::FirstModel(*model),
            Self::FetchModel { model } => Task::FetchModel(*model),
            Self::Recompute { published, .. } => {
                Task::Recompute(published.round, published.claim())
            }
            Self::Contribute(job) => Task::Contribute(job.round),
            Self::Upload { round, .. } => Task::Upload(*round),
            Self::AskRater { round, .. } => Task::AskRater(*round),
            Self::MakeRow(job) => Task::MakeRow(job.round),
            Self::MakeDirections(job) => Task::MakeDirections(job.round),
            Self::CommitDirections { round, .. } => Task::CommitDirections(*round),
            Self::ReceiveAnswers(job) => Task::ReceiveAnswers(job.round),
            Self::FetchMailbox { round } => Task::FetchMailbox(*round),
            Self::Answer(job) => Task::Answer(job.at.round),
            Self::SendAnswers { round, .. } => Task::SendAnswers(*round),
            Self::Judge(job) => Task::Judge(job.at.round),
            Self::Appeal(job) => Task::Appeal(job.round),
            Self::CheckAppeals(job) => Task::CheckAppeals(job.judging.at.round),
            Self::OpenShares(job) => Task::OpenShares(job.at.round),
            Self::Evaluate { round, .. } => Task::Evaluate(*round),
            Self::Record(_)
            | Self::Tell(_)
            | Self::Alarm(_)
            | Self::Halt
            | Self::Finish
            | Self::StopRater { .. }
            | Self::Forget { .. }
            | Self::Discard { .. }
            | Self::Sweep { .. } => return None,
        })
    }
}
