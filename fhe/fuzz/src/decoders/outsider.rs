//! Sealing as somebody does who does not use this crate: well-formed envelopes around any content.

use super::fixture::{CONTEXT, Fixture, VALIDATOR};
use chacha20poly1305::{
    ChaCha20Poly1305 as Cipher, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::XWing,
    rand_core::{TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use unsilo_fhe::{RoundPublicKey, xof::Xof};

struct Stream(Xof);

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u64() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Stream {}

/// HPKE, base mode: encapsulated key, ciphertext, tag.
pub(super) fn seal(to: &RoundPublicKey, info: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = <XWing as Kem>::PublicKey::from_bytes(to.as_bytes()).expect("a round key");
    let mut stream = Stream(Xof::new("outsider", &[plaintext]));
    let (encapsulated, ciphertext) =
        single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &key,
            info,
            plaintext,
            aad,
            &mut stream,
        )
        .expect("seals");
    [encapsulated.to_bytes().as_slice(), &ciphertext].concat()
}

/// A share for `seat`, whatever `plaintext` is.
pub(super) fn seal_share(
    fixture: &Fixture,
    participant: u32,
    seat: u16,
    plaintext: &[u8],
) -> Vec<u8> {
    let info = [b"unsilo/v1/sealed share\0".as_slice(), &CONTEXT.model].concat();
    let aad = [
        CONTEXT.federation.as_slice(),
        &CONTEXT.round.to_le_bytes(),
        &participant.to_le_bytes(),
        &seat.to_le_bytes(),
    ]
    .concat();
    let member = fixture.committee.member(seat).expect("a seat");
    seal(member, &info, &aad, plaintext)
}

/// A sheet of `seat` under `root`, whatever `plaintext` is: the encrypted sheet and its key for `recipient`.
pub(super) fn seal_sheet(
    fixture: &Fixture,
    seat: u16,
    recipient: u16,
    root: &[u8; 32],
    plaintext: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let key = [0x5E; 32];
    let payload = Payload {
        msg: plaintext,
        aad: root,
    };
    let sheet = Cipher::new(&Key::from(key))
        .encrypt(&Nonce::default(), payload)
        .expect("encrypts");
    let (info, aad) = sheet_key_context(fixture, seat, recipient, root);
    let member = fixture.committee.member(recipient).expect("a seat");
    (sheet, seal(member, &info, &aad, &key))
}

/// `info` and associated data of the key of `seat`'s sheet for `recipient`.
fn sheet_key_context(
    fixture: &Fixture,
    seat: u16,
    recipient: u16,
    root: &[u8; 32],
) -> (Vec<u8>, Vec<u8>) {
    let info = [
        b"unsilo/v1/answer sheet key\0".as_slice(),
        &CONTEXT.model,
        fixture.projections.challenge(),
    ]
    .concat();
    let aad = [
        CONTEXT.federation.as_slice(),
        &CONTEXT.round.to_le_bytes(),
        &seat.to_le_bytes(),
        &recipient.to_le_bytes(),
        root,
    ]
    .concat();
    (info, aad)
}

/// The plaintext of the sheet that `seat` sealed, as `recipient` reads it.
pub(super) fn open_sheet(fixture: &Fixture, seat: u16, recipient: u16) -> Vec<u8> {
    let (_, sealed) = &fixture.sheets[usize::from(seat) - 1];
    let (_, key) = sealed
        .keys
        .iter()
        .find(|(to, _)| *to == recipient)
        .expect("another seat");
    let (encapsulated, ciphertext) = key.split_at(1120);
    let (info, aad) = sheet_key_context(fixture, seat, recipient, &sealed.root);
    let key = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &<XWing as Kem>::PrivateKey::from_bytes(&[recipient as u8; 32]).expect("32 bytes"),
        &<XWing as Kem>::EncappedKey::from_bytes(encapsulated).expect("1120 bytes"),
        &info,
        ciphertext,
        &aad,
    )
    .expect("opens");
    let payload = Payload {
        msg: &sealed.sheet,
        aad: &sealed.root,
    };
    Cipher::new(&Key::try_from(&key[..]).expect("32 bytes"))
        .decrypt(&Nonce::default(), payload)
        .expect("its key")
}

/// Answers of `seat` to the validator, whatever `plaintext` is.
pub(super) fn seal_direction_answers(fixture: &Fixture, seat: u16, plaintext: &[u8]) -> Vec<u8> {
    let directions = Sha256::new_with_prefix(b"unsilo/v1/directions\0")
        .chain_update(fixture.hashes.as_flattened())
        .finalize();
    let info = [
        b"unsilo/v1/direction answers\0".as_slice(),
        &CONTEXT.model,
        fixture.projections.challenge(),
        &directions,
    ]
    .concat();
    let aad = [
        CONTEXT.federation.as_slice(),
        &CONTEXT.round.to_le_bytes(),
        &VALIDATOR.to_le_bytes(),
        &seat.to_le_bytes(),
    ]
    .concat();
    seal(fixture.validator.public(), &info, &aad, plaintext)
}
