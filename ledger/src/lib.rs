//! The ledger of a federation.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic
)]

pub mod checkpoint;
pub mod close;
pub mod committee;
mod committee_draw;
mod describe;
pub mod draft;
mod draw;
pub mod entry;
mod event;
mod hash;
mod identity;
mod initial_weights;
mod member;
pub mod model;
pub mod name;
mod receipt;
mod rejected;
mod replica;
mod round;
pub mod schema;
pub mod seat;
mod state;
pub mod store;
pub mod training;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use close::{CloseStatement, Cosignature};
pub use committee_draw::CommitteeDraw;
pub use draft::{Draft, DraftError, FederationId};
pub use draw::draw;
pub use entry::signed::{DecodeError, ENTRY_VERSION, EntrySignature, MAX_ENTRY_BYTES, SignedEntry};
pub use entry::{Entry, VoidAuthority, VoidReason};
pub use event::Event;
pub use hash::{Domain, DomainHasher, Hash, Xof};
pub use identity::{PublicKey, Signature, SigningIdentity};
pub use initial_weights::{initial_weights_q24, q24_to_f32_bits};
pub use member::{Member, Owner, OwnerId, Participant, ParticipantId};
pub use model::{Activation, ModelError, ModelHasher, ModelKind, ModelSpec, model_hash};
pub use receipt::{Receipt, SignedReceipt};
pub use rejected::Rejected;
pub use replica::{AppendError, Appended, Diverged, Replica, Standing};
pub use round::{
    Closing, Contribution, CurrentRound, Opening, Outcome, Phase, RoundRecord, SeatedMember,
};
pub use schema::{Feature, Schema};
pub use seat::{Seat, SeatOffer, commit_nonce};
pub use state::State;
pub use store::{LedgerStore, StoreError, verify};
pub use training::{Optimiser, TrainingPlan};
pub use tree::{Proof, ProofError, leaf_hash, verify_consistency, verify_inclusion};
