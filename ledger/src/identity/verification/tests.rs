//! One rule, however many signatures are checked at once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, that is how it fails"
)]

use super::*;
use crate::identity::SigningIdentity;
use curve25519_dalek::constants::EIGHT_TORSION;
use proptest::prelude::*;

const MESSAGE: &[u8] = b"an entry";

fn identity(number: u8) -> SigningIdentity {
    SigningIdentity::from_seed(&[number; 32])
}

fn secret(identity: &SigningIdentity) -> Scalar {
    let digest: [u8; 64] = Sha512::digest(*identity.to_seed()).into();
    let low: [u8; 32] = digest[..32].try_into().expect("half of it");
    Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(low))
}

/// What the holder of a key can sign when it does not care for the standard: R and A off by points of small order.
fn crooked(number: u8, nonce: u64, off_r: usize, off_a: usize) -> (PublicKey, Signature) {
    let a = secret(&identity(number));
    let base = curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
    let key = PublicKey((a * base + EIGHT_TORSION[off_a]).compress().0);
    let r = Scalar::from(nonce);
    let r_point = (r * base + EIGHT_TORSION[off_r]).compress().0;
    let digest: [u8; 64] = Sha512::new()
        .chain_update(r_point)
        .chain_update(key.0)
        .chain_update(MESSAGE)
        .finalize()
        .into();
    let s = r + Scalar::from_bytes_mod_order_wide(&digest) * a;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r_point);
    signature[32..].copy_from_slice(s.as_bytes());
    (key, signature)
}

fn strict(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(&key.0).is_ok_and(|key| {
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .is_ok()
    })
}

fn in_batch(signatures: &[(PublicKey, Signature)]) -> bool {
    let mut known = KnownKeys::default();
    // Whether a key was known makes no difference.
    let answers = [false, true].map(|is_known| {
        if is_known {
            known.add(signatures.iter().map(|(key, _)| *key));
        }
        let mut batch = SignatureBatch::new(&known);
        let well_formed = signatures
            .iter()
            .all(|(key, signature)| batch.add(key, &[MESSAGE], signature));
        well_formed && batch.verify()
    });
    assert_eq!(answers[0], answers[1]);
    answers[0]
}

fn honest(number: u8) -> (PublicKey, Signature) {
    let identity = identity(number);
    (identity.public(), identity.sign_raw(MESSAGE))
}

/// Alone, in a batch of one, and among honest ones: always the same answer.
fn agreed(key: &PublicKey, signature: &Signature) -> bool {
    let alone = is_valid(key, &[MESSAGE], signature);
    assert_eq!(in_batch(&[(*key, *signature)]), alone, "a batch of one");
    let mut many: Vec<_> = (1..20).map(honest).collect();
    many.insert(7, (*key, *signature));
    assert_eq!(in_batch(&many), alone, "among honest ones");
    alone
}

#[test]
fn what_the_standard_library_signs_is_valid() {
    for number in 0..50 {
        let (key, signature) = honest(number);
        assert!(agreed(&key, &signature) && strict(&key, MESSAGE, &signature));
        assert!(!is_valid(&key, &[b"another entry"], &signature));
        assert!(!is_valid(&identity(60).public(), &[MESSAGE], &signature));
    }
    // The parts of a message are its concatenation.
    let (key, signature) = honest(1);
    assert!(is_valid(&key, &[b"an ", b"", b"entry"], &signature));
    assert!(
        SignatureBatch::new(&KnownKeys::default()).verify(),
        "nothing is wrong with nothing"
    );
}

#[test]
fn points_of_small_order_in_r_and_a_do_not_split_replicas() {
    let mut beyond_strict = 0;
    for (off_r, off_a) in (0..8).flat_map(|r| (0..8).map(move |a| (r, a))) {
        let (key, signature) = crooked(3, 77, off_r, off_a);
        assert!(agreed(&key, &signature), "R + T{off_r}, A + T{off_a}");
        if !strict(&key, MESSAGE, &signature) {
            beyond_strict += 1;
        }
    }
    assert!(
        beyond_strict > 32,
        "most of these are why the rule has the cofactor: {beyond_strict}"
    );
    // Two whose errors are opposite, which a batch without the cofactor often takes for none.
    for nonce in 1..20 {
        assert!(in_batch(&[
            crooked(3, nonce, 1, 0),
            crooked(4, nonce, 7, 0)
        ]));
    }
}

