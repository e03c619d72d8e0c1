//! Directions, and the answers to a validator.

use super::{
    Outcome, Seed,
    fixture::{PARTICIPANTS, VALIDATOR, fixture},
    outsider, refusal, refused, valid, words,
};
use unsilo_fhe::{Direction, DirectionAnswers, Entropy, Q, direction::max_squared_norm, products};

/// Entries of a direction, and the same bytes as floats to be rounded.
pub(super) fn values(data: &[u8]) -> Outcome {
    let f = fixture();
    let floats: Vec<f32> = data
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    if let Ok(rounded) = Direction::quantise(&f.params, &floats) {
        let made = Direction::new(&f.permutation, &rounded, Entropy::from_bytes([0; 32]));
        assert!(made.is_ok(), "what was rounded to fit does not fit");
    }
    let entries: Vec<i8> = data.iter().map(|&byte| byte as i8).collect();
    let squared: u64 = entries
        .iter()
        .map(|&v| u64::from(v.unsigned_abs()).pow(2))
        .sum();
    let expected = entries.len() == f.params.parameters()
        && (1..=max_squared_norm(&f.params)).contains(&squared);
    let direction = Direction::new(&f.permutation, &entries, Entropy::from_bytes([1; 32]));
    assert_eq!(direction.is_ok(), expected);
    match direction {
        Ok(direction) => {
            assert!(direction.touches(0) && direction.touches(2) && !direction.touches(3));
            Outcome::Accepted
        }
        Err(error) => refusal(&error),
    }
}

pub(super) fn values_seeds() -> Vec<Seed> {
    let length = fixture().params.parameters();
    let mut longest = vec![8; length];
    // 64 a parameter is the limit.
    let just_too_long = {
        let mut values = longest.clone();
        values[0] = 9;
        values
    };
    longest[0] = 0xF8;
    let floats = |value: f32| value.to_le_bytes().repeat(length);
    vec![
        valid("longest", longest),
        refused("bad_too_long", just_too_long),
        refused("bad_extreme", vec![0x80; length]),
        refused("bad_zero", vec![0; length]),
        refused("bad_length", vec![1; length + 1]),
        // These are no entries; as floats they are rounded.
        refused("floats", floats(1.5e-3)),
        refused("floats_tiny", floats(f32::from_bits(1))),
        refused("floats_huge", floats(f32::MAX)),
        refused("floats_nan", floats(f32::NAN)),
    ]
}

/// The seat that answers.
const SEAT: u16 = 2;

pub(super) fn answers(data: &[u8]) -> Outcome {
    match open(data) {
        Some(_) => Outcome::Accepted,
        None => Outcome::Refused,
    }
}

fn open(sealed: &[u8]) -> Option<DirectionAnswers> {
    let f = fixture();
    match DirectionAnswers::open(&f.question(), SEAT, &f.validator, sealed) {
        Ok(answers) => Some(answers),
        Err(error) => {
            refusal(&error);
            None
        }
    }
}

pub(super) fn answers_seeds() -> Vec<Seed> {
    let f = fixture();
    let seal = |seat: u16| {
        let entropy = Entropy::from_bytes([6; 32]);
        let answers = f.direction_answers(seat);
        answers
            .seal(&f.question(), f.validator.public(), &entropy)
            .expect("seals")
    };
    vec![
        valid("answers", seal(SEAT)),
        refused("bad_of_another_seat", seal(3)),
        refused("bad_empty", vec![]),
        refused("bad_zeros", vec![0; 1136 + 32]),
    ]
}

/// A well-formed envelope around any plaintext.
pub(super) fn answers_plaintext(data: &[u8]) -> Outcome {
    let f = fixture();
    // Whole rows of 16 bytes, ascending, words below q.
    let rows: Vec<&[u8]> = data.chunks(16).collect();
    let number = |row: &[u8]| u32::from_le_bytes([row[0], row[1], row[2], row[3]]);
    let expected = data.len().is_multiple_of(16)
        && rows.len() <= 8000
        && rows
            .windows(2)
            .all(|pair| number(pair[0]) < number(pair[1]))
        && rows
            .iter()
            .all(|row| words(&row[4..]).iter().all(|&word| word < Q));
    let opened = open(&outsider::seal_direction_answers(f, SEAT, data));
    assert_eq!(opened.is_some(), expected);
    let Some(answers) = opened else {
        return Outcome::Refused;
    };
    let mut encoded = vec![];
    for (participant, words) in answers.rows() {
        encoded.extend(participant.to_le_bytes());
        for word in words {
            encoded.extend(&word.to_le_bytes()[..6]);
        }
    }
    assert!(encoded == data);

    // By themselves, with a threshold of one: whatever is answered is a product, or too large for one.
    let directions: Vec<_> = f.directions.iter().collect();
    let queried: Vec<_> = PARTICIPANTS.iter().map(|&j| (j, vec![0; 2])).collect();
    let accepted = &f.verdict.judgement().accepted;
    match products(1, &directions, &[answers], &queried, accepted) {
        Ok(scored) => assert!(scored.products.iter().all(|found| found.scaled.len() == 2)),
        Err(error) => panic!("{error}"),
    }
    Outcome::Accepted
}

/// The honest plaintext of a seat.
fn plaintext(seat: u16) -> Vec<u8> {
    let mut bytes = vec![];
    for (participant, words) in fixture().direction_answers(seat).rows() {
        bytes.extend(participant.to_le_bytes());
        for word in words {
            bytes.extend(&word.to_le_bytes()[..6]);
        }
    }
    bytes
}

pub(super) fn answers_plaintext_seeds() -> Vec<Seed> {
    let honest = plaintext(SEAT);
    let mut too_large = honest.clone();
    too_large[10..16].fill(0xFF);
    let swapped = [&honest[16..], &honest[..16]].concat();
    vec![
        valid("none", vec![]),
        valid("of_others", [[0; 16], [1; 16]].concat()),
        refused("bad_word", too_large),
        refused("bad_order", swapped),
        refused("bad_length", honest[1..].to_vec()),
        refused("bad_too_many", vec![0; 16 * 8001]),
        valid("plaintext", honest),
    ]
}

const _: () = assert!(VALIDATOR != PARTICIPANTS[0]);
