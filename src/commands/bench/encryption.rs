//! Rates and sizes of the encryption layer.

mod rows;
mod setup;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use unsilo_fhe::{LINEAR_HASH_BYTES, digit_sum_bytes, yardstick};

use self::setup::{MEMBERS, Round};
use super::turns::{Pools, Row};
use crate::{commands::Global, output};

#[derive(Args)]
pub(super) struct Arguments {
    /// Parameters of the model.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    parameters: u64,
    /// Participants of the round. Their ciphertexts are kept in memory, twice, 6 bytes a parameter each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    participants: u16,
}

/// What was measured.
#[derive(Serialize)]
struct Measured {
    parameters: u64,
    participants: u16,
    committee: usize,
    /// Arithmetic on AVX512-IFMA.
    ifma: bool,
    /// Nanoseconds for a cache line to go to the other core and back: some 50 where they share a cache, some 300 where not.
    /// In a virtual machine it changes with where the cores are put.
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip_ns: Option<f64>,
    /// Rates, each with its yardstick.
    rows: Vec<Row>,
    /// Ciphertext, linear hash and key shares of a contribution, for each parameter of the model.
    bytes_per_parameter: f64,
    /// Sealed key shares of a contribution.
    key_share_bytes: usize,
    /// The linear hash of a contribution.
    linear_hash_bytes: usize,
    /// What a participant fetches of the sum, for each parameter of the model.
    digit_sum_bytes_per_parameter: f64,
    /// A member's work in a round for the sum: opening every share sealed to it and adding them.
    member_seconds_per_round: f64,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let measured = measure(arguments)?;
    output::print(global.json, &measured, || text(&measured))
}

fn text(measured: &Measured) -> String {
    let million = |rate: f64| match rate {
        ..1e9 => format!("{:.1} M", rate / 1e6),
        _ => format!("{:.2} G", rate / 1e9),
    };
    let times = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.2}"));
    let mut rows = vec![
        [
            "work",
            "one core",
            "two cores x",
            "two runs at once x",
            "yardstick",
            "its time x",
            "two cores x",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for row in &measured.rows {
        rows.push(vec![
            row.what.to_owned(),
            format!("{} {}/s", million(row.one_core), row.unit),
            times(row.speedup),
            times(row.at_once),
            row.yardstick.to_owned(),
            times(Some(row.time_ratio)),
            times(row.yardstick_speedup),
        ]);
    }
    format!(
        "{} parameters, {} participants, committee of {}{}.\n\
         Medians of passes in turns with the yardstick; on two cores, the fastest pass of each. Two runs at once have a core\n\
         and memory each: no more can be had from two cores.{}\n\n{}\n\
         a contribution                {:.2} bytes/parameter ({} bytes of key shares, {} of linear hash)\n\
         the sum that is fetched       {:.2} bytes/parameter\n\
         a member's work for the sum   {:.4} s\n",
        measured.parameters,
        measured.participants,
        measured.committee,
        if measured.ifma { ", AVX512-IFMA" } else { "" },
        measured
            .round_trip_ns
            .map_or_else(String::new, |ns| format!(
                " A cache line goes to the other core and back in {ns:.0} ns."
            )),
        output::table(&rows, &[1, 2, 3, 5, 6]),
        measured.bytes_per_parameter,
        measured.key_share_bytes,
        measured.linear_hash_bytes,
        measured.digit_sum_bytes_per_parameter,
        measured.member_seconds_per_round,
    )
}

fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    let round = Round::new(arguments)?;
    let pools = Pools::new()?;
    let round_trip_ns = yardstick::round_trip_ns();
    let mut rows = round.own_rows(&pools)?;
    rows.extend(round.stream_rows(&pools)?);
    rows.extend(round.sum_rows(&pools)?);
    rows.extend(round.query_rows(&pools)?);
    let first = round.contributions.first().context("no participant")?;
    let key_share_bytes = first.sealed_shares.iter().map(Vec::len).sum();
    let upload = first.ciphertext.len() + LINEAR_HASH_BYTES + key_share_bytes;
    let (_, member_seconds) = round.answers()?;
    Ok(Measured {
        parameters: arguments.parameters,
        participants: arguments.participants,
        committee: MEMBERS,
        ifma: unsilo_fhe::ring::uses_ifma(),
        round_trip_ns,
        rows,
        bytes_per_parameter: upload as f64 / arguments.parameters as f64,
        key_share_bytes,
        linear_hash_bytes: LINEAR_HASH_BYTES,
        digit_sum_bytes_per_parameter: digit_sum_bytes(&round.params, round.total_weight()) as f64
            / arguments.parameters as f64,
        member_seconds_per_round: member_seconds,
    })
}
