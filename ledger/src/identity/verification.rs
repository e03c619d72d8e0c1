//! When an Ed25519 signature is valid: one at a time, and many at once with the same answer.
//!
//! # The rule
//! A signature (R, s) by the key A over M is valid if
//! 1. A and R are points in their only canonical encoding and not of small order, and s < L;
//! 2. 8·s·B = 8·R + 8·k·A, where k = SHA-512(R || A || M) mod L.
//!
//! That is the equation of RFC 8032, section 5.1.7, with its cofactor, and algorithm 2 of "Taming the many
//! EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020): nobody but the holder of the key can make a second
//! signature from one, and no signature is valid over two messages, whoever made the key.
//!
//! # Why with the cofactor
//! Without it, as in `verify_strict` of ed25519-dalek, verification in batches is *not* the same rule: who
//! holds a key can sign with an R that is off by a point of order 8, which one verification refuses and a
//! batch lets through one time in eight, or always where two such errors cancel. Replicas that batch
//! differently would then hold different logs. With the cofactor those errors vanish on both sides. All that
//! `verify_strict` accepts is accepted; what is accepted beyond it only the key's own holder can make.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the operators here are those of a group and of integers modulo its order: they do not overflow"
)]

use crate::hash::{Domain, DomainHasher, Xof};
use crate::identity::{PublicKey, Signature};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest, Sha512};
use std::collections::BTreeMap;

const BATCH: Domain = Domain::new("signature batch");

/// Whether `bytes` are the canonical encoding of a point that is not of small order, and which.
pub(super) fn decode_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let [lowest, middle @ .., highest] = bytes;
    // Below 2^255 - 19. Decompression also takes the 19 values above it, by which a point has two names. The
    // other double names, of the points with x = 0, are of small order.
    let canonical =
        *lowest < 0xed || highest | 0x80 != 0xff || middle.iter().any(|byte| *byte != 0xff);
    canonical
        .then(|| CompressedEdwardsY(*bytes).decompress())?
        .filter(|point| !point.is_small_order())
}

/// The parts of a signature whose encoding is right.
struct Parsed {
    r: EdwardsPoint,
    s: Scalar,
    k: Scalar,
}

/// `message` is the concatenation of its parts.
fn parse(key: &PublicKey, message: &[&[u8]], signature: &Signature) -> Option<Parsed> {
    let (r, s) = signature.split_first_chunk()?;
    let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let point = decode_point(r)?;
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(key.0);
    for part in message {
        hasher.update(part);
    }
    let k = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
    Some(Parsed { r: point, s, k })
}

/// Whether one signature is valid.
pub(super) fn is_valid(key: &PublicKey, message: &[&[u8]], signature: &Signature) -> bool {
    let check = || {
        let a = decode_point(&key.0)?;
        let Parsed { r, s, k } = parse(key, message, signature)?;
        let difference = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-a, &s) - r;
        Some(difference.mul_by_cofactor().is_identity())
    };
    check() == Some(true)
}

/// Keys whose points are known, so that they need not be computed from their encodings for every batch.
#[derive(Clone, Default)]
pub(crate) struct KnownKeys(BTreeMap<PublicKey, EdwardsPoint>);

impl KnownKeys {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds keys; those that are no key are left out.
    pub(crate) fn add(&mut self, keys: impl Iterator<Item = PublicKey>) {
        for key in keys {
            if !self.0.contains_key(&key)
                && let Some(point) = decode_point(&key.0)
            {
                self.0.insert(key, point);
            }
        }
    }

    fn point(&self, key: &PublicKey) -> Option<EdwardsPoint> {
        let known = self.0.get(key).copied();
        known.or_else(|| decode_point(&key.0))
    }
}

/// Signatures whose equations are checked as one: a random combination of them.
///
/// A batch of valid signatures is accepted; one with an invalid signature is accepted with probability 2^-128.
/// The coefficients are not drawn but derived from all keys, messages and signatures, so that every replica
/// comes to the same result; to search for signatures that cancel takes 2^128 hashes.
pub(crate) struct SignatureBatch<'a> {
    known: &'a KnownKeys,
    signatures: Vec<(Parsed, usize)>,
    /// By key, where its point lies in `points`.
    keys: BTreeMap<PublicKey, usize>,
    points: Vec<EdwardsPoint>,
}

impl<'a> SignatureBatch<'a> {
    /// Without any signature yet.
    pub(crate) fn new(known: &'a KnownKeys) -> Self {
        Self {
            known,
            signatures: Vec::new(),
            keys: BTreeMap::new(),
            points: Vec::new(),
        }
    }

    /// Takes one more signature; `false`, and nothing taken, if it is invalid by its encoding alone.
    pub(crate) fn add(
        &mut self,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &Signature,
    ) -> bool {
        let known = self.keys.get(key).copied();
        let Some(at) = known.or_else(|| {
            self.points.push(self.known.point(key)?);
            self.keys.insert(*key, self.points.len().saturating_sub(1));
            Some(self.points.len().saturating_sub(1))
        }) else {
            return false;
        };
        let parsed = parse(key, message, signature);
        parsed
            .map(|parsed| self.signatures.push((parsed, at)))
            .is_some()
    }

    /// Whether all signatures taken are valid.
    pub(crate) fn verify(self) -> bool {
        let mut coefficients = self.coefficients();
        let mut base = Scalar::ZERO;
        let mut by_key = vec![Scalar::ZERO; self.points.len()];
        let mut scalars = Vec::with_capacity(self.signatures.len());
        let mut points = Vec::with_capacity(self.signatures.len());
        // 8·sum z·(R + k·A - s·B) = 0, the terms of each key put together.
        for (Parsed { r, s, k }, key) in &self.signatures {
            let z = Scalar::from(u128::from_le_bytes(coefficients.take()));
            base -= z * s;
            if let Some(sum) = by_key.get_mut(*key) {
                *sum += z * k;
            }
            scalars.push(z);
            points.push(*r);
        }
        scalars.extend(by_key);
        points.extend(self.points);
        scalars.push(base);
        points.push(curve25519_dalek::constants::ED25519_BASEPOINT_POINT);
        EdwardsPoint::vartime_multiscalar_mul(&scalars, &points)
            .mul_by_cofactor()
            .is_identity()
    }

    /// k depends on key, message and R; with s, all that was taken is in it.
    fn coefficients(&self) -> Xof {
        let mut hasher = DomainHasher::new(BATCH);
        for (Parsed { s, k, .. }, _) in &self.signatures {
            hasher.update(k.as_bytes());
            hasher.update(s.as_bytes());
        }
        Xof::new(BATCH, &hasher.finish())
    }
}

#[cfg(test)]
mod tests;
