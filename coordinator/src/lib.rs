//! The coordinator of a federation: it admits by invitation, runs rounds, adds what it cannot read, and
//! serves the shared model.
//!
//! It is trusted with nobody's data and not with the books: members sign what matters, everybody replays
//! the ledger. [`init()`] writes a directory; [`Server`] serves from it.
//!
//! The way of a round: `service` (parse, authenticate) → `owner` (one thread, one queue) → `round` (the pure
//! machine) → ledger, `contributions`, `models` → `endpoint`.

mod admission;
pub mod config;
mod contributions;
mod directory;
mod durable;
mod encrypted;
mod endpoint;
mod error;
mod evaluations;
mod inbox;
mod models;
mod owner;
mod payload;
mod queries;
mod round;
mod scalars;
mod server;
mod service;
mod tokens;

pub use directory::{
    DEFAULT_VALID_HOURS, InitOptions, Initialised, answer_feedback, create_token, feedback, init,
    invite, list_tokens, revoke_tokens, rollback, suspend,
};
pub use error::CoordinatorError;
pub use inbox::{Answer, By, MAX_FEEDBACK_BYTES, Piece};
#[cfg(feature = "plaintext-bench")]
pub use payload::plain::mark_plaintext;
pub use server::{ConnectionLimits, ServeOptions, Server};
pub use tokens::{DEFAULT_ROWS_PER_DAY, DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS, Token, TokenOptions};
