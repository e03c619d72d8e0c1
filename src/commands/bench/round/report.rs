//! What `unsilo bench round` prints.

use std::fmt::Write as _;

use serde::Serialize;

use super::Rounds;
use crate::{commands::bench::turns::middle, output};

/// The report. All times are medians over the measured rounds, seconds, from the moment the last participant holds
/// the model of one round to the moment the last one holds, verified, that of the next.
#[derive(Serialize)]
pub(super) struct Report {
    /// Parameters of the model that was trained.
    pub(super) parameters: u64,
    /// Participants, all in this process.
    pub(super) participants: u16,
    /// Rounds measured of each kind.
    pub(super) rounds: u16,
    /// Local training steps of a round.
    pub(super) steps: u32,
    /// Logical processors that all of them and the coordinator shared.
    pub(super) processors: usize,
    /// An encrypted round with its local training.
    pub(super) encrypted: Kind,
    /// The same if nobody rates.
    pub(super) unrated: Kind,
    /// The same sent as plain f32; null without the feature `plaintext-bench`.
    pub(super) plain: Option<Kind>,
    /// What scoring and checks add to a round.
    pub(super) added: Added,
    /// The same with one step of training.
    pub(super) added_transport_only: Added,
    /// Encrypted over plain.
    pub(super) ratio: Option<f64>,
    /// An encrypted round whose training is one step: nearly all of it is encryption, transport and the committee.
    pub(super) encrypted_transport_only: Kind,
    /// The same if nobody rates.
    pub(super) unrated_transport_only: Kind,
    /// The same sent as plain f32.
    pub(super) plain_transport_only: Option<Kind>,
    /// Encrypted over plain, with one step of training.
    pub(super) transport_only_ratio: Option<f64>,
}

/// Parts of a round in which nobody rates without its checks, that is without its steps answer and judge. The raters' own
/// training is in none of them.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Added {
    /// Answer and judge where nobody rates.
    checks: f64,
    /// What is more where everybody does: the answers on directions, and rate.
    scoring: f64,
    /// Both: answer, judge and rate where everybody rates.
    both: f64,
}

/// One kind of round. A step that this kind does not have is null.
#[derive(Serialize)]
pub(super) struct Kind {
    /// The whole round.
    pub(super) seconds_per_round: f64,
    /// Until the last contribution has its receipt: seats, training, the raters' training, encryption, upload.
    pub(super) contribute_seconds: Option<f64>,
    /// From there until the last member has cosigned the set.
    pub(super) close_seconds: Option<f64>,
    /// From there until the last member has answered the projections and directions: cosigned checkpoint, shares, answers.
    pub(super) answer_seconds: Option<f64>,
    /// From there until the last member has judged every contribution: projections, decoding, the rule.
    pub(super) judge_seconds: Option<f64>,
    /// From there until the last participant knows the weights: raters fetch every ciphertext, compute and decode its
    /// products, commit to a row and reveal it.
    pub(super) rate_seconds: Option<f64>,
    /// From there until the last member has given its share of the key of the sum; the sum is made meanwhile.
    pub(super) open_seconds: Option<f64>,
    /// From there until the last member has signed the new model: the sum's verification and decryption.
    pub(super) sum_and_sign_seconds: Option<f64>,
    /// From there until the last participant holds the new model.
    pub(super) publish_seconds: Option<f64>,
    /// What the slowest rater took for its directions, within `contribute_seconds` and beside everybody's own training: nearly
    /// all of it training. 0 if nobody rates.
    pub(super) rater_training_seconds: f64,
    /// Bytes of a contribution: the update and, if encrypted, the sealed shares of its key.
    pub(super) bytes_per_contribution: u64,
}

impl Kind {
    /// The medians of measured rounds.
    pub(super) fn new(rounds: &Rounds) -> Self {
        let [contribute, close, answer, judge, rate, open, sign, publish] = rounds
            .steps
            .clone()
            .map(|seconds| (!seconds.is_empty()).then(|| middle(seconds)));
        Self {
            seconds_per_round: middle(rounds.seconds.clone()),
            contribute_seconds: contribute,
            close_seconds: close,
            answer_seconds: answer,
            judge_seconds: judge,
            rate_seconds: rate,
            open_seconds: open,
            sum_and_sign_seconds: sign,
            publish_seconds: publish,
            rater_training_seconds: middle(rounds.rater_training.clone()),
            bytes_per_contribution: rounds.bytes,
        }
    }

