//! What a session wants done.

use unsilo_ledger::{Hash, ParticipantId, Signature};

use super::facts::PublishedFacts;
use crate::{alarm::Alarm, guard::Record, progress::Progress};

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
    /// Fetch the sum and its key, decrypt, apply, compare every hash, store the model.
    Recompute(PublishedFacts),
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
    /// Forget the seat's secret key and the outbox of a round that is over.
    Forget {
        /// The round.
        round: u64,
    },
}

/// What is needed to make a contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContributionJob {
    /// The round.
    pub round: u64,
    /// The model to start from; in the store.
    pub model: Hash,
    /// One quantisation step is 2^unit_log2.
    pub unit_log2: i8,
    /// Who contributes.
    pub participant: ParticipantId,
    /// Round keys in seat order.
    pub round_keys: Vec<Vec<u8>>,
    /// Members that must act.
    pub threshold: usize,
}

/// What is needed to make the one answer of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningJob {
    /// The round.
    pub round: u64,
    /// The model it started from.
    pub model: Hash,
    /// The seat, from 1.
    pub seat: u16,
    /// Round keys in seat order.
    pub round_keys: Vec<Vec<u8>>,
    /// Members that must act.
    pub threshold: usize,
    /// The set: participant, root as on the ledger, weight; ascending, weights above 0 only.
    pub set: Vec<(ParticipantId, Hash, u16)>,
    /// Hash of the set and weights.
    pub digest: Hash,
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
    /// `Committee.OfferSeat`.
    OfferSeat { round: u64, seat: Vec<u8> },
    /// `Committee.CosignClose`.
    CosignClose { round: u64, cosignature: Vec<u8> },
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
    reason = "one for each effect that takes time, with its round or model"
)]
pub enum Task {
    SignGenesis,
    MakeSeat(u64),
    OfferSeat(u64),
    FirstModel(Hash),
    FetchModel(Hash),
    Recompute(u64, Hash),
    Contribute(u64),
    Upload(u64),
    CosignClose(u64),
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
            Self::MakeSeat(_) | Self::FirstModel(_) | Self::Contribute(_) | Self::Evaluate(_)
        )
    }
}

impl Call {
    /// The task it belongs to.
    #[must_use]
    pub fn task(&self) -> Task {
        match *self {
            Self::SignGenesis { .. } => Task::SignGenesis,
            Self::OfferSeat { round, .. } => Task::OfferSeat(round),
            Self::CosignClose { round, .. } => Task::CosignClose(round),
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
            Self::Recompute(published) => Task::Recompute(published.round, published.model),
            Self::Contribute(job) => Task::Contribute(job.round),
            Self::Upload { round, .. } => Task::Upload(*round),
            Self::OpenShares(job) => Task::OpenShares(job.round),
            Self::Evaluate { round, .. } => Task::Evaluate(*round),
            Self::Record(_)
            | Self::Tell(_)
            | Self::Alarm(_)
            | Self::Halt
            | Self::Finish
            | Self::Forget { .. } => return None,
        })
    }
}
