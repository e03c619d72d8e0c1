//! The decoders that are fuzzed; `../tests/replay` runs the same ones on stable.

pub mod decoders;

/// Runs one decoder: what a fuzz target calls. A promise that the crate breaks is a panic.
pub fn fuzz(name: &str, data: &[u8]) {
    match decoders::DECODERS.iter().find(|decoder| decoder.name == name) {
        Some(decoder) => {
            (decoder.run)(data);
        }
        None => panic!("no decoder is called {name}"),
    }
}
