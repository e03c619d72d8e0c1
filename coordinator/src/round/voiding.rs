//! The round cannot be completed: its members sign that it is void.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, PublicKey, State, VoidAuthority, VoidReason,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::Effect,
    machine::{Handled, not_due, same_round, verify_signature},
    publishing::seated,
};

/// The void entry and the members' signatures under it.
pub(super) struct Voiding {
    round: u64,
    entry: Entry,
    reason: &'static str,
    signatures: BTreeMap<PublicKey, EntrySignature>,
}

impl Voiding {
    pub(super) fn start(round: u64, reason: VoidReason) -> Self {
        Self {
            round,
            entry: Entry::RoundVoided {
                round,
                reason,
                authority: VoidAuthority::Committee,
            },
            reason: reason.in_words(),
            signatures: BTreeMap::new(),
        }
    }

    pub(super) fn announce(&self) -> Vec<Effect> {
        vec![Effect::announce(step::Kind::Voiding(v1::Voiding {
            round: self.round,
            entry: self.entry.to_bytes(),
            reason: self.reason.to_owned(),
        }))]
    }

    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        round: u64,
        entry: &[u8],
        signature: EntrySignature,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        ledger.round().ok_or_else(|| not_due("signatures"))?;
        if self.entry.to_bytes() != entry {
            return Err(Rejected::new(
                Code::WrongStep,
                "the signature is under another entry than the one announced",
            ));
        }
        seated(&signature.signer, ledger)?;
        verify_signature(federation, &self.entry, &signature)?;
        self.signatures.insert(signature.signer, signature);
        Ok(self.void_if_enough(ledger))
    }

    /// Voids once enough members have signed; asked again on every tick, so a failed append is repeated.
    pub(super) fn void_if_enough(&self, ledger: &State) -> Vec<Effect> {
        let enough = ledger
            .round()
            .is_some_and(|current| self.signatures.len() >= usize::from(current.opening.threshold));
        if !enough {
            return Vec::new();
        }
        let signatures = self.signatures.values().cloned().collect();
        vec![Effect::Append(unsilo_ledger::SignedEntry::new(
            self.entry.clone(),
            signatures,
        ))]
    }
}
