//! Generates the wire types from `unsilo/v1/unsilo.proto` with `protox`, so that no `protoc` is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=unsilo/v1/unsilo.proto");
    let descriptors = protox::compile(["unsilo/v1/unsilo.proto"], ["."])?;
    tonic_prost_build::configure()
        // Ciphertext parts are passed on without a copy.
        .bytes(".unsilo.v1.ContributePart")
        .bytes(".unsilo.v1.BlobPart")
        .bytes(".unsilo.v1.SnapshotPart.data")
        .compile_fds(descriptors)?;
    Ok(())
}
