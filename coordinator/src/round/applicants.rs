//! Companies that joined after the founding: they wait until more than half of the owners have approved them.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, OwnerId, Phase, PublicKey, SignedEntry, State,
};
use unsilo_proto::{Code, Rejected};

use super::{
    effect::Effect,
    machine::{Handled, verify_signature},
};

/// Admissions that owners are asked to sign, by the name of the applicant.
#[derive(Default)]
pub(super) struct Applicants(BTreeMap<String, (Entry, BTreeMap<OwnerId, EntrySignature>)>);

impl Applicants {
    /// Name, entry, approvals so far.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, &Entry, usize)> {
        self.0
            .iter()
            .map(|(name, (entry, signatures))| (name.as_str(), entry, signatures.len()))
    }

    /// Everything that owners have approved: entries and signatures.
    pub(super) fn approvals(&self) -> impl Iterator<Item = (Vec<u8>, EntrySignature)> {
        self.0.values().flat_map(|(entry, approvals)| {
            approvals
                .values()
                .map(|signature| (entry.to_bytes(), signature.clone()))
        })
    }

    /// Everybody who joined and is not on the ledger waits for approval, once there are owners to give it.
    /// Approvals are for one identity: a company that joins with another one begins anew.
    pub(super) fn refresh(&mut self, joined: &[(String, PublicKey)], ledger: &State) {
        if ledger.phase() == Phase::Unfounded {
            return;
        }
        let waiting = joined.iter().filter(|(name, key)| {
            ledger.participant_by_key(key).is_none() && ledger.participant_by_name(name).is_none()
        });
        let mut applicants = BTreeMap::new();
        for (name, key) in waiting {
            let entry = Entry::ParticipantAdmitted {
                name: name.clone(),
                key: *key,
                owner: None,
            };
            let approvals = match self.0.remove(name) {
                Some((before, approvals)) if before == entry => approvals,
                _ => BTreeMap::new(),
            };
            applicants.insert(name.clone(), (entry, approvals));
        }
        self.0 = applicants;
    }

    /// Takes an owner's approval; the one that makes more than half admits.
    pub(super) fn approved(
        &mut self,
        federation: &FederationId,
        entry: &[u8],
        signature: EntrySignature,
        ledger: &State,
    ) -> Handled {
        let Some((admission, approvals)) = self
            .0
            .values_mut()
            .find(|(admission, _)| admission.to_bytes() == entry)
        else {
            return Err(Rejected::new(
                Code::NotFound,
                "no such company waits for approval: it may be admitted already",
            ));
        };
        verify_signature(federation, admission, &signature)?;
        let signer = ledger
            .participant_by_key(&signature.signer)
            .ok_or_else(|| {
                Rejected::new(Code::NotAParticipant, "only participants admit others")
            })?;
        // Owners are counted, each once: another participant of the same owner adds nothing.
        approvals.entry(signer.owner).or_insert(signature);
        Ok(self.admit_if_enough(ledger))
    }

    /// Admits who has enough approvals. The applicant stays one until the ledger says otherwise, so a failed
    /// append is repeated.
    ///
    /// Between rounds only. While one is open, an admission would change who is waited for and how many companies a
    /// close needs, so a coordinator that restarts would take up again a set that members have cosigned. After the
    /// close, members act on the checkpoint of one size of the log, which must not move under them.
    pub(super) fn admit_if_enough(&self, ledger: &State) -> Vec<Effect> {
        if ledger.phase() != Phase::Idle {
            return Vec::new();
        }
        let approved = self
            .0
            .values()
            .find(|(_, approvals)| approvals.len() >= ledger.majority());
        match approved {
            Some((entry, approvals)) => {
                let signatures = approvals.values().cloned().collect();
                vec![Effect::Append(SignedEntry::new(entry.clone(), signatures))]
            }
            None => Vec::new(),
        }
    }
}
