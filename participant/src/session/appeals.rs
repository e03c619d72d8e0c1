//! A contribution that is left out because one seat's answers do not fit the others: its dealer shows that one share, and
//! everybody sees whether dealer or member is to blame. One share at most, ever: `t` of them are the key.

use unsilo_ledger::{Entry, ParticipantId, RejectionReason, Violation};

use super::{
    AppealJob, AppealsJob, Call, Disputed, Effect, Facts, Found, Me, RoundFacts, Session, Task,
};
use crate::{guard::Record, progress::Progress};

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
    pub(super) fn dispute(&mut self, round: &RoundFacts, seat: u16, out: &mut Vec<Effect>) {
        let Some(judged) = &round.judged else {
            return;
        };
        let disputed: Vec<_> = judged
            .rejected
            .iter()
            .filter_map(|(id, _)| disputed(round, *id))
            .filter(|dispute| !self.decided.contains(&(round.round, dispute.dealer)))
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
            let job = AppealsJob {
                judging,
                disputed,
                dealers: round
                    .contributions
                    .iter()
                    .map(|made| (made.participant, made.key))
                    .collect(),
                counted: seats.len().saturating_sub(judged.erased.len()),
            };
            self.start(Effect::CheckAppeals(job), out);
        }
    }

    /// Signs what every member finds alike.
    pub(super) fn appeals_checked(&mut self, round: u64, found: Vec<Found>, out: &mut Vec<Effect>) {
        let task = Task::CheckAppeals(round);
        match found.is_empty() {
            // Nobody has appealed yet: looked at again with the next step.
            true => self.finish(task, super::Progressing::Refused),
            // There may be more to come.
            false => {
                self.tasks.remove(&task);
            }
        }
        for Found {
            dealer,
            violation,
            shown,
        } in found
        {
            self.decided.insert((round, dealer));
            if let Some(violation) = violation {
                self.sign_violation(round, dealer, violation, shown, out);
            }
        }
    }

    fn sign_violation(
        &mut self,
        round: u64,
        dealer: ParticipantId,
        violation: Violation,
        shown: Vec<u8>,
        out: &mut Vec<Effect>,
    ) {
        let (accused, what) = match &violation {
            Violation::WrongShare { participant, .. } => (*participant, "dealt a wrong key share"),
            Violation::WrongAnswer { participant, .. } => {
                (*participant, "answered other than its share says")
            }
            // Those speak for themselves and are not found here.
            Violation::Contradiction { .. } | Violation::Equivocation { .. } => return,
        };
        let Some(facts) = &self.facts else {
            return;
        };
        let ours = facts.me.is_some_and(|(id, owner)| {
            let rounds = facts.round.iter().chain(&self.last_round);
            let of = rounds.into_iter().find(|of| of.round == round);
            id == accused || of.and_then(|of| of.owner_of(accused)) == Some(owner)
        });
        let signs = match ours {
            true => "that is this company, which has no say in it",
            false => "reported to the ledger",
        };
        out.push(Effect::Tell(Progress::Warning {
            message: format!(
                "round {round}: the appeal of participant {dealer} is decided: participant {accused} {what}; {signs}"
            ),
        }));
        if ours {
            return;
        }
        let entry = Entry::ViolationReported { violation };
        let signature = entry
            .sign(&self.federation, &self.member.identity)
            .signature;
        let call = Call::SignViolation {
            round,
            dealer: dealer.0,
            entry: entry.to_bytes(),
            signature,
            shown,
        };
        self.start(Effect::Call(call), out);
    }
}

/// The dispute about this participant's contribution, if there is one.
fn disputed(round: &RoundFacts, dealer: ParticipantId) -> Option<Disputed> {
    let seat = disputed_seat(round, dealer)?;
    let member = round.seats.get(usize::from(seat).checked_sub(1)?)?;
    Some(Disputed {
        dealer,
        root: round.root_of(dealer)?,
        seat,
        member: member.participant,
    })
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
