//! Sealing key shares to committee members: HPKE (RFC 9180) with X-Wing, HKDF-SHA256, ChaCha20-Poly1305.
//!
//! X-Wing is X25519 and ML-KEM-768 together (KEM id 0x647a, draft-ietf-hpke-pq): a share stays closed unless both
//! are broken. The associated data names federation, round, participant and seat, `info` the model, so a sealed
//! share opens nowhere else. Sealing is deterministic in a seed, so that one disputed share can be shown later.

use crate::{
    context::RoundContext,
    key::{Entropy, EntropyError},
    xof::Xof,
};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};
use std::convert::Infallible;
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a round public key.
pub const PUBLIC_KEY_BYTES: usize = 1216;
/// Bytes of a round secret key.
pub const SECRET_KEY_BYTES: usize = 32;
/// Bytes that sealing adds: the encapsulated key (1120) and the tag (16).
pub const SEAL_OVERHEAD: usize = ENCAPSULATED_KEY_BYTES + 16;
const ENCAPSULATED_KEY_BYTES: usize = 1120;

/// Why bytes are not a round key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RoundKeyError {
    /// Truncated or oversized.
    #[error("a round {which} key has {expected} bytes, not {actual}")]
    Length {
        /// `public` or `secret`.
        which: &'static str,
        /// Bytes of such a key.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The ML-KEM part is not a valid encoding.
    #[error("the bytes are no X-Wing public key")]
    Invalid,
}

/// A member's public key for one round.
#[derive(Clone, PartialEq, Eq)]
pub struct RoundPublicKey {
    key: <XWing as Kem>::PublicKey,
    bytes: Box<[u8]>,
}

impl std::fmt::Debug for RoundPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is 1,216 bytes; its start tells keys apart in a log.
        write!(f, "RoundPublicKey(")?;
        for byte in self.bytes.iter().take(8) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "..)")
    }
}

impl RoundPublicKey {
    /// The encoded key, [`PUBLIC_KEY_BYTES`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Decodes a key.
    ///
    /// # Errors
    /// [`RoundKeyError`] if the length or the encoding is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RoundKeyError> {
        check_length("public", PUBLIC_KEY_BYTES, bytes)?;
        let key =
            <XWing as Kem>::PublicKey::from_bytes(bytes).map_err(|_| RoundKeyError::Invalid)?;
        Ok(Self {
            key,
            bytes: bytes.into(),
        })
    }
}

/// A member's key pair for one round. Secret: no `Debug`, no `Clone`; the library wipes it when dropped.
pub struct RoundKeyPair {
    secret: <XWing as Kem>::PrivateKey,
    public: RoundPublicKey,
}

impl RoundKeyPair {
    /// A fresh key pair.
    ///
    /// # Errors
    /// [`EntropyError`] if the operating system gives no randomness.
    pub fn generate() -> Result<Self, EntropyError> {
        let entropy = Entropy::from_os()?;
        let (secret, public) = XWing::derive_keypair(entropy.bytes());
        Ok(Self::new(secret, &public))
    }

    fn new(secret: <XWing as Kem>::PrivateKey, public: &<XWing as Kem>::PublicKey) -> Self {
        let public = RoundPublicKey {
            key: public.clone(),
            bytes: public.to_bytes().as_slice().into(),
        };
        Self { secret, public }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &RoundPublicKey {
        &self.public
    }

    /// The secret half for the member's keystore, [`SECRET_KEY_BYTES`].
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.secret.to_bytes().to_vec())
    }

    /// Restores a key pair from its secret half.
    ///
    /// # Errors
    /// [`RoundKeyError::Length`] if the length is wrong.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, RoundKeyError> {
        check_length("secret", SECRET_KEY_BYTES, bytes)?;
        let secret =
            <XWing as Kem>::PrivateKey::from_bytes(bytes).map_err(|_| RoundKeyError::Invalid)?;
        let public = XWing::sk_to_pk(&secret);
        Ok(Self::new(secret, &public))
    }
}

fn check_length(which: &'static str, expected: usize, bytes: &[u8]) -> Result<(), RoundKeyError> {
    if bytes.len() == expected {
        return Ok(());
    }
    Err(RoundKeyError::Length {
        which,
        expected,
        actual: bytes.len(),
    })
}

/// Which share: whose key, in which round, for which seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) context: RoundContext,
    pub(crate) participant: u32,
    pub(crate) seat: u16,
}

impl Slot {
    /// `federation (32) || round (8) || participant (4) || seat (2)`.
    fn associated_data(&self) -> [u8; 46] {
        let mut bytes = [0; 46];
        bytes[..40].copy_from_slice(&self.context.to_bytes()[..40]);
        bytes[40..44].copy_from_slice(&self.participant.to_le_bytes());
        bytes[44..].copy_from_slice(&self.seat.to_le_bytes());
        bytes
    }

