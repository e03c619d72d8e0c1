//! Members sign that a round is void: only if they have not answered its opening, and never answer it afterwards.

use unsilo_ledger::{Entry, VoidAuthority, VoidReason};

use super::{Call, Effect, Facts, Me, Session};
use crate::guard::Record;

impl Session {
    pub(super) fn sign_void(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        bytes: &[u8],
        reason: &str,
        out: &mut Vec<Effect>,
    ) {
        let Some(current) = facts
            .round
            .as_ref()
            .filter(|current| current.round == round)
        else {
            return;
        };
        if current.seat_of(me.id).is_none() {
            return self.wait(&format!("round {round} is being voided: {reason}"), out);
        }
        let Ok(entry) = Entry::from_bytes(bytes) else {
            return;
        };
        let committee = matches!(
            entry,
            Entry::RoundVoided { round: named, authority: VoidAuthority::Committee, .. } if named == round
        );
        if !committee {
            return self.wait(
                "the coordinator asked for a void signature that is not the committee's to give",
                out,
            );
        }
        if self.guards.opened.contains_key(&round) {
            return self.wait(
                "this node has opened the round's sum and so does not sign that it is void",
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
}

/// A reason in words.
pub(super) fn words(reason: VoidReason) -> &'static str {
    match reason {
        VoidReason::TooFewContributions => "fewer companies contributed than may be summed",
        VoidReason::TooFewMembers => "too few members answered",
        VoidReason::Dispute => "a contribution was left out, or replicas disagree",
        VoidReason::BadSum => "the opened sum or the model failed a member's check",
        VoidReason::LostData => "the coordinator lost data that it cannot recover",
    }
}
