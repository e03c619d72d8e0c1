//! The founders sign the first entry.

use std::collections::BTreeMap;

use unsilo_ledger::{Draft, Entry, EntrySignature, FederationId, Member, PublicKey};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::Effect,
    machine::{Handled, verify_signature},
};

/// The proposed genesis and the signatures under it.
#[derive(Default)]
pub(super) struct Founding {
    /// Set once every founder has joined.
    entry: Option<Entry>,
    signatures: BTreeMap<PublicKey, EntrySignature>,
    missing: Vec<String>,
}

impl Founding {
    /// The genesis for `joined` (name and identity), complete when all founders of the draft are in it.
    pub(super) fn propose(draft: &Draft, joined: &[(String, PublicKey)]) -> Self {
        let identity_of = |founder: &String| {
            joined
                .iter()
                .find(|(name, _)| name == founder)
                .map(|(_, key)| *key)
        };
        let missing: Vec<_> = draft
            .founders
            .iter()
            .filter(|founder| identity_of(founder).is_none())
            .cloned()
            .collect();
        let founders: Vec<_> = draft
            .founders
            .iter()
            .filter_map(|founder| {
                Some(Member {
                    name: founder.clone(),
                    key: identity_of(founder)?,
                    owner: None,
                })
            })
            .collect();
        let entry = missing.is_empty().then(|| Entry::FederationCreated {
            draft: draft.clone(),
            founders,
        });
        Self {
            entry,
            signatures: BTreeMap::new(),
            missing,
        }
    }

    /// Somebody joined: propose anew if that changes anything. Signatures under another proposal are void.
    pub(super) fn update(&mut self, draft: &Draft, joined: &[(String, PublicKey)]) -> Vec<Effect> {
        let proposed = Self::propose(draft, joined);
        if proposed.entry == self.entry && proposed.missing == self.missing {
            return Vec::new();
        }
        *self = proposed;
        self.announce()
    }

    pub(super) fn announce(&self) -> Vec<Effect> {
        vec![Effect::announce(step::Kind::Founding(v1::Founding {
            entry: self.entry.as_ref().map(Entry::to_bytes).unwrap_or_default(),
            missing: self.missing.clone(),
        }))]
    }

    /// Takes a founder's signature; the last one founds the federation.
    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        entry: &[u8],
        signature: EntrySignature,
    ) -> Handled {
        let proposed = match &self.entry {
            Some(proposed) if proposed.to_bytes() == entry => proposed,
            _ => {
                return Err(Rejected::new(
                    Code::WrongStep,
                    "the list of founders has changed since you signed: look at the new one",
                ));
            }
        };
        let Entry::FederationCreated { founders, .. } = proposed else {
            return Ok(Vec::new());
        };
        if founders
            .iter()
            .all(|founder| founder.key != signature.signer)
        {
            return Err(Rejected::new(
                Code::NotAParticipant,
                "only founders sign the first entry; the owners admit later members",
            ));
        }
        verify_signature(federation, proposed, &signature)?;
        self.signatures.insert(signature.signer, signature);
        Ok(self.found_if_complete())
    }

    /// Founds once every founder has signed; asked again on every tick, so a failed append is repeated.
    pub(super) fn found_if_complete(&self) -> Vec<Effect> {
        let Some(proposed @ Entry::FederationCreated { founders, .. }) = &self.entry else {
            return Vec::new();
        };
        if self.signatures.len() < founders.len() {
            return Vec::new();
        }
        vec![Effect::SignAndAppend {
            entry: proposed.clone(),
            signatures: self.signatures.values().cloned().collect(),
        }]
    }
}
