//! Members recompute the model from the opened sum and sign it.

use std::sync::Arc;

use unsilo_ledger::{Domain, DomainHasher, Entry, Hash};

use super::{
    Call, Effect, Facts, Me, Phase, PublishedFacts, Session, Task, contributing::under_way,
    patience::Wait,
};
use crate::{alarm::Alarm, guard::Record};

const PUBLISHED: Domain = Domain::new("signed publication");

impl Session {
    pub(super) fn sign_publish(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        bytes: &[u8],
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(closed) = under_way(facts, round, Phase::Weighed) else {
            return;
        };
        let Some(seat) = self.may_act(closed, me, out) else {
            return;
        };
        self.dispute(closed, seat, out);
        let differs = |reason: &str| Alarm::ModelDiffers {
            round,
            reason: reason.to_owned(),
        };
        let Ok(entry) = Entry::from_bytes(bytes) else {
            return self.raise(differs("the entry to sign cannot be read"), out);
        };
        let hash = DomainHasher::new(PUBLISHED).with(bytes).finish();
        let (named, sum, key_sum, model, total_weight, statistics) = match (&entry, facts.measuring)
        {
            (
                Entry::ModelPublished {
                    round,
                    sum,
                    key_sum,
                    model,
                    total_weight,
                },
                false,
            ) => (*round, *sum, *key_sum, *model, *total_weight, None),
            (
                Entry::StatisticsPublished {
                    round,
                    statistics: Some(opened),
                },
                true,
            ) => {
                let statistics = Some(opened.clone());
                let (sum, key_sum) = (opened.sum, opened.key_sum);
                (*round, sum, key_sum, hash, opened.contributions, statistics)
            }
            (
                Entry::StatisticsPublished {
                    round: named,
                    statistics: None,
                },
                true,
            ) if *named == round => {
                if !self.is_over(closed, Wait::Opening, now_ms) {
                    return self.wait(
                        "the coordinator asks to go on without statistics before the round's time is over: not signed",
                        out,
                    );
                }
                return self.sign_publication(round, &entry, hash, out);
            }
            _ => return self.raise(differs("the entry to sign is of another kind"), out),
        };
        let weights: u64 = closed
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        if named != round || total_weight != weights {
            return self.raise(differs("it names another round or sum of weights"), out);
        }
        let signed = self.guards.published.get(&round);
        // Of statistics a coordinator that was restarted may come to another end: signed is what was signed first.
        if signed.is_some_and(|signed| *signed != hash) && !facts.measuring {
            return self.raise(Alarm::PublicationDiffers { round }, out);
        }
        if !facts.measuring && !self.hold(facts, closed.model, out) {
            return;
        }
        // Signed only after this node itself decrypted the sum that the entry names, with the key that it names, to the model
        // that it names.
        let Some(proof) = closed.sum_facts() else {
            return;
        };
        let published = PublishedFacts {
            round,
            base: closed.model,
            unit_log2: closed.unit_log2,
            sum,
            key_sum,
            model,
            total_weight,
            statistics,
            own: closed.root_of(me.id).map(|_| me.id),
            proof: Arc::new(proof),
        };
        if !self.is_done(Task::Recompute(round, published.claim())) {
            let judged = closed
                .judged
                .iter()
                .flat_map(|judged| &judged.answers)
                .map(|(seat, _)| u32::from(*seat))
                .collect::<Vec<_>>();
            // Of statistics nothing was judged.
            let judged = match facts.measuring {
                true => None,
                false => self.judging_job(closed, seat, &judged).map(Box::new),
            };
            return self.start(Effect::Recompute { published, judged }, out);
        }
        self.sign_publication(round, &entry, hash, out);
    }

    /// Signs what ends the round, once: of a statistics round that ended otherwise before, only that is told.
    fn sign_publication(&mut self, round: u64, entry: &Entry, hash: Hash, out: &mut Vec<Effect>) {
        let record = Record::Published { round, entry: hash };
        let is_model = matches!(entry, Entry::ModelPublished { .. });
        if !is_model && self.guards.check(&record).is_err() {
            return self.wait(
                "this company signed another end of the statistics round, and signs one only",
                out,
            );
        }
        if self.record(record, out) {
            let signature = entry
                .sign(&self.federation, &self.member.identity)
                .signature;
            self.start(
                Effect::Call(Call::SignPublish {
                    round,
                    entry: entry.to_bytes(),
                    signature,
                }),
                out,
            );
        }
    }
}

impl Session {
    /// The model is on the ledger. ([`Session::vouch`] cosigns that, whatever step is under way.)
    pub(super) fn published(&mut self, facts: &Facts, me: Me, round: u64, out: &mut Vec<Effect>) {
        let Some(published) = facts.published.as_ref().filter(|it| it.round == round) else {
            return;
        };
        if !self.hold(facts, published.model, out) {
            return;
        }
        // Who appealed late is not left without a decision.
        let last = self.last_round.take();
        if let Some(ended) = last.as_ref().filter(|ended| ended.round == round)
            && let Some(seat) = self.sits(ended, me)
        {
            self.dispute(ended, seat, out);
        }
        self.last_round = last;
        let Some((step, own)) = self.at_step(facts) else {
            return;
        };
        if step.checkpoint.is_empty() {
            return;
        }
        // What the sum was opened with is not needed again once `t` members hold the publication.
        let last = self.last_round.take();
        if let Some(ended) = last.as_ref().filter(|ended| ended.round == round)
            && self.cosigners(&step, &own, ended, out) >= Some(ended.threshold)
        {
            self.confirmed_before = self.confirmed_before.max(round + 1);
            self.forget_finished(facts.next_round.min(self.confirmed_before), out);
        }
        self.last_round = last;
    }
}
