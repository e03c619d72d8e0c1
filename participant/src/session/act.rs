//! What a step asks for, and to whom it falls.

use super::{Effect, Facts, Me, Session, StepKind};
use crate::progress::Progress;

impl Session {
    /// Does whatever is due and not under way.
    pub(super) fn advance(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        let facts = match self.facts.take() {
            Some(facts) => facts,
            None => return,
        };
        self.watch(&facts, now_ms);
        self.follow(&facts, out);
        self.stop_rater(&facts, out);
        let step = self
            .step
            .clone()
            .filter(|step| facts.entries >= step.ledger_entries);
        if let Some(step) = step {
            self.act(&facts, step.kind, now_ms, out);
        }
        self.facts = Some(facts);
    }

    fn act(&mut self, facts: &Facts, kind: StepKind, now_ms: u64, out: &mut Vec<Effect>) {
        if let StepKind::Founding { entry, missing } = kind {
            if facts.founding.is_none() {
                self.found(&entry, missing, out);
            }
            return;
        }
        let Some((me, owner)) = facts.me else {
            let reason = "this company has no say in the federation: more than half of the owners must approve it, or \
                          readmit it if it was evicted";
            return self.wait(reason, out);
        };
        let me = Me { id: me, owner };
        if kind.round().is_some_and(|round| self.rests(round, out)) {
            return;
        }
        if let Some(round) = &facts.round {
            self.note_confirmation(facts, round, out);
            self.notice_missing_row(round, me, out);
        }
        self.appeal(facts, me, out);
        self.vouch(facts, me, now_ms, out);
        match kind {
            StepKind::Founding { .. } => {}
            StepKind::Seating {
                round,
                model,
                asked,
            } => self.offer_seat(facts, me, round, model, &asked, out),
            StepKind::Contributing { round } => self.contribute(facts, me, round, now_ms, out),
            StepKind::Closing { round } => self.cosign(facts, me, round, now_ms, out),
            StepKind::Answering { round } => self.answer_scalars(facts, me, round, now_ms, out),
            StepKind::Judging { round, seats } => {
                self.judge(facts, me, (round, &seats), now_ms, out);
            }
            StepKind::Rating {
                round,
                revealing,
                entry,
            } => {
                self.receive_answers(facts, me, round, out);
                self.rate(facts, me, round, out);
                self.end_rating(facts, me, (round, revealing, &entry), now_ms, out);
            }
            StepKind::Opening { round } => self.open(facts, me, round, now_ms, out),
            StepKind::Publishing { round, entry } => {
                self.sign_publish(facts, me, round, &entry, now_ms, out);
            }
            StepKind::Published { round, .. } => self.published(facts, me, round, out),
            StepKind::Voiding {
                round,
                entry,
                reason,
            } => self.sign_void(facts, me, round, (&entry, &reason), now_ms, out),
            StepKind::Resting { finished, reason } => self.rest(facts, finished, &reason, out),
        }
    }

    fn rest(&mut self, facts: &Facts, finished: bool, reason: &str, out: &mut Vec<Effect>) {
        if !finished {
            return self.wait(reason, out);
        }
        let last = facts.published.as_ref().map(|published| published.round);
        // The last publication too is cosigned, for those who come after the end.
        if last <= self.guards.evaluated && !self.is_vouching() {
            // No round follows that could confirm the last one.
            self.forget_finished(facts.next_round, out);
            out.push(Effect::Tell(Progress::Finished));
            out.push(Effect::Finish);
            self.halted = true;
        }
    }
}
