//! The fuzz targets without a fuzzer: every decoder on its seeds and on systematically damaged bytes.
//!
//! Any bytes give a typed error or a value that encodes to the same bytes; never a panic, and never more memory than the
//! input is long (and a constant). How to fuzz for longer: `cd ledger && cargo +nightly fuzz run signed_entry`.

#[path = "../../../fhe/tests/replay/allocation.rs"]
mod allocation;
#[path = "../../../fhe/tests/replay/corruption.rs"]
mod corruption;
#[path = "../../fuzz/src/decoders.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it as a library")]
mod decoders;
#[path = "../../../fhe/tests/replay/harness.rs"]
mod harness;

use decoders::{DECODERS, Outcome};
use std::{fs, path::Path};

#[test]
fn every_seed_is_taken_or_refused_as_it_should_be() {
    for decoder in DECODERS {
        let seeds = (decoder.seeds)();
        assert!(seeds.iter().any(|seed| seed.outcome == Outcome::Accepted));
        for seed in seeds {
            let outcome = harness::run(decoder, &seed.bytes);
            assert_eq!(outcome, seed.outcome, "{}: {}", decoder.name, seed.name);
        }
    }
}

#[test]
fn every_decoder_has_its_fuzz_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for decoder in DECODERS {
        let target = targets.join(decoder.name).with_extension("rs");
        let source =
            fs::read_to_string(&target).unwrap_or_else(|e| panic!("{}: {e}", target.display()));
        assert!(source.contains(&format!("\"{}\"", decoder.name)));
    }
}

/// One test for each decoder, so that they run side by side.
macro_rules! damaged_bytes_are_refused_or_mean_what_they_say {
    ($($name:ident),+ $(,)?) => {
        mod damaged_bytes_are_refused_or_mean_what_they_say {
            $(#[test]
            fn $name() {
                super::damage(stringify!($name));
            })+
        }

        #[test]
        fn every_decoder_is_damaged() {
            let names: Vec<_> = DECODERS.iter().map(|decoder| decoder.name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}
damaged_bytes_are_refused_or_mean_what_they_say!(
    signed_entry,
    entry,
    draft,
    receipt,
    checkpoint,
    cosigned_checkpoint,
    cosignature,
    fork_proof,
    equivocation,
    state,
    log_snapshot,
);

fn damage(name: &str) {
    let decoder = DECODERS.iter().find(|decoder| decoder.name == name);
    let decoder = decoder.expect("a decoder of that name");
    // What is made once and kept is not memory of a decoder.
    for seed in (decoder.seeds)().iter().take(1) {
        (decoder.run)(&seed.bytes);
    }
    harness::damage(decoder);
}
