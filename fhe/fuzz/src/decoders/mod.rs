//! Every decoder of unsilo-fhe, with what it must do on any bytes: a typed error, or a value that encodes to the same bytes.
//!
//! The same functions are fuzzed by `cargo fuzz` and replayed on stable by `tests/replay`. Each one panics where the
//! crate breaks a promise; what it returns says whether the bytes were taken.

mod answers;
mod ciphertexts;
#[path = "../decoder.rs"]
mod decoder;
mod directions;
mod disputes;
mod fixture;
mod keys;
mod openings;
mod outsider;
mod shares;
mod sums;
mod updates;

pub use decoder::{Decoder, Outcome, Seed};
use decoder::{authenticated, canonical, decoder, refusal, refused, valid};

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

/// The words of 6 bytes that `bytes` consists of.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |word: &[u8; 6]| {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(word);
        u64::from_le_bytes(wide)
    };
    bytes.as_chunks().0.iter().map(word).collect()
}
