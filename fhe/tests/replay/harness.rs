//! Runs decoders on damaged inputs and counts their memory.

use crate::{
    allocation, corruption,
    decoders::{Decoder, Outcome},
};

/// Bytes that a decoder may have at once besides its input: the work space of the arithmetic, for the largest of them the
/// 48 projections of a chunk, sums and hashes.
const WORK_SPACE: usize = 2 << 20;
/// Bytes for each byte of input: packed numbers take 8 bytes unpacked, and there are copies.
const PER_BYTE: usize = 16;

/// Runs a decoder within its memory; the work of other threads is not counted.
pub(crate) fn run(decoder: &Decoder, bytes: &[u8]) -> Outcome {
    let (outcome, peak) = allocation::peak(|| (decoder.run)(bytes));
    let limit = WORK_SPACE + PER_BYTE * bytes.len();
    assert!(
        peak <= limit,
        "{} takes {peak} bytes of memory for {} bytes",
        decoder.name,
        bytes.len()
    );
    outcome
}

/// Damages each seed of a decoder in every way.
pub(crate) fn damage(decoder: &Decoder) {
    let name = decoder.name;
    let mut tried = 0;
    for seed in (decoder.seeds)() {
        let limit = match (seed.outcome, seed.bytes.len()) {
            (Outcome::Refused, _) => 100,
            (Outcome::Accepted, ..2_000) => 3_000,
            (Outcome::Accepted, ..100_000) => 500,
            _ => 10,
        };
        for bytes in corruption::corrupted(&seed.bytes, limit) {
            let outcome = run(decoder, &bytes);
            assert!(
                !decoder.authenticated
                    || seed.outcome == Outcome::Refused
                    || outcome == Outcome::Refused,
                "{name}: {} was accepted after a change",
                seed.name
            );
            tried += 1;
        }
    }
    assert!(tried >= 500, "{name}: {tried} inputs");
}
