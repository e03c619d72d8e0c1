//! Members judge every contribution from the answers of all, and sign the one judgement that follows from them.

use unsilo_ledger::{Domain, DomainHasher, Entry, Judgement};

use super::{
    Call, Effect, Facts, JudgingJob, Me, Phase, RoundFacts, Session, Task, contributing::under_way,
};
use crate::{
    alarm::Alarm,
    guard::{Duty, Record},
    progress::Progress,
};

const JUDGED: Domain = Domain::new("signed judgement");

/// A judgement made on this connection: it is sent again without being made again.
#[derive(Debug)]
pub(super) struct Made {
    round: u64,
    seats: Vec<u16>,
    entry: Entry,
    evidence: Vec<Vec<u8>>,
}

impl Session {
    pub(super) fn judge(
        &mut self,
        facts: &Facts,
        me: Me,
        (round, seats): (u64, &[u32]),
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(closed) = under_way(facts, round, Phase::Closed) else {
            return;
        };
        let Some(seat) = self.may_act(closed, me, out) else {
            return;
        };
        if !self.confirmed(facts, closed, me, Duty::Judging, now_ms, out) {
            return;
        }
        let Some(job) = self.judging_job(closed, seat, seats) else {
            return self.raise(Alarm::JudgesUnfit { round }, out);
        };
        let answered = self.answers_acknowledged == Some(round);
        if answered && !seats.contains(&u32::from(seat)) {
            return self.raise(Alarm::AnswersLeftOut { round }, out);
        }
        match &self.judgement {
            Some(made) if made.round == round => {
                let judged = job.seats.iter().map(|(seat, _)| *seat);
                if !judged.eq(made.seats.iter().copied()) {
                    return self.raise(Alarm::JudgementDiffers { round }, out);
                }
                self.sign_judgement(out);
            }
            _ => self.start(Effect::Judge(job), out),
        }
    }

    /// What the judgement from these seats' answers is made of; `None` if they are not at least `t` seats in order.
    pub(super) fn judging_job(
        &self,
        round: &RoundFacts,
        seat: u16,
        seats: &[u32],
    ) -> Option<JudgingJob> {
        // Not from `self.facts`, which are out of their place while a step is acted on.
        let me = round
            .seats
            .get(usize::from(seat).checked_sub(1)?)?
            .participant;
        let ascending = seats.is_sorted_by(|before, after| before < after);
        if !ascending || seats.len() < round.threshold {
            return None;
        }
        let seats = seats
            .iter()
            .map(|seat| {
                let seat = u16::try_from(*seat).ok()?;
                Some((seat, round.key_of(seat)?))
            })
            .collect::<Option<_>>()?;
        Some(JudgingJob {
            at: round.sitting(seat),
            challenge: round.challenge?,
            set: round
                .contributions
                .iter()
                .map(|made| (made.participant, made.root, made.position))
                .collect(),
            seats,
            sent: self
                .guards
                .answered
                .get(&round.round)
                .map(|given| given.sent),
            own: self
                .guards
                .contributions
                .contains_key(&round.round)
                .then_some(me),
        })
    }

    pub(super) fn judged(
        &mut self,
        round: u64,
        judgement: Judgement,
        evidence: Vec<Vec<u8>>,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::Judge(round));
        let closed = self
            .facts
            .as_ref()
            .and_then(|facts| under_way(facts, round, Phase::Closed));
        if closed.is_none() {
            return;
        }
        out.push(Effect::Tell(Progress::Judged {
            round,
            accepted: judgement.accepted.len(),
            rejected: judgement
                .rejected
                .iter()
                .map(|(id, reason)| (*id, *reason))
                .collect(),
        }));
        self.judgement = Some(Made {
            round,
            seats: judgement.answers.iter().map(|(seat, _)| *seat).collect(),
            entry: entry(round, judgement),
            evidence,
        });
        // The signature follows in `advance`, if it is still asked for.
    }

    fn sign_judgement(&mut self, out: &mut Vec<Effect>) {
        let Some(made) = self.judgement.take() else {
            return;
        };
        let bytes = made.entry.to_bytes();
        let record = Record::Judged {
            round: made.round,
            entry: DomainHasher::new(JUDGED).with(&bytes).finish(),
        };
        if self.record(record, out) {
            let signed = made.entry.sign(&self.federation, &self.member.identity);
            self.start(
                Effect::Call(Call::SignJudgement {
                    round: made.round,
                    entry: bytes,
                    signature: signed.signature,
                    evidence: made.evidence.clone(),
                }),
                out,
            );
        }
        self.judgement = Some(made);
    }
}

/// The judgement as an entry.
fn entry(round: u64, judgement: Judgement) -> Entry {
    let Judgement {
        answers,
        projections,
        accepted,
        rejected,
        erased,
    } = judgement;
    Entry::ContributionsJudged {
        round,
        answers,
        projections,
        accepted,
        rejected,
        erased,
    }
}
