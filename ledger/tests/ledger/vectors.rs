//! Known answers, so that no change to bytes or hashes goes unnoticed.
//!
//! `entries.txt` holds canonical bytes made by this crate; set UNSILO_BLESS=1 to write it again after
//! a deliberate change (which is a new entry version). `derived.txt` is made by `derive.py`, which
//! shares no code with the crate.

use crate::world::World;
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use unsilo_ledger::close::{challenge_seed, contributions_hash, seed_after_void};
use unsilo_ledger::{
    DirectionCommitment, Domain, FederationId, Hash, ParticipantId, RatingStep, SignedEntry, State,
    Xof, commit_nonce, draw, initial_weights_q24, model_hash, q24_to_f32_bits, ratings_hash,
};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(file)
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn log() -> World {
    let mut world = World::new(3);
    world.full_round();
    world.open();
    world.void();
    let entry = world.sign(world.admission(3, None), &[0, 1]);
    world.accept(entry);
    world.rated_round(|rater, rated| (rater + rated.0) as i16);
    world
}

#[test]
fn canonical_bytes_and_hashes_stay_as_they_are() {
    let mut text = String::from(
        "# position, hash of the entry, root of the state after it, canonical bytes\n",
    );
    let mut state = State::new();
    for (position, entry) in log().log.iter().enumerate() {
        state.apply(entry).expect("allowed");
        writeln!(
            text,
            "{position} {} {} {}",
            hex(entry.hash()),
            hex(state.root()),
            hex(entry.encode())
        )
        .expect("in memory");
    }
    let path = path("entries.txt");
    if std::env::var_os("UNSILO_BLESS").is_some() {
        std::fs::write(&path, &text).expect("writable");
    }
    assert_eq!(
        std::fs::read_to_string(&path).expect("the vectors are there"),
        text
    );
}

#[test]
fn the_stored_bytes_are_a_valid_log() {
    let text = std::fs::read_to_string(path("entries.txt")).expect("the vectors are there");
    let mut state = State::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let entry = SignedEntry::decode(&HEXLOWER.decode(fields[3].as_bytes()).expect("hex"))
            .expect("an entry");
        state.apply(&entry).expect("allowed");
        assert_eq!(
            (hex(entry.hash()), hex(state.root())),
            (fields[1].to_owned(), fields[2].to_owned())
        );
    }
}

#[test]
fn derived_values_are_those_of_the_independent_script() {
    let text = std::fs::read_to_string(path("derived.txt")).expect("the vectors are there");
    let expected: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let check =
        |name: &str, found: String| assert_eq!(expected.get(name), Some(&found.as_str()), "{name}");
    let seed: Hash = core::array::from_fn(|index| index as u8);
    let federation = FederationId([0xf0; 32]);

    check(
        "xof",
        hex(Xof::new(Domain::new("initial weights"), &seed).take::<80>()),
    );
    check(
        "nonce commitment",
        hex(commit_nonce(&federation, 7, ParticipantId(3), &seed)),
    );
    let roots = [
        (ParticipantId(1), [0x11; 32]),
        (ParticipantId(4), [0x44; 32]),
    ];
    let rater = DirectionCommitment {
        round_key: vec![0x77; 3],
        directions: vec![[0x55; 32], [0x66; 32]],
    };
    let raters = [(ParticipantId(4), &rater)];
    let closed = contributions_hash(&federation, 7, roots.into_iter(), raters.into_iter());
    check("contributions", hex(closed));
    check(
        "challenge",
        hex(challenge_seed(&closed, [seed, [0x22; 32]].into_iter())),
    );
    check(
        "ended ratings",
        hex(ratings_hash(
            &federation,
            7,
            RatingStep::Reveal,
            roots.into_iter(),
        )),
    );
    check("seed after void", hex(seed_after_void(&seed, 7)));
    let candidates: Vec<(u32, u64)> = (0..12).map(|id| (id, u64::from(id) + 1)).collect();
    let drawn: Vec<String> = draw(&seed, &candidates, 9)
        .iter()
        .map(u32::to_string)
        .collect();
    check("draw", drawn.join(","));

    let spec = crate::world::draft(3).model;
    let weights = initial_weights_q24(&spec, &seed);
    let first: Vec<String> = weights.iter().take(6).map(i32::to_string).collect();
    check("first weights", first.join(","));
    let bytes: Vec<u8> = weights
        .iter()
        .flat_map(|weight| q24_to_f32_bits(*weight).to_le_bytes())
        .collect();
    check("first model", hex(model_hash(&spec, &bytes)));
    let narrow = unsilo_ledger::ModelSpec {
        layers: vec![2, 600, 3],
        ..spec
    };
    let narrow: Vec<String> = initial_weights_q24(&narrow, &seed)
        .iter()
        .take(6)
        .map(i32::to_string)
        .collect();
    check("weights of two inputs", narrow.join(","));
}

#[test]
fn integer_weights_are_exact_floats() {
    for value in [
        0,
        1,
        -1,
        3,
        -16_777_215,
        16_777_216,
        4 * 5_000_001,
        -4 * 10_273_000,
        8_388_607,
    ] {
        let float = f32::from_bits(q24_to_f32_bits(value));
        assert_eq!(
            f64::from(float) * f64::from(1 << 24),
            f64::from(value),
            "{value}"
        );
    }
    for inputs in [1, 2, 5, 6, 64, 784] {
        let spec = unsilo_ledger::ModelSpec {
            layers: vec![inputs, 4_000, 10],
            ..crate::world::draft(3).model
        };
        let bound = (6.0 / f64::from(inputs)).sqrt() * f64::from(1 << 24);
        let weights = initial_weights_q24(&spec, &[9; 32]);
        let first = &weights[..inputs as usize * 4_000];
        for weight in first {
            assert!(f64::from(*weight).abs() <= bound);
            assert_eq!(
                f64::from(f32::from_bits(q24_to_f32_bits(*weight))) * f64::from(1 << 24),
                f64::from(*weight)
            );
        }
        // Uniform: variance bound^2 / 3, mean 0, within five standard errors.
        let n = first.len() as f64;
        let mean = first.iter().map(|weight| f64::from(*weight)).sum::<f64>() / n;
        let variance = first
            .iter()
            .map(|weight| f64::from(*weight).powi(2))
            .sum::<f64>()
            / n;
        assert!(
            mean.abs() < 5.0 * bound / (3.0 * n).sqrt(),
            "{inputs}: mean {mean}"
        );
        assert!(
            (variance / (bound * bound / 3.0) - 1.0).abs() < 5.0 * (0.8 / n).sqrt(),
            "{inputs}: variance"
        );
        assert!(
            weights[first.len()..first.len() + 4_000]
                .iter()
                .all(|bias| *bias == 0)
        );
    }
}