/// Every encoding of a point of small order, canonical or not (RFC 8032 decoding takes the last six, too).
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().0)
        .collect();
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    let mut one_more = p;
    one_more[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = p;
    minus_one[0] = 0xec;
    for encoding in [p, one_more, one, minus_one] {
        let mut negative = encoding;
        negative[31] |= 0x80;
        encodings.extend([encoding, negative]);
    }
    encodings
}

#[test]
fn keys_and_nonces_of_small_order_are_refused() {
    let (key, signature) = honest(1);
    for encoding in small_order_encodings() {
        let weak = PublicKey(encoding);
        assert!(!weak.is_usable());
        // A = T: with s = r and R = rB every eighth message would verify, for anybody.
        for nonce in 1..20_u64 {
            let mut forged = [0; 64];
            let r = Scalar::from(nonce);
            let point = r * curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
            forged[..32].copy_from_slice(&point.compress().0);
            forged[32..].copy_from_slice(r.as_bytes());
            assert!(!agreed(&weak, &forged));
        }
        // R = T: s = k·a, which tells the key.
        let mut revealing = signature;
        revealing[..32].copy_from_slice(&encoding);
        let digest: [u8; 64] = Sha512::new()
            .chain_update(encoding)
            .chain_update(key.0)
            .chain_update(MESSAGE)
            .finalize()
            .into();
        let s = Scalar::from_bytes_mod_order_wide(&digest) * secret(&identity(1));
        revealing[32..].copy_from_slice(s.as_bytes());
        assert!(!agreed(&key, &revealing) && !strict(&key, MESSAGE, &revealing));
    }
}

#[test]
fn encodings_that_are_not_canonical_are_refused() {
    // s + L: another encoding of the same signature, which anybody could make.
    let (key, signature) = honest(1);
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleated = signature;
    let mut carry = 0_u16;
    for (byte, add) in malleated[32..].iter_mut().zip(order) {
        let [low, high] = (u16::from(*byte) + u16::from(add) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    assert_eq!(carry, 0, "it fits");
    assert!(!agreed(&key, &malleated));
    // y + p, for every y below 19 that is one of a point: the same point under another name.
    let mut seen = 0;
    for y in 0..19_u8 {
        for sign in [0, 0x80] {
            let mut named = [0xff; 32];
            named[0] = 0xed + y;
            named[31] = 0x7f | sign;
            if CompressedEdwardsY(named).decompress().is_none() {
                continue;
            }
            seen += 1;
            assert!(decode_point(&named).is_none(), "y = {y}");
            let mut changed = signature;
            changed[..32].copy_from_slice(&named);
            assert!(!agreed(&key, &changed));
            assert!(!agreed(&PublicKey(named), &signature));
        }
    }
    assert!(seen > 10, "{seen} such names exist");
}

#[test]
fn one_false_signature_anywhere_refuses_the_batch() {
    let sound: Vec<_> = (0..40).map(|number| honest(number % 7)).collect();
    assert!(in_batch(&sound));
    for at in 0..sound.len() {
        for byte in [0, 31, 32, 62] {
            let mut changed = sound.clone();
            changed[at].1[byte] ^= 1;
            assert!(!in_batch(&changed), "signature {at}, byte {byte}");
        }
    }
    // Errors that cancel in a plain sum: s + 1 here, s - 1 there.
    let mut changed = sound;
    changed[3].1[32] = changed[3].1[32].wrapping_add(1);
    changed[10] = changed[3];
    changed[10].1[32] = changed[10].1[32].wrapping_sub(2);
    assert!(!in_batch(&changed));
}

proptest! {
    #[test]
    fn any_bytes_have_one_answer_and_all_that_strict_accepts_is_accepted(
        number in 0..5_u8,
        flips in proptest::collection::vec((0..96_usize, 0..8_u32), 0..3),
        crooked_by in (0..8_usize, 0..8_usize),
        nonce in 1..1_000_u64,
        honestly: bool,
    ) {
        let (mut key, mut signature) = if honestly {
            honest(number)
        } else {
            crooked(number, nonce, crooked_by.0, crooked_by.1)
        };
        for (at, bit) in flips {
            match at.checked_sub(64) {
                Some(at) => key.0[at] ^= 1 << bit,
                None => signature[at] ^= 1 << bit,
            }
        }
        let valid = agreed(&key, &signature);
        prop_assert!(valid || !strict(&key, MESSAGE, &signature));
    }
}
