//! A contribution that is left out because one seat's answers do not fit the others: its dealer shows that one share, and
//! everybody sees whether dealer or member is to blame. One share at most, ever: `t` of them are the key.

use unsilo_ledger::{Entry, RejectionReason};

use super::{
    AppealJob, AppealsJob, Call, Effect, Facts, Me, RoundFacts, Session, Task,
};
use crate::guard::Record;

impl Session {
    /// Appeals, if the own contribution is left out for a bad share.
    pub(super) fn appeal(&mut self, facts: &Facts, me: Me, out: &mut Vec<Effect>) {
        let Some(round) = facts.round.as_ref().filter(|round| disputes(round, me)) else {
            return;
        };
        let number = round.round;
        if self.guards.sits_out(number) || !self.guards.contributions.contains_key(&number) {
            return;
        }
        let Some(seat) = self.guards.appealed.get(&number).copied() else {
            return self.start(Effect::FindDispute { round: number }, out);
        };
        self.start(
            Effect::Appeal(AppealJob {
                round: number,
                model: round.model,
                participant: me.id,
                seat,
                round_keys: round.round_keys(),
                threshold: round.threshold,
            }),
            out,
        );
    }

    /// The first disputed seat is the one whose share is shown.
    pub(super) fn dispute_found(&mut self, round: u64, seats: &[u16], out: &mut Vec<Effect>) {
        self.done(Task::FindDispute(round));
        let still = match &self.facts {
            Some(facts) => match (&facts.round, facts.me) {
                (Some(current), Some((id, owner))) => {
                    current.round == round && disputes(current, Me { id, owner })
                }
                _ => false,
            },
            None => false,
        };
        if let Some(seat) = seats.first().filter(|_| still) {
            // Showing it follows in `advance`.
            self.record(Record::Appealed { round, seat: *seat }, out);
        }
    }

    /// A member looks at the appeals of a judged round: again at each of its steps, since they come when they come.
    pub(super) fn dispute(
        &mut self,
        round: &RoundFacts,
        me: Me,
        seat: u16,
        out: &mut Vec<Effect>,
    ) {
        let Some(judged) = &round.judged else {
            return;
        };
        let disputed: Vec<_> = judged
            .rejected
            .iter()
            .filter(|(id, reason)| *reason == RejectionReason::BadPair && *id != me.id)
            .filter_map(|(id, _)| Some((*id, round.root_of(*id)?)))
            .collect();
        let (Some(challenge), false) = (round.challenge, disputed.is_empty()) else {
            return;
        };
        let answers = judged
            .answers
            .iter()
            .filter_map(|(seat, root)| Some((*seat, round.key_of(*seat)?, *root)))
            .collect();
        self.start(
            Effect::CheckAppeals(AppealsJob {
                at: round.sitting(seat),
                challenge,
                disputed,
                answers,
            }),
            out,
        );
    }

    /// Signs what every member finds alike.
    pub(super) fn appeals_checked(
        &mut self,
        round: u64,
        violations: Vec<Entry>,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::CheckAppeals(round));
        for (number, entry) in violations.into_iter().enumerate() {
            let signature = entry
                .sign(&self.federation, &self.member.identity)
                .signature;
            let call = Call::SignViolation {
                round,
                number,
                entry: entry.to_bytes(),
                signature,
            };
            self.start(Effect::Call(call), out);
        }
    }
}

fn disputes(round: &RoundFacts, me: Me) -> bool {
    round.judged.as_ref().is_some_and(|judged| {
        judged
            .rejected
            .contains(&(me.id, RejectionReason::BadPair))
    })
}
