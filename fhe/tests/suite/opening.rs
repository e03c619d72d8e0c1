//! Who can open a sum, and who is named when someone lies.

use crate::federation::{Federation, falsify, shift, total};
use unsilo_fhe::{
    Contribution, Opening, combine,
    decrypt::{BLINDING_DECIDES, DecryptError, decrypt, is_plausible, longest_sum},
    open::{KeySum, OpenError, open_key_sum},
    opening::CombineError,
    params::MAX_TOTAL_WEIGHT,
    threshold_for,
};

const WEIGHTS: [u16; 3] = [16, 256, 99];

struct Round {
    federation: Federation,
    contributions: Vec<Contribution>,
    sum: Vec<u8>,
}

impl Round {
    fn new(members: usize) -> Self {
        let federation = Federation::new(100, members, threshold_for(members));
        let contributions: Vec<_> = (0..3)
            .map(|j| federation.contribute(j, &vec![0.001 * j as f32; 100]))
            .collect();
        let sum = federation.sum(&contributions, &WEIGHTS);
        Self {
            federation,
            contributions,
            sum,
        }
    }

    fn answers(&self) -> Vec<(u16, Opening)> {
        self.federation.answers(&self.contributions, &WEIGHTS)
    }

    fn threshold(&self) -> usize {
        self.federation.committee.threshold().into()
    }

    fn plausible(&self, key_sum: &KeySum) -> bool {
        let (params, context) = (&self.federation.params, &self.federation.context);
        is_plausible(params, context, &self.sum, key_sum, total(&WEIGHTS))
    }

    fn decrypts(&self, key_sum: &KeySum) -> bool {
        let (params, context) = (&self.federation.params, &self.federation.context);
        decrypt(params, context, &self.sum, key_sum, total(&WEIGHTS)).is_ok()
    }
}

#[test]
fn committees_have_the_thresholds_of_the_design() {
    for (members, threshold) in [(3, 3), (4, 3), (5, 4), (7, 5), (21, 15)] {
        assert_eq!(threshold_for(members), threshold);
    }
}

#[test]
fn any_threshold_of_answers_opens_the_same_key() {
    let round = Round::new(5);
    let all = open_key_sum(4, &round.answers(), |key_sum| round.plausible(key_sum)).unwrap();
    assert!(all.liars.is_empty() && round.decrypts(&all.key_sum));
    for omitted in 0..5 {
        let mut answers = round.answers();
        answers.rotate_left(omitted);
        answers.pop();
        let opened = open_key_sum(4, &answers, |key_sum| round.plausible(key_sum)).unwrap();
        assert_eq!(opened.key_sum.to_bytes(), all.key_sum.to_bytes());
    }
}

#[test]
fn one_answer_too_few_opens_nothing() {
    let round = Round::new(5);
    let mut answers = round.answers();
    answers.truncate(3);
    assert_eq!(
        open_key_sum(4, &answers, |_| true).err(),
        Some(OpenError::TooFew {
            answers: 3,
            threshold: 4
        })
    );
    // Pretending that three are enough gives a key that has nothing to do with the sum.
    let wrong = open_key_sum(3, &answers, |_| true).unwrap().key_sum;
    assert!(!round.plausible(&wrong));
    let (params, context) = (&round.federation.params, &round.federation.context);
    assert!(matches!(
        decrypt(params, context, &round.sum, &wrong, total(&WEIGHTS)),
        Err(DecryptError::TooLong)
    ));
}

#[test]
fn the_key_of_the_sum_opens_no_contribution_and_no_other_round() {
    let round = Round::new(5);
    let key_sum = open_key_sum(4, &round.answers(), |key_sum| round.plausible(key_sum))
        .unwrap()
        .key_sum;
    let Federation {
        params, context, ..
    } = &round.federation;
    for contribution in &round.contributions {
        let single = decrypt(params, context, &contribution.ciphertext, &key_sum, 1);
        assert!(single.is_err());
    }
    let mut other = *context;
    other.round += 1;
    assert!(decrypt(params, &other, &round.sum, &key_sum, total(&WEIGHTS)).is_err());
    for changed in [[16, 256, 98], [0, 256, 99], [17, 256, 99]] {
        let sum = round.federation.sum(&round.contributions, &changed);
        assert!(!is_plausible(
            params,
            context,
            &sum,
            &key_sum,
            total(&changed)
        ));
    }
}

