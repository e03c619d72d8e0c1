//! Our side of `benches/peers/run`: encrypts, sums and decrypts the updates in a file, and prints one JSON object.
//!
//! `peer UPDATES PARAMETERS WEIGHTS`: UPDATES holds one f32 (little endian) a parameter, one update after the other;
//! WEIGHTS is one integer an update, separated by commas. Times are in seconds, one for each repetition.

use serde_json::json;
use std::{error::Error, hint::black_box, time::Instant};
use unsilo_fhe::{
    Committee, Contribution, Dealing, Entropy, Params, ParamsLiteral, Permutation, RoundContext,
    RoundKeyPair, combine, contribute, decrypt_permuted, encode_permuted,
    encrypt::encrypt_and_forget, open_key_sum, open_share, ring::uses_ifma, threshold_for,
    weighted_digit_sum,
};

/// Steps of 2^-14, as at the start of a federation.
const UNIT_LOG2: i8 = -14;
/// Members of the committee.
const MEMBERS: usize = 5;
/// Times that sum and decryption are repeated.
const REPETITIONS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [updates, parameters, weights] = &arguments[..] else {
        return Err("usage: peer UPDATES PARAMETERS WEIGHTS".into());
    };
    let parameters: usize = parameters.parse()?;
    let weights = weights
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u16>, _>>()?;
    let bytes = std::fs::read(updates)?;
    let values: Vec<f32> = bytes
        .as_chunks()
        .0
        .iter()
        .copied()
        .map(f32::from_le_bytes)
        .collect();
    let updates: Vec<&[f32]> = values.chunks_exact(parameters).collect();
    if updates.len() != weights.len() {
        return Err(format!("{} updates, {} weights", updates.len(), weights.len()).into());
    }

    let params = Params::new(&ParamsLiteral {
        profile: "default".into(),
        parameters: parameters as u64,
    })?;
    let context = RoundContext {
        federation: [1; 32],
        round: 1,
        model: [2; 32],
    };
    let keys = (0..MEMBERS)
        .map(|_| RoundKeyPair::generate())
        .collect::<Result<Vec<_>, _>>()?;
    let public = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = Committee::new(public, threshold_for(MEMBERS))?;
    // A node keeps it between rounds.
    let permutation = Permutation::new(&params, &context.federation);
    let encode = |update: &[f32]| {
        encode_permuted(&permutation, UNIT_LOG2, update, [3; 32]).map_err(Box::<dyn Error>::from)
    };
    black_box(encode(updates[0])?);

    let mut encrypt_seconds = vec![];
    let mut contribute_seconds = vec![];
    let mut contributions: Vec<Contribution> = vec![];
    for (participant, update) in (0..).zip(&updates) {
        let began = Instant::now();
        let encoded = encode(update)?;
        black_box(encrypt_and_forget(&context, &encoded, Entropy::from_os()?));
        encrypt_seconds.push(began.elapsed().as_secs_f64());

        let began = Instant::now();
        let dealing = Dealing {
            params: &params,
            context: &context,
            participant,
            committee: &committee,
        };
        contributions.push(contribute(&dealing, encode(update)?, Entropy::from_os()?)?);
        contribute_seconds.push(began.elapsed().as_secs_f64());
    }

    let weighted: Vec<_> = contributions
        .iter()
        .zip(&weights)
        .map(|(contribution, &weight)| (contribution.ciphertext.as_slice(), weight))
        .collect();
    let (sum, sum_seconds) = repeat(|| weighted_digit_sum(params.chunks(), &weighted))?;
    let sum = sum.to_ciphertext();

    let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
    let mut member_seconds = vec![];
    let mut answers = vec![];
    for (seat, keys) in (1_u16..).zip(&keys) {
        let began = Instant::now();
        let mut shares = vec![];
        for (participant, contribution) in (0..).zip(&contributions) {
            let dealing = Dealing {
                params: &params,
                context: &context,
                participant,
                committee: &committee,
            };
            let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
            shares.push(open_share(keys, &dealing, seat, sealed)?);
        }
        let pairs: Vec<_> = weights.iter().copied().zip(&shares).collect();
        answers.push((seat, combine(&pairs)?));
        member_seconds.push(began.elapsed().as_secs_f64());
    }
    let ((opened, mean), decrypt_seconds) = repeat(|| {
        let threshold = committee.threshold().into();
        let opened = open_key_sum(threshold, &answers, |_| true)?;
        let sum = decrypt_permuted(&permutation, &context, &sum, &opened.key_sum, total)?;
        Ok::<_, Box<dyn Error>>((opened, sum))
    })?;

    let unit = f64::from(UNIT_LOG2).exp2();
    let errors = mean.values.iter().enumerate().map(|(i, &value)| {
        let plain: f64 = updates
            .iter()
            .zip(&weights)
            .map(|(update, &weight)| f64::from(update[i]) * f64::from(weight))
            .sum();
        (value as f64 - plain / unit) / total as f64
    });
    let (squares, largest) = errors.fold((0.0_f64, 0.0_f64), |(squares, largest), error| {
        (squares + error * error, largest.max(error.abs()))
    });
    let first = &contributions[0];
    let shares: usize = first.sealed_shares.iter().map(Vec::len).sum();
    let answer = opened.key_sum.to_bytes().len();
    let report = |what: &str, encrypt_seconds: &[f64], bytes: usize| {
        json!({
            "system": format!("Unsilo, {what}"),
            "settings": format!(
                "N=2048, log q=48{}; committee {}/{}",
                if uses_ifma() { ", AVX512-IFMA" } else { "" },
                committee.seats(),
                committee.threshold(),
            ),
            "encrypt_s": encrypt_seconds,
            "serialise_s": null,
            "sum_s": sum_seconds,
            "member_s": member_seconds,
            "decrypt_s": decrypt_seconds,
            "bytes": bytes,
            "answer_bytes": answer,
            "error_rms_steps": (squares / parameters as f64).sqrt(),
            "error_max_steps": largest,
        })
    };
    let rows = [
        report("ciphertext alone", &encrypt_seconds, first.ciphertext.len()),
        report(
            "whole contribution",
            &contribute_seconds,
            first.ciphertext.len() + shares,
        ),
    ];
    println!("{}", json!(rows));
    Ok(())
}

/// The last result, and the seconds that each repetition took.
fn repeat<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<(T, Vec<f64>), E> {
    let mut seconds = vec![];
    loop {
        let began = Instant::now();
        let result = work()?;
        seconds.push(began.elapsed().as_secs_f64());
        if seconds.len() == REPETITIONS {
            return Ok((result, seconds));
        }
    }
}
