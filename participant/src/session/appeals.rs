//! A contribution that is left out because one seat's answers do not fit the others: its dealer shows that one share, and
//! everybody sees whether dealer or member is to blame. One share at most, ever: `t` of them are the key.

use unsilo_ledger::{Entry, ParticipantId, RejectionReason};

use super::{AppealJob, AppealsJob, Call, Effect, Facts, Me, RoundFacts, Session, Task};
use crate::guard::Record;

impl Session {
    /// Appeals, if the own contribution is left out for a bad share: shows the share that the ledger names.
    pub(super) fn appeal(&mut self, facts: &Facts, me: Me, out: &mut Vec<Effect>) {
        let Some(round) = &facts.round else {
            return;
        };
        let Some(seat) = disputed_seat(round, me.id) else {
            return;
        };
        let number = round.round;
        if self.guards.sits_out(number)
            || !self.guards.contributions.contains_key(&number)
            || !self.record(
                Record::Appealed {
                    round: number,
                    seat,
                },
                out,
            )
        {
            return;
        }
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

    /// A member looks at the appeals of a judged round: again at each of its steps, since they come when they come.
    pub(super) fn dispute(&mut self, round: &RoundFacts, me: Me, seat: u16, out: &mut Vec<Effect>) {
        let Some(judged) = &round.judged else {
            return;
        };
        let disputed: Vec<_> = judged
            .rejected
            .iter()
            .filter(|(id, _)| *id != me.id)
            .filter_map(|(id, _)| Some((*id, round.root_of(*id)?, disputed_seat(round, *id)?)))
            .collect();
        if disputed.is_empty() {
            return;
        }
        let seats: Vec<u32> = judged
            .answers
            .iter()
            .map(|(seat, _)| u32::from(*seat))
            .collect();
        if let Some(judging) = self.judging_job(round, seat, &seats) {
            self.start(Effect::CheckAppeals(AppealsJob { judging, disputed }), out);
        }
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

/// The seat whose share of this participant's contribution does not fit the others, as judged.
fn disputed_seat(round: &RoundFacts, id: ParticipantId) -> Option<u16> {
    let judged = round.judged.as_ref()?;
    judged
        .rejected
        .iter()
        .find_map(|(of, reason)| match reason {
            RejectionReason::BadPair { seat } if *of == id => Some(*seat),
            _ => None,
        })
}
