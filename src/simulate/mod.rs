//! Federations played through on this machine, to measure what a rule does before money depends on it.

pub(crate) mod rewards;
pub(crate) mod scores;