#[test]
fn liars_are_named_up_to_half_of_the_redundancy() {
    for (members, liars) in [
        (7, vec![1]),
        (7, vec![6]),
        (21, vec![1, 9, 21]),
        (21, vec![20]),
    ] {
        let round = Round::new(members);
        let mut answers = round.answers();
        for &liar in &liars {
            falsify(
                &mut answers[usize::from(liar) - 1].1,
                usize::from(liar) * 90,
            );
        }
        // The order of arrival says nothing.
        answers.rotate_left(3);
        let opened = open_key_sum(round.threshold(), &answers, |key_sum| {
            round.plausible(key_sum)
        })
        .unwrap();
        assert_eq!(opened.liars, liars);
        assert!(round.decrypts(&opened.key_sum));
    }
}

#[test]
fn a_wrong_key_is_noticed_at_every_weight_that_is_allowed() {
    // The smallest model, one where the blinding chunks decide at every weight, and one where all chunks have to.
    for parameters in [1, 4000, 5000] {
        let federation = Federation::new(parameters, 3, 3);
        let contributions = [federation.contribute(0, &vec![0.5; parameters as usize])];
        let sum = federation.sum(&contributions, &[256]);
        let answers = federation.answers(&contributions, &[256]);
        let right = open_key_sum(3, &answers, |_| true).unwrap().key_sum;
        let mut answers = federation.answers(&contributions, &[256]);
        falsify(&mut answers[1].1, 7);
        let wrong = open_key_sum(3, &answers, |_| true).unwrap().key_sum;
        let (params, context) = (&federation.params, &federation.context);
        for weight in [256, 10_000, MAX_TOTAL_WEIGHT] {
            let plausible = |key| is_plausible(params, context, &sum, key, weight);
            assert!(
                plausible(&right) && !plausible(&wrong),
                "{parameters} {weight}"
            );
            assert!(decrypt(params, context, &sum, &right, weight).is_ok());
            let error = decrypt(params, context, &sum, &wrong, weight).err();
            assert_eq!(error, Some(DecryptError::TooLong));
        }
        let all_chunks = longest_sum(params, MAX_TOTAL_WEIGHT) > BLINDING_DECIDES;
        assert_eq!(all_chunks, parameters == 5000);
    }
}

#[test]
fn more_liars_than_that_stop_the_opening_and_nobody_is_named() {
    for (members, liars) in [(7, 2), (21, 4)] {
        let round = Round::new(members);
        let mut answers = round.answers();
        for (_, answer) in &mut answers[..liars] {
            falsify(answer, 5);
        }
        assert!(matches!(
            open_key_sum(round.threshold(), &answers, |_| true),
            Err(OpenError::TooManyLiars { .. })
        ));
    }
}

#[test]
fn colluding_liars_who_answer_consistently_are_named_too() {
    let round = Round::new(21);
    let mut answers = round.answers();
    let other = round.federation.answers(&round.contributions, &[1, 2, 3]);
    for (seat, answer) in other.into_iter().take(3) {
        answers[usize::from(seat) - 1].1 = answer;
    }
    let opened = open_key_sum(15, &answers, |key_sum| round.plausible(key_sum)).unwrap();
    assert_eq!(opened.liars, [1, 2, 3]);
    assert!(round.decrypts(&opened.key_sum));
}

#[test]
fn one_redundant_answer_names_the_liar_by_leaving_one_out() {
    for members in [4, 5] {
        let round = Round::new(members);
        for liar in 1..=members {
            let mut answers = round.answers();
            falsify(&mut answers[liar - 1].1, 2047);
            let plausible = |key_sum: &KeySum| round.plausible(key_sum);
            let opened = open_key_sum(round.threshold(), &answers, plausible).unwrap();
            assert_eq!(opened.liars, [liar as u16]);
            assert!(round.decrypts(&opened.key_sum));
        }
    }
}

#[test]
fn two_colluding_of_seven_can_neither_change_the_key_nor_frame_anybody() {
    let round = Round::new(7);
    let mut answers = round.answers();
    // Seats 1 and 2 move to the polynomial f + (x-4)(x-5)(x-6)(x-7), on which seats 4 to 7 lie too.
    shift(&mut answers[0].1, 360);
    shift(&mut answers[1].1, 120);
    let opened = open_key_sum(5, &answers, |key_sum| round.plausible(key_sum));
    assert_eq!(opened.err(), Some(OpenError::Implausible));
}

