//! Raters commit to directions while the round is open, and learn one number for each of them and each contribution of
//! others. What they ask about comes from outside ([`super::Event::Directions`]); members end the rating step.

use unsilo_ledger::{Entry, RatingStep, SignedEntry};
use unsilo_proto::limits;

use super::{
    Call, DirectionValues, DirectionsJob, Effect, Facts, Me, Phase, ReceiveJob, RoundFacts,
    RowState, Session, Task, closing::is_past, contributing::under_way,
};
use crate::{
    guard::{DirectionsRecord, Record},
    progress::{Progress, Score},
};

impl Session {
    /// Takes directions for the open round, if this node may ask in it and has not yet.
    pub(super) fn take_directions(
        &mut self,
        round: u64,
        values: DirectionValues,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(facts) = self.facts.take() else {
            return;
        };
        match self.may_ask(&facts, round, &values, now_ms) {
            Ok((me, model)) => self.start(
                Effect::MakeDirections(DirectionsJob {
                    round,
                    model,
                    participant: me.id,
                    values,
                }),
                out,
            ),
            Err(reason) => out.push(Effect::Tell(Progress::Warning {
                message: format!("round {round}: the directions are not committed: {reason}"),
            })),
        }
        self.facts = Some(facts);
    }

    fn may_ask(
        &self,
        facts: &Facts,
        round: u64,
        values: &DirectionValues,
        now_ms: u64,
    ) -> Result<(Me, unsilo_ledger::Hash), &'static str> {
        let (id, owner) = facts.me.ok_or("this company is not on the ledger")?;
        let open = under_way(facts, round, Phase::Open).ok_or("the round is not open")?;
        if !(1..=limits::DIRECTIONS).contains(&values.0.len()) {
            return Err("a rater asks about one or two");
        }
        if !open.raters.contains(&id) {
            return Err("this company was not drawn to rate in it");
        }
        if self.guards.sits_out(round) {
            return Err("this node sits it out");
        }
        if self.guards.directions.contains_key(&round) {
            return Err("others were committed before");
        }
        if self.coordinator_time(now_ms) > open.contribute_by_ms {
            return Err("it is too late for this round");
        }
        Ok((Me { id, owner }, open.model))
    }

    pub(super) fn directions_made(&mut self, made: DirectionsRecord, out: &mut Vec<Effect>) {
        self.done(Task::MakeDirections(made.round));
        let open = self
            .facts
            .as_ref()
            .and_then(|facts| under_way(facts, made.round, Phase::Open));
        if open.is_some() {
            // Sending follows in `advance`.
            self.record(Record::Directions(made), out);
        }
    }

    /// Sends the commitment, also again after a crash, until the ledger holds it.
    pub(super) fn commit_directions(&mut self, open: &RoundFacts, me: Me, out: &mut Vec<Effect>) {
        let Some(made) = self.guards.directions.get(&open.round) else {
            return;
        };
        if open
            .directions
            .iter()
            .any(|rater| rater.participant == me.id)
        {
            return;
        }
        let entry = Entry::DirectionsCommitted {
            round: open.round,
            participant: me.id,
            round_key: made.round_key.clone(),
            directions: made.directions.clone(),
        };
        let signed = SignedEntry::signed_by(entry, &self.federation, &[&*self.member.identity]);
        self.start(
            Effect::CommitDirections {
                round: open.round,
                model: open.model,
                entry: signed.encode(),
            },
            out,
        );
    }

    /// Fetches what the committee answered on this node's directions, once a connection.
    pub(super) fn receive_answers(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(judged) = under_way(facts, round, Phase::Rating) else {
            return;
        };
        let mine = judged
            .directions
            .iter()
            .find(|rater| rater.participant == me.id);
        let kept = self.guards.directions.get(&round);
        let (Some(mine), Some(kept)) = (mine, kept) else {
            return;
        };
        if mine.directions != kept.directions {
            return;
        }
        let (Some(found), Some(challenge)) = (&judged.judged, judged.challenge) else {
            return;
        };
        let seats = found
            .answers
            .iter()
            .filter(|(seat, _)| !found.erased.contains(seat))
            .filter_map(|(seat, root)| Some((*seat, judged.key_of(*seat)?, *root)))
            .collect();
        let of_others = |id| {
            let made = judged.contribution_of(id)?;
            (made.owner != me.owner).then_some(made.root)
        };
        self.start(
            Effect::ReceiveAnswers(ReceiveJob {
                round,
                model: judged.model,
                challenge,
                participant: me.id,
                threshold: judged.threshold,
                seats,
                directions: kept.directions.clone(),
                set: found
                    .accepted
                    .iter()
                    .filter_map(|(id, exponent)| Some((*id, of_others(*id)?, *exponent)))
                    .collect(),
            }),
            out,
        );
    }

    pub(super) fn scored(&mut self, round: u64, scores: Vec<Score>, out: &mut Vec<Effect>) {
        self.done(Task::ReceiveAnswers(round));
        out.push(Effect::Tell(Progress::Scored { round, scores }));
    }

    /// Members sign that a half of the rating step is over: when every rater has done its part, or its time is over.
    pub(super) fn end_rating(
        &mut self,
        facts: &Facts,
        me: Me,
        (round, revealing, bytes): (u64, bool, &[u8]),
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(judged) = under_way(facts, round, Phase::Rating) else {
            return;
        };
        if bytes.is_empty() || self.may_act(judged, me, out).is_none() {
            return;
        }
        let step = if revealing {
            RatingStep::Reveal
        } else {
            RatingStep::Commit
        };
        let entry = Entry::RatingStepEnded { round, step };
        if entry.to_bytes() != bytes || !is_over(judged, revealing, now_ms) {
            return self.wait(
                "the coordinator asks to end the rating before its time, without every rater: not signed",
                out,
            );
        }
        let signature = entry
            .sign(&self.federation, &self.member.identity)
            .signature;
        self.start(
            Effect::Call(Call::SignRatingStep {
                round,
                revealing,
                entry: bytes.to_vec(),
                signature,
            }),
            out,
        );
    }
}

/// Whether a half of the rating step is over: each has a third of the time between the close and the opening.
fn is_over(round: &RoundFacts, revealing: bool, now_ms: u64) -> bool {
    let third = round.open_by_ms.saturating_sub(round.close_by_ms) / 3;
    let (due, thirds) = if revealing {
        (RowState::Revealed, 2)
    } else {
        (RowState::Committed, 1)
    };
    let complete = round.directions.iter().all(|rater| {
        // Who committed to nothing has nothing to reveal.
        rater.row >= due || revealing && rater.row == RowState::Missing
    });
    complete || is_past(round.close_by_ms.saturating_add(thirds * third), now_ms)
}
