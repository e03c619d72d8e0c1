//! Members cosign the set of contributions and reveal their nonces; from both comes the challenge.

use std::collections::BTreeMap;

use unsilo_ledger::{CloseStatement, Cosignature, Entry, ParticipantId, State, commit_nonce};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::Effect,
    machine::{GRACE_MS, Handled, not_due, same_round},
    seating::older_guards,
};

/// Cosignatures under the close of a round, by seat.
pub(super) struct Closing {
    round: u64,
    cosignatures: BTreeMap<u16, Cosignature>,
    started_ms: u64,
    enough_since_ms: Option<u64>,
}

impl Closing {
    pub(super) fn start(round: u64, now_ms: u64) -> Self {
        Self {
            round,
            cosignatures: BTreeMap::new(),
            started_ms: now_ms,
            enough_since_ms: None,
        }
    }

    pub(super) fn announce(&self) -> Vec<Effect> {
        vec![Effect::announce(step::Kind::Closing(v1::Closing {
            round: self.round,
        }))]
    }

    pub(super) fn cosigned(
        &mut self,
        round: u64,
        participant: ParticipantId,
        cosignature: Cosignature,
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let open = ledger.round().ok_or_else(|| not_due("cosignatures"))?;
        let (Some(federation), Some(contributions)) =
            (ledger.federation_id(), ledger.contributions_hash())
        else {
            return Err(not_due("cosignatures"));
        };
        let seat = open
            .seat(cosignature.seat)
            .filter(|seat| seat.participant == participant)
            .ok_or_else(|| {
                Rejected::new(Code::NoSeat, "this seat of the committee is not yours")
            })?;
        let last = ledger.guard_head(participant).unwrap_or_default();
        if !cosignature.guard.continues(&last) {
            return Err(older_guards());
        }
        let nonce = cosignature.nonce;
        if commit_nonce(&federation, round, participant, &nonce) != seat.nonce_commitment {
            return Err(Rejected::new(
                Code::SignatureInvalid,
                "the nonce is not the one your seat committed to: was the node's directory restored from a backup?",
            ));
        }
        let statement = CloseStatement {
            federation,
            round,
            contributions,
            nonce,
            guard: cosignature.guard,
        };
        let key = ledger
            .participant(participant)
            .map(|participant| participant.key);
        if !key.is_some_and(|key| statement.verify(&key, &cosignature.signature)) {
            return Err(Rejected::new(
                Code::SignatureInvalid,
                "the cosignature does not verify for the set of contributions on the ledger: replay it and sign again",
            ));
        }
        self.cosignatures.insert(cosignature.seat, cosignature);
        if self.cosignatures.len() >= usize::from(open.opening.threshold) {
            self.enough_since_ms.get_or_insert(now_ms);
        }
        Ok(self.close_if_enough(now_ms, ledger))
    }

    /// Whether too few cosigned in time. Members that cannot cosign (a lost disk) can still sign that the
    /// round is void. The time counts from the later of the round's deadline and the start of this step, so
    /// that a coordinator that was down lets the members come back.
    pub(super) fn is_overdue(&self, now_ms: u64, answer_ms: u64, ledger: &State) -> bool {
        let Some(open) = ledger.round() else {
            return false;
        };
        let deadline = open
            .opening
            .close_by_ms
            .max(self.started_ms.saturating_add(answer_ms));
        let enough = self.cosignatures.len() >= usize::from(open.opening.threshold);
        now_ms > deadline && !enough && ledger.committee_may_void()
    }

    /// Closes with everybody's cosignature, or with enough of them once the others had their chance.
    pub(super) fn close_if_enough(&self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let (Some(open), Some(contributions)) = (ledger.round(), ledger.contributions_hash())
        else {
            return Vec::new();
        };
        let all = self.cosignatures.len() >= open.opening.seats.len();
        let waited = self
            .enough_since_ms
            .is_some_and(|since| now_ms >= since.saturating_add(GRACE_MS));
        if !all && !waited {
            return Vec::new();
        }
        vec![Effect::SignAndAppend {
            entry: Entry::RoundClosed {
                round: self.round,
                contributions,
                cosignatures: self.cosignatures.values().cloned().collect(),
            },
            signatures: Vec::new(),
        }]
    }
}
