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
mod endpoint;
mod error;
mod models;
mod owner;
mod payload;
mod round;
mod scalars;
mod server;
mod service;

pub use directory::{DEFAULT_VALID_HOURS, InitOptions, Initialised, init, invite, suspend};
pub use error::CoordinatorError;
#[cfg(feature = "plaintext-bench")]
pub use payload::plain::mark_plaintext;
pub use server::{ConnectionLimits, ServeOptions, Server};
