//! Every decoder of unsilo-fhe, with what it must do on any bytes: a typed error, or a value that encodes to the same bytes.
//!
//! The same functions are fuzzed by `cargo fuzz` and replayed on stable by `tests/replay`. Each one panics where the
//! crate breaks a promise; what it returns says whether the bytes were taken.

mod answers;
mod ciphertexts;
mod directions;
mod disputes;
mod fixture;
mod keys;
mod openings;
mod outsider;
mod shares;
mod sums;
mod updates;

use std::fmt::Display;

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are a valid value.
    Accepted,
    /// They were refused with a typed error.
    Refused,
}

/// An input to start from.
pub struct Seed {
    /// What it is, as a file name.
    pub name: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What must become of them.
    pub outcome: Outcome,
}

/// One decoder.
pub struct Decoder {
    /// Name of the fuzz target and of its corpus.
    pub name: &'static str,
    /// Decodes, and checks what comes out.
    pub run: fn(&[u8]) -> Outcome,
    /// Valid inputs, and some that only just are not.
    pub seeds: fn() -> Vec<Seed>,
    /// Whether every change to a valid input must be refused, because it is under a tag or a root.
    pub authenticated: bool,
}

const fn decoder(
    name: &'static str,
    run: fn(&[u8]) -> Outcome,
    seeds: fn() -> Vec<Seed>,
) -> Decoder {
    Decoder {
        name,
        run,
        seeds,
        authenticated: false,
    }
}

const fn authenticated(decoder: Decoder) -> Decoder {
    Decoder {
        authenticated: true,
        ..decoder
    }
}

/// All of them.
pub const DECODERS: &[Decoder] = &[
    decoder("ciphertext", ciphertexts::run, ciphertexts::seeds),
    decoder("polynomial", keys::polynomial, keys::polynomial_seeds),
    decoder("round_public_key", keys::public_key, keys::public_key_seeds),
    decoder("round_secret_key", keys::secret_key, keys::secret_key_seeds),
    decoder("seal_seeds", keys::seal_seeds, keys::seal_seeds_seeds),
    authenticated(decoder(
        "sealed_share",
        shares::sealed,
        shares::sealed_seeds,
    )),
    decoder(
        "share_plaintext",
        shares::plaintext,
        shares::plaintext_seeds,
    ),
    decoder("openings", openings::run, openings::seeds),
    decoder("linear_hash", sums::linear_hash, sums::linear_hash_seeds),
    decoder("digit_sum", sums::digit_sum, sums::digit_sum_seeds),
    decoder("projection_table", answers::table, answers::table_seeds),
    authenticated(decoder(
        "answer_sheet",
        answers::sheet,
        answers::sheet_seeds,
    )),
    authenticated(decoder(
        "answer_sheet_plaintext",
        answers::sheet_plaintext,
        answers::sheet_plaintext_seeds,
    )),
    decoder("shown_answers", disputes::shown, disputes::shown_seeds),
    decoder("evidence", disputes::evidence, disputes::evidence_seeds),
    decoder("appeal", disputes::appeal, disputes::appeal_seeds),
    decoder("direction", directions::values, directions::values_seeds),
    decoder(
        "opened_vectors",
        directions::opened,
        directions::opened_seeds,
    ),
    authenticated(decoder(
        "direction_answers",
        directions::answers,
        directions::answers_seeds,
    )),
    decoder(
        "direction_answers_plaintext",
        directions::answers_plaintext,
        directions::answers_plaintext_seeds,
    ),
    decoder("update", updates::run, updates::seeds),
];

fn valid(name: &'static str, bytes: Vec<u8>) -> Seed {
    Seed {
        name,
        bytes,
        outcome: Outcome::Accepted,
    }
}

fn refused(name: &'static str, bytes: Vec<u8>) -> Seed {
    Seed {
        name,
        bytes,
        outcome: Outcome::Refused,
    }
}

/// A decoded value encodes to the bytes it came from; an error has a text.
fn canonical<T, E: Display>(
    data: &[u8],
    decoded: Result<T, E>,
    encode: impl FnOnce(&T) -> Vec<u8>,
) -> Outcome {
    match decoded {
        Ok(value) => {
            assert!(encode(&value) == data, "another encoding of the same value");
            Outcome::Accepted
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &impl Display) -> Outcome {
    assert!(!error.to_string().is_empty());
    Outcome::Refused
}

/// The words of 6 bytes that `bytes` consists of.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |word: &[u8; 6]| {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(word);
        u64::from_le_bytes(wide)
    };
    bytes.as_chunks().0.iter().map(word).collect()
}
