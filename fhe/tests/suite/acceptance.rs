//! The accept rule: no honest update is rejected, and each attack on the ciphertext is.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

#[path = "../../examples/acceptance/simulation.rs"]
mod simulation;

use crate::{
    checking::{Checking, update},
    federation::{Federation, params},
};
use simulation::{Content, Outcome, simulate};
use unsilo_fhe::{
    DELTA, KeySum, N, Q, RejectionReason, WeightedSum, decrypt, decrypt::is_plausible, open_key_sum,
};

const PARAMETERS: usize = 2100;

/// What the rule says about many contents of a kind, each with a challenge of its own.
fn outcome(content: Content, trials: u64) -> Outcome {
    simulate(&params(PARAMETERS as u64), content, trials, 7)
}

/// `examples/acceptance` runs the same for 100,000 updates of each shape.
#[test]
fn honest_updates_at_the_clip_norm_are_never_rejected() {
    for content in [
        Content::Dense(1.0),
        Content::Signs(1.0),
        Content::Sparse,
        Content::Block,
    ] {
        let found = outcome(content, 1500);
        assert_eq!(found.accepted, 1500, "{content:?}: {found:?}");
        // Rounded up to the next eighth of a power of two: half an eighth more, in the mean.
        let exact = 8.0 * (params(PARAMETERS as u64).clip_steps() as f64).log2();
        assert!(
            (found.mean_exponent - exact - 0.4).abs() < 0.4,
            "{}",
            found.mean_exponent
        );
    }
    // The smallest models, where noise and padding weigh most, and one that is a single parameter.
    for parameters in [1, 2, 33] {
        let found = simulate(&params(parameters), Content::Sparse, 1000, 8);
        assert_eq!(found.accepted, 1000, "{parameters}: {found:?}");
    }
}

#[test]
fn an_update_of_norm_zero_is_accepted_with_the_estimate_of_its_noise() {
    let found = outcome(Content::Dense(0.0), 50);
    assert_eq!(found.accepted, 50);
    let noise = 8.0 * (1160.0 / 1024.0 * (4.0 * N as f64).sqrt()).log2();
    assert!((found.mean_exponent - noise - 0.5).abs() < 1.0);
}

#[test]
fn a_norm_of_twice_the_bound_passes_once_in_twenty() {
    let found = outcome(Content::Dense(2.0), 2000);
    let share = found.accepted as f64 / 2000.0;
    assert!((0.03..0.08).contains(&share), "{share}");
}

macro_rules! always_caught {
    ($($name:ident: $content:expr;)+) => {
        $(#[test]
        fn $name() {
            let found = outcome($content, 1000);
            assert_eq!(found.accepted, 0, "{found:?}");
        })+
    };
}
always_caught! {
    an_update_of_three_times_the_norm_is_caught: Content::Dense(3.0);
    an_update_of_ten_times_the_norm_is_caught: Content::Dense(10.0);
    too_much_noise_is_caught: Content::Noise(3.0);
    far_too_much_noise_is_caught: Content::Noise(10.0);
    norm_hidden_in_padding_and_blinding_is_caught: Content::Hidden(3.0);
    two_coordinates_of_half_the_modulus_are_caught: Content::HalfModulus;
    all_coordinates_of_half_the_modulus_are_caught: Content::HalfModulusEverywhere;
    three_coordinates_of_a_third_of_the_modulus_are_caught: Content::ThirdOfModulus;
    wrap_around_poison_is_caught: Content::WrapAround;
}

