//! What a ciphertext is for: federation, round and model.

/// The public context of one round, bound into the public polynomials, the shares and the commitment.
///
/// A contribution made for one context decrypts to noise in any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoundContext {
    /// Federation id.
    pub federation: [u8; 32],
    /// Round number.
    pub round: u64,
    /// Hash of the model that the updates start from.
    pub model: [u8; 32],
}

impl RoundContext {
    /// `federation (32) || round (8, little endian) || model (32)`.
    pub(crate) fn to_bytes(self) -> [u8; 72] {
        let mut bytes = [0; 72];
        bytes[..32].copy_from_slice(&self.federation);
        bytes[32..40].copy_from_slice(&self.round.to_le_bytes());
        bytes[40..].copy_from_slice(&self.model);
        bytes
    }
}
