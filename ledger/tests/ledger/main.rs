//! The ledger from outside: what it accepts, what it refuses, and what it notices.

mod admission;
mod checkpoints;
mod closing;
mod contributions;
mod coordinator_power;
mod cosignatures;
mod directions;
mod draws;
mod encoding;
mod forks;
mod founding;
mod judging;
mod opening;
mod properties;
mod publication;
mod rating;
mod replicas;
mod rules;
mod snapshots;
mod stored;
mod unit;
mod vectors;
mod voiding;
mod weights;
mod world;
