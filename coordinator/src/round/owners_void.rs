//! The owners' way out of a round that its committee cannot end: more than half of them sign that it is void.

use std::collections::BTreeMap;

use unsilo_ledger::{
    Entry, EntrySignature, FederationId, OwnerId, Phase, SignedEntry, State, VoidAuthority,
    entry::OWNERS_VOID_DELAY_MS,
};
use unsilo_proto::{Code, Rejected};

use super::{
    effect::Effect,
    machine::{Handled, verify_signature},
};

/// Voids that owners are signing, by their bytes: one for each reason that somebody gave.
#[derive(Default)]
pub(super) struct OwnersVoids(BTreeMap<Vec<u8>, (Entry, BTreeMap<OwnerId, EntrySignature>)>);

impl OwnersVoids {
    /// Every void that is being signed, and by how many owners.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&Entry, usize)> {
        self.0
            .values()
            .map(|(entry, signatures)| (entry, signatures.len()))
    }

    /// Everything that was signed: kept over a restart, for people sign once.
    pub(super) fn signatures(&self) -> impl Iterator<Item = (Vec<u8>, EntrySignature)> {
        self.0.iter().flat_map(|(bytes, (_, signatures))| {
            signatures
                .values()
                .map(|signature| (bytes.clone(), signature.clone()))
        })
    }

    /// Forgets the voids of rounds that are over.
    pub(super) fn refresh(&mut self, ledger: &State) {
        self.0.retain(|_, (entry, _)| {
            matches!(
                entry,
                Entry::RoundVoided { round, .. } if *round == round_to_void(ledger)
            )
        });
    }

    /// Takes an owner's signature; the one that makes more than half voids the round.
    pub(super) fn signed(
        &mut self,
        federation: &FederationId,
        bytes: &[u8],
        signature: EntrySignature,
        ledger: &State,
    ) -> Handled {
        let entry = Entry::from_bytes(bytes)
            .map_err(|error| Rejected::new(Code::Malformed, format!("entry: {error}")))?;
        let Entry::RoundVoided {
            round,
            authority: VoidAuthority::Owners { passed_ms },
            ..
        } = entry
        else {
            return Err(Rejected::new(
                Code::Malformed,
                "the entry is not a void on the owners' word",
            ));
        };
        let expected = round_to_void(ledger);
        if ledger.phase() == Phase::Unfounded || round != expected {
            return Err(Rejected::new(
                Code::WrongRound,
                format!(
                    "round {expected} is the one that owners can void now, this is for round {round}"
                ),
            ));
        }
        // One form only: otherwise signatures under the same word would not add up.
        let stated = passed_ms_of(ledger);
        if passed_ms != stated {
            return Err(Rejected::new(
                Code::WrongStep,
                format!(
                    "the void states that {passed_ms} has passed, {stated} is expected (milliseconds since 1970): has the \
                     round closed in the meantime? Sign again"
                ),
            ));
        }
        verify_signature(federation, &entry, &signature)?;
        let signer = ledger
            .participant_by_key(&signature.signer)
            .ok_or_else(|| {
                Rejected::new(
                    Code::NotAParticipant,
                    "only owners void a round in this way",
                )
            })?;
        let (_, signatures) = self
            .0
            .entry(bytes.to_vec())
            .or_insert_with(|| (entry, BTreeMap::new()));
        signatures.entry(signer.owner).or_insert(signature);
        Ok(self.void_if_enough(ledger))
    }

    /// Voids once more than half have signed; asked again on every tick, so a failed append is repeated.
    pub(super) fn void_if_enough(&self, ledger: &State) -> Vec<Effect> {
        let signed = self
            .0
            .values()
            .find(|(_, signatures)| signatures.len() >= ledger.majority());
        match signed {
            Some((entry, signatures)) => {
                let signatures = signatures.values().cloned().collect();
                vec![Effect::Append(SignedEntry::new(entry.clone(), signatures))]
            }
            None => Vec::new(),
        }
    }
}

/// The round under way, or else the next one, whose draw a void skips.
fn round_to_void(ledger: &State) -> u64 {
    ledger
        .round()
        .map_or_else(|| ledger.next_round(), |round| round.opening.round)
}

/// The moment that every signer states has passed: none before the close, a day after the last deadline
/// afterwards.
fn passed_ms_of(ledger: &State) -> u64 {
    ledger
        .round()
        .filter(|round| round.closing.is_some())
        .map_or(0, |round| {
            round
                .opening
                .open_by_ms
                .saturating_add(OWNERS_VOID_DELAY_MS)
        })
}
