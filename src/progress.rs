//! Progress bars for people on terminals, plain lines for everything else.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use unsilo_ledger::SnapshotTrust;
use unsilo_participant::{NormalisedColumn, Progress, RoundWeight};

use crate::output;

/// All bars of the process, so that log lines and bars do not overwrite each other.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
}

/// Writes log lines above the bars.
#[derive(Default)]
pub(crate) struct LogWriter {
    line: Vec<u8>,
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        bars().suspend(|| io::stderr().write_all(&self.line))?;
        self.line.clear();
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        // A log line that cannot be written has nowhere to be reported.
        let _ = self.flush();
    }
}

/// How one or several nodes' progress is shown.
pub(crate) enum Display {
    /// Nothing (`--quiet`).
    Silent,
    /// A line an event that people care about.
    Lines,
    /// A bar a node, and one for the rounds.
    Bars(Mutex<Bars>),
}

/// The bars of one run.
pub(crate) struct Bars {
    rounds: ProgressBar,
    nodes: BTreeMap<String, ProgressBar>,
}

impl Display {
    /// Bars on a terminal, lines elsewhere, nothing when quiet. `rounds` is how many there will be, 0 if that
    /// is not known.
    pub(crate) fn new(quiet: bool, rounds: u64, nodes: &[String]) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let width = nodes
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0);
        let style = |template: &str| {
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("━╸─")
        };
        let total = bars().add(ProgressBar::new(rounds));
        total.set_prefix(format!("{:width$}", "rounds"));
        total.set_style(style(
            "{prefix} {bar:30.green} {pos:>3}/{len} {msg} [{elapsed}, {eta} left]",
        ));
        total.enable_steady_tick(Duration::from_millis(250));
        let nodes = nodes
            .iter()
            .map(|name| {
                let bar = bars().add(ProgressBar::new(1));
                bar.set_prefix(format!("{name:width$}"));
                bar.set_style(style("{prefix} {bar:30.cyan} {msg}"));
                (name.clone(), bar)
            })
            .collect();
        Self::Bars(Mutex::new(Bars {
            rounds: total,
            nodes,
        }))
    }

    /// Shows what the node `name` reports.
    pub(crate) fn show(&self, name: &str, progress: &Progress) {
        match self {
            Self::Silent => {}
            Self::Lines => {
                if let Some(line) = line(progress) {
                    output::say(format_args!("{name}: {line}"));
                }
            }
            Self::Bars(state) => {
                let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Progress::Published { round, .. } = progress {
                    state.rounds.set_position(*round);
                }
                let Some(bar) = state.nodes.get(name) else {
                    return;
                };
                match progress {
                    Progress::Training {
                        round,
                        step,
                        of,
                        loss,
                    } => {
                        bar.set_length(*of as u64);
                        bar.set_position(*step as u64);
                        bar.set_message(format!("round {round}: training, loss {loss:.3}"));
                    }
                    Progress::Uploading { round, sent, of } => {
                        bar.set_length(*of);
                        bar.set_position(*sent);
                        bar.set_message(format!("round {round}: sending encrypted"));
                    }
                    Progress::Alarm(_)
                    | Progress::Warning { .. }
                    | Progress::ContributionRefused { .. } => {
                        if let Some(line) = line(progress) {
                            bars().suspend(|| output::say(format_args!("{name}: {line}")));
                        }
                    }
                    other => {
                        if let Some(line) = line(other) {
                            bar.set_message(line);
                        }
                    }
                }
            }
        }
    }

    /// Removes the bars.
    pub(crate) fn finish(&self) {
        if let Self::Bars(state) = self {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.rounds.finish_and_clear();
            for bar in state.nodes.values() {
                bar.finish_and_clear();
            }
        }
    }
}

/// On whose word the ledger began, and what people compare.
fn began(trust: &SnapshotTrust) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = now.map_or(0, |now| now.as_secs().saturating_sub(trust.agreed_at_s));
    let mut text = format!(
        "the ledger begins with a snapshot of {} entries, which {} of {} owners replayed to and signed, more than half of \
         them within the last {} hours by their clocks; entries before it are not verified here (`participate --full-log` fetches them). These companies founded the federation; \
         compare the keys by another channel:",
        trust.entries,
        trust.cosigners,
        trust.owners,
        age.div_ceil(3_600)
    );
    for (name, key) in &trust.founders {
        text.push_str(&format!("\n  {key}  {name}"));
    }
    text
}

/// Columns of which so large a share is clipped are told for themselves, however many there are.
const MUCH_CLIPPED: f64 = 0.5;
/// Columns that are told, of those that differ most.
const COLUMNS_SHOWN: usize = 8;

/// The statistics by which the rows are scaled, and how this company's own stand to them.
fn normalised(columns: &[NormalisedColumn]) -> String {
    let known = columns.iter().filter(|one| one.statistics.is_some());
    let mut text = format!(
        "rows are scaled by the statistics of the federation: {} of {} columns",
        known.count(),
        columns.len()
    );
    let drift = |one: &NormalisedColumn| one.drift().map_or(0.0, f64::abs);
    let mut shown: Vec<_> = columns.iter().collect();
    shown.sort_by(|one, other| drift(other).total_cmp(&drift(one)));
    for (place, column) in shown.into_iter().enumerate() {
        let name = &column.name;
        let Some(found) = column.statistics else {
            text.push_str(&format!(
                "\n  {name}: no statistics can be had, the declared range scales it"
            ));
            continue;
        };
        if place < COLUMNS_SHOWN {
            let (mean, deviation) = (
                found.mean_micro as f64 / 1e6,
                found.deviation_micro as f64 / 1e6,
            );
            let own = match (column.own_mean, column.drift()) {
                (Some(own), Some(drift)) => {
                    format!("yours {own:.4}, {drift:+.2} standard deviations off")
                }
                (Some(own), None) => format!("yours {own:.4}"),
                (None, _) => "you have no values".to_owned(),
            };
            text.push_str(&format!(
                "\n  {name}: mean {mean:.4}, standard deviation {deviation:.4}; {own}"
            ));
        }
        if column.clipped > MUCH_CLIPPED {
            text.push_str(&format!(
                "\n  {name}: {:.0} % of your values are clipped: are they in another unit than the others'? If not, somebody \
                 contributed false numbers",
                100.0 * column.clipped
            ));
        }
    }
    text
}

