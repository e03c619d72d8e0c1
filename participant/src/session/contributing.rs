//! The round is open: train, encrypt, send; once per model.

use unsilo_ledger::{Entry, Hash, SignedEntry, SignedReceipt};

use super::{
    ContributionJob, Effect, Facts, Me, Phase, Progressing, RoundFacts, Session, Task,
    patience::too_far,
};
use crate::{
    alarm::Alarm,
    guard::{ContributionRecord, Record},
    progress::Progress,
};

impl Session {
    pub(super) fn contribute(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(open) = under_way(facts, round, Phase::Open) else {
            return;
        };
        if let Some(alarm) = self.objection(facts, open, me) {
            return self.raise(alarm, out);
        }
        if self.guards.voided.contains(&round) {
            return self.wait(
                "this company signed that the round is void: it contributes nothing to it",
                out,
            );
        }
        if let Some(reason) = too_far(open, now_ms) {
            return self.wait(&reason, out);
        }
        self.ask_rater((open, &facts.earlier_models), me, now_ms, out);
        self.commit_directions(open, me, out);
        if let Some(made) = self.guards.contributions.get(&round).cloned() {
            // The round closes with the last contribution: what is asked of the others comes before the own one. That is for
            // this company's say only (nobody can read a contribution before the close), so not at the price of a
            // contribution that comes too late.
            if self.asks_first(open, me) {
                if !self.is_half_over(open, now_ms) {
                    return self.wait("this company's directions go before its contribution", out);
                }
                self.warn_of_late_directions(round, out);
            }
            return self.send(&made, me, out);
        }
        if !self.is_known(Task::Contribute(round))
            && self.coordinator_time(now_ms) > open.contribute_by_ms
            && !open.owners_void
        {
            return self.wait(
                "too late for this round, nothing is lost: the next one takes a new contribution",
                out,
            );
        }
        if !facts.measuring && !self.hold(facts, open.model, out) {
            return;
        }
        self.start(
            Effect::Contribute(ContributionJob {
                round,
                model: open.model,
                unit_log2: open.unit_log2,
                participant: me.id,
                round_keys: open.round_keys(),
                threshold: open.threshold,
                measures: facts.measuring,
            }),
            out,
        );
    }

    /// Why this node takes no part in the open round.
    fn objection(&self, facts: &Facts, open: &RoundFacts, me: Me) -> Option<Alarm> {
        let round = open.round;
        if self.was_skipped(open, me) {
            return Some(Alarm::SeatSkipped { round });
        }
        if let Some(alarm) = self.guards_behind(open, me) {
            return Some(alarm);
        }
        self.guards
            .contributed_to(&open.model, round, |earlier| {
                facts.void.contains_key(&earlier)
            })
            .map(|earlier| Alarm::SecondContribution { round, earlier })
    }

    /// The void rounds in which this node contributed to `model`: only because they are void is it done again.
    fn rounds_void(&self, facts: &Facts, round: u64, model: &Hash) -> Vec<u64> {
        let made = self.guards.contributions.values();
        made.filter(|made| made.model == *model && made.round != round)
            .map(|made| made.round)
            .filter(|earlier| facts.void.contains_key(earlier))
            .collect()
    }

    /// Whether the ledger holds acts of this identity that the guard records do not know.
    pub(super) fn guards_behind(&self, round: &RoundFacts, me: Me) -> Option<Alarm> {
        let behind = |what| Alarm::GuardsBehind {
            round: round.round,
            what,
        };
        let recorded = self
            .guards
            .contributions
            .get(&round.round)
            .map(|made| made.root);
        if round
            .root_of(me.id)
            .is_some_and(|root| Some(root) != recorded)
        {
            return Some(behind("contribution"));
        }
        let seated = round.seat_of(me.id).is_some();
        (seated && self.sits(round, me).is_none()).then(|| behind("seat"))
    }

    /// A contribution is in the outbox: it counts only if the round still waits for it.
    pub(super) fn encrypted(
        &mut self,
        round: u64,
        model: Hash,
        root: Hash,
        bytes: u64,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::Contribute(round));
        let Some(facts) = self.facts.take() else {
            return;
        };
        let wanted = match (under_way(&facts, round, Phase::Open), facts.me) {
            (Some(open), Some((id, owner))) => {
                open.model == model
                    && self.objection(&facts, open, Me { id, owner }).is_none()
                    && !self.guards.voided.contains(&round)
            }
            _ => false,
        };
        let voided = self.rounds_void(&facts, round, &model);
        self.facts = Some(facts);
        if wanted {
            // Nothing has left this machine yet; sending follows in `advance`.
            let made = ContributionRecord {
                round,
                model,
                root,
                bytes,
                voided,
            };
            self.record(Record::Contribution(made), out);
        } else {
            // Its one-time key and its ciphertext serve nobody any more.
            if !self.guards.contributions.contains_key(&round) {
                out.push(Effect::Discard { round });
            }
            out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "round {round} ended, or this company signed that it is void, before this node had trained; nothing \
                     was sent"
                ),
            }));
        }
    }

    fn send(&mut self, made: &ContributionRecord, me: Me, out: &mut Vec<Effect>) {
        if self.guards.receipts.contains_key(&made.round) {
            return self.post_receipt(made.round, out);
        }
        let entry = Entry::ContributionCommitted {
            round: made.round,
            participant: me.id,
            root: made.root,
            bytes: made.bytes,
        };
        let signed = SignedEntry::signed_by(entry, &self.federation, &[&*self.member.identity]);
        self.start(
            Effect::Upload {
                round: made.round,
                root: made.root,
                entry: signed.encode(),
            },
            out,
        );
    }

    pub(super) fn uploaded(&mut self, round: u64, receipt: &[u8], out: &mut Vec<Effect>) {
        if let Err(reason) = self.check_receipt(round, receipt) {
            self.finish(Task::Upload(round), Progressing::Refused);
            return self.raise(Alarm::ReceiptInvalid { round, reason }, out);
        }
        self.done(Task::Upload(round));
        let Some(made) = self.guards.contributions.get(&round) else {
            return;
        };
        let bytes = made.bytes;
        let kept = Record::Receipt {
            round,
            receipt: receipt.to_vec(),
        };
        if self.record(kept, out) {
            out.push(Effect::Tell(Progress::Contributed {
                round,
                bytes,
                parameters: self.member.draft.model.parameters(),
            }));
        }
    }

    fn check_receipt(&self, round: u64, bytes: &[u8]) -> Result<(), String> {
        let signed = SignedReceipt::from_bytes(bytes).ok_or("it cannot be read")?;
        if !signed.verify(&self.member.draft.coordinator) {
            return Err("its signature is not the coordinator's".to_owned());
        }
        let receipt = &signed.receipt;
        let made = self.guards.contributions.get(&round);
        let me = self.facts.as_ref().and_then(|facts| facts.me);
        let fits = receipt.federation == self.federation
            && receipt.round == round
            && made.is_some_and(|made| made.root == receipt.root)
            && me.is_some_and(|(id, _)| id == receipt.participant);
        if fits {
            Ok(())
        } else {
            Err("it is for another contribution".to_owned())
        }
    }

    /// The coordinator's clock, as far as the last step showed it.
    pub(super) fn coordinator_time(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.clock_ahead_ms)
    }
}

/// The round under way, if it is `round` and in this phase.
pub(super) fn under_way(facts: &Facts, round: u64, phase: Phase) -> Option<&RoundFacts> {
    facts
        .round
        .as_ref()
        .filter(|open| open.round == round && open.phase == phase)
}
