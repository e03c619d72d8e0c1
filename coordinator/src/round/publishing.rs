//! The sum is open: members recompute the model, and it is published with their signatures.

use std::collections::BTreeMap;

use unsilo_ledger::{Entry, EntrySignature, FederationId, Hash, PublicKey, State, Statistics};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::Effect,
    event::{Decoded, Gives},
    machine::{GRACE_MS, Handled, not_due, same_round, verify_signature},
};

/// The entry to publish and the members' signatures under it.
pub(super) struct Publishing {
    round: u64,
    entry: Entry,
    signatures: BTreeMap<PublicKey, EntrySignature>,
    enough_since_ms: Option<u64>,
}

impl Publishing {
    pub(super) fn start(round: u64, sum: Hash, decoded: &Decoded) -> Self {
        Self {
            round,
            entry: match &decoded.gives {
                Gives::Model(model) => Entry::ModelPublished {
                    round,
                    sum,
                    key_sum: decoded.key_sum,
                    model: *model,
                    total_weight: decoded.total_weight,
                },
                Gives::Statistics(columns) => Entry::StatisticsPublished {
                    round,
                    statistics: Some(Statistics {
                        sum,
                        key_sum: decoded.key_sum,
                        contributions: decoded.total_weight,
                        columns: columns.clone(),
                    }),
                },
            },
            signatures: BTreeMap::new(),
            enough_since_ms: None,
        }
    }

    /// The statistics round ends with nothing: its sum could not be opened in time.
    pub(super) fn without_statistics(round: u64) -> Self {
        Self {
            round,
            entry: Entry::StatisticsPublished {
                round,
                statistics: None,
            },
            signatures: BTreeMap::new(),
            enough_since_ms: None,
        }
    }

    pub(super) fn announce(&self) -> Vec<Effect> {
        vec![Effect::announce(step::Kind::Publishing(v1::Publishing {
            round: self.round,
            entry: self.entry.to_bytes(),
        }))]
    }

    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        round: u64,
        entry: &[u8],
        signature: EntrySignature,
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let closed = ledger.round().ok_or_else(|| not_due("signatures"))?;
        if self.entry.to_bytes() != entry {
            return Err(Rejected::new(
                Code::WrongStep,
                "the signature is under another entry than the one announced",
            ));
        }
        seated(&signature.signer, ledger)?;
        verify_signature(federation, &self.entry, &signature)?;
        self.signatures.insert(signature.signer, signature);
        if self.signatures.len() >= usize::from(closed.opening.threshold) {
            self.enough_since_ms.get_or_insert(now_ms);
        }
        Ok(self.publish_if_enough(now_ms, ledger))
    }

    pub(super) fn publish_if_enough(&self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let Some(closed) = ledger.round() else {
            return Vec::new();
        };
        let all = self.signatures.len() >= closed.opening.seats.len();
        let waited = self
            .enough_since_ms
            .is_some_and(|since| now_ms >= since.saturating_add(GRACE_MS));
        if !all && !waited {
            return Vec::new();
        }
        vec![Effect::SignAndAppend {
            entry: self.entry.clone(),
            signatures: self.signatures.values().cloned().collect(),
        }]
    }
}

/// Only members of the round's committee sign for it.
pub(super) fn seated(signer: &PublicKey, ledger: &State) -> Result<(), Rejected> {
    let member = ledger.participant_by_key(signer).map(|member| member.id);
    let holds = ledger.round().is_some_and(|round| {
        round
            .opening
            .seats
            .iter()
            .any(|seat| Some(seat.participant) == member)
    });
    if holds {
        Ok(())
    } else {
        Err(Rejected::new(
            Code::NoSeat,
            "only members of this round's committee sign this",
        ))
    }
}
