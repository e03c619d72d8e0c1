//! The round as a pure state machine: `handle(event, now, ledger) -> effects`.
//!
//! No socket, disk, clock or randomness is in here. The ledger's state says which step is due
//! ([`Machine::handle`] with [`Event::Advanced`] follows it); what is not on the ledger (offers,
//! cosignatures, answers) is collected again after a restart, because every sender repeats the same bytes
//! when it is told the step again. So a crash at any point goes on with the same round.
//!
//! One file a step: `founding` → `seating` → `contributing` → `closing` → `opening` → `publishing`, and
//! `voiding` beside them.

mod closing;
mod contributing;
mod effect;
mod event;
mod founding;
mod machine;
mod opening;
mod publishing;
mod seating;
#[cfg(test)]
mod tests;
mod voiding;

pub(crate) use effect::{Announcement, Effect};
pub(crate) use event::{Answer, DecodeFailure, Decoded, Event};
pub(crate) use machine::{Machine, Timing};
