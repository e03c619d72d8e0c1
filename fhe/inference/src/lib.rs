//! Queries that the server cannot read, to a model that it can: TFHE (`tfhe`'s `core_crypto`), for multi-layer perceptrons
//! and linear models.
//!
//! The way of a query, one file a step: [`mod@query`] (features encrypted) → [`evaluate`] ([`hidden`] or [`linear`])
//! → [`mod@query`] again (logits decrypted). [`model`] is what is evaluated, [`key`] the keys, [`noise`] what can be said
//! about errors, [`params`] the numbers.
//!
//! No I/O and no clock; randomness comes in as tfhe's [`Seeder`]. Integers on the wire are little endian.

pub mod evaluate;
pub mod hidden;
pub mod key;
pub mod linear;
pub mod model;
pub mod noise;
pub mod params;
pub mod query;
mod switch;
mod wire;
pub mod yardstick;

pub use evaluate::{EncryptedModel, EvaluationError, MAX_QUERY_BYTES, Query, Work};
pub use key::{
    CLIENT_KEY_BYTES, ClientKey, EVALUATION_KEY_BYTES, KeyHash, SERVER_KEY_MEMORY, ServerKey,
    key_hash,
};
pub use model::{Activation, Model, ModelError, argmax};
pub use query::{Answer, AnswerError, Circuit, Pending, QueryError, RequestId, Shape};
pub use tfhe::core_crypto::prelude::{Seeder, new_seeder};
pub use wire::{FormatError, VERSION};
