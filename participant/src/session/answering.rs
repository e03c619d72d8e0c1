//! Members answer scalars: the projections for each other, the committed directions for their raters.

use std::collections::BTreeSet;

use unsilo_fhe::{
    PROJECTIONS,
    direction::{MAX_OPENED, PARAMETERS_PER_OPENED},
};
use unsilo_ledger::Hash;

use super::{
    AnswerJob, Effect, Facts, Me, Phase, RoundFacts, Session, Task, contributing::under_way,
};
use crate::{
    alarm::Alarm,
    guard::{AnswerRecord, Duty, Record},
    progress::Progress,
};

impl Session {
    pub(super) fn answer_scalars(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(closed) = under_way(facts, round, Phase::Closed) else {
            return;
        };
        let Some(seat) = self.may_act(closed, me, out) else {
            return;
        };
        let (Some(challenge), limit) = (closed.challenge, self.most_opened()) else {
            return;
        };
        let directions = committed(closed);
        let opened = PROJECTIONS + directions.len();
        if opened > usize::from(limit) {
            return self.raise(
                Alarm::TooManyDirections {
                    round,
                    opened,
                    limit,
                },
                out,
            );
        }
        if !self.confirmed(facts, closed, me, Duty::Answering, now_ms, out) {
            return;
        }
        if let Some(given) = self.guards.answered.get(&round) {
            if !is_for(given, closed) {
                return self.raise(Alarm::AnswersDiffer { round }, out);
            }
            let sent = given.sent;
            return self.start(Effect::SendAnswers { round, sent }, out);
        }
        self.start(
            Effect::Answer(AnswerJob {
                at: closed.sitting(seat),
                contributions_hash: closed.contributions_hash,
                challenge,
                set: closed
                    .contributions
                    .iter()
                    .map(|made| (made.participant, made.owner, made.root))
                    .collect(),
                raters: closed.directions.clone(),
            }),
            out,
        );
    }

    /// The answers are in the outbox; they leave it only if the round is still the one they were made for.
    pub(super) fn answered(&mut self, mut record: AnswerRecord, out: &mut Vec<Effect>) {
        let round = record.round;
        self.done(Task::Answer(round));
        // What is answered and how much may be answered is this node's to say, not the job's.
        record.limit = self.most_opened();
        let Some(facts) = self.facts.take() else {
            return;
        };
        let wanted = match (under_way(&facts, round, Phase::Closed), facts.me) {
            (Some(closed), Some((id, owner))) => {
                record.directions = committed(closed).into_iter().collect();
                is_for(&record, closed)
                    && self.sits(closed, Me { id, owner }) == Some(record.seat)
                    && !self.guards.voided.contains(&round)
            }
            _ => false,
        };
        self.facts = Some(facts);
        if wanted {
            // Sending follows in `advance`, as it would after a crash.
            self.record(Record::Answered(record), out);
        } else {
            out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "round {round}: it went on before this member had answered; nothing was sent"
                ),
            }));
        }
    }

    /// The seat, if this node holds one in the round and nothing keeps it from acting on it.
    pub(super) fn may_act(
        &mut self,
        round: &RoundFacts,
        me: Me,
        out: &mut Vec<Effect>,
    ) -> Option<u16> {
        if let Some(alarm) = self
            .left_out(round, me)
            .or_else(|| self.guards_behind(round, me))
        {
            self.raise(alarm, out);
            return None;
        }
        let Some(seat) = self.sits(round, me) else {
            self.wait("the committee is at work", out);
            return None;
        };
        if self.guards.voided.contains(&round.round) {
            self.wait(
                "this node signed that the round is void and does nothing more in it",
                out,
            );
            return None;
        }
        Some(seat)
    }

    /// Most vectors that may be opened on one round's contributions to this model, projections included.
    fn most_opened(&self) -> u16 {
        let parameters = self.member.draft.model.parameters();
        let by_size = parameters / PARAMETERS_PER_OPENED as u64;
        u16::try_from(by_size.min(MAX_OPENED as u64)).unwrap_or(0)
    }
}

/// The hashes of all directions committed for the round.
fn committed(round: &RoundFacts) -> BTreeSet<Hash> {
    round
        .directions
        .iter()
        .flat_map(|rater| rater.directions.iter().copied())
        .collect()
}

/// Whether the answers are those that the ledger asks for.
fn is_for(given: &AnswerRecord, round: &RoundFacts) -> bool {
    given.contributions == round.contributions_hash
        && Some(given.challenge) == round.challenge
        && given.directions.iter().copied().eq(committed(round))
}
