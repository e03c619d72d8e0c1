//! The ledger of a federation: who contributed what to which model, on whose word, replayable by anyone.
//!
//! An append-only log of signed [`Entry`]s, a pure function [`State::apply`] from entries to books, and a
//! Merkle tree over the log whose root and state root the coordinator signs in every [`Checkpoint`].
//! Participants keep the same log ([`LedgerStore::create_replica`]), replay it, and refuse a checkpoint that
//! does not fit. Nothing here knows a network, a clock, a float or an unordered map; only [`store`] does
//! input and output.
//!
//! # The way of an entry
//! 1. Somebody writes an [`Entry`] and sends [`Entry::to_bytes`] to those who must sign it. Who that is
//!    stands at the head of [`entry`]; how each signs, at each variant.
//! 2. Each signs with [`Entry::sign`]; [`SignedEntry::new`] puts the signatures together.
//! 3. The coordinator calls [`LedgerStore::append`]: rules, signatures, Merkle tree, new checkpoint, disk.
//! 4. Participants fetch [`LedgerStore::encoded_entries`] and the note of [`LedgerStore::checkpoint`], and call
//!    [`LedgerStore::append_verified`].
//!
//! Three things are signed outside of entries: a [`SeatOffer`] by the member that takes a seat, a
//! [`CloseStatement`] by a member that cosigns a close (both end up inside entries), and a [`Receipt`] by the
//! coordinator (which does not).
//!
//! # A round
//! ```text
//!   Idle --RoundOpened--> Open --RoundClosed--> Closed --ContributionsJudged--> Rating --> Weighed
//!    ^   seats and raters  |   >= t cosigners,   |      >= t members; without    |  >= t     |
//!    |   by the draw       |   nonces, cohort    |      raters Weighed at once   |  members  |
//!    |                     |                     |                               |           |
//!    +---- RoundVoided ----+---- RoundVoided ----+---------- RoundVoided --------+-----------+
//!    |     seed: H(last, round)                    seed: the challenge                       |
//!    +------------------------------- ModelPublished (>= t members) -------------------------+
//! ```
//! Where the schema has measured columns the first round is the statistics round ([`statistics`]): nobody rates, RoundClosed
//! leads to Weighed at once, and StatisticsPublished (>= t members) ends it.
//!
//! In Rating, raters commit to their ratings and then reveal them; members end each of the two steps. The
//! weights of the sum follow from judgement and ratings ([`weights`]); where they must not be used,
//! [`State::void_due`] says why, and the round can only be void. Every [`Incentive::epoch_rounds`] published
//! rounds, and with the last round of the training plan, an epoch ends and the pool is paid out by
//! [`mechanism::median`].
//!
//! Rounds do not overlap. A model never comes back, so a participant contributes to one model hash at most
//! once, unless the round was void.
//!
//! # What the ledger cannot see
//! - Whether a drawn owner was asked. The coordinator may leave seats empty down to the threshold and let
//!   reserves move up; [`committee::candidates_for`] bounds that choice.
//! - Which ratings the coordinator left out. Members sign exactly which rows a step of rating ends with, and none
//!   without their own ([`Entry::RatingStepEnded`]); a row of somebody else that never reaches the log cannot be
//!   told from one that was not sent, and the coordinator has read it by then.
//! - Which cosignatures the coordinator left out. Each cosignature reveals a nonce that nobody else knew, but
//!   a coordinator that holds more than `threshold` of them may choose which to use, and so among a few
//!   challenges (of 7 seats with threshold 5: 29; of 21 with 15: 82,160). What rests on a challenge must
//!   allow for that many attempts.
//! - What time it is. Deadlines are the coordinator's; the ledger checks how far they are apart, and members wait
//!   by their own clocks ([`LEAST_CONTRIBUTE_MS`], [`LEAST_ANSWER_MS`]). A committee can be brought to void a
//!   round by ignoring its members, which draws another: [`MOST_VOIDS`] times in a row.
//! - The last founder to sign. Ed25519 signatures are not unique, so it may try several until it likes the
//!   founders' seed (first weights and first committee).
//! - Whether a whole file was put back from a backup. The file is sound by itself; whoever kept a later
//!   checkpoint notices ([`Replica::compare`]), and every participant does.
//!
//! # Arithmetic
//! Integers only, and no operation that could overflow unnoticed: the lints below refuse `+`, `as`, `[]`,
//! floats, and types whose order or value differs between processes (see `clippy.toml` beside this crate).

#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic
)]

