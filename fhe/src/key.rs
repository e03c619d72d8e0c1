//! Fresh randomness of one contribution, and the one-time key made from it.

use crate::{
    context::RoundContext,
    encode::Encoded,
    hash::hasher,
    message_hash::MessageHashKey,
    params::{CHUNK_BYTES, N},
    ring::NttPoly,
    xof::Xof,
};
use sha2::Digest;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// 32 bytes from the operating system, used up by one contribution.
///
/// Neither `Clone` nor `Debug`: it is consumed by value. To send the *same* contribution again after a crash,
/// keep the contribution, not this.
pub struct Entropy(Zeroizing<[u8; 32]>);

/// The operating system's randomness is not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operating system gave no randomness ({0}): nothing can be encrypted safely")]
pub struct EntropyError(getrandom::Error);

impl Entropy {
    /// Asks the operating system.
    ///
    /// # Errors
    /// [`EntropyError`] if it has none to give.
    pub fn from_os() -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut bytes[..]).map_err(EntropyError)?;
        Ok(Self(bytes))
    }

    /// Bytes that came from the operating system and were recorded by the caller, or fixed ones in a test.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The seed of everything secret in one contribution.
///
/// It hashes the entropy with the context, the participant *and the message* (by way of [`MessageHashKey`]): should the same entropy ever come
/// twice, two different updates still do not share a key.
pub(crate) struct ContributionSeed(Zeroizing<[u8; 32]>);

impl ContributionSeed {
    /// Consumes the entropy.
    pub(crate) fn new(
        entropy: Entropy,
        context: &RoundContext,
        participant: u32,
        encoded: &Encoded,
    ) -> Self {
        let key = MessageHashKey::new(Xof::new("message hash key", &[entropy.bytes()]));
        let mut hasher = hasher("contribution seed");
        hasher.update(entropy.bytes());
        hasher.update(context.to_bytes());
        hasher.update(participant.to_le_bytes());
        hasher.update(key.hash(encoded.chunks()).as_flattened());
        Self(Zeroizing::new(hasher.finalize().into()))
    }

    /// The stream for one purpose.
    pub(crate) fn stream(&self, what: &str) -> Xof {
        Xof::new(what, &[&self.0[..]])
    }
}

/// The key `s` of one contribution, uniform in the ring. Consumed by encrypting; wiped when dropped.
pub(crate) struct OneTimeKey(Box<[u64; N]>);

impl OneTimeKey {
    /// The key that `seed` determines.
    pub(crate) fn new(seed: &ContributionSeed) -> Self {
        let mut bytes = Zeroizing::new([0; CHUNK_BYTES]);
        let mut key = Self(Box::new([0; N]));
        seed.stream("one-time key")
            .fill_uniform(&mut bytes, &mut key.0);
        key
    }

    /// `f(0)` for the sharing.
    pub(crate) fn coefficients(&self) -> &[u64; N] {
        &self.0
    }

    /// The key ready for products; the coefficients are wiped.
    pub(crate) fn into_ntt(self) -> NttPoly {
        NttPoly::new(&self.0)
    }
}

impl Drop for OneTimeKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
