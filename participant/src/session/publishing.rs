//! Members recompute the model from the opened sum and sign it.

use unsilo_ledger::{Domain, DomainHasher, Entry};

use super::{
    Call, Effect, Facts, Me, Phase, PublishedFacts, Session, Task, contributing::under_way,
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
        out: &mut Vec<Effect>,
    ) {
        let Some(closed) = under_way(facts, round, Phase::Closed) else {
            return;
        };
        if closed.seat_of(me.id).is_none() {
            return self.wait("the committee checks the new model", out);
        }
        if self.guards.voided.contains(&round) {
            return;
        }
        let differs = |reason: &str| Alarm::ModelDiffers {
            round,
            reason: reason.to_owned(),
        };
        let Ok(entry) = Entry::from_bytes(bytes) else {
            return self.raise(differs("the entry to sign cannot be read"), out);
        };
        let Entry::ModelPublished {
            round: named,
            sum,
            key_sum,
            model,
            total_weight,
        } = entry
        else {
            return self.raise(differs("the entry to sign is of another kind"), out);
        };
        let weights: u64 = closed
            .weights
            .iter()
            .map(|(_, weight)| u64::from(*weight))
            .sum();
        if named != round || total_weight != weights {
            return self.raise(differs("it names another round or sum of weights"), out);
        }
        let hash = DomainHasher::new(PUBLISHED).with(bytes).finish();
        if self
            .guards
            .published
            .get(&round)
            .is_some_and(|signed| *signed != hash)
        {
            return self.raise(Alarm::PublicationDiffers { round }, out);
        }
        if !self.hold(facts, closed.model, out) {
            return;
        }
        // Signed only after this node itself decrypted the sum that the entry names to the model it names.
        if self.tasks.get(&Task::Recompute(round, model)) != Some(&super::Progressing::Done) {
            return self.start(
                Effect::Recompute(PublishedFacts {
                    round,
                    base: closed.model,
                    unit_log2: closed.unit_log2,
                    sum,
                    key_sum,
                    model,
                    total_weight,
                }),
                out,
            );
        }
        if self.record(Record::Published { round, entry: hash }, out) {
            let signature = entry
                .sign(&self.federation, &self.member.identity)
                .signature;
            self.start(
                Effect::Call(Call::SignPublish {
                    round,
                    entry: bytes.to_vec(),
                    signature,
                }),
                out,
            );
        }
    }
}
