//! Members open the key of the weighted sum: the one answer of the round.

use std::collections::BTreeSet;

use unsilo_ledger::{Hash, OpeningStatement, entry::OWNERS_VOID_DELAY_MS};
use unsilo_proto::{opening_hash, weights_digest};

use super::{
    Call, Effect, Facts, Me, OpeningJob, Phase, RoundFacts, Session, Task, contributing::under_way,
    patience::is_past,
};
use crate::{
    alarm::Alarm,
    guard::{Duty, OpeningRecord, Record},
    progress::Progress,
};

impl Session {
    pub(super) fn open(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(weighed) = under_way(facts, round, Phase::Weighed) else {
            return;
        };
        let Some(seat) = self.may_act(weighed, me, out) else {
            return;
        };
        self.dispute(weighed, seat, out);
        let digest = weights_digest(round, &weighed.plain_weights());
        if let Some(given) = self.guards.opened.get(&round)
            && (given.digest != digest || given.contributions != weighed.contributions_hash)
        {
            return self.raise(Alarm::OpeningDiffers { round }, out);
        }
        if let Err(reason) = check_set(weighed) {
            return self.raise(Alarm::OpeningUnsafe { round, reason }, out);
        }
        // From then on the owners may have voided the round, and an answer would be to a second sum on its model.
        let owners_may_void = weighed.open_by_ms.saturating_add(OWNERS_VOID_DELAY_MS);
        if is_past(owners_may_void, now_ms) {
            return self.wait(
                "a day after its deadline the sum is not opened any more",
                out,
            );
        }
        if !self.confirmed(facts, weighed, me, Duty::Opening, now_ms, out) {
            return;
        }
        if self.guards.opened.contains_key(&round) {
            return self.answer(round, out);
        }
        let set = weighed
            .weights
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .filter_map(|(id, weight)| Some((*id, weighed.root_of(*id)?, *weight)))
            .collect();
        let job = OpeningJob {
            at: weighed.sitting(seat),
            set,
            digest,
        };
        self.start(Effect::OpenShares(job), out);
    }

    pub(super) fn shares_combined(
        &mut self,
        round: u64,
        digest: Hash,
        answer: Vec<u8>,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::OpenShares(round));
        let Some(facts) = &self.facts else {
            return;
        };
        let (Some(closed), Some((id, owner))) = (under_way(facts, round, Phase::Weighed), facts.me)
        else {
            return;
        };
        // The world may have moved while the shares were fetched.
        let still =
            weights_digest(round, &closed.plain_weights()) == digest && check_set(closed).is_ok();
        let Some(seat) = self.sits(closed, Me { id, owner }).filter(|_| still) else {
            return;
        };
        // Durable before visible; the answer itself follows in `advance`, as it would after a crash.
        let record = OpeningRecord::new(round, seat, digest, closed.contributions_hash, answer);
        if !self.guards.voided.contains(&round) {
            self.record(Record::Opened(record), out);
        }
    }

    /// Sends the recorded answer: the same bytes however often.
    fn answer(&mut self, round: u64, out: &mut Vec<Effect>) {
        let Some(given) = self
            .guards
            .opened
            .get(&round)
            .filter(|given| !given.answer.is_empty())
        else {
            return;
        };
        let statement = OpeningStatement {
            federation: self.federation,
            round,
            seat: given.seat,
            digest: given.digest,
            opening: opening_hash(&given.answer),
        };
        let call = Call::Open {
            round,
            seat: given.seat,
            digest: given.digest,
            opening: given.answer.clone(),
            signature: statement.sign(&self.member.identity),
        };
        self.start(Effect::Call(call), out);
    }

    pub(super) fn share_unusable(
        &mut self,
        round: u64,
        participant: u32,
        reason: &str,
        out: &mut Vec<Effect>,
    ) {
        self.finish(Task::OpenShares(round), super::Progressing::Refused);
        // Only a step of another kind, or a reconnect, makes it worth trying again.
        out.push(Effect::Tell(Progress::Warning {
            message: format!(
                "round {round}: the key share that participant {participant} sealed to this member cannot be opened \
                 ({reason}); this member does not answer for the round. It is not known whose fault it is: the others may \
                 still open it, or the round will be void"
            ),
        }));
    }
}

/// The rules on set and weights that keep one company from being read off the sum (encryption.md, step 6), and from
/// summing what was not judged.
fn check_set(closed: &RoundFacts) -> Result<(), String> {
    if closed.void_due.is_some() {
        return Err("the ledger's rules want the round to be void".to_owned());
    }
    let judged = closed.judged.as_ref().ok_or("it is not judged")?;
    let weights: Vec<_> = closed
        .weights
        .iter()
        .filter(|(_, weight)| *weight > 0)
        .collect();
    let mut owners = BTreeSet::new();
    for (id, _) in &weights {
        let made = closed
            .contribution_of(*id)
            .ok_or_else(|| format!("participant {id} is weighed but was not closed"))?;
        let accepted = |(accepted, _): &(_, _)| *accepted;
        if judged.accepted.binary_search_by_key(id, accepted).is_err() {
            return Err(format!("participant {id} is weighed but was not accepted"));
        }
        owners.insert(made.owner);
    }
    if owners.len() < closed.cohort {
        return Err(format!(
            "it is of {} companies, at least {} are needed",
            owners.len(),
            closed.cohort
        ));
    }
    let largest = weights
        .iter()
        .map(|(_, weight)| u64::from(*weight))
        .max()
        .unwrap_or(0);
    let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if 8 * largest > sum && 2 * (weights.len() as u64) * largest > 3 * sum {
        return Err(format!(
            "one weight is {largest} of {sum} in all: the sum would show too much of one company"
        ));
    }
    Ok(())
}
