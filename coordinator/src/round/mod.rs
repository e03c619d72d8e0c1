//! The round as a pure state machine: `handle(event, now, ledger) -> effects`.
//!
//! No socket, disk, clock or randomness is in here. The ledger's state says which step is due
//! ([`Machine::handle`] with [`Event::Advanced`] follows it); what is not on the ledger (offers,
//! cosignatures, answers) is collected again after a restart, because every sender repeats the same bytes
//! when it is told the step again. So a crash at any point goes on with the same round.
//!
//! What was decided and must be the same after a restart without being on the ledger is written down first
//! ([`Note`]): whose answers are judged, and that a closed round is to be void.
//!
//! One file a step: `founding` → `seating` → `contributing` → `closing` → `answering` → `judging` → `rating` →
//! `opening` → `publishing`, and `voiding` beside them. Beside the rounds: `proposals`, what participants sign
//! whatever step is due, `violations`, and `queries`, what the endpoint answered.

mod advance;
mod answering;
mod closing;
mod contributing;
mod effect;
mod event;
mod founding;
mod grace;
mod judging;
mod machine;
mod opening;
mod proposals;
mod publishing;
mod queries;
mod rating;
mod seating;
#[cfg(test)]
mod tests;
mod violations;
mod voiding;

pub(crate) use effect::{Announcement, Effect, Note};
pub(crate) use event::{Answer, DecodeFailure, Decoded, Event, Gives, Recalled};
pub(crate) use machine::{Machine, Timing};
pub(crate) use proposals::Signed;
pub(crate) use queries::QueryBatch;
