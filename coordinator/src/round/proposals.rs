//! Entries that participants sign outside of a round: admissions, voids by the owners, changes of membership, appeals,
//! stake, feedback. They wait here until they have every signature that the ledger asks for.
//!
//! Nothing here decides: the ledger says of each signature whether it is one of those it asks for, and of each entry
//! whether it is complete.

mod kind;

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::{
    Entry, EntrySignature, FederationId, OwnerId, Phase, PublicKey, Rejected as Refused,
    SignedEntry, State,
};
use unsilo_proto::{Code, Rejected};

use self::kind::{Kind, check_form, kind_of, may_be_entered};
use super::machine::verify_signature;

/// Entries that an owner has under its signature here at a time. People sign a few; more would only fill the list that
/// everybody reads.
pub(super) const WAITING: usize = 16;
/// How long a signature waits for the others, 30 days in milliseconds: an opinion is not brought up years later.
pub(super) const SIGNATURE_LIFE_MS: u64 = 30 * 24 * 3_600_000;

/// A signature under an entry that is not complete yet, as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Signed {
    /// Canonical bytes of the entry.
    pub(crate) entry: Vec<u8>,
    /// Checked by [`Proposals::sign`].
    pub(crate) signature: EntrySignature,
    /// When it was taken, milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// What is being signed, by the entries' canonical bytes.
#[derive(Default)]
pub(super) struct Proposals(BTreeMap<Vec<u8>, Proposal>);

struct Proposal {
    entry: Entry,
    kind: Kind,
    /// Owners are counted, each once: another participant of the same owner adds nothing.
    signatures: BTreeMap<OwnerId, (EntrySignature, u64)>,
}

impl Proposal {
    fn signed(&self) -> SignedEntry {
        let signatures = self.signatures.values();
        SignedEntry::new(
            self.entry.clone(),
            signatures.map(|(signature, _)| signature.clone()).collect(),
        )
    }
}

impl Proposals {
    /// Every entry with the signatures that it has so far.
    pub(super) fn pending(&self) -> impl Iterator<Item = SignedEntry> {
        self.0.values().map(Proposal::signed)
    }

    /// Everything that was signed: kept over a restart, for people sign once.
    pub(super) fn signatures(&self) -> impl Iterator<Item = Signed> {
        self.0.iter().flat_map(|(entry, proposal)| {
            proposal
                .signatures
                .values()
                .map(|(signature, at_ms)| Signed {
                    entry: entry.clone(),
                    signature: signature.clone(),
                    at_ms: *at_ms,
                })
        })
    }

    /// Brings the list in line with the ledger and the clock. Everybody who joined and is not on the ledger waits for
    /// admission, once there are owners to give it: under one identity, so a company that joins with another one begins
    /// anew. What the ledger will not take any more, whatever signatures are added, is forgotten.
    pub(super) fn refresh(&mut self, joined: &[(String, PublicKey)], now_ms: u64, ledger: &State) {
        self.expire(now_ms);
        for proposal in self.0.values_mut() {
            proposal.signatures.retain(|owner, (signature, _)| {
                ledger
                    .participant_by_key(&signature.signer)
                    .is_some_and(|signer| signer.owner == *owner)
            });
        }
        let applicants = applicants(joined, ledger);
        self.0.retain(|bytes, proposal| match proposal.kind {
            Kind::Admission => applicants.contains_key(bytes),
            _ => {
                !proposal.signatures.is_empty()
                    && check_form(&proposal.entry, ledger).is_ok()
                    && may_become_complete(&ledger.check(&proposal.signed()))
            }
        });
        for (bytes, entry) in applicants {
            self.0.entry(bytes).or_insert_with(|| Proposal {
                entry,
                kind: Kind::Admission,
                signatures: BTreeMap::new(),
            });
        }
    }

    fn expire(&mut self, now_ms: u64) {
        for proposal in self.0.values_mut() {
            proposal
                .signatures
                .retain(|_, (_, at_ms)| now_ms < at_ms.saturating_add(SIGNATURE_LIFE_MS));
        }
    }