#[test]
fn two_colluding_of_five_can_frame_a_third_but_not_change_the_key() {
    let round = Round::new(5);
    let mut answers = round.answers();
    // Seats 1 and 2 move to f + x(x-4)(x-5), on which seats 4 and 5 and the key lie too. A known limit of one redundant
    // answer: six values of a cubic, the key included, correct one error and not two.
    shift(&mut answers[0].1, 12);
    shift(&mut answers[1].1, 12);
    let opened = open_key_sum(4, &answers, |key_sum| round.plausible(key_sum)).unwrap();
    assert_eq!(opened.liars, [3]);
    assert!(round.decrypts(&opened.key_sum));
}

#[test]
fn a_dealer_whose_shares_do_not_fit_its_ciphertext_spoils_the_sum_and_is_seen() {
    let mut round = Round::new(7);
    // Shares of one key, ciphertext under another, both made by the same participant for this round.
    let other = round.federation.contribute(1, &[0.25; 100]);
    round.contributions[1].ciphertext = other.ciphertext;
    round.sum = round.federation.sum(&round.contributions, &WEIGHTS);
    let opened = open_key_sum(5, &round.answers(), |key_sum| round.plausible(key_sum));
    assert_eq!(opened.err(), Some(OpenError::Implausible));
}

#[test]
fn without_a_single_candidate_nobody_is_blamed() {
    let round = Round::new(5);
    let mut answers = round.answers();
    falsify(&mut answers[0].1, 1);
    let several = open_key_sum(4, &answers, |_| true).err();
    assert_eq!(several, Some(OpenError::Ambiguous { candidates: 5 }));
    falsify(&mut answers[1].1, 2);
    let plausible = |key_sum: &KeySum| round.plausible(key_sum);
    let none = open_key_sum(4, &answers, plausible).err();
    assert_eq!(none, Some(OpenError::Implausible));
    answers.truncate(4);
    let exactly_enough = open_key_sum(4, &answers, plausible).err();
    assert_eq!(exactly_enough, Some(OpenError::Implausible));
}

#[test]
fn impossible_seats_and_thresholds_are_refused() {
    let round = Round::new(3);
    let mut answers = round.answers();
    assert!(matches!(
        open_key_sum(0, &answers, |_| true),
        Err(OpenError::OutOfRange { .. })
    ));
    assert!(matches!(
        open_key_sum(0, &[], |_| true),
        Err(OpenError::OutOfRange { .. })
    ));
    answers[0].0 = 2;
    assert_eq!(
        open_key_sum(3, &answers, |_| true).err(),
        Some(OpenError::Twice { seat: 2 })
    );
    for seat in [0, 22, u16::MAX] {
        answers[0].0 = seat;
        let error = open_key_sum(3, &answers, |_| true).err();
        assert_eq!(error, Some(OpenError::OutOfRange { seat, threshold: 3 }));
    }
}

#[test]
fn shares_that_do_not_belong_together_are_not_combined() {
    let round = Round::new(3);
    let share = |participant: u32, seat| {
        let contribution = &round.contributions[participant as usize];
        round.federation.share(participant, contribution, seat)
    };
    let (a, b, other_seat) = (share(0, 1), share(1, 1), share(1, 2));
    assert_eq!(combine(&[]).err(), Some(CombineError::Empty));
    assert_eq!(
        combine(&[(0, &a), (0, &b)]).err(),
        Some(CombineError::Empty)
    );
    assert_eq!(
        combine(&[(16, &a), (16, &other_seat)]).err(),
        Some(CombineError::Mixed { participant: 1 })
    );
    assert_eq!(
        combine(&[(16, &a), (16, &a)]).err(),
        Some(CombineError::Twice { participant: 0 })
    );
    assert_eq!(
        combine(&[(257, &a)]).err(),
        Some(CombineError::Weight {
            participant: 0,
            weight: 257
        })
    );
    // The same sum is the same answer, whatever the order: a retry tells nothing new.
    let one = combine(&[(16, &a), (99, &b)]).map(|opening| opening.to_bytes());
    let two = combine(&[(99, &b), (16, &a)]).map(|opening| opening.to_bytes());
    assert!(one.is_ok() && one == two);
}
