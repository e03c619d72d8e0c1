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
pub mod apply;
pub mod commit;
pub mod committee;
pub mod context;
pub mod contribute;
pub mod decrypt;
pub mod encode;
pub mod encrypt;
pub mod gaussian;
mod hash;
pub mod key;
mod modular;
pub mod open;
pub mod opening;
pub mod pack;
pub mod params;
pub mod permute;
mod reed_solomon;
pub mod ring;
pub mod seal;
pub mod share;
mod simd;
pub mod xof;

pub use aggregate::{Accumulator, weighted_sum};
pub use apply::apply_mean;
pub use commit::{ChunkHasher, ContributionCommitment, commitment};
pub use committee::{Committee, threshold_for};
pub use context::RoundContext;
pub use contribute::{Contribution, Dealing, contribute};
pub use decrypt::{WeightedSum, decrypt, decrypt_permuted};
pub use encode::{Encoded, encode, encode_permuted};
pub use key::Entropy;
pub use open::{KeySum, Opened, open_key_sum};
pub use opening::{Opening, combine};
pub use pack::check_ciphertext;
pub use params::{
    BLINDING_CHUNKS, CHUNK_BYTES, DELTA, MAX_PARTICIPANTS, MAX_WEIGHT, N, Params, ParamsLiteral, Q,
    SIGMA,
};
pub use permute::Permutation;
pub use seal::{RoundKeyPair, RoundPublicKey, SealSeeds};
pub use share::{KeyShare, open_share};
