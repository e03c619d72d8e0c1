//! A company's node in a federation: joining, local training, encrypted contributions, committee duties.
//!
//! - [`join()`] trades an invitation for a certificate and sets up a directory.
//! - [`Node`] runs on such a directory until the federation ends or it is told to stop; what it does is told as
//!   [`Progress`].
//! - [`signing`] is what a person does beside the node: see what owners are signing, and sign.
//! - [`session`] is the protocol without any input or output, [`guard`] what makes it safe to kill at any moment,
//!   [`data`] reads the company's tables, [`rating`] is what it thinks of the others' contributions.

mod alarm;
mod card;
mod config;
pub mod copies;
pub mod data;
mod dealer;
mod directory;
pub mod doctor;
mod error;
mod founders;
pub mod guard;
pub mod join;
mod keystore;
mod learner;
mod models;
mod node;
mod normalisation;
mod outbox;
mod payload;
mod progress;
mod rater;
pub mod rating;
pub mod renew;
pub mod session;
pub mod signing;
mod tls;
mod training;
mod validator;

pub use alarm::Alarm;
pub use config::{
    Config, DataSection, EvaluationSection, LedgerSection, NetworkSection, RatingSection,
    StorageSection, TrainingSection,
};
pub use dealer::Dealer;
pub use error::NodeError;
pub use founders::{Founder, founders_text, parse_founders};
pub use join::{JoinOptions, Joined, join};
pub use node::{Node, NodeOptions, Summary};
pub use normalisation::NormalisedColumn;
#[cfg(feature = "plaintext-bench")]
pub use payload::plain::mark_plaintext;
pub use progress::{ClassEvaluation, Progress, RoundEvaluation, RoundWeight, Score};
pub use rater::{Answered, Contributor, Opinion, RECENT_DIFFERENCES, Rater, RoundStart};
pub use training::{BuiltIn, LocalTraining, TrainingRound};
