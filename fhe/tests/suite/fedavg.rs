//! The encrypted mean is the plaintext mean, and the upload is as small as promised.

use crate::federation::{Federation, UNIT_LOG2, total};
use unsilo_fhe::{
    BLINDING_CHUNKS, CHUNK_BYTES, N, apply_mean, decrypt, open_key_sum, params::MAX_ERROR,
};

/// A deterministic stand-in for an update, within ±0.02 (330 steps).
fn update(participant: u32, parameters: u64) -> Vec<f32> {
    (0..parameters)
        .map(|i| {
            let phase = i as f64 * 0.731 + f64::from(participant) * 1.9;
            (phase.sin() * 0.02) as f32
        })
        .collect()
}

#[test]
fn the_encrypted_mean_of_five_is_federated_averaging() {
    let parameters = 10_000;
    let federation = Federation::new(parameters, 5, 4);
    let updates: Vec<_> = (0..5).map(|j| update(j, parameters)).collect();
    for weights in [[16; 5], [256; 5], [16, 40, 256, 100, 77]] {
        let contributions: Vec<_> = (0..)
            .zip(&updates)
            .map(|(j, update)| federation.contribute(j, update))
            .collect();
        let sum = federation.sum(&contributions, &weights);
        let answers = federation.answers(&contributions, &weights);
        let opened = open_key_sum(4, &answers, |_| true).unwrap();
        let (params, context) = (&federation.params, &federation.context);
        let decrypted = decrypt(params, context, &sum, &opened.key_sum, total(&weights)).unwrap();

        let start: Vec<f32> = (0..parameters).map(|i| (i % 17) as f32 * 0.1).collect();
        let mut model = start.clone();
        apply_mean(&mut model, &decrypted, UNIT_LOG2).unwrap();
        let mut squares = 0.0;
        for (i, (start, model)) in start.iter().zip(&model).enumerate() {
            let plain: f64 = updates
                .iter()
                .zip(weights)
                .map(|(update, weight)| f64::from(update[i]) * f64::from(weight))
                .sum::<f64>()
                / total(&weights) as f64;
            let steps = (f64::from(*model) - f64::from(*start) - plain) * 16384.0;
            assert!(steps.abs() <= 10.1, "parameter {i} is {steps} steps off");
            squares += steps * steps;
        }
        let rms = (squares / parameters as f64).sqrt();
        // Unequal weights average fewer errors away.
        let spread = weights
            .iter()
            .map(|&w| f64::from(w).powi(2))
            .sum::<f64>()
            .sqrt()
            * 5_f64.sqrt()
            / total(&weights) as f64;
        assert!(rms <= 0.6 * spread, "rms {rms} steps with {weights:?}");
    }
}

#[test]
fn sealed_shares_and_blinding_cost_at_most_72_kib_at_five_members() {
    let federation = Federation::new(10_000, 5, 4);
    let contribution = federation.contribute(0, &update(0, 10_000));
    let data = 10_000_usize.div_ceil(N) * CHUNK_BYTES;
    assert_eq!(
        contribution.ciphertext.len(),
        data + BLINDING_CHUNKS * CHUNK_BYTES
    );
    let shares: usize = contribution.sealed_shares.iter().map(Vec::len).sum();
    let overhead = contribution.ciphertext.len() - data + shares;
    assert_eq!(overhead, 54_928);
    // The linear hash, still to come, adds at most 12.8 KB.
    assert!(overhead + 12_800 <= 72 * 1024);
}

#[test]
fn a_model_is_changed_wholly_or_not_at_all() {
    let sum = unsilo_fhe::WeightedSum {
        values: vec![1, i64::from(MAX_ERROR), -5],
        total_weight: 2,
    };
    let mut short = [0.0; 2];
    assert!(apply_mean(&mut short, &sum, 0).is_err());
    let mut overflowing = [1.0, f32::MAX, 2.0];
    assert!(apply_mean(&mut overflowing, &sum, 127).is_err());
    assert_eq!(overflowing, [1.0, f32::MAX, 2.0]);
    let mut model = [1.0, 1.0, 2.0];
    apply_mean(&mut model, &sum, -1).unwrap();
    assert_eq!(model, [1.25, 2321.0, 0.75]);
}
