//! Answered queries: kept durably before their receipts are given out, and entered on the ledger in batches.
//!
//! A handler [notes](QueryLog::note) what it is about to answer and waits; one thread writes whatever waits and syncs
//! once for all of it (group commit). So a receipt that somebody holds is of a query on disk, and after a crash, at any
//! point, the batches go on where the ledger says that they ended ([`enter`]).

mod enter;
mod log;
mod record;

pub(crate) use enter::{Proved, enter};
pub(crate) use log::{DAY_MS, NotNoted, QueryLog};
pub(crate) use record::{NewQuery, Receipt};
