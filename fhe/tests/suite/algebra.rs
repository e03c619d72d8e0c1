//! The laws that make a sum of ciphertexts a ciphertext of the sum.

use crate::federation::{CONTEXT, Federation, UNIT_LOG2, params, total};
use proptest::{collection::vec, prelude::*};
use unsilo_fhe::{
    CHUNK_BYTES, DigitAccumulator, MAX_PARTICIPANTS, MAX_WEIGHT, N, Opening, Q, SIGMA,
    aggregate::AggregateError,
    check_ciphertext, decrypt, encode, open_key_sum,
    params::{MAX_ERROR, MAX_TOTAL_WEIGHT},
    weighted_digit_sum,
    xof::Xof,
};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig::with_cases(cases)
}

/// Chunks of random reduced words.
fn random_chunks(chunks: usize, seed: u64) -> Vec<u8> {
    let mut xof = Xof::new("test ciphertext", &[&seed.to_le_bytes()]);
    let mut bytes = vec![0; chunks * CHUNK_BYTES];
    xof.fill(&mut bytes);
    for word in bytes.chunks_mut(6) {
        if word[1..] == [0xFF; 5] {
            word[5] = 0;
        }
    }
    bytes
}

fn words(packed: &[u8]) -> impl Iterator<Item = u64> {
    packed.chunks(6).map(|word| {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(word);
        u64::from_le_bytes(bytes)
    })
}

/// `sum_j w_j·c_j mod q`, one coefficient at a time in 128 bits.
fn naive_sum(ciphertexts: &[Vec<u8>], weights: &[u16]) -> Vec<u64> {
    let mut sum = vec![0_u128; ciphertexts[0].len() / 6];
    for (ciphertext, &weight) in ciphertexts.iter().zip(weights) {
        for (sum, word) in sum.iter_mut().zip(words(ciphertext)) {
            *sum += u128::from(word) * u128::from(weight);
        }
    }
    sum.iter().map(|sum| (sum % u128::from(Q)) as u64).collect()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_weighted_sum_decrypts_to_the_weighted_sum_within_the_noise_bound(
        weights in vec(1..=MAX_WEIGHT, 1..6),
        seed in any::<u64>(),
        scale in 1..32_767_i64,
    ) {
        let parameters = 2100;
        let federation = Federation::new(parameters, 4, 3);
        // Whole steps within the norm bound, so that encoding is exact.
        let scale = scale.min(federation.params.clip_steps() as i64 / 47);
        let updates: Vec<Vec<i64>> = (0..weights.len() as u64)
            .map(|j| {
                let mut xof = Xof::new("test update", &[&seed.to_le_bytes(), &j.to_le_bytes()]);
                (0..parameters).map(|_| xof.next_u64() as i64 % scale).collect()
            })
            .collect();
        let contributions: Vec<_> = (0..).zip(&updates).map(|(j, update)| {
            let floats: Vec<f32> = update.iter().map(|&steps| steps as f32 / 16384.0).collect();
            federation.contribute(j, &floats)
        }).collect();
        let sum = federation.sum(&contributions, &weights);
        let opened = open_key_sum(3, &federation.answers(&contributions, &weights), |_| true)
            .expect("honest answers open");
        let total = total(&weights);
        let decrypted = decrypt(&federation.params, &CONTEXT, &sum, &opened.key_sum, total)
            .expect("an honest sum decrypts");

        let bound = (MAX_ERROR as i64 * total as i64) / 1024 + 1;
        prop_assert!(bound as f64 <= (1.0 + 8.0 * SIGMA / 1024.0) * total as f64);
        for (i, &value) in decrypted.values.iter().enumerate() {
            let exact: i64 = updates.iter().zip(&weights).map(|(u, &w)| u[i] * i64::from(w)).sum();
            prop_assert!((value - exact).abs() <= bound, "parameter {}: {} is not {}", i, value, exact);
        }
    }

    #[test]
    fn the_norm_bound_holds_after_rounding(
        seed in any::<u64>(),
        parameters in 1..5000_u64,
        magnitude in -20.0..60_f64,
        unit in -30..10_i8,
    ) {
        let params = params(parameters);
        let mut xof = Xof::new("test update", &[&seed.to_le_bytes()]);
        let unit_size = f64::from(unit).exp2();
        let update: Vec<f32> = (0..parameters)
            .map(|_| (xof.next_u64() as i64 as f64 / i64::MAX as f64 * magnitude.exp2() * unit_size) as f32)
            .collect();
        let encoded = encode(&params, &CONTEXT.federation, unit, &update, [seed as u8; 32]).expect("finite");
        let squares: i64 = encoded.steps().iter().map(|&step| i64::from(step).pow(2)).sum();
        prop_assert!(squares <= (params.clip_steps() as i64).pow(2));
        prop_assert!(encoded.steps().iter().all(|&step| step != i16::MIN));
        prop_assert!(encoded.steps()[parameters as usize..].iter().all(|&step| step == 0));
        prop_assert!(encoded.clip() > 0.0 && encoded.clip() <= 1.0);
    }

    #[test]
    fn the_digit_sum_is_the_naive_sum_mod_q(
        weights in vec(0..=MAX_WEIGHT, 1..8),
        seed in any::<u64>(),
    ) {
        let ciphertexts: Vec<_> = (0..weights.len() as u64)
            .map(|j| random_chunks(2, seed ^ j)).collect();
        let naive = naive_sum(&ciphertexts, &weights);
        let weighted: Vec<_> = ciphertexts.iter().map(Vec::as_slice).zip(weights.iter().copied()).collect();
        let sum = weighted_digit_sum(2, &weighted).expect("valid");
        prop_assert_eq!(words(&sum.to_ciphertext()).collect::<Vec<_>>(), naive);

        // In another order, one by one, and several at a time.
        let (mut reversed, mut together) = (DigitAccumulator::new(2), DigitAccumulator::new(2));
        for (bytes, weight) in weighted.iter().rev() {
            reversed.add(bytes, *weight).expect("valid");
        }
        let (first, second) = weighted.split_at(weighted.len() / 2);
        together.add_all(second).expect("valid");
        together.add_all(first).expect("valid");
        prop_assert_eq!(reversed.total_weight(), total(&weights));
        prop_assert_eq!(&reversed.finish(), &sum);
        prop_assert_eq!(together.finish(), sum);
    }

    #[test]
    fn packing_is_the_inverse_of_unpacking(seed in any::<u64>()) {
        let bytes = random_chunks(1, seed);
        let opening = Opening::from_bytes(&bytes).expect("reduced");
        prop_assert_eq!(opening.to_bytes(), bytes);
    }
}

