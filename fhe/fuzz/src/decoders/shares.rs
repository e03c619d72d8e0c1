//! Sealed key shares: as they come from the wire, and as a dealer that follows no rules seals them.
//!
//! The first byte of the input is the seat.

use super::{
    Outcome, Seed,
    fixture::{PARTICIPANTS, SEATS, THRESHOLD, fixture},
    outsider, refusal, refused, valid, words,
};
use unsilo_fhe::{CHUNK_BYTES, KeyShare, Q, combine, open_share};

pub(super) fn sealed(data: &[u8]) -> Outcome {
    let Some((&seat, sealed)) = data.split_first() else {
        return Outcome::Refused;
    };
    match open(seat, sealed) {
        Some(_) => Outcome::Accepted,
        None => Outcome::Refused,
    }
}

/// The share that `sealed` holds for `seat`.
fn open(seat: u8, sealed: &[u8]) -> Option<KeyShare> {
    let f = fixture();
    let keys = &f.keys[usize::from(seat).saturating_sub(1) % f.keys.len()];
    match open_share(keys, &f.dealing(PARTICIPANTS[0]), seat.into(), sealed) {
        Ok(share) => {
            assert_eq!(
                (share.seat(), share.participant()),
                (seat.into(), PARTICIPANTS[0])
            );
            Some(share)
        }
        Err(error) => {
            refusal(&error);
            None
        }
    }
}

pub(super) fn sealed_seeds() -> Vec<Seed> {
    let shares = &fixture().contributions[0].sealed_shares;
    let with_seat = |seat: u8, index: usize| [&[seat], &shares[index][..]].concat();
    let bare = |seat: u8, bytes: usize| [vec![seat], vec![0; bytes]].concat();
    vec![
        valid("of_seat_1", with_seat(1, 0)),
        valid("of_seat_5", with_seat(5, 4)),
        refused("bad_other_seat", with_seat(2, 0)),
        refused("bad_seat_0", with_seat(0, 0)),
        refused("bad_seat_6", with_seat(6, 0)),
        refused("bad_zeros", bare(1, 1168)),
        refused("bad_shorter_than_an_envelope", bare(1, 1135)),
    ]
}

pub(super) fn plaintext(data: &[u8]) -> Outcome {
    let Some((&seat, plaintext)) = data.split_first() else {
        return Outcome::Refused;
    };
    if !(1..=SEATS).contains(&seat.into()) {
        return Outcome::Refused;
    }
    let seeded = usize::from(seat) < THRESHOLD;
    let expected = match seeded {
        true => plaintext.len() == 32,
        false => plaintext.len() == CHUNK_BYTES && words(plaintext).iter().all(|&word| word < Q),
    };
    let sealed = outsider::seal_share(fixture(), PARTICIPANTS[0], seat.into(), plaintext);
    let opened = open(seat, &sealed);
    assert_eq!(opened.is_some(), expected);
    let Some(share) = opened else {
        return Outcome::Refused;
    };
    match combine(&[(1, &share)]) {
        Ok(opening) if seeded => assert_eq!(opening.to_bytes().len(), CHUNK_BYTES),
        Ok(opening) => assert!(opening.to_bytes() == plaintext),
        Err(error) => panic!("one share is combined: {error}"),
    }
    Outcome::Accepted
}

pub(super) fn plaintext_seeds() -> Vec<Seed> {
    let full = (Q - 1).to_le_bytes()[..6].repeat(CHUNK_BYTES / 6);
    let with_seat = |seat: u8, bytes: &[u8]| [&[seat], bytes].concat();
    let mut too_large = full.clone();
    too_large[CHUNK_BYTES - 6..].fill(0xFF);
    vec![
        valid("a_seed", with_seat(2, &[9; 32])),
        valid("a_share", with_seat(4, &full)),
        refused("bad_seed_for_a_full_share", with_seat(4, &[9; 32])),
        refused("bad_share_for_a_seed", with_seat(1, &full)),
        refused("bad_coefficient", with_seat(5, &too_large)),
        refused("bad_empty", with_seat(5, &[])),
    ]
}
