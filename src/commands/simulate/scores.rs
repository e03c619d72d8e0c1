//! `unsilo simulate` without a subcommand.

use std::path::PathBuf;

use clap::Args;

use unsilo_participant::rating::SAMPLED_CHUNKS;

use super::{super::Global, progress};
use crate::{
    attack::Attack,
    exit::CommandError,
    output::{self, table},
    simulate::scores::{MOST_PARTICIPANTS, Report, Setting, Split, digits, play_all, read},
};

/// Rounds of all seeds together, times participants: about an hour on one core.
const MOST_TURNS: usize = 200_000;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Participants of the federation.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=i64::from(MOST_PARTICIPANTS)))]
    participants: u16,
    /// What the attackers do.
    #[arg(long, value_enum, default_value_t = Attack::None)]
    attack: Attack,
    /// The part of the participants that attack, 0 to below 1; rounded to whole participants.
    #[arg(long, default_value_t = 0.3)]
    fraction: f64,
    /// The attackers also lie as raters: only they help, all others harm.
    #[arg(long)]
    colluding: bool,
    /// How the rows are shared out: iid, dirichlet:A (a smaller A is more skewed), niche (one has 95 % of the last
    /// class) or thin10 (the demo's five companies).
    #[arg(long, default_value_t = Split::Iid)]
    split: Split,
    /// A CSV file with a head, numbers, and the label in its last column [default: the handwritten digits]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How often the federation is played with other random numbers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,
    /// Rounds of training.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Units of the model's hidden layer.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(8..=1_024))]
    hidden: u16,
    /// What local training subtracts from the logits of classes with fewer than two own rows.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    rare_class_offset: f32,
    /// Whether raters ask by all rows they have, and not by those kept back alone [default: where fewer than 30 are kept
    /// back]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    rate_by_all_rows: Option<bool>,
    /// Rows that each participant keeps back from training to rate by [default: 15 %, but at least 50 if that is no more
    /// than half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rows_kept_back: Option<u16>,
    /// Chunks of 2048 parameters that each rater asks about in a round, of a model that has more [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    sampled_chunks: Option<u16>,
    /// Leave out FedAvg, median, trimmed mean, multi-Krum and FLTrust.
    #[arg(long)]
    no_baselines: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let setting = setting(arguments)?;
    let turns = setting.participants * setting.rounds * usize::from(arguments.seeds);
    if turns > MOST_TURNS {
        return Err(CommandError::Input(format!(
            "{turns} local trainings (participants · rounds · seeds) are more than {MOST_TURNS}: give fewer"
        ))
        .into());
    }
    let data = match &arguments.data {
        Some(path) => read(path)?,
        None => digits()?,
    };
    let baselines = !arguments.no_baselines;
    let seeds = arguments.seeds.into();
    let told = progress(global, "playing");
    let reports = play_all(
        std::slice::from_ref(&setting),
        &data,
        seeds,
        baselines,
        told,
    )?;
    for report in &reports {
        output::print(global.json, report, || text(report))?;
    }
    Ok(())
}

fn setting(arguments: &Arguments) -> Result<Setting, CommandError> {
    let fraction = arguments.fraction;
    if !(0.0..1.0).contains(&fraction) {
        return Err(CommandError::Input(format!(
            "--fraction {fraction}: give a part of the participants, at least 0 and below 1"
        )));
    }
    if !(0.0..=100.0).contains(&arguments.rare_class_offset) {
        return Err(CommandError::Input(format!(
            "--rare-class-offset {}: give 0 to 100",
            arguments.rare_class_offset
        )));
    }
    let participants = usize::from(arguments.participants);
    let attackers = (fraction * participants as f64).round() as usize;
    if arguments.attack != Attack::None && attackers == participants {
        return Err(CommandError::Input(format!(
            "--fraction {fraction} of {participants} participants leaves nobody honest: give a smaller one"
        )));
    }
    if arguments.attack != Attack::None && attackers == 0 {
        return Err(CommandError::Input(format!(
            "--fraction {fraction} of {participants} participants is nobody: give a larger one, or no --attack"
        )));
    }
    Ok(Setting {
        colluding: arguments.colluding && arguments.attack != Attack::None,
        rounds: arguments.rounds.into(),
        hidden: arguments.hidden.into(),
        rare_class_offset: arguments.rare_class_offset,
        all_rows_rate: arguments.rate_by_all_rows,
        rows_kept_back: arguments
            .rows_kept_back
            .map_or(Setting::KEEP_DEFAULT, usize::from),
        sampled_chunks: arguments.sampled_chunks.map_or(SAMPLED_CHUNKS, usize::from),
        ..Setting::new(participants, attackers, arguments.attack, arguments.split)
    })
}

fn text(report: &Report) -> String {
    let percent = |value: f64| format!("{value:.3}");
    let maybe = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), percent);
    let mut rows = vec![
        [
            "".to_owned(),
            "accuracy".to_owned(),
            "attack success".to_owned(),
        ]
        .to_vec(),
    ];
    rows.push(vec![
        "this rule".to_owned(),
        percent(report.accuracy),
        maybe(report.attack_success),
    ]);
    for (rule, of_rule) in &report.baselines {
        let value = [percent(of_rule.accuracy), maybe(of_rule.attack_success)];
        rows.push([vec![rule.to_string()], value.to_vec()].concat());
    }
    let mut text = format!(
        "{} participants, {} attackers{}, {}, {} rounds; mean of {} seeds.\n\n{}\n",
        report.participants,
        report.attackers,
        if report.colluding {
            " that also lie as raters"
        } else {
            ""
        },
        report.split,
        report.rounds,
        report.seeds,
        table(&rows, &[1, 2])
    );
    for (name, value) in [
        ("attackers' weight", Some(report.attacker_weight_share)),
        ("attackers' pay", Some(report.attacker_reward_share)),
        ("honest excluded", Some(report.honest_excluded)),
        ("honest above attackers", report.auc),
        ("rounds not opened", Some(report.rounds_not_opened)),
        ("rejected in a round", Some(report.rejected)),
    ] {
        text.push_str(&format!("{name:<24}{}\n", maybe(value)));
    }
    if let Some(note) = report.note {
        text.push_str(note);
        text.push('\n');
    }
    text
}