#[cfg(test)]
extern crate self as unsilo_ledger;

mod account;
mod attendance;
mod case;
pub mod checkpoint;
pub mod close;
pub mod committee;
mod committee_draw;
mod describe;
mod diverged;
pub mod draft;
mod draw;
pub mod entry;
mod epoch_case;
mod epoch_row;
mod event;
pub mod explain;
pub mod feedback;
mod fixed;
mod fork;
mod guard_head;
mod hash;
mod identity;
pub mod incentive;
mod initial_weights;
pub mod judgement;
mod kept;
pub mod mechanism;
mod member;
pub mod model;
pub mod name;
mod parallel;
pub mod query;
pub mod raters;
mod rating;
mod receipt;
mod rejected;
mod replica;
mod round;
pub mod schema;
pub mod seat;
mod seated_keys;
mod settlement;
pub mod snapshot;
mod state;
mod statement;
pub mod statistics;
pub mod store;
pub mod training;
mod tree;
pub mod unit;
pub mod violation;
mod waits;
pub mod weights;

pub use account::{Account, Pool};
pub use attendance::Attendance;
pub use case::{Case, CaseStanding, Offence};
pub use checkpoint::{
    Checkpoint, CheckpointCosignature, CheckpointError, CosignatureAdded, CosignatureError,
    CosignedCheckpoint, CosignerEquivocation, EquivocationError, MalformedCosignature,
    SignedCheckpoint,
};
pub use close::{CloseStatement, Cosignature, DirectionCommitment};
pub use committee_draw::CommitteeDraw;
pub use diverged::{AppendError, Diverged};
pub use draft::{Draft, DraftError, FederationId};
pub use draw::draw;
pub use entry::signed::{DecodeError, ENTRY_VERSION, EntrySignature, MAX_ENTRY_BYTES, SignedEntry};
pub use entry::{AppealAuthority, Entry, VoidAuthority, VoidReason};
pub use epoch_case::EpochCase;
pub use epoch_row::EpochRow;
pub use event::Event;
pub use feedback::{FeedbackKind, feedback_hash};
pub use fixed::Fixed;
pub use fork::{ForkProof, ForkProofError};
pub use guard_head::GuardHead;
pub use hash::{Domain, DomainHasher, Hash, Xof};
pub use identity::{PublicKey, Signature, SigningIdentity};
pub use incentive::{Incentive, IncentiveError};
pub use initial_weights::{initial_weights_q24, q24_to_f32_bits};
pub use judgement::{Judgement, RejectionReason};
pub use kept::{KEPT_CHECKPOINTS, KEPT_COSIGNED};
pub use member::{Member, Owner, OwnerId, Participant, ParticipantId};
pub use model::{Activation, ModelError, ModelHasher, ModelKind, ModelSpec, model_hash};
pub use query::{AnswerHasher, Query, QueryTree, request_hash, verify_query};
pub use rating::{RaterRecord, RatingStep, Ratings, commit_rating, ratings_hash};
pub use receipt::{Receipt, SignedReceipt};
pub use rejected::{
    FeedbackRejected, FeesRejected, JudgementRejected, MembershipRejected, RatingRejected,
    Rejected, StakeRejected, ViolationRejected,
};
pub use replica::{Appended, ReplayedPublication, Replica, Standing};
pub use round::{
    Closing, Contribution, CurrentRound, Opening, Outcome, Phase, RoundRecord, SeatedMember,
    SumRecord, Weighing,
};
pub use schema::{Feature, Schema, Values};
pub use seat::{Seat, SeatOffer, commit_nonce};
pub use settlement::Settlement;
pub use snapshot::{LogSnapshot, SnapshotError, SnapshotTrust, VerifiedSnapshot};
pub use state::{MAX_STATE_BYTES, State, StateSnapshotError};
pub use statement::{AnswerStatement, OpeningStatement};
pub use statistics::{ColumnStatistics, ColumnSums, Statistics};
pub use store::{LedgerStore, StoreError, verify};
pub use training::{Optimiser, TrainingPlan};
pub use tree::{Proof, ProofError, leaf_hash, verify_consistency, verify_inclusion};
pub use violation::{Statement, Testimony, Violation};
pub use waits::{
    LEAST_ANSWER_MS, LEAST_CONTRIBUTE_MS, LEAST_RATER_MS, MOST_ANSWER_MS, MOST_CONTRIBUTE_MS,
    MOST_VOIDS, are_few,
};
pub use weights::Derivation;