    /// Takes a participant's signature. It replaces the one under another entry of the same kind about the same subject,
    /// so nobody stands for two voids or two new keys at once.
    ///
    /// # Errors
    /// Whatever the ledger would refuse because of this signature or the entry itself; nothing has changed then.
    pub(super) fn sign(
        &mut self,
        federation: &FederationId,
        signed: Signed,
        ledger: &State,
    ) -> Result<(), Rejected> {
        let malformed = |message: String| Rejected::new(Code::Malformed, message);
        let entry = Entry::from_bytes(&signed.entry)
            .map_err(|error| malformed(format!("entry: {error}")))?;
        let kind = kind_of(&entry).ok_or_else(|| {
            malformed("this is not an entry that participants sign outside of a round".to_owned())
        })?;
        check_form(&entry, ledger)?;
        verify_signature(federation, &entry, &signed.signature)?;
        let signer = ledger
            .participant_by_key(&signed.signature.signer)
            .ok_or_else(|| {
                Rejected::new(Code::NotAParticipant, "only participants sign entries")
            })?;
        let known = self.0.get(&signed.entry);
        if known.is_some_and(|proposal| proposal.signatures.contains_key(&signer.owner)) {
            return Ok(());
        }
        if kind == Kind::Admission && known.is_none() {
            return Err(Rejected::new(
                Code::NotFound,
                "no such company waits for approval: it may be admitted already",
            ));
        }
        // Alone it is at most one of too few: whatever else is wrong with it would spoil the entry.
        let alone = SignedEntry::new(entry.clone(), vec![signed.signature.clone()]);
        let checked = ledger.check(&alone);
        if !may_become_complete(&checked)
            && let Err(refused) = checked
        {
            return Err(Rejected::new(Code::LedgerRefused, refused.to_string()));
        }
        self.make_room(signer.owner, &kind)?;
        let proposal = self.0.entry(signed.entry).or_insert_with(|| Proposal {
            entry,
            kind,
            signatures: BTreeMap::new(),
        });
        proposal
            .signatures
            .insert(signer.owner, (signed.signature, signed.at_ms));
        Ok(())
    }

    /// Takes the owner's signature from under another entry of this kind, and checks that it has not signed too many.
    fn make_room(&mut self, owner: OwnerId, kind: &Kind) -> Result<(), Rejected> {
        let by_owner = |proposal: &&Proposal| proposal.signatures.contains_key(&owner);
        let replaced = |proposal: &Proposal| proposal.kind.replaces() && proposal.kind == *kind;
        let signed = self.0.values().filter(by_owner);
        if let Kind::Own(..) = kind
            && signed.clone().any(|proposal| proposal.kind == *kind)
        {
            return Err(Rejected::new(
                Code::WrongStep,
                "your company's last entry of this kind waits for the end of the round: sign the next one then",
            ));
        }
        if signed.filter(|proposal| !replaced(proposal)).count() >= WAITING {
            return Err(Rejected::new(
                Code::TooLarge,
                format!(
                    "{WAITING} entries wait under your company's signature, more are not taken: others must sign first"
                ),
            ));
        }
        for proposal in self.0.values_mut().filter(|proposal| replaced(proposal)) {
            proposal.signatures.remove(&owner);
        }
        self.0.retain(|_, proposal| {
            proposal.kind == Kind::Admission || !proposal.signatures.is_empty()
        });
        Ok(())
    }

    /// An entry that is complete and may be on the ledger now; `contributing` while the open round takes contributions.
    /// It stays on the list until the ledger holds it, so a failed append is repeated.
    pub(super) fn complete(
        &mut self,
        now_ms: u64,
        contributing: bool,
        ledger: &State,
    ) -> Option<SignedEntry> {
        if ledger.phase() == Phase::Unfounded {
            return None;
        }
        self.expire(now_ms);
        self.0
            .values()
            .filter(|proposal| may_be_entered(&proposal.kind, contributing, ledger.phase()))
            .map(Proposal::signed)
            .find(|signed| ledger.check(signed).is_ok())
    }
}

/// Whether more signatures can make the entry one that the ledger takes.
fn may_become_complete(checked: &Result<(), Refused>) -> bool {
    matches!(
        checked,
        Ok(()) | Err(Refused::TooFewSigners { .. } | Refused::OwnerDidNotSign { .. })
    )
}

/// Admissions of those who joined and are not on the ledger, by their bytes.
fn applicants(joined: &[(String, PublicKey)], ledger: &State) -> BTreeMap<Vec<u8>, Entry> {
    if ledger.phase() == Phase::Unfounded {
        return BTreeMap::new();
    }
    let waiting = joined.iter().filter(|(name, key)| {
        ledger.participant_by_key(key).is_none() && ledger.participant_by_name(name).is_none()
    });
    waiting
        .map(|(name, key)| {
            let entry = Entry::ParticipantAdmitted {
                name: name.clone(),
                key: *key,
                owner: None,
            };
            (entry.to_bytes(), entry)
        })
        .collect()
}
