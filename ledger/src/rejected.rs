//! Why an entry is refused: the entry's fault, never this process's.

mod judgement;
mod membership;
mod money;
mod rating;
mod violation;

use crate::draft::DraftError;
use crate::entry::VoidReason;
use crate::identity::PublicKey;
use crate::member::{OwnerId, ParticipantId};
use crate::name::NameError;
use thiserror::Error;

pub use judgement::JudgementRejected;
pub use membership::MembershipRejected;
pub use money::{FeedbackRejected, FeesRejected, StakeRejected};
pub use rating::RatingRejected;
pub use violation::ViolationRejected;

/// Why [`crate::State::apply`] refuses an entry. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// Larger than [`crate::MAX_ENTRY_BYTES`].
    #[error("the entry takes {bytes} bytes, more than an entry may have")]
    TooLong {
        /// Its encoded length.
        bytes: usize,
    },
    /// Anything before the genesis.
    #[error("the first entry must create the federation")]
    NotFounded,
    /// A second genesis.
    #[error("the federation exists already")]
    AlreadyFounded,
    /// The draft breaks a limit.
    #[error("the draft is not acceptable: {0}")]
    Draft(#[from] DraftError),
    /// The founders are not those the draft invited, in its order.
    #[error(
        "founder {position} should be {expected:?} but is {found:?}: list exactly those invited, in order"
    )]
    WrongFounder {
        /// From 0.
        position: usize,
        /// By the draft; empty if it invites no more.
        expected: String,
        /// In the entry; empty if it lists no more.
        found: String,
    },
    /// Fewer owners than a federation needs.
    #[error(
        "the founders are {owners} owners: at least 3 are needed, and no fewer than the minimum cohort"
    )]
    TooFewOwners {
        /// How many.
        owners: usize,
    },
    /// A name is unacceptable or taken.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A key that is no usable Ed25519 key.
    #[error("{key} is not a usable Ed25519 key")]
    UnusableKey {
        /// The key.
        key: PublicKey,
    },
    /// A key that someone has already, the coordinator included.
    #[error(
        "the key {key} is in use already: every participant and the coordinator have their own"
    )]
    KeyTaken {
        /// The key.
        key: PublicKey,
    },
    /// An affiliate of an owner that does not exist (yet).
    #[error("there is no owner {owner}")]
    UnknownOwner {
        /// The owner.
        owner: OwnerId,
    },
    /// An affiliate that its owner did not sign for.
    #[error("no participant of owner {owner} signed for its new affiliate")]
    OwnerDidNotSign {
        /// The owner.
        owner: OwnerId,
    },
    /// More than [`crate::draft::MAX_PARTICIPANTS`].
    #[error("the federation is full")]
    Full,
    /// A participant that does not exist.
    #[error("there is no participant {participant}")]
    UnknownParticipant {
        /// The participant.
        participant: ParticipantId,
    },
    /// Signatures not in ascending order of keys, or a key twice.
    #[error(
        "the signatures are not in ascending order of keys at {key}: one signature a key, in order"
    )]
    SignatureOrder {
        /// The first key out of order.
        key: PublicKey,
    },
    /// A required signature is missing.
    #[error("the signature of {who} ({key}) is missing")]
    MissingSignature {
        /// In words.
        who: String,
        /// Whose.
        key: PublicKey,
    },
    /// A signature of somebody who has no say in this entry.
    #[error("{key} signed but has no say in this entry")]
    SurplusSignature {
        /// Whose.
        key: PublicKey,
    },
    /// Two participants of one owner signed where owners are counted.
    #[error("owner {owner} signed more than once")]
    OwnerSignedTwice {
        /// The owner.
        owner: OwnerId,
    },
    /// Fewer owners or members signed than needed.
    #[error("{have} signed, {need} are needed")]
    TooFewSigners {
        /// How many count.
        have: usize,
        /// How many must.
        need: usize,
    },
    /// A signature under the entry does not verify.
    #[error("the signature of {key} does not verify")]
    BadSignature {
        /// Whose.
        key: PublicKey,
    },
    /// An entry for another round than the one in question.
    #[error("the entry is about round {found}, the ledger is at round {expected}")]
    WrongRound {
        /// The round it could be about.
        expected: u64,
        /// The round it is about.
        found: u64,
    },
    /// A round is still in progress: rounds do not overlap.
    #[error("round {round} is neither published nor void")]
    RoundInProgress {
        /// The round.
        round: u64,
    },
    /// No round is open.
    #[error("no round is open")]
    NoOpenRound,
    /// The round is closed, and this had to come before.
    #[error("round {round} is closed")]
    RoundClosed {
        /// The round.
        round: u64,
    },
    /// The round is not closed, and this has to come after.
    #[error("round {round} is not closed")]
    RoundNotClosed {
        /// The round.
        round: u64,
    },
    /// All the rounds of the training plan have been published.
    #[error("training ended after {rounds} rounds, as planned")]
    TrainingEnded {
        /// Of the plan.
        rounds: u64,
    },
    /// A round that starts from another model than the current one.
    #[error("the round does not start from the current model")]
    WrongModel,
    /// Another unit than `apply` computed.
    #[error("the unit must be 2^{expected}, not 2^{found}")]
    WrongUnit {
        /// By the ledger.
        expected: i8,
        /// In the entry.
        found: i8,
    },
    /// Deadlines not in order.
    #[error("the deadlines must ascend: contribute, close, open")]
    DeadlineOrder,
    /// A step of the committee that is over before anybody can have taken it.
    #[error("{found_ms} ms are between two deadlines: at least {need_ms} must be")]
    DeadlinesTooClose {
        /// At least.
        need_ms: u64,
        /// In the entry.
        found_ms: u64,
    },
    /// More than the most time between two deadlines.
    #[error(
        "a step of the committee has {most_ms} ms at most, not {found_ms}: a round whose committee is gone would not end"
    )]
    DeadlinesTooFar {
        /// The most there may be.
        most_ms: u64,
        /// What there is.
        found_ms: u64,
    },
    /// Fewer seats than the threshold or more than the committee has.
    #[error("{seats} seats are filled: between {threshold} and {size} must be")]
    SeatCount {
        /// In the entry.
        seats: usize,
        /// At least.
        threshold: usize,
        /// At most.
        size: usize,
    },
    /// A seat of an owner that is not drawn, sits already, or comes out of the order of the draw.
    #[error(
        "seat {seat}: owner {owner} is not next in the draw (not drawn, seated twice or out of order)"
    )]
    NotDrawn {
        /// From 1.
        seat: usize,
        /// Whom the participant belongs to.
        owner: OwnerId,
    },
    /// A round key that is empty, too long or another seat's.
    #[error("seat {seat}: the round key is empty, too long or another seat's")]
    RoundKey {
        /// From 1.
        seat: usize,
    },
    /// The member's signature under its seat offer does not verify.
    #[error("seat {seat}: the member's signature under its offer does not verify")]
    BadSeatSignature {
        /// From 1.
        seat: usize,
    },
    /// A second contribution of one participant in a round.
    #[error("participant {participant} has contributed to round {round} already")]
    ContributedAlready {
        /// Who.
        participant: ParticipantId,
        /// Where.
        round: u64,
    },
    /// A contribution of no bytes, or of more than 2^40.
    #[error("a contribution of {bytes} bytes is not possible")]
    ContributionSize {
        /// What the entry says.
        bytes: u64,
    },
    /// A close over another set of contributions than the ledger holds.
    #[error("the close names another set of contributions than the ledger holds")]
    WrongContributions,
    /// Too few owners contributed.
    #[error("{owners} owners contributed, {need} are needed: the round must be void")]
    CohortTooSmall {
        /// How many did.
        owners: usize,
        /// How many must.
        need: usize,
    },
    /// Cosignatures not in ascending order of seats, a seat twice, or no such seat.
    #[error("cosignature of seat {seat}: no such seat, or not in ascending order")]
    CosignatureSeat {
        /// From 1.
        seat: u16,
    },
    /// A nonce that is not the one committed to.
    #[error("cosignature of seat {seat}: the nonce is not the one committed to at open")]
    NonceMismatch {
        /// From 1.
        seat: u16,
    },
    /// A cosignature that does not verify.
    #[error("cosignature of seat {seat}: the signature does not verify")]
    BadCosignature {
        /// From 1.
        seat: u16,
    },
    /// A seat or a cosignature of a member that has forgotten some of what it signed.
    #[error(
        "participant {participant} has {found} guard records, {last} were on the ledger: it was restored \
         from a backup and must sit this round out"
    )]
    GuardBehind {
        /// Who.
        participant: ParticipantId,
        /// On the ledger.
        last: u64,
        /// In the entry.
        found: u64,
    },
    /// Verdicts that cannot be.
    #[error(transparent)]
    Judgement(#[from] JudgementRejected),
    /// Directions or ratings that cannot be.
    #[error(transparent)]
    Rating(#[from] RatingRejected),
    /// A change of membership that cannot be.
    #[error(transparent)]
    Membership(#[from] MembershipRejected),
    /// A movement of stake that cannot be.
    #[error(transparent)]
    Stake(#[from] StakeRejected),
    /// Fees that cannot be.
    #[error(transparent)]
    Fees(#[from] FeesRejected),
    /// Feedback that cannot be.
    #[error(transparent)]
    Feedback(#[from] FeedbackRejected),
    /// A report or an appeal that cannot be.
    #[error(transparent)]
    Violation(#[from] ViolationRejected),
    /// The round is not weighed, and this has to come after.
    #[error("round {round} is not weighed")]
    RoundNotWeighed {
        /// The round.
        round: u64,
    },
    /// The ledger found that the sum of the round must not be opened.
    #[error("the round must be void: {}", reason.in_words())]
    MustBeVoid {
        /// Why.
        reason: VoidReason,
    },
    /// A reason that the ledger would have found itself, and did not.
    #[error("the ledger does not find that {}", reason.in_words())]
    UnfoundedVoid {
        /// What is claimed.
        reason: VoidReason,
    },
    /// Another total weight than the round's.
    #[error("the total weight is {expected}, not {found}")]
    WrongTotalWeight {
        /// By the ledger.
        expected: u64,
        /// In the entry.
        found: u64,
    },
    /// A model that the federation has had before: then a participant could contribute to it twice.
    #[error("the published model is one the federation had before")]
    ModelRepeated,
    /// The first round of a federation that measures its data gives statistics, and no model.
    #[error("the statistics of the data are due, and no model yet")]
    StatisticsDue,
    /// Statistics where the round is one of training.
    #[error("this round gives a model, not statistics")]
    NoStatisticsDue,
    /// Statistics of another number of columns than the schema measures.
    #[error("the schema measures {expected} columns, the statistics are of {found}")]
    StatisticsColumns {
        /// Of the schema.
        expected: usize,
        /// Of the entry.
        found: usize,
    },
    /// Owners void a closed round before a day after its last deadline; or state a time where none is asked.
    #[error(
        "owners may void this round with passed_ms at least {need_ms} (0: exactly 0), not {found_ms}"
    )]
    VoidTime {
        /// What is needed.
        need_ms: u64,
        /// What is stated.
        found_ms: u64,
    },
    /// A committee voids one round too many in a row.
    #[error(
        "{voids} rounds in a row ended without a model: now only more than half of the owners can void another one"
    )]
    VoidsSpent {
        /// How many.
        voids: usize,
    },
    /// A committee voids a round that has none yet.
    #[error("round {round} has no committee yet: only owners can skip it")]
    NoCommittee {
        /// The round.
        round: u64,
    },
    /// A number reached its limit. Cannot happen within the limits on sizes; checked all the same.
    #[error("a number in the state reached its limit")]
    Overflow,
}
