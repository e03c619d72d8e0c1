//! The extendable-output function behind everything that is expanded from a seed.
//!
//! `XOF(what, parts)` is AES-128 in counter mode (big-endian 128-bit counter, as in NIST SP 800-38A);
//! key and initial counter block are the two halves of `SHA-256("unsilo/v1/" || what || 0 || parts)`.
//! For public values this is a fixed, fast way to get random-looking bytes; for secret ones both the key
//! and the counter are secret, so collecting many targets does not help.

use crate::{
    hash::hash,
    pack,
    params::{CHUNK_BYTES, N, Q},
};
use aes::Aes128;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};

/// A running expansion. Its state is wiped when dropped; it has no `Debug`.
pub struct Xof(Ctr128BE<Aes128>);

impl Xof {
    /// Starts `XOF(what, parts)`; at most the last part may vary in length.
    #[must_use]
    pub fn new(what: &str, parts: &[&[u8]]) -> Self {
        let mut digest = hash(what, parts);
        let (key, counter) = digest.split_at(16);
        let mut key: [u8; 16] = key.try_into().expect("half of a 32-byte digest");
        let mut counter: [u8; 16] = counter.try_into().expect("half of a 32-byte digest");
        let xof = Self(Ctr128BE::new(&key.into(), &counter.into()));
        for secret in [&mut key[..], &mut counter, &mut digest] {
            zeroize::Zeroize::zeroize(secret);
        }
        xof
    }

    /// The next bytes of the stream.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        // The stream ends after 2^132 bytes.
        self.0.write_keystream(bytes);
    }

    /// The next 8 bytes, as a little-endian number.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// One polynomial with coefficients uniform mod q, in coefficient order.
    ///
    /// Takes 48-bit little-endian words from the stream and leaves out those that are not below `q`.
    /// `bytes` is scratch space; it holds a part of the stream afterwards.
    pub fn fill_uniform(&mut self, bytes: &mut [u8; CHUNK_BYTES], coefficients: &mut [u64; N]) {
        self.fill(bytes);
        if pack::unpack(bytes, coefficients) < Q {
            return;
        }
        // Once in 800,000 chunks: close the gaps, and fill up from the stream.
        let mut kept = 0;
        for i in 0..N {
            if coefficients[i] < Q {
                coefficients[kept] = coefficients[i];
                kept += 1;
            }
        }
        while kept < N {
            let mut word = [0; 8];
            self.fill(&mut word[..6]);
            let word = u64::from_le_bytes(word);
            if word < Q {
                coefficients[kept] = word;
                kept += 1;
            }
        }
    }
}
