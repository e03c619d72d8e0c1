//! Which models this node must hold: the one a round starts from, and every published one, verified.

use unsilo_ledger::Hash;

use super::{Effect, Facts, Session, Task};
use crate::{
    alarm::Alarm,
    guard::Record,
    progress::{Progress, RoundEvaluation},
};

impl Session {
    /// What follows from the ledger alone, whatever step is under way.
    pub(super) fn follow(&mut self, facts: &Facts, out: &mut Vec<Effect>) {
        let pinned = facts
            .founding
            .as_ref()
            .and_then(|founding| self.pin_difference(&founding.founders));
        if let Some(reason) = pinned {
            return self.raise(Alarm::FoundersDiffer { reason }, out);
        }
        self.notice_lost_records(facts, out);
        self.notice_another_history(facts, out);
        if self.halted {
            return;
        }
        let current = facts.next_round.min(self.confirmed_before);
        self.forget_finished(current, out);
        if facts.founding.is_some() && facts.published.is_none() && !facts.measuring {
            self.hold(facts, facts.model, out);
        }
        let Some(published) = &facts.published else {
            return;
        };
        if self.guards.evaluated >= Some(published.round) {
            return;
        }
        let Some(founding) = &facts.founding else {
            return;
        };
        if self.hold(facts, published.model, out) {
            self.start(
                Effect::Evaluate {
                    seed: founding.seed,
                    round: published.round,
                    model: published.model,
                },
                out,
            );
        }
    }

    /// Whether `model` is in the store; if not, starts what brings it there.
    ///
    /// A published model is recomputed from its verified sum where the model before it is here, and in no other way: what
    /// this node could not verify it does not use. A node that was away for several rounds fetches it, and checks its
    /// hash, which the committee signed.
    pub(super) fn hold(&mut self, facts: &Facts, model: Hash, out: &mut Vec<Effect>) -> bool {
        if self.held.contains(&model) {
            return true;
        }
        let effect = match (&facts.published, &facts.founding) {
            (None, Some(founding)) if facts.model == model => Effect::FirstModel {
                seed: founding.seed,
                model,
            },
            (Some(published), _)
                if published.model == model && self.held.contains(&published.base) =>
            {
                Effect::Recompute {
                    published: published.clone(),
                    judged: None,
                }
            }
            _ => Effect::FetchModel { model },
        };
        self.start(effect, out);
        false
    }

    pub(super) fn evaluated(
        &mut self,
        round: u64,
        model: Hash,
        evaluation: Option<RoundEvaluation>,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::Evaluate(round));
        self.record(Record::Evaluated { round }, out);
        out.push(Effect::Tell(Progress::Published {
            round,
            model,
            evaluation,
        }));
    }

    /// A model that cannot be measured is published all the same: trying again for ever would hold up the end.
    pub(super) fn give_up_evaluation(&mut self, task: Task, out: &mut Vec<Effect>) {
        let facts = self.facts.as_ref();
        let published = facts.and_then(|facts| facts.published.as_ref());
        if let (Task::Evaluate(round), Some(published)) = (task, published)
            && published.round == round
        {
            let model = published.model;
            self.evaluated(round, model, None, out);
        }
    }

    /// Erases what only rounds before `current` needed: secret seat keys, the bytes of answers, the outbox. Rounds end on
    /// this node's ledger first; what opens their sums is kept until `t` members are known to hold that ledger too.
    pub(super) fn forget_finished(&mut self, current: u64, out: &mut Vec<Effect>) {
        let guards = &self.guards;
        let over: std::collections::BTreeSet<u64> = guards
            .seats
            .keys()
            .chain(guards.contributions.keys())
            .chain(guards.directions.keys())
            .copied()
            .filter(|round| *round < current && !self.guards.finished.contains(round))
            .collect();
        for round in over {
            // Erasing twice is fine; a record before the erasure would leave a secret behind if the process died between.
            out.push(Effect::Forget { round });
            self.record(Record::Finished { round }, out);
        }
        // What was left there without a record; on every start too.
        if self.swept_before < current {
            self.swept_before = current;
            out.push(Effect::Sweep { before: current });
        }
    }
}
