//! `c_k = a_k·s + e_k + Delta·m_k` for every chunk `k`.

use crate::{
    context::RoundContext,
    encode::Encoded,
    fill::filled,
    gaussian::ErrorSampler,
    key::{ContributionSeed, Entropy, OneTimeKey},
    pack,
    params::{CHUNK_BYTES, DELTA, N, Q},
    ring::{NttPoly, PublicPolynomials},
    simd::{Level, vectorised},
};
use zeroize::Zeroizing;

/// Encrypts under a one-time key that is thrown away: the part of [`crate::contribute()`] whose time grows with the
/// model, for measuring.
#[must_use]
pub fn encrypt_and_forget(context: &RoundContext, encoded: &Encoded, entropy: Entropy) -> Vec<u8> {
    let seed = ContributionSeed::new(entropy, context, 0, encoded);
    let key = OneTimeKey::new(&seed).into_ntt();
    encrypt(context, encoded, &key, &seed)
}

/// Encrypts all chunks on the threads of rayon's current pool; the result, [`CHUNK_BYTES`] a chunk, does not depend on
/// how many there are.
///
/// 1. *Private input*: the quantised update, the one-time key, the seed of the errors.
/// 2. *Public input*: the round's context.
/// 3. *Public output*: the ciphertext.
///
/// Noise of the output: `e`, at most [`crate::params::MAX_ERROR`] a coefficient.
pub(crate) fn encrypt(
    context: &RoundContext,
    encoded: &Encoded,
    key: &NttPoly,
    seed: &ContributionSeed,
) -> Vec<u8> {
    let chunks = encoded.chunks();
    let encryptor = || Encryptor::new(context, key, seed);
    let write = |encryptor: &mut Encryptor<'_>, k: usize, packed: &mut [u8; CHUNK_BYTES]| {
        encryptor.chunk(k as u64, &chunks[k], packed);
    };
    filled(chunks.len(), encryptor, write, |(), ()| ()).0
}

/// Encrypts chunks one by one, in any order.
struct Encryptor<'a> {
    level: Level,
    key: &'a NttPoly,
    public: PublicPolynomials,
    sampler: ErrorSampler,
    errors: Box<Zeroizing<[i32; N]>>,
    product: Box<Zeroizing<[u64; N]>>,
}

impl<'a> Encryptor<'a> {
    fn new(context: &RoundContext, key: &'a NttPoly, seed: &ContributionSeed) -> Self {
        Self {
            level: Level::best(),
            key,
            public: PublicPolynomials::new(context),
            sampler: ErrorSampler::new(seed.stream("errors")),
            errors: Box::new(Zeroizing::new([0; N])),
            product: Box::new(Zeroizing::new([0; N])),
        }
    }

    /// `a_k·s + e_k + Delta·m_k`, packed.
    fn chunk(&mut self, k: u64, message: &[i16; N], packed: &mut [u8; CHUNK_BYTES]) {
        self.public.expand(k, &mut self.product);
        self.key.multiply_into(&mut self.product);
        self.sampler.fill_chunk(k, &mut self.errors);
        add_message(self.level, &mut self.product, &self.errors, message);
        pack::pack_at(self.level, &self.product, packed);
    }
}

vectorised! {
    /// `product += e + Delta·m` mod q; `product` is reduced before and after.
    fn add_message(product: &mut [u64; N], errors: &[i32; N], message: &[i16; N]) {
        for ((product, &error), &step) in product.iter_mut().zip(errors).zip(message) {
            // At most 32767·1024 + 9280 in absolute value: fits, and is far below q.
            let term = error + i32::from(step) * DELTA as i32;
            let sum = product.wrapping_add(i64::from(term) as u64);
            // In (-2^26, q + 2^26): a negative sum is a huge unsigned number that +q makes small again.
            let up = sum.wrapping_add(Q);
            let down = sum.wrapping_sub(Q);
            *product = sum.min(up).min(down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_added_exactly_at_the_edges() {
        let products = [0, 1, 40_000_000, Q / 2, Q - 40_000_000, Q - 1];
        let steps = [i16::MAX, 1, 0, -1, -i16::MAX];
        let errors = [crate::params::MAX_ERROR, 0, -crate::params::MAX_ERROR];
        for level in Level::available() {
            for product in products {
                for step in steps {
                    for error in errors {
                        let mut sum = [product; N];
                        add_message(level, &mut sum, &[error; N], &[step; N]);
                        let exact =
                            product as i64 + i64::from(error) + i64::from(step) * DELTA as i64;
                        assert_eq!(sum, [exact.rem_euclid(Q as i64) as u64; N]);
                    }
                }
            }
        }
    }
}