    /// `"unsilo/v1/sealed share\0" || model`.
    fn info(&self) -> Vec<u8> {
        [b"unsilo/v1/sealed share\0".as_slice(), &self.context.model].concat()
    }
}

/// The secret seeds that sealed each share, kept for appeals.
///
/// Showing the seed of one seat opens that sealed share to everybody and says nothing about the others.
/// Wiped when dropped; no `Debug`, no `Clone`.
pub struct SealSeeds(Vec<Zeroizing<[u8; 32]>>);

impl SealSeeds {
    pub(crate) fn draw(stream: &mut Xof, seats: u16) -> Self {
        let draw = |_| {
            let mut seed = Zeroizing::new([0; 32]);
            stream.fill(&mut seed[..]);
            seed
        };
        Self((0..seats).map(draw).collect())
    }

    /// The seed for `seat` (from 1).
    #[must_use]
    pub fn seed(&self, seat: u16) -> Option<&[u8; 32]> {
        Some(self.0.get(usize::from(seat).checked_sub(1)?)?)
    }

    /// All seeds in seat order for the participant's keystore, 32 bytes a seat.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(
            self.0
                .iter()
                .flat_map(|seed| seed.iter().copied())
                .collect(),
        )
    }

    /// Restores the seeds; `None` unless the length is a multiple of 32.
    #[must_use]
    pub fn from_secret_bytes(bytes: &[u8]) -> Option<Self> {
        let (seeds, []) = bytes.as_chunks() else {
            return None;
        };
        Some(Self(seeds.iter().copied().map(Zeroizing::new).collect()))
    }
}

/// The randomness of one encapsulation, expanded from a seal seed.
struct SeedRng(Xof);

impl TryRng for SeedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SeedRng {}

/// The library refused to seal or to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HpkeFailed;

/// Seals a share: `encapsulated key (1120) || ciphertext and tag`.
pub(crate) fn seal(
    to: &RoundPublicKey,
    slot: &Slot,
    seed: &[u8; 32],
    plaintext: &[u8],
) -> Result<Vec<u8>, HpkeFailed> {
    seal_bytes(to, &slot.info(), &slot.associated_data(), seed, plaintext)
}

/// Opens what [`seal`] made for the same slot.
pub(crate) fn open(
    keys: &RoundKeyPair,
    slot: &Slot,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HpkeFailed> {
    open_bytes(keys, &slot.info(), &slot.associated_data(), sealed)
}

/// What [`seal`] sealed for this slot with this seed, for the one who sealed it: no recipient's key is needed.
///
/// The cipher adds a key stream, which sealing zeros shows; sealing the result again must then give the same bytes.
pub(crate) fn reveal(
    to: &RoundPublicKey,
    slot: &Slot,
    seed: &[u8; 32],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HpkeFailed> {
    let length = sealed.len().checked_sub(SEAL_OVERHEAD).ok_or(HpkeFailed)?;
    let stream = Zeroizing::new(seal(to, slot, seed, &vec![0; length])?);
    let content = ENCAPSULATED_KEY_BYTES..ENCAPSULATED_KEY_BYTES + length;
    let pairs = sealed[content.clone()].iter().zip(&stream[content]);
    let plaintext = Zeroizing::new(pairs.map(|(a, b)| a ^ b).collect::<Vec<u8>>());
    match seal(to, slot, seed, &plaintext)? == sealed {
        true => Ok(plaintext),
        false => Err(HpkeFailed),
    }
}

/// `encapsulated key (1120) || ciphertext and tag`, for any purpose that `info` names.
pub(crate) fn seal_bytes(
    to: &RoundPublicKey,
    info: &[u8],
    associated_data: &[u8],
    seed: &[u8; 32],
    plaintext: &[u8],
) -> Result<Vec<u8>, HpkeFailed> {
    let mut rng = SeedRng(Xof::new("seal", &[seed]));
    let (encapsulated, ciphertext) =
        single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &to.key,
            info,
            plaintext,
            associated_data,
            &mut rng,
        )
        .map_err(|_| HpkeFailed)?;
    Ok([encapsulated.to_bytes().as_slice(), &ciphertext].concat())
}

/// Opens what [`seal_bytes`] made with the same `info` and associated data.
pub(crate) fn open_bytes(
    keys: &RoundKeyPair,
    info: &[u8],
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HpkeFailed> {
    let (encapsulated, ciphertext) = sealed
        .split_at_checked(ENCAPSULATED_KEY_BYTES)
        .ok_or(HpkeFailed)?;
    let encapsulated =
        <XWing as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| HpkeFailed)?;
    single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &keys.secret,
        &encapsulated,
        info,
        ciphertext,
        associated_data,
    )
    .map(Zeroizing::new)
    .map_err(|_| HpkeFailed)
}