/// A round of four in which participant 2 sends this instead of its ciphertext.
fn rejected(members: usize, attack: impl Fn(&Federation, &mut Vec<u8>)) -> RejectionReason {
    let federation = Federation::new(
        PARAMETERS as u64,
        members,
        unsilo_fhe::threshold_for(members),
    );
    let mut contributions: Vec<_> = (0..4)
        .map(|j| federation.contribute(j, &update(PARAMETERS, j.into(), 0.5)))
        .collect();
    let mut ciphertext = std::mem::take(&mut contributions[2].ciphertext);
    attack(&federation, &mut ciphertext);
    contributions[2].ciphertext = ciphertext;
    let round = Checking::of(federation, contributions);
    let verdict = round.judge(&round.sheets()).unwrap();
    let judgement = verdict.judgement();
    assert_eq!(
        judgement.accepted.iter().map(|a| a.0).collect::<Vec<_>>(),
        [0, 1, 3]
    );
    assert!(judgement.bad_pairs.is_empty() && judgement.erased.is_empty());
    let [(2, reason)] = judgement.rejected[..] else {
        panic!("{:?}", judgement.rejected)
    };
    reason
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Adds a number to a coefficient: a ciphertext can be changed without the key.
fn add(ciphertext: &mut [u8], index: usize, value: u64) {
    let bytes = &mut ciphertext[6 * index..][..6];
    let sum = (word(bytes) + value) % Q;
    bytes.copy_from_slice(&sum.to_le_bytes()[..6]);
}

#[test]
fn a_round_leaves_out_whoever_sends_ten_times_the_norm() {
    for members in [3, 5] {
        let reason = rejected(members, |federation, ciphertext| {
            let steps = 10.0 * federation.params.clip_steps() as f64 / (PARAMETERS as f64).sqrt();
            for index in 0..PARAMETERS {
                add(ciphertext, index, steps as u64 * DELTA);
            }
        });
        assert_eq!(reason, RejectionReason::OutOfRange);
    }
}

/// Four contributions, the third one with 20,000 steps more in each of these coefficients, judged and opened.
fn opened(hidden: &[usize]) -> WeightedSum {
    let federation = Federation::new(PARAMETERS as u64, 5, 4);
    let mut contributions: Vec<_> = (0..4)
        .map(|j| federation.contribute(j, &update(PARAMETERS, j.into(), 0.5)))
        .collect();
    for &index in hidden {
        add(&mut contributions[2].ciphertext, index, 20_000 * DELTA);
    }
    let round = Checking::of(federation, contributions);
    let verdict = round.judge(&round.sheets()).unwrap();
    assert_eq!(verdict.judgement().accepted.len(), 4);

    let weights = [256; 4];
    let sum = round.federation.sum(&round.contributions, &weights);
    let (params, context) = (&round.federation.params, &round.federation.context);
    let answers = round.federation.answers(&round.contributions, &weights);
    let plausible = |key: &KeySum| is_plausible(params, context, &sum, key, 1024);
    let key_sum = open_key_sum(4, &answers, plausible).unwrap().key_sum;
    let named: Vec<_> = (0..).zip(weights).collect();
    assert_eq!(verdict.verify_key_sum(&key_sum, &named), Ok(()));
    decrypt(params, context, &sum, &key_sum, 1024).unwrap()
}

#[test]
fn a_small_value_hidden_in_padding_or_blinding_is_accepted_and_opened_and_no_part_of_the_update() {
    let without = opened(&[]);
    for hidden in [PARAMETERS, 2 * N - 1, 2 * N, 4 * N - 1] {
        assert_eq!(opened(&[hidden]), without, "coefficient {hidden}");
    }
    assert_eq!(opened(&[PARAMETERS, 2 * N, 3 * N, 4 * N - 1]), without);
    assert_ne!(opened(&[0]), without);
}

#[test]
fn a_round_leaves_out_whoever_wraps_around() {
    let reason = rejected(5, |_, ciphertext| {
        add(ciphertext, 0, Q / 2);
        add(ciphertext, 1, Q / 2);
    });
    assert_eq!(reason, RejectionReason::OutOfRange);
}

#[test]
fn a_round_leaves_out_garbage() {
    let reason = rejected(4, |_, ciphertext| {
        let mut xof = unsilo_fhe::xof::Xof::new("garbage", &[]);
        for bytes in ciphertext.chunks_mut(6) {
            bytes.copy_from_slice(&(xof.next_u64() % Q).to_le_bytes()[..6]);
        }
    });
    assert_eq!(reason, RejectionReason::OutOfRange);
}

#[test]
fn a_round_leaves_out_whoever_copies_or_negates_the_ciphertext_of_another() {
    for negated in [false, true] {
        let reason = rejected(5, |federation, ciphertext| {
            *ciphertext = federation
                .contribute(0, &update(PARAMETERS, 0, 0.5))
                .ciphertext;
            for bytes in ciphertext.chunks_mut(6).filter(|_| negated) {
                let value = (Q - word(bytes)) % Q;
                bytes.copy_from_slice(&value.to_le_bytes()[..6]);
            }
        });
        assert_eq!(reason, RejectionReason::OutOfRange);
    }
}

#[test]
fn one_altered_coefficient_is_caught_wherever_it_lies() {
    for index in [0, PARAMETERS - 1, PARAMETERS, 2 * N, 4 * N - 1] {
        let reason = rejected(3, |_, ciphertext| add(ciphertext, index, Q / 4));
        assert_eq!(reason, RejectionReason::OutOfRange, "coefficient {index}");
    }
}
