//! Everything that can be tested from outside, in one binary.

mod acceptance;
mod algebra;
mod check;
mod check_vectors;
mod checking;
mod decoding;
mod directions;
mod disputes;
mod fedavg;
mod federation;
mod integers;
mod opening;
mod opening_vectors;
mod secrecy;
mod sheets;
mod threads;
mod vectors;
mod verifiable_sum;
