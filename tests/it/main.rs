//! The binary from outside, as people use it: separate processes, real files, real TLS.

mod companies;
mod demo;
mod fedavg;
mod federation;
mod layers;
mod privacy;
mod proxy;
mod support;
