//! `unsilo simulate rewards`.

use clap::Args;

use crate::{
    commands::Global,
    exit::CommandError,
    output::{self, table},
    simulate::rewards::{OfRule, RULES, Setting, Table, printed},
};

/// The most random numbers a run may hold, 8 bytes each.
const MAX_NUMBERS: usize = 1 << 27;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each federation is played with other random numbers.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    seeds: u16,
    /// Epochs of a federation.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    epochs: u16,
    /// Participants of a federation, of equal stake but for the whales.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(8..=128))]
    participants: u16,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let setting = Setting {
        participants: arguments.participants.into(),
        epochs: arguments.epochs.into(),
        seeds: arguments.seeds.into(),
    };
    let numbers =
        setting.participants * setting.participants * setting.epochs * (setting.seeds + 2);
    if numbers > MAX_NUMBERS {
        return Err(CommandError::Input(format!(
            "{numbers} random numbers (participants² · epochs · (seeds + 2)) are more than {MAX_NUMBERS}: give fewer \
             --seeds, --epochs or --participants"
        ))
        .into());
    }
    let measured = Table::measure(setting, |line| {
        if !global.quiet {
            output::say(format_args!("measuring {line}"));
        }
    })?;
    output::print(global.json, &measured, || text(&measured))?;
    let missed = measured.missed();
    if !missed.is_empty() {
        anyhow::bail!("the rule median misses its bound in {}", missed.join(", "));
    }
    Ok(())
}

fn text(measured: &Table) -> String {
    let mut rows = vec![
        ["", "at most"]
            .into_iter()
            .chain(RULES)
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    let value = |rule: &OfRule, bound| {
        let verdict = match rule.passes {
            Some(true) => "pass",
            Some(false) => "MISS",
            None => "    ",
        };
        format!("{} {verdict}", printed(rule.measured, bound))
    };
    for line in &measured.lines {
        let bound = line
            .bound
            .map_or_else(|| "-".to_owned(), |bound| bound.to_string());
        let mut row = vec![line.id.to_owned(), bound];
        row.extend(line.rules.iter().map(|rule| value(rule, line.bound)));
        rows.push(row);
    }
    let mut text = format!(
        "{} participants, {} epochs; the worst case of each line, mean of {} seeds.\n\n{}\n",
        measured.participants,
        measured.epochs,
        measured.seeds,
        table(&rows, &[1, 2, 3, 4])
    );
    for line in &measured.lines {
        text.push_str(&format!(
            "{:<4} {}\n     median: {}\n",
            line.id, line.scenario, line.rules[0].case
        ));
    }
    text
}
