//! Violations on their way to the ledger: what members attest, and what speaks for itself.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, Phase, PublicKey, Rejected as Refused, SignedEntry, State,
};
use unsilo_proto::{Code, Rejected};

use super::{
    effect::Effect,
    machine::{Handled, verify_signature},
};

/// How many violations wait at a time: each is at most some 130 KB, and there is rarely one.
const WAITING: usize = 64;

/// Reports that are not on the ledger yet, by their bytes. They are appended between rounds: while one is under way,
/// members act on one size of the log.
#[derive(Default)]
pub(super) struct Violations(BTreeMap<Vec<u8>, Report>);

struct Report {
    entry: Entry,
    signatures: BTreeMap<PublicKey, EntrySignature>,
    /// This coordinator saw it itself: two signed statements that exclude each other.
    seen: bool,
}

impl Violations {
    /// A contradiction that was seen here. The coordinator reports it.
    pub(super) fn saw(&mut self, entry: Entry) {
        if self.0.len() < WAITING {
            let report = self.0.entry(entry.to_bytes());
            report
                .or_insert_with(|| Report {
                    entry,
                    signatures: BTreeMap::new(),
                    seen: true,
                })
                .seen = true;
        }
    }

    /// A member's signature under a violation that it verified.
    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        bytes: &[u8],
        signature: EntrySignature,
        ledger: &State,
    ) -> Handled {
        let entry = Entry::from_bytes(bytes)
            .map_err(|error| Rejected::new(Code::Malformed, format!("entry: {error}")))?;
        if !matches!(entry, Entry::ViolationReported { .. }) {
            return Err(Rejected::new(
                Code::Malformed,
                "the entry does not report a violation",
            ));
        }
        verify_signature(federation, &entry, &signature)?;
        // Alone it is at most one of too few: whatever else is wrong with it would spoil the report.
        match ledger.check(&SignedEntry::new(entry.clone(), vec![signature.clone()])) {
            Ok(()) | Err(Refused::TooFewSigners { .. }) => {}
            Err(refused) => return Err(Rejected::new(Code::LedgerRefused, refused.to_string())),
        }
        if self.0.len() >= WAITING && !self.0.contains_key(bytes) {
            return Err(Rejected::new(
                Code::TooLarge,
                format!("{WAITING} violations wait for the ledger, more are not taken now"),
            ));
        }
        let report = self.0.entry(bytes.to_vec()).or_insert_with(|| Report {
            entry,
            signatures: BTreeMap::new(),
            seen: false,
        });
        report.signatures.insert(signature.signer, signature);
        Ok(self.report_if_enough(ledger))
    }

    /// Reports what has enough signatures, between rounds; asked again on every tick, so a failed append is repeated.
    /// What the ledger does not take any more (it is there already) is forgotten.
    pub(super) fn report_if_enough(&mut self, ledger: &State) -> Vec<Effect> {
        if ledger.phase() != Phase::Idle {
            return Vec::new();
        }
        // What was seen here is tried once: if it does not get there, both signed statements are on disk.
        let seen = self.0.iter().find(|(_, report)| report.seen);
        if let Some(bytes) = seen.map(|(bytes, _)| bytes.clone()) {
            let report = self.0.remove(&bytes);
            return report
                .map(|report| Effect::SignAndAppend {
                    entry: report.entry,
                    signatures: Vec::new(),
                })
                .into_iter()
                .collect();
        }
        let attested = |report: &Report| {
            let signatures = report.signatures.values().cloned().collect();
            SignedEntry::new(report.entry.clone(), signatures)
        };
        self.0.retain(|_, report| {
            let checked = ledger.check(&attested(report));
            matches!(checked, Ok(()) | Err(Refused::TooFewSigners { .. }))
        });
        // One at a time: each changes what the next is checked against.
        let due = self
            .0
            .values()
            .map(attested)
            .find(|signed| ledger.check(signed).is_ok());
        due.map(Effect::Append).into_iter().collect()
    }
}
