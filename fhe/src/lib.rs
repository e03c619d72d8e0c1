//! Encrypted updates: one-time RLWE keys, their shares, and the opening of a sum.
//!
//! Every participant encrypts its update under a key used once, and shares that *key* among a small
//! committee. Ciphertexts add, shares add; the committee opens the key of the sum and nothing else.
//!
//! The way of the data, one file a step:
//! [`mod@encode`] → [`encrypt`] → [`mod@contribute`] (shares sealed to the committee, commitment) →
//! [`aggregate`] → [`opening`] (each member) → [`open`] → [`mod@decrypt`] → [`apply`].
//!
//! The crate does no I/O and knows no clock; randomness comes in as [`Entropy`]. All integers on
//! the wire are little endian. `README.md` maps protocol steps to types and lists the parameters.

pub mod aggregate;
pub mod answer;
pub mod apply;
pub mod check;
pub mod chunk_tree;
pub mod commit;
pub mod committee;
pub mod context;
pub mod contribute;
pub mod dealing;
mod decode;
pub mod decrypt;
pub mod digit_sum;
pub mod direction;
pub mod direction_answers;
pub mod encode;
pub mod encrypt;
mod fill;
pub mod gaussian;
mod hash;
mod hash_ring;
pub mod integers;
pub mod key;
pub mod linear_hash;
mod merkle;
mod message_hash;
mod modular;
mod ntt;
pub mod open;
pub mod opening;
pub mod pack;
pub mod params;
pub mod permute;
pub mod projection;
pub mod query;
mod reed_solomon;
pub mod ring;
pub mod sample;
pub mod score;
pub mod seal;
pub mod share;
mod simd;
mod transpose;
pub mod verify;
pub mod xof;
pub mod yardstick;

pub use aggregate::{DigitAccumulator, weighted_digit_sum, weighted_digit_sum_into};
pub use answer::{
    ProjectionAnswers, ProjectionKeys, answer_all_projections, answer_direction, answer_projections,
};
pub use apply::apply_mean;
pub use check::{
    AnswerSheet, Appeal, Evidence, Judgement, ProjectionTable, ReceivedSheet, RejectionReason,
    SealedSheet, Verdict, judge, verify_projections_of_sum,
};
pub use chunk_tree::{ChunkTree, root_of_chunks};
pub use commit::{ChunkHasher, ContributionCommitment, commitment};
pub use committee::{Committee, threshold_for};
pub use context::RoundContext;
pub use contribute::{Contribution, contribute};
pub use dealing::Dealing;
pub use decrypt::{WeightedSum, decrypt, decrypt_permuted};
pub use digit_sum::{DigitSum, DigitSumReader, digit_sum_bytes};
pub use direction::{Direction, DirectionKey, direction_hash, max_directions, max_opened};
pub use direction_answers::{DirectionAnswers, Question};
pub use encode::{Encoded, encode, encode_permuted};
pub use hash_ring::HASH_MODULUS;
pub use integers::{decode_integers, encode_integers};
pub use key::Entropy;
pub use linear_hash::{LINEAR_HASH_BYTES, LinearHash, LinearHasher, combine_hashes};
pub use open::{KeySum, Opened, open_key_sum};
pub use opening::{Opening, combine};
pub use pack::check_ciphertext;
pub use params::{
    BLINDING_CHUNKS, CHUNK_BYTES, DELTA, MAX_PARTICIPANTS, MAX_WEIGHT, N, Params, ParamsLiteral, Q,
    SIGMA,
};
pub use permute::Permutation;
pub use projection::{PROJECTIONS, Projections};
pub use query::{Queries, project};
pub use sample::ChunkSample;
pub use score::{Products, Scored, Undecided, products};
pub use seal::{RoundKeyPair, RoundPublicKey, SealSeeds};
pub use share::{KeyShare, open_share};
pub use verify::{SumError, Summand, verify_sum};
