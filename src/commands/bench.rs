//! `unsilo bench`: this machine's rates and sizes, each beside a plain-text figure of the same run.

mod round;

use std::{hint::black_box, time::Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use unsilo_fhe::{
    Committee, Contribution, Dealing, Entropy, KeyShare, Opening, Params, ParamsLiteral,
    Permutation, RoundContext, RoundKeyPair, combine, contribute, decrypt_permuted,
    encode_permuted, encrypt::encrypt_and_forget, open_key_sum, open_share, threshold_for,
    weighted_sum,
};

use super::Global;
use crate::output;

/// Repetitions of each measurement; the median is printed.
const REPETITIONS: usize = 7;
/// Members of the committee that the sizes are for.
const MEMBERS: usize = 5;
/// Weight of every contribution.
const WEIGHT: u16 = 16;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Parameters of the model.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    parameters: u64,
    /// Participants of the round. Their ciphertexts are kept in memory, 6 bytes a parameter each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    participants: u16,
}

#[derive(Subcommand)]
enum What {
    /// Whole rounds of a federation on this machine, encrypted and (in a build for it) in plain.
    Round(round::Arguments),
}

/// What was measured, on one core.
#[derive(Serialize)]
struct Measured {
    parameters: u64,
    participants: u16,
    committee: usize,
    /// Arithmetic on AVX512-IFMA.
    ifma: bool,
    encode_parameters_per_second_per_core: f64,
    encrypt_parameters_per_second_per_core: f64,
    /// Ciphertext and key shares of a contribution, for each parameter of the model.
    bytes_per_parameter: f64,
    /// Sealed key shares of a contribution.
    key_share_bytes: usize,
    weighted_sum_parameters_per_second: f64,
    plain_f32_weighted_sum_parameters_per_second: f64,
    /// Time per ciphertext byte over time per plain byte.
    weighted_sum_time_per_byte_ratio: f64,
    decrypt_parameters_per_second: f64,
    /// A member's work in a round: opening every share sealed to it and adding them.
    member_seconds_per_round: f64,
}

pub(crate) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(What::Round(arguments)) = &arguments.what {
        return super::asynchronous(round::run(global, arguments));
    }
    let measured = measure(arguments)?;
    output::print(global.json, &measured, || {
        let rate = |value: f64| format!("{:.1} M parameters/s", value / 1e6);
        let rows = [
            (
                "encode (clip, quantise)",
                rate(measured.encode_parameters_per_second_per_core),
            ),
            (
                "encrypt",
                rate(measured.encrypt_parameters_per_second_per_core),
            ),
            (
                "weighted sum, encrypted",
                rate(measured.weighted_sum_parameters_per_second),
            ),
            (
                "weighted sum, plain f32",
                rate(measured.plain_f32_weighted_sum_parameters_per_second),
            ),
            (
                "  time per byte, encrypted / plain",
                format!("{:.2}", measured.weighted_sum_time_per_byte_ratio),
            ),
            ("decrypt", rate(measured.decrypt_parameters_per_second)),
            (
                "a member's work in a round",
                format!("{:.4} s", measured.member_seconds_per_round),
            ),
            (
                "a contribution",
                format!("{:.2} bytes/parameter", measured.bytes_per_parameter),
            ),
            (
                "  of which key shares",
                format!("{} bytes", measured.key_share_bytes),
            ),
        ];
        let mut text = format!(
            "One core, {} parameters, {} participants, committee of {}{}:\n",
            measured.parameters,
            measured.participants,
            measured.committee,
            if measured.ifma { ", AVX512-IFMA" } else { "" }
        );
        for (what, value) in rows {
            text.push_str(&format!("  {what:<36}{value:>24}\n"));
        }
        text
    })
}

fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    let parameters = arguments.parameters;
    let count = usize::try_from(parameters)?;
    let participants = usize::from(arguments.participants);
    let params = Params::new(&ParamsLiteral {
        profile: "default".into(),
        parameters,
    })?;
    let context = RoundContext {
        federation: [1; 32],
        round: 1,
        model: [2; 32],
    };
    let keys = (0..MEMBERS)
        .map(|_| RoundKeyPair::generate())
        .collect::<Result<Vec<_>, _>>()?;
    let threshold = threshold_for(MEMBERS);
    let committee = Committee::new(
        keys.iter().map(|key| key.public().clone()).collect(),
        threshold,
    )?;
    let update: Vec<f32> = (0..count)
        .map(|i| (i as f32 * 0.37).sin() * 0.006)
        .collect();

    // Kept between rounds, as a node does.
    let permutation = Permutation::new(&params, &context.federation);
    let encode_update = || encode_permuted(&permutation, -14, &update, [3; 32]);
    let encode_seconds = median(|| encode_update().map(drop))?;
    let encoded = encode_update()?;
    let encrypt_seconds = median(|| {
        black_box(encrypt_and_forget(&context, &encoded, Entropy::from_os()?));
        anyhow::Ok(())
    })?;

    let contributions = (0..participants)
        .map(|participant| {
            let dealing = Dealing {
                params: &params,
                context: &context,
                participant: u32::try_from(participant)?,
                committee: &committee,
            };
            Ok(contribute(&dealing, encode_update()?, Entropy::from_os()?)?)
        })
        .collect::<anyhow::Result<Vec<Contribution>>>()?;
    let first = contributions.first().context("no participant")?;
    let key_share_bytes: usize = first.sealed_shares.iter().map(Vec::len).sum();
    let upload = first.ciphertext.len() + key_share_bytes;

    let ciphertexts: Vec<_> = contributions
        .iter()
        .map(|contribution| (contribution.ciphertext.as_slice(), WEIGHT))
        .collect();
    let sum_seconds = median(|| weighted_sum(params.chunks(), &ciphertexts).map(drop))?;
    let plain: Vec<Vec<f32>> = (0..participants).map(|_| update.clone()).collect();
    let plain_seconds = median(|| {
        black_box(plain_sum(&plain, f32::from(WEIGHT)));
        anyhow::Ok(())
    })?;

    let sum = weighted_sum(params.chunks(), &ciphertexts)?;
    let mut answers = Vec::new();
    let mut member_seconds = Vec::new();
    for (seat, key) in (1_u16..).zip(&keys) {
        let began = Instant::now();
        answers.push((
            seat,
            answer(&params, &context, key, seat, &committee, &contributions)?,
        ));
        member_seconds.push(began.elapsed().as_secs_f64());
    }
    let opened = open_key_sum(threshold, &answers, |_| true)?;
    let total_weight = u64::from(WEIGHT) * participants as u64;
    let decrypt_seconds = median(|| {
        decrypt_permuted(&permutation, &context, &sum, &opened.key_sum, total_weight).map(drop)
    })?;

    let summed = count as f64 * participants as f64;
    let ciphertext_bytes = (first.ciphertext.len() * participants) as f64;
    Ok(Measured {
        parameters,
        participants: arguments.participants,
        committee: MEMBERS,
        ifma: unsilo_fhe::ring::uses_ifma(),
        encode_parameters_per_second_per_core: count as f64 / encode_seconds,
        encrypt_parameters_per_second_per_core: count as f64 / encrypt_seconds,
        bytes_per_parameter: upload as f64 / count as f64,
        key_share_bytes,
        weighted_sum_parameters_per_second: summed / sum_seconds,
        plain_f32_weighted_sum_parameters_per_second: summed / plain_seconds,
        weighted_sum_time_per_byte_ratio: (sum_seconds / ciphertext_bytes)
            / (plain_seconds / (summed * 4.0)),
        decrypt_parameters_per_second: count as f64 / decrypt_seconds,
        member_seconds_per_round: middle(member_seconds),
    })
}

/// What a member does in a round.
fn answer(
    params: &Params,
    context: &RoundContext,
    key: &RoundKeyPair,
    seat: u16,
    committee: &Committee,
    contributions: &[Contribution],
) -> anyhow::Result<Opening> {
    let mut shares: Vec<KeyShare> = Vec::with_capacity(contributions.len());
    for (participant, contribution) in (0..).zip(contributions) {
        let dealing = Dealing {
            params,
            context,
            participant,
            committee,
        };
        let sealed = contribution
            .sealed_shares
            .get(usize::from(seat) - 1)
            .context("a seat without a share")?;
        shares.push(open_share(key, &dealing, seat, sealed)?);
    }
    let weighted: Vec<_> = shares.iter().map(|share| (WEIGHT, share)).collect();
    Ok(combine(&weighted)?)
}

/// The yardstick: the same sum of plain f32 updates, one pass over each.
fn plain_sum(updates: &[Vec<f32>], weight: f32) -> Vec<f32> {
    let mut sum = vec![0.0; updates.first().map_or(0, Vec::len)];
    for update in updates {
        for (sum, value) in sum.iter_mut().zip(update) {
            *sum += weight * value;
        }
    }
    sum
}

/// Median seconds of [`REPETITIONS`] runs after one that warms up.
fn median<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    work()?;
    let mut seconds = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        work()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(middle(seconds))
}

fn middle(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or_default()
}
