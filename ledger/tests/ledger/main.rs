//! The ledger from outside: what it accepts, what it refuses, and what it notices.

mod admission;
mod checkpoints;
mod closing;
mod contributions;
mod coordinator_power;
mod cosignatures;
mod draws;
mod encoding;
mod forks;
mod founding;
mod opening;
mod properties;
mod publication;
mod replicas;
mod rules;
mod stored;
mod vectors;
mod voiding;
mod world;