/// An event as a line for people; `None` for what only a bar can show.
fn line(progress: &Progress) -> Option<String> {
    Some(match progress {
        Progress::Connected { address } => format!("connected to {address}"),
        Progress::BeganWithSnapshot(trust) => began(trust),
        Progress::LedgerCompleted { entries } => {
            format!("the ledger is complete: all {entries} entries are here and verified")
        }
        Progress::Normalised { columns } => normalised(columns),
        Progress::Disconnected { reason, retry_ms } => {
            format!(
                "disconnected: {reason}; trying again in {} s",
                retry_ms.div_ceil(1000)
            )
        }
        Progress::Founding { founders, missing } if missing.is_empty() => {
            let mut text = String::from(
                "signing as one of these founders; compare the keys by another channel:",
            );
            for founder in founders {
                text.push_str(&format!("\n  {}  {}", founder.key, founder.name));
            }
            text
        }
        Progress::Founding { missing, .. } => {
            format!("waiting for founders to join: {}", missing.join(", "))
        }
        Progress::Seated { round } => format!("round {round}: offered a seat on the committee"),
        Progress::Training { .. } | Progress::Uploading { .. } => return None,
        Progress::Encrypted { round, bytes, .. } => {
            format!("round {round}: update encrypted, {bytes} bytes")
        }
        Progress::Contributed { round, .. } => {
            format!("round {round}: contribution on the ledger")
        }
        Progress::ContributionRefused { round, reason } => {
            format!("round {round}: the coordinator does not take the contribution: {reason}")
        }
        Progress::Cosigned { round } => format!("round {round}: close cosigned"),
        Progress::Answered { round } => {
            format!("round {round}: answered what the contributions are checked with")
        }
        Progress::Judged {
            round,
            accepted,
            rejected,
        } if rejected.is_empty() => {
            format!("round {round}: all {accepted} contributions are in order")
        }
        Progress::Judged {
            round,
            accepted,
            rejected,
        } => {
            let rejected: Vec<String> = rejected
                .iter()
                .map(|(id, reason)| format!("participant {id}: {}", reason.in_words()))
                .collect();
            format!(
                "round {round}: {accepted} contributions are in order, rejected: {}",
                rejected.join("; ")
            )
        }
        Progress::Directed {
            round,
            directions,
            milliseconds,
            ..
        } => format!(
            "round {round}: {directions} directions from the held-out rows, in {:.1} s",
            *milliseconds as f64 / 1000.0
        ),
        Progress::Scored { round, scores } => {
            format!(
                "round {round}: {} answers on the own directions",
                scores.len()
            )
        }
        Progress::Rated {
            round,
            revealed: false,
        } => format!("round {round}: committed to the own row of ratings"),
        Progress::Rated { round, .. } => format!("round {round}: own row revealed"),
        Progress::Weighed {
            round,
            weights,
            raters,
            void,
        } => weighed(*round, weights, *raters, void.as_deref()),
        Progress::Opened { round } => {
            format!("round {round}: answered with its share of the sum's key")
        }
        Progress::Signed { round } => format!("round {round}: recomputed the model and signed it"),
        Progress::Published {
            round, evaluation, ..
        } => match evaluation {
            Some(evaluation) => format!(
                "round {round}: new model, accuracy {:.1} % here",
                100.0 * evaluation.shared_accuracy
            ),
            None => format!("round {round}: new model"),
        },
        Progress::Voided { round, reason } => format!("round {round} is void: {reason}"),
        Progress::Waiting { reason } => format!("waiting: {reason}"),
        Progress::Warning { message } => format!("warning: {message}"),
        Progress::Alarm(alarm) => format!("ALARM: {alarm}"),
        Progress::Finished => "finished: the federation has run all its rounds".to_owned(),
    })
}

/// The weights of a round on one line: this node's own first, then the others, then who is left out and why.
fn weighed(
    round: u64,
    weights: &[RoundWeight],
    (heard, agreeing): (usize, usize),
    void: Option<&str>,
) -> String {
    let total: u64 = weights.iter().map(|of| u64::from(of.weight)).sum();
    let share = |of: &RoundWeight| 100.0 * f64::from(of.weight) / total.max(1) as f64;
    let mut parts = Vec::new();
    if let Some(own) = weights.iter().find(|of| of.own) {
        parts.push(match own.left_out {
            None => format!("own weight {} ({:.1} %)", own.weight, share(own)),
            Some(reason) => format!("own contribution left out: {reason}"),
        });
    }
    let others = weights.iter().filter(|of| !of.own);
    let (with, without): (Vec<_>, Vec<_>) = others.partition(|of| of.left_out.is_none());
    let with: Vec<String> = with
        .iter()
        .map(|of| format!("{} {}", of.name, of.weight))
        .collect();
    if !with.is_empty() {
        parts.push(with.join(", "));
    }
    for of in without {
        let reason = of.left_out.unwrap_or_default();
        parts.push(format!("{} left out: {reason}", of.name));
    }
    if let Some(reason) = void {
        parts.push(format!("no model follows: {reason}"));
    }
    format!(
        "round {round} is weighed by {agreeing} of {heard} ratings: {}",
        parts.join("; ")
    )
}
