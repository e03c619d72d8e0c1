//! A second history of the ledger: what the coordinator's key, and the keys of members that help it, can make.

use std::sync::Mutex;

use prost::{Message, bytes::Bytes};
use unsilo_ledger::{
    Checkpoint, CosignedCheckpoint, Entry, EntrySignature, FederationId, Hash, Replica,
    SignedEntry, SigningIdentity, leaf_hash,
};
use unsilo_proto::v1::{EntriesReply, EntriesRequest, Step};

use super::{
    hand::{entries, identity},
    relay::lock,
};
use crate::companies::Companies;

/// The coordinator's signing key.
pub(crate) fn coordinator(fed: &Companies) -> SigningIdentity {
    let seed = std::fs::read(fed.coordinator().join("secrets/identity")).expect("a key");
    SigningIdentity::from_seed(&seed.try_into().expect("32 bytes"))
}

/// What becomes of an entry in the second history; `None` leaves it as it is.
pub(crate) type Change = Box<dyn Fn(&Entry) -> Option<Entry> + Send + Sync>;

/// The second history, which follows the first but for what is changed.
pub(crate) struct Books {
    coordinator: SigningIdentity,
    federation: FederationId,
    /// Members that sign what is changed and cosign the second history.
    helpers: Vec<SigningIdentity>,
    change: Change,
    log: Mutex<Log>,
}

struct Log {
    replica: Replica,
    entries: Vec<SignedEntry>,
}

impl Books {
    /// Begins with the coordinator's log of today.
    pub(crate) fn new(fed: &Companies, helpers: &[&str], change: Change) -> Self {
        let coordinator = coordinator(fed);
        let entries = entries(fed, "Aster");
        let books = Self {
            federation: super::federation(fed),
            helpers: helpers.iter().map(|name| identity(fed, name)).collect(),
            change,
            log: Mutex::new(Log {
                replica: Replica::new(coordinator.public(), None),
                entries: Vec::new(),
            }),
            coordinator,
        };
        books.follow(0, &entries);
        books
    }

    /// Takes over what is new in the coordinator's entries from `from` on.
    fn follow(&self, from: usize, entries: &[SignedEntry]) {
        let mut log = lock(&self.log);
        let known = log.entries.len();
        for signed in entries.iter().skip(known.saturating_sub(from)) {
            let told = self.told_entry(signed);
            log.replica
                .append(std::slice::from_ref(&told), &self.coordinator)
                .expect("a history by the rules");
            log.entries.push(told);
        }
    }

    fn told_entry(&self, signed: &SignedEntry) -> SignedEntry {
        let Some(entry) = (self.change)(&signed.entry) else {
            return signed.clone();
        };
        let signers: Vec<&SigningIdentity> = match entry {
            Entry::RoundOpened { .. } => vec![&self.coordinator],
            _ => self.helpers.iter().collect(),
        };
        let signatures: Vec<EntrySignature> = signers
            .into_iter()
            .map(|signer| entry.sign(&self.federation, signer))
            .collect();
        SignedEntry::new(entry, signatures)
    }

    /// The reply to a request for entries, in the second history.
    pub(crate) fn entries(&self, asked: &Bytes, message: &Bytes) -> Bytes {
        let asked = EntriesRequest::decode(asked.clone()).expect("a request");
        let reply = EntriesReply::decode(message.clone()).expect("a reply");
        let from = usize::try_from(asked.from).expect("small");
        let entries: Vec<_> = reply
            .entries
            .iter()
            .map(|bytes| SignedEntry::decode(bytes).expect("an entry"))
            .collect();
        self.follow(from, &entries);
        let log = lock(&self.log);
        if log.replica.is_empty() {
            return message.clone();
        }
        let told = log.entries.iter().skip(from).map(SignedEntry::encode);
        let reply = EntriesReply {
            entries: told.collect(),
            size: log.replica.len(),
            checkpoint: log
                .replica
                .checkpoint()
                .expect("not empty")
                .note()
                .to_owned(),
        };
        reply.encode_to_vec().into()
    }

    /// A step whose checkpoint, if it is confirmed, is that of the second history, cosigned by the helpers.
    pub(crate) fn step(&self, mut step: Step) -> Step {
        if !step.checkpoint.is_empty() {
            let log = lock(&self.log);
            assert_eq!(log.replica.len(), step.ledger_entries, "in step");
            let state = log.replica.state();
            let signed = log.replica.checkpoint().expect("not empty").clone();
            let mut cosigned = CosignedCheckpoint::new(signed.clone());
            for helper in &self.helpers {
                let id = state
                    .participant_by_key(&helper.public())
                    .expect("admitted");
                let cosignature = signed.cosign(id.id, helper, 1_700_000_000);
                cosigned
                    .add(cosignature, &helper.public())
                    .expect("a cosignature");
            }
            step.checkpoint = cosigned.note();
        }
        step
    }

    /// A reply for a log that the rules forbid, which only somebody who does not replay would take.
    pub(crate) fn forbidden(fed: &Companies, message: &Bytes, change: &Change) -> Option<Bytes> {
        let coordinator = coordinator(fed);
        let mut reply = EntriesReply::decode(message.clone()).expect("a reply");
        let mut federation = None;
        let mut changed = false;
        for bytes in &mut reply.entries {
            let signed = SignedEntry::decode(bytes).expect("an entry");
            let signed = match change(&signed.entry) {
                Some(entry) => {
                    changed = true;
                    let federation = federation?;
                    SignedEntry::signed_by(entry, &federation, &[&coordinator])
                }
                None => signed,
            };
            if let Entry::FederationCreated { draft, .. } = &signed.entry {
                federation = Some(draft.federation_id());
            }
            *bytes = signed.encode();
        }
        let leaves: Vec<Hash> = reply.entries.iter().map(|bytes| leaf_hash(bytes)).collect();
        let checkpoint = Checkpoint {
            federation: federation?,
            size: reply.size,
            root: root(&leaves),
            state_root: [0; 32],
        };
        reply.checkpoint = checkpoint
            .sign(&coordinator)
            .expect("a note")
            .note()
            .to_owned();
        changed.then(|| reply.encode_to_vec().into())
    }
}

/// The root of RFC 6962 over these leaves.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => [0; 32],
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let mut bytes = vec![1];
            bytes.extend(root(left));
            bytes.extend(root(right));
            <sha2::Sha256 as sha2::Digest>::digest(bytes).into()
        }
    }
}
