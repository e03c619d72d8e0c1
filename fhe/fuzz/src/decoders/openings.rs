//! Any list of answers opens the right key, or none.
//!
//! The first byte is the threshold; then three bytes an answer: its seat (two, little endian), and which answer it gives
//! (0 to 4 the honest one of that seat, else one that is none).

use super::{
    Outcome, Seed,
    fixture::{CONTEXT, PARTICIPANTS, fixture},
    refusal, refused, valid,
};
use std::sync::LazyLock;
use unsilo_fhe::{
    KeySum, Opening, combine, decrypt::is_plausible, open_key_sum, open_share, weighted_digit_sum,
};

const WEIGHTS: [u16; 2] = [100, 256];

/// The honest answers for the first two contributions, packed, and the sum that they open.
static ROUND: LazyLock<(Vec<Vec<u8>>, Vec<u8>)> = LazyLock::new(|| {
    let f = fixture();
    let answers = (1_u16..).zip(&f.keys).map(|(seat, keys)| {
        let shares: Vec<_> = PARTICIPANTS
            .iter()
            .zip(&f.contributions)
            .take(2)
            .map(|(&participant, contribution)| {
                let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
                match open_share(keys, &f.dealing(participant), seat, sealed) {
                    Ok(share) => share,
                    Err(error) => panic!("a share of the fixture: {error}"),
                }
            })
            .collect();
        let weighted: Vec<_> = WEIGHTS.into_iter().zip(&shares).collect();
        match combine(&weighted) {
            Ok(opening) => opening.to_bytes(),
            Err(error) => panic!("shares of the fixture: {error}"),
        }
    });
    let terms: Vec<_> = f
        .contributions
        .iter()
        .map(|contribution| contribution.ciphertext.as_slice())
        .zip(WEIGHTS)
        .collect();
    let sum = weighted_digit_sum(f.params.chunks(), &terms).expect("ciphertexts");
    (answers.collect(), sum.to_ciphertext())
});

pub(super) fn run(data: &[u8]) -> Outcome {
    let (f, (honest, sum)) = (fixture(), &*ROUND);
    let Some((&threshold, rest)) = data.split_first() else {
        return Outcome::Refused;
    };
    // More answers than a committee has seats are refused by the first that comes twice.
    let answers: Vec<(u16, Opening)> = rest
        .as_chunks::<3>()
        .0
        .iter()
        .take(30)
        .map(|&[low, high, which]| {
            let bytes = match honest.get(usize::from(which)) {
                Some(bytes) => bytes.clone(),
                None => [which, low, 0, 0, 0, 0].repeat(2048),
            };
            let opening = Opening::from_bytes(&bytes).expect("reduced");
            (u16::from_le_bytes([low, high]), opening)
        })
        .collect();
    let total = WEIGHTS.iter().map(|&weight| u64::from(weight)).sum();
    let plausible = |key_sum: &KeySum| is_plausible(&f.params, &CONTEXT, sum, key_sum, total);
    match open_key_sum(threshold.into(), &answers, plausible) {
        Ok(opened) => {
            assert!(plausible(&opened.key_sum));
            let seats: Vec<u16> = answers.iter().map(|answer| answer.0).collect();
            assert!(opened.liars.iter().all(|liar| seats.contains(liar)));
            assert!(opened.liars.is_sorted());
            Outcome::Accepted
        }
        Err(error) => refusal(&error),
    }
}

pub(super) fn seeds() -> Vec<Seed> {
    let answers = |threshold: u8, answers: &[(u16, u8)]| {
        let mut bytes = vec![threshold];
        for (seat, which) in answers {
            bytes.extend(seat.to_le_bytes());
            bytes.push(*which);
        }
        bytes
    };
    let all: [(u16, u8); 5] = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)];
    let mut liar = all;
    liar[3].1 = 99;
    let mut liars = liar;
    liars[0].1 = 98;
    vec![
        valid("all", answers(4, &all)),
        valid("just_enough", answers(4, &all[1..])),
        valid("one_liar", answers(4, &liar)),
        refused("bad_two_liars", answers(4, &liars)),
        refused("bad_too_few", answers(4, &all[2..])),
        refused("bad_threshold_0", answers(0, &all)),
        refused("bad_threshold_3", answers(3, &all[2..])),
        refused(
            "bad_seat_twice",
            answers(4, &[all[0], all[1], all[2], all[3], all[3]]),
        ),
        refused("bad_seat_0", answers(4, &[(0, 0), all[1], all[2], all[3]])),
        refused("bad_nobody", vec![4]),
    ]
}
