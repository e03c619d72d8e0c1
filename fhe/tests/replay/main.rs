//! The fuzz targets without a fuzzer: every decoder on its seeds, on the corpus, and on systematically damaged bytes.
//!
//! Any bytes give a typed error or a value that encodes to the same bytes; never a panic, and never more memory than the
//! input is long (and a constant). `fuzz/README.md` says how to fuzz for longer.

mod allocation;
mod corruption;
#[path = "../../fuzz/src/decoders/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use it as a library")]
mod decoders;
mod harness;

use decoders::{DECODERS, Decoder, Outcome};
use harness::run;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn on_one_thread(work: impl FnOnce() + Send) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread").install(|| {
        // What is made once and kept is not memory of a decoder.
        for decoder in DECODERS {
            for seed in (decoder.seeds)().iter().take(1) {
                (decoder.run)(&seed.bytes);
            }
        }
        work();
    });
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

#[test]
fn every_seed_is_taken_or_refused_as_it_should_be() {
    on_one_thread(|| {
        for decoder in DECODERS {
            let seeds = (decoder.seeds)();
            assert!(
                seeds.iter().any(|seed| seed.outcome == Outcome::Accepted),
                "{}: nothing valid to start from",
                decoder.name
            );
            for seed in seeds {
                let outcome = run(decoder, &seed.bytes);
                assert_eq!(outcome, seed.outcome, "{}: {}", decoder.name, seed.name);
            }
        }
    });
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
    ciphertext,
    polynomial,
    round_public_key,
    round_secret_key,
    seal_seeds,
    sealed_share,
    share_plaintext,
    openings,
    linear_hash,
    digit_sum,
    projection_table,
    answer_sheet,
    answer_sheet_plaintext,
    shown_answers,
    evidence,
    appeal,
    direction,
    direction_answers,
    direction_answers_plaintext,
    update,
);

fn damage(name: &str) {
    let decoder = DECODERS.iter().find(|decoder| decoder.name == name);
    on_one_thread(|| harness::damage(decoder.expect("a decoder of that name")));
}

/// Everything in `fuzz/corpus`, what fuzzing has found included.
#[test]
fn the_corpus_is_replayed() {
    on_one_thread(|| {
        for decoder in DECODERS {
            let mut files = 0;
            for (name, bytes) in files_of(decoder) {
                let outcome = run(decoder, &bytes);
                if name.starts_with("bad_") {
                    assert_eq!(outcome, Outcome::Refused, "{}: {name}", decoder.name);
                }
                files += 1;
            }
            assert!(files > 0, "{} has no corpus", decoder.name);
        }
    });
}

/// The committed seeds are those that the code makes: a change of a format is seen, and so is a forgotten corpus.
#[test]
fn the_corpus_holds_the_seeds_and_no_unknown_decoder() {
    for decoder in DECODERS {
        let files = files_of(decoder);
        for seed in (decoder.seeds)()
            .iter()
            .filter(|seed| seed.bytes.len() <= LARGEST)
        {
            let file = files.iter().find(|(name, _)| name == seed.name);
            assert!(
                file.is_some_and(|(_, bytes)| *bytes == seed.bytes),
                "{}/{} is not what the code makes: run the ignored test of this file",
                decoder.name,
                seed.name
            );
        }
    }
    for directory in fs::read_dir(corpus()).expect("the corpus") {
        let name = directory.expect("a directory").file_name();
        assert!(
            DECODERS.iter().any(|decoder| name == decoder.name),
            "{name:?} is no decoder"
        );
        let target = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/fuzz_targets")
            .join(&name)
            .with_extension("rs");
        assert!(target.exists(), "{name:?} has no fuzz target");
    }
}

/// Larger seeds are made when they are needed, not committed.
const LARGEST: usize = 16 << 10;

fn files_of(decoder: &Decoder) -> Vec<(String, Vec<u8>)> {
    let directory = corpus().join(decoder.name);
    let files = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("readable"))
        })
        .collect()
}

#[test]
#[ignore = "writes fuzz/corpus: run it after a change of a format, with UNSILO_ALL_SEEDS=1 for the large ones too"]
fn the_seeds_are_written_to_the_corpus() {
    let largest = match std::env::var_os("UNSILO_ALL_SEEDS") {
        Some(_) => usize::MAX,
        None => LARGEST,
    };
    for decoder in DECODERS {
        let directory = corpus().join(decoder.name);
        fs::create_dir_all(&directory).expect("a directory");
        for seed in (decoder.seeds)() {
            if seed.bytes.len() <= largest {
                fs::write(directory.join(seed.name), seed.bytes).expect("written");
            }
        }
    }
}
