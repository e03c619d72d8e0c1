//! Raters commit to directions while the round is open: what their company asks about every contribution of others. It
//! comes from the company's own [`crate::Rater`], or from outside ([`super::Event::Directions`]).

use unsilo_ledger::{Entry, Hash, SignedEntry};
use unsilo_proto::limits;

use super::{
    DirectionValues, DirectionsJob, Effect, Facts, Me, Phase, Progressing, RoundFacts, Session,
    Task, contributing::under_way,
};
use crate::{
    guard::{DirectionsRecord, Record},
    progress::Progress,
};

impl Session {
    /// Asks the own rater for directions, if this node was drawn to rate in the open round and has committed none yet.
    pub(super) fn ask_rater(
        &mut self,
        (open, earlier): (&RoundFacts, &[Hash]),
        me: Me,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let (round, model) = (open.round, open.model);
        let drawn = self.member.rates && open.raters.contains(&me.id);
        let in_time = self.coordinator_time(now_ms) <= open.contribute_by_ms;
        if drawn
            && in_time
            && self.held.contains(&model)
            && !self.guards.directions.contains_key(&round)
            && !self.guards.sits_out(round)
            && self.rater_works_for().is_none()
        {
            let earlier = earlier.to_vec();
            self.start(
                Effect::AskRater {
                    round,
                    model,
                    earlier,
                },
                out,
            );
        }
    }

    /// Stops the rater where it still works for a round that takes no directions any more: its work is of no use, and would
    /// slow down that for the next round, which is not begun before.
    pub(super) fn stop_rater(&self, facts: &Facts, out: &mut Vec<Effect>) {
        let open = facts
            .round
            .as_ref()
            .filter(|open| open.phase == Phase::Open)
            .map(|open| open.round);
        if let Some(round) = self.rater_works_for().filter(|round| Some(*round) != open) {
            out.push(Effect::StopRater { round });
        }
    }

    /// The round for which the own rater works.
    fn rater_works_for(&self) -> Option<u64> {
        self.tasks.iter().find_map(|(task, how)| match task {
            Task::AskRater(round) if *how == Progressing::Running => Some(*round),
            _ => None,
        })
    }

    /// The contribution goes before the directions. Told once a connection.
    pub(super) fn warn_of_late_directions(&self, round: u64, out: &mut Vec<Effect>) {
        if self.is_known(Task::Upload(round)) || self.guards.receipts.contains_key(&round) {
            return;
        }
        out.push(Effect::Tell(Progress::Warning {
            message: format!(
                "round {round}: half of the time for contributing is over and this company's directions are not on the ledger: \
                 its contribution goes first. If the round closes before they are, this company has no say in it. The rater of \
                 this machine is too slow for the federation's rounds: ask for longer ones (`contribute_seconds` of the \
                 coordinator), or set `enabled = false` under `[rating]`"
            ),
        }));
    }

    /// Whether directions for the open round are under way to the ledger.
    pub(super) fn asks_first(&self, open: &RoundFacts, me: Me) -> bool {
        let there = open
            .directions
            .iter()
            .any(|rater| rater.participant == me.id);
        let round = open.round;
        !there
            && (self.is_running(Task::AskRater(round))
                || self.is_running(Task::MakeDirections(round))
                || self.is_running(Task::CommitDirections(round)))
    }

    /// Takes directions for the open round, if this node may ask in it and has not yet.
    pub(super) fn take_directions(
        &mut self,
        round: u64,
        values: DirectionValues,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let of_rater = self.is_running(Task::AskRater(round));
        self.done(Task::AskRater(round));
        if of_rater && values.0.is_empty() {
            return;
        }
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
    ) -> Result<(Me, Hash), &'static str> {
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
}
