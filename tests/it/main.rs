//! The binary from outside, as people use it: separate processes, real files, real TLS.

mod bad_input;
mod companies;
mod demo;
mod fedavg;
mod federation;
mod guards;
mod help;
mod layers;
mod ledger;
mod mechanisms;
mod privacy;
mod proxy;
mod support;
