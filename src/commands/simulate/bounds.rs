//! `unsilo simulate bounds`.

use std::path::PathBuf;

use clap::Args;

use super::{super::Global, progress};
use crate::{
    output::{self, table},
    simulate::{
        rewards::printed,
        scores::{Baseline, Bounds, Effort, Measured},
    },
};

/// Rounds of a quick run: enough to see that everything runs, in 3 s of processor time.
const QUICK_ROUNDS: usize = 1;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How often each federation is played with other random numbers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,
    /// A directory with the data of lines B12 and B13, which are skipped without it: mnist10k/t10k-images-idx3-ubyte and
    /// mnist10k/t10k-labels-idx1-ubyte, unpacked, and heart/processed.*.data of the four hospitals.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Only this line, as B14; may be given several times.
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
    /// One seed and one round: to see that it runs. Next to nothing is learnt in one round, so bounds are not judged.
    #[arg(long, conflicts_with = "seeds")]
    quick: bool,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let effort = if arguments.quick {
        Effort {
            seeds: 1,
            rounds: Some(QUICK_ROUNDS),
            data: arguments.data.clone(),
            only: arguments.line.clone(),
        }
    } else {
        Effort {
            seeds: arguments.seeds.into(),
            rounds: None,
            data: arguments.data.clone(),
            only: arguments.line.clone(),
        }
    };
    let bounds = Bounds::measure(&effort, progress(global, "playing"))?;
    output::print(global.json, &bounds, || text(&bounds))?;
    let missed = bounds.missed();
    if !missed.is_empty() && !arguments.quick {
        anyhow::bail!("bounds are missed in {}", missed.join(", "));
    }
    Ok(())
}

fn text(bounds: &Bounds) -> String {
    let head = ["", "", "bound", "measured", ""];
    let head = head.into_iter().map(str::to_owned);
    let mut rows: Vec<Vec<String>> = vec![
        head.chain(Baseline::ALL.map(|rule| rule.to_string()))
            .collect(),
    ];
    for line in &bounds.lines {
        rows.extend(of(line));
    }
    let rounds = bounds.rounds.map_or_else(String::new, |rounds| {
        format!(", {rounds} instead of 40 rounds: too few to judge by")
    });
    let mut text = format!(
        "The worst case of each line, mean of {} seeds{rounds}. Other rules: their least accuracy.\n\n{}\n",
        bounds.seeds,
        table(&rows, &[2, 3, 5, 6, 7, 8, 9])
    );
    for line in &bounds.lines {
        text.push_str(&format!("{:<4} {}\n", line.id, line.scenario));
        if let Some(why) = &line.skipped {
            text.push_str(&format!("     skipped: {why}\n"));
        }
        for value in &line.values {
            text.push_str(&format!(
                "     {}: {}\n",
                value.quantity.in_words(),
                value.case
            ));
        }
    }
    text
}

fn of(line: &Measured) -> Vec<Vec<String>> {
    if line.skipped.is_some() {
        let row = [line.id, "skipped: no data"].map(str::to_owned);
        return vec![row.to_vec()];
    }
    line.values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let sign = if value.at_least { ">=" } else { "<=" };
            let bound = value
                .bound
                .map_or_else(|| "-".to_owned(), |bound| format!("{sign} {bound}"));
            let verdict = match value.passes {
                Some(true) => "pass",
                Some(false) => "MISS",
                None => "",
            };
            let measured = shown(value.measured, value.bound, value.at_least);
            let first = |text: String| if at == 0 { text } else { String::new() };
            let mut row = vec![
                first(line.id.to_owned()),
                value.quantity.in_words().to_owned(),
                bound,
                measured,
                verdict.to_owned(),
            ];
            row.extend(Baseline::ALL.map(|rule| {
                first(
                    line.baselines
                        .get(&rule)
                        .map_or_else(String::new, |least| format!("{least:.3}")),
                )
            }));
            row
        })
        .collect()
}

/// With enough digits that a value is seen to be on the side of its bound that it is on.
fn shown(measured: f64, bound: Option<f64>, at_least: bool) -> String {
    if !at_least {
        return printed(measured, bound);
    }
    let mirrored = printed(-measured, bound.map(|bound| -bound));
    match mirrored.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{mirrored}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_on_its_side_of_the_bound() {
        for (measured, at_least, text) in [
            (0.91996, true, "0.91996"),
            (0.9351, true, "0.935"),
            (0.02004, false, "0.02004"),
            (-0.0151, true, "-0.0151"),
            (0.5, true, "0.500"),
        ] {
            let bound = match (measured, at_least) {
                (_, false) => 0.02,
                (below, _) if below < 0.0 => -0.015,
                _ => 0.92,
            };
            assert_eq!(shown(measured, Some(bound), at_least), text);
        }
    }
}
