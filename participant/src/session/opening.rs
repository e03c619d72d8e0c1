//! Members open the key of the weighted sum: the one answer of the round.

use std::collections::BTreeSet;

use unsilo_ledger::Hash;
use unsilo_proto::{OPENING_DOMAIN, opening_hash, opening_statement, weights_digest};

use super::{
    Call, Effect, Facts, Me, OpeningJob, Phase, RoundFacts, Session, Task, contributing::under_way,
};
use crate::{
    alarm::Alarm,
    guard::{OpeningRecord, Record},
    progress::Progress,
};

impl Session {
    pub(super) fn open(&mut self, facts: &Facts, me: Me, round: u64, out: &mut Vec<Effect>) {
        let Some(closed) = under_way(facts, round, Phase::Closed) else {
            return;
        };
        if let Some(alarm) = self
            .left_out(closed, me)
            .or_else(|| self.guards_behind(closed, me))
        {
            return self.raise(alarm, out);
        }
        let Some(seat) = self.sits(closed, me) else {
            return;
        };
        if self.guards.voided.contains(&round) {
            return self.wait(
                "this node signed that the round is void and does not open it",
                out,
            );
        }
        let digest = weights_digest(round, &closed.plain_weights());
        if let Some(given) = self.guards.opened.get(&round) {
            if given.digest != digest || given.contributions != closed.contributions_hash {
                return self.raise(Alarm::OpeningDiffers { round }, out);
            }
            return self.answer(round, out);
        }
        if let Err(reason) = check_set(closed) {
            return self.raise(Alarm::OpeningUnsafe { round, reason }, out);
        }
        let set = closed
            .weights
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .filter_map(|(id, weight)| Some((*id, closed.root_of(*id)?, *weight)))
            .collect();
        self.start(
            Effect::OpenShares(OpeningJob {
                round,
                model: closed.model,
                seat,
                round_keys: closed
                    .seats
                    .iter()
                    .map(|seat| seat.round_key.clone())
                    .collect(),
                threshold: closed.threshold,
                set,
                digest,
            }),
            out,
        );
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
        let (Some(closed), Some((id, owner))) = (under_way(facts, round, Phase::Closed), facts.me)
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
        let record = OpeningRecord {
            round,
            seat,
            digest,
            contributions: closed.contributions_hash,
            answer,
        };
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
        let statement = opening_statement(
            &self.federation.0,
            round,
            given.seat,
            &given.digest,
            &opening_hash(&given.answer),
        );
        let call = Call::Open {
            round,
            seat: given.seat,
            digest: given.digest,
            opening: given.answer.clone(),
            signature: self.member.identity.sign(OPENING_DOMAIN, &statement),
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

/// The rules on set and weights that keep one company from being read off the sum (encryption.md, step 6).
fn check_set(closed: &RoundFacts) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use unsilo_ledger::{OwnerId, ParticipantId};

    use super::*;
    use crate::session::ContributionFacts;

    fn closed(weights: &[u16], cohort: usize) -> RoundFacts {
        RoundFacts {
            round: 1,
            phase: Phase::Closed,
            model: [0; 32],
            unit_log2: -14,
            seats: Vec::new(),
            threshold: 3,
            contribute_by_ms: 0,
            close_by_ms: 0,
            open_by_ms: 0,
            contributions: (0..)
                .take(weights.len())
                .map(|id| ContributionFacts {
                    participant: ParticipantId(id),
                    owner: OwnerId(id),
                    root: [0; 32],
                })
                .collect(),
            contributions_hash: [0; 32],
            weights: (0..)
                .map(ParticipantId)
                .zip(weights.iter().copied())
                .collect(),
            cohort,
        }
    }

    #[test]
    fn a_set_of_too_few_companies_is_not_opened() {
        assert!(check_set(&closed(&[16; 4], 4)).is_ok());
        assert!(check_set(&closed(&[16; 3], 4)).is_err());
        assert!(
            check_set(&closed(&[16, 16, 16, 0], 4)).is_err(),
            "weight 0 does not count"
        );
        let mut affiliates = closed(&[16; 4], 4);
        affiliates.contributions[1].owner = OwnerId(0);
        assert!(check_set(&affiliates).is_err(), "owners count, not ids");
    }

    #[test]
    fn one_dominant_weight_is_not_opened() {
        assert!(check_set(&closed(&[24, 16, 16, 16], 3)).is_ok());
        assert!(check_set(&closed(&[256, 16, 16, 16], 3)).is_err());
        // Exactly 1.5 times the mean is allowed, more is not.
        assert!(check_set(&closed(&[30, 16, 17, 17], 3)).is_ok());
        assert!(check_set(&closed(&[31, 16, 17, 16], 3)).is_err());
    }

    #[test]
    fn a_weight_without_a_closed_contribution_is_not_opened() {
        let mut set = closed(&[16; 4], 3);
        set.contributions.pop();
        assert!(check_set(&set).unwrap_err().contains("not closed"));
    }
}