    /// Seconds for answering, judging and rating.
    fn scoring_and_checks(&self) -> f64 {
        let steps = [self.answer_seconds, self.judge_seconds, self.rate_seconds];
        steps.into_iter().flatten().sum()
    }

    /// What scoring and checks add to a round of this kind, beside one in which nobody rates.
    pub(super) fn added(&self, unrated: &Self) -> Added {
        let checks = unrated.scoring_and_checks();
        let rest = (unrated.seconds_per_round - checks).max(f64::MIN_POSITIVE);
        let both = self.scoring_and_checks();
        Added {
            checks: checks / rest,
            scoring: (both - checks) / rest,
            both: both / rest,
        }
    }
}

impl Report {
    /// As a table for people.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "A round of {} participants and {} parameters, {} steps of local training, all on {} processors of this \
             machine;\nmedian of {} rounds, seconds:\n\n",
            self.participants, self.parameters, self.steps, self.processors, self.rounds
        );
        let head = [
            "",
            "round",
            "contribute",
            "close",
            "answer",
            "judge",
            "rate",
            "open",
            "sum, sign",
            "publish",
            "bytes sent each",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let mut row = |name: &str, kind: Option<&Kind>| {
            let Some(kind) = kind else { return };
            let mut cells = vec![name.to_owned()];
            cells.push(format!("{:.3}", kind.seconds_per_round));
            cells.extend(
                [
                    kind.contribute_seconds,
                    kind.close_seconds,
                    kind.answer_seconds,
                    kind.judge_seconds,
                    kind.rate_seconds,
                    kind.open_seconds,
                    kind.sum_and_sign_seconds,
                    kind.publish_seconds,
                ]
                .map(|seconds| {
                    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.3}"))
                }),
            );
            cells.push(kind.bytes_per_contribution.to_string());
            rows.push(cells);
        };
        row("encrypted", Some(&self.encrypted));
        row("encrypted, nobody rates", Some(&self.unrated));
        row("plain f32", self.plain.as_ref());
        row("encrypted, 1 step", Some(&self.encrypted_transport_only));
        row(
            "encrypted, nobody rates, 1 step",
            Some(&self.unrated_transport_only),
        );
        row("plain f32, 1 step", self.plain_transport_only.as_ref());
        text.push_str(&output::table(&rows, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        for (name, kind, added) in [
            ("encrypted", &self.encrypted, self.added),
            (
                "encrypted, 1 step",
                &self.encrypted_transport_only,
                self.added_transport_only,
            ),
        ] {
            let _ = write!(
                text,
                "\n{name}: to the round in which nobody rates, without its checks, scoring and checks (answer, judge, rate) add \
                 {:.0} %: checks alone {:.0} %, scoring {:.0} % more; the slowest rater's own training, not counted: {:.3} s",
                100.0 * added.both,
                100.0 * added.checks,
                100.0 * added.scoring,
                kind.rater_training_seconds,
            );
        }
        text.push('\n');
        match (self.ratio, self.transport_only_ratio) {
            (Some(ratio), Some(transport)) => {
                let _ = write!(
                    text,
                    "\nencrypted / plain: {ratio:.2}; transport only (one training step): {transport:.2}\n"
                );
            }
            _ => text.push_str(
                "\nThe plain figures need a build with `--features plaintext-bench`; production builds refuse plain \
                 updates.\n",
            ),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_scoring_are_parts_of_the_round_without_either_and_add_up() {
        let kind = |round: f64, [answer, judge]: [f64; 2], rate: Option<f64>| {
            let mut rounds = Rounds {
                seconds: vec![round],
                rater_training: vec![0.0],
                ..Rounds::default()
            };
            rounds.steps[2] = vec![answer];
            rounds.steps[3] = vec![judge];
            rounds.steps[4] = rate.into_iter().collect();
            Kind::new(&rounds)
        };
        let unrated = kind(2.5, [0.4, 0.1], None);
        let added = kind(9.0, [0.45, 0.1], Some(0.25)).added(&unrated);
        assert!((added.checks - 0.25).abs() < 1e-12);
        assert!((added.both - 0.4).abs() < 1e-12);
        assert!((added.checks + added.scoring - added.both).abs() < 1e-12);
    }
}
