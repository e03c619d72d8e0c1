//! The wire of a federation: gRPC messages and services (package `unsilo.v1`), their size limits, and the
//! one place that maps a refusal to a gRPC status and back.
//!
//! Ciphertexts, shares and ledger entries are opaque bytes here: decoding needs parameters that only their
//! crates hold.

mod appeal;
mod cell;
mod invite;
pub mod limits;
mod rejected;
mod statement;

pub use appeal::{APPEAL_DOMAIN, SignedAppeal};
pub use cell::{Cell, CellError, is_missing, range};
pub use invite::{Invite, InviteError};
pub use rejected::{Code, Rejected};
pub use statement::{
    JOIN_DOMAIN, RENEW_DOMAIN, SealedHashes, dispute_hash, join_statement, key_sum_hash,
    opening_hash, renew_statement, sealed_hash, sum_hash, sum_hasher, weights_digest,
};

/// Messages, clients and servers generated from `unsilo/v1/unsilo.proto`.
#[expect(
    missing_docs,
    clippy::allow_attributes_without_reason,
    reason = "generated; the proto file holds the documentation"
)]
pub mod v1 {
    tonic::include_proto!("unsilo.v1");
}
