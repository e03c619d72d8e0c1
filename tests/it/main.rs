//! The binary from outside, as people use it: separate processes, real files, real TLS.

mod bad_input;
mod care;
mod chunks;
mod companies;
mod demo;
mod endpoint;
mod fedavg;
mod federation;
mod guards;
mod heart;
mod help;
mod history;
mod late;
mod layers;
mod ledger;
mod liar;
mod mechanisms;
mod owners;
mod privacy;
mod proxy;
mod raters;
mod scalars;
mod simulate;
mod support;
mod threat_model;
mod validators;
