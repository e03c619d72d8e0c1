//! Members sign that a round is void: only if they have not answered its opening, and never answer it afterwards.

use std::collections::BTreeSet;

use unsilo_ledger::{Entry, VoidAuthority, VoidReason};

use super::{Call, Effect, Facts, Me, Phase, RoundFacts, Session, patience::Wait};
use crate::{guard::Record, progress::Progress};

impl Session {
    /// A person of this company signed for its owner that the round is void. From then on it is as if this member had.
    pub(super) fn owners_void(&mut self, round: u64, out: &mut Vec<Effect>) {
        let known = self.guards.voided.contains(&round);
        if self.record(Record::OwnersVoid { round }, out) && !known {
            out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "round {round}: this company signed the owners' void; this node takes no further part in it"
                ),
            }));
        }
    }

    pub(super) fn sign_void(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        (bytes, reason): (&[u8], &str),
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(current) = facts
            .round
            .as_ref()
            .filter(|current| current.round == round)
        else {
            return;
        };
        let Some(seat) = current.seat_of(me.id) else {
            return self.wait(&format!("round {round} is being voided: {reason}"), out);
        };
        self.dispute(current, seat, out);
        let Ok(entry) = Entry::from_bytes(bytes) else {
            return;
        };
        let Entry::RoundVoided {
            round: named,
            authority: VoidAuthority::Committee,
            reason: stated,
        } = entry
        else {
            return self.wait(
                "the coordinator asked for a void signature that is not the committee's to give",
                out,
            );
        };
        if current.owners_void && !stated.is_derived() {
            return self.wait(
                "too many rounds in a row were void: only more than half of the owners end this one (`unsilo void`)",
                out,
            );
        }
        if self.guards.opened.contains_key(&round) {
            return self.wait(
                "this node has opened the round's sum and so does not sign that it is void",
                out,
            );
        }
        if named != round || !self.is_due(current, stated, now_ms) {
            return self.wait(
                "the coordinator asks to void the round for a reason that this node does not see: not signed",
                out,
            );
        }
        if self.record(Record::Voided { round }, out) {
            let signature = entry
                .sign(&self.federation, &self.member.identity)
                .signature;
            self.start(
                Effect::Call(Call::SignVoid {
                    round,
                    entry: bytes.to_vec(),
                    signature,
                }),
                out,
            );
        }
    }

    /// Whether this member sees the reason itself. A void is followed by another draw of the committee: signed on the
    /// coordinator's word alone, it would let the coordinator draw until it likes the result.
    fn is_due(&self, round: &RoundFacts, reason: VoidReason, now_ms: u64) -> bool {
        let over = |wait| self.is_over(round, wait, now_ms);
        match (reason, round.phase) {
            (VoidReason::TooFewContributions, Phase::Open) => {
                let owners: BTreeSet<_> =
                    round.contributions.iter().map(|made| made.owner).collect();
                owners.len() < round.cohort && over(Wait::Contributions)
            }
            (VoidReason::TooFewMembers, Phase::Open) => over(Wait::Cosignatures),
            (VoidReason::TooFewMembers | VoidReason::NoVerdict, Phase::Closed)
            | (VoidReason::TooFewMembers, Phase::Rating | Phase::Weighed) => over(Wait::Opening),
            // These follow from the judgement, for everybody alike.
            (VoidReason::TooFewAccepted | VoidReason::Brake, _) => round.void_due == Some(reason),
            _ => false,
        }
    }
}
