//! The coordinator over real TLS and gRPC on loopback: what `serve` does, seen from outside.

mod admission;
mod duties;
mod encrypted;
mod endpoint;
mod federation;
mod feedback;
mod lifecycle;
mod rating;
mod rounds;
mod scalars;
mod snapshots;
mod strangers;
