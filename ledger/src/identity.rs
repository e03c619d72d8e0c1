//! Ledger identities: Ed25519 keys, and signatures that say what they are about.

mod verification;

pub(crate) use verification::{KnownKeys, SignatureBatch};

use crate::hash::Domain;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// The public half of a ledger identity: a compressed Ed25519 point.
///
/// Any 32 bytes can be held (they come from the wire); [`PublicKey::is_usable`] and
/// [`PublicKey::verify`] refuse those that are no point or a weak one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether this is a point of the curve, not of small order, in its only canonical encoding.
    pub fn is_usable(&self) -> bool {
        verification::decode_point(&self.0).is_some()
    }

    /// Whether `signature` was made by this identity over `message` in `domain`.
    ///
    /// The exact rule, by which all replicas agree on every signature, stands at the head of
    /// `identity/verification.rs`: RFC 8032 with its cofactor, canonical encodings, no points of small order.
    pub fn verify(&self, domain: Domain, message: &[u8], signature: &Signature) -> bool {
        let prefix = domain_message(domain, &[]);
        verification::is_valid(self, &[&prefix, message], signature)
    }

    /// As [`PublicKey::verify`], but over the bytes as they are: for C2SP notes only, which carry
    /// their own separation.
    pub(crate) fn verify_raw(&self, message: &[u8], signature: &Signature) -> bool {
        verification::is_valid(self, &[message], signature)
    }

    /// The key in lower-case hexadecimal, 64 characters.
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Parses what [`PublicKey::to_hex`] printed; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The secret half of a ledger identity. Cannot be printed, compared or copied; wiped when dropped.
///
/// Share it between tasks in an `Arc`.
pub struct SigningIdentity(SigningKey);

impl SigningIdentity {
    /// A new identity from the operating system's randomness.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self::from_seed(&seed))
    }

    /// The identity whose RFC 8032 private key is `seed`.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The private key, to be stored where only its owner can read it.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` in `domain`. Deterministic (RFC 8032): the same message, the same bytes.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        self.sign_raw(&domain_message(domain, message))
    }

    /// Signs the bytes as they are: for C2SP notes only.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> Signature {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningIdentity {
    /// Prints the public key only: a secret must not reach a log by way of a struct that holds it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningIdentity({}, secret not shown)", self.public())
    }
}

pub(crate) fn domain_message(domain: Domain, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len().saturating_add(64));
    domain.prefix(|part| bytes.extend_from_slice(part));
    bytes.extend_from_slice(message);
    bytes
}