#[test]
fn sums_do_not_overflow_at_the_largest_words_and_weights() {
    let largest: Vec<u8> = (0..N)
        .flat_map(|_| (Q - 1).to_le_bytes()[..6].to_vec())
        .collect();
    let mut sum = DigitAccumulator::new(1);
    for _ in 0..MAX_PARTICIPANTS {
        sum.add(&largest, MAX_WEIGHT).unwrap();
    }
    assert_eq!(
        sum.add(&largest, 1),
        Err(AggregateError::TotalWeight {
            total: MAX_TOTAL_WEIGHT + 1
        })
    );
    let expected = Q - MAX_TOTAL_WEIGHT % Q;
    assert!(words(&sum.finish().to_ciphertext()).all(|word| word == expected));
}

#[test]
fn a_refused_contribution_leaves_the_sum_as_it_was() {
    let good = random_chunks(3, 1);
    let mut sum = DigitAccumulator::new(3);
    sum.add(&good, 200).unwrap();
    let weight = Err(AggregateError::Weight { weight: 257 });
    assert_eq!(sum.add(&good, 257), weight);
    assert_eq!(
        sum.add_all(&[(&good, 16), (&good, 16), (&good, 257)]),
        weight
    );
    assert!(sum.add(&good[1..], 16).is_err());
    assert!(
        sum.add_all(&[(&good, 16), (&good[..2 * CHUNK_BYTES], 16)])
            .is_err()
    );
    assert_eq!(sum.total_weight(), 200);
    let expected = naive_sum(&[good], &[200]);
    assert_eq!(
        words(&sum.finish().to_ciphertext()).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn stochastic_rounding_is_right_on_average() {
    let parameters = 40_000;
    let params = params(parameters);
    let update = vec![7.25_f32 / 16384.0; parameters as usize];
    let encoded = encode(&params, &CONTEXT.federation, UNIT_LOG2, &update, [1; 32]).unwrap();
    let data = &encoded.steps()[..parameters as usize];
    assert!(data.iter().all(|&step| step == 7 || step == 8));
    let up = data.iter().filter(|&&step| step == 8).count() as f64;
    // A quarter go up; 5 standard deviations.
    let deviation = (parameters as f64 * 0.25 * 0.75).sqrt();
    assert!((up - parameters as f64 / 4.0).abs() < 5.0 * deviation);
}

#[test]
fn a_contribution_is_a_valid_ciphertext_without_a_visible_message() {
    let federation = Federation::new(2048, 1, 1);
    let contribution = federation.contribute(0, &[0.0; 2048]);
    check_ciphertext(&federation.params, &contribution.ciphertext).unwrap();
    // The top byte of a uniform word is uniform: chi-square with 255 degrees of freedom, 6 sigma.
    let mut counts = [0_u32; 256];
    for word in contribution.ciphertext.chunks(6) {
        counts[usize::from(word[5])] += 1;
    }
    let expected = contribution.ciphertext.len() as f64 / 6.0 / 256.0;
    let chi_square: f64 = counts
        .iter()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum();
    assert!(
        (chi_square - 255.0).abs() < 6.0 * (2.0 * 255.0_f64).sqrt(),
        "{chi_square}"
    );
}
