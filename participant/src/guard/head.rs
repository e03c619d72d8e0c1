//! The chain over an identity's guard records. Its head goes into seat offers and cosignatures of a close, and so onto
//! the ledger: a directory that does not lead to the head on the ledger has lost records.

use std::collections::BTreeMap;

use unsilo_ledger::{Domain, DomainHasher, GuardHead, Hash};

use super::Record;

const LINK: Domain = Domain::new("guard record");

/// The chain as far as it must be known: its head, and the heads that were published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    head: GuardHead,
    /// Digest by number of records, of the heads that this identity may have shown.
    shown: BTreeMap<u64, Hash>,
}

impl Default for Chain {
    fn default() -> Self {
        let head = GuardHead {
            records: 0,
            digest: [0; 32],
        };
        Self {
            head,
            shown: BTreeMap::new(),
        }
    }
}

impl Chain {
    pub(super) fn head(&self) -> GuardHead {
        self.head
    }

    /// The digest is that of all records before and this one. After lost records the count goes on from the ledger's, so
    /// that it never falls.
    pub(super) fn link(&mut self, record: &Record) {
        if let Record::Behind { head, .. } = record {
            self.head.records = self.head.records.max(head.records);
            self.shown.insert(head.records, head.digest);
        }
        self.head = GuardHead {
            records: self.head.records.saturating_add(1),
            digest: DomainHasher::new(LINK)
                .with(&self.head.records.to_le_bytes())
                .with(&self.head.digest)
                .with(&record.chained())
                .finish(),
        };
        if matches!(record, Record::Seat(_) | Record::Cosigned { .. }) {
            self.shown.insert(self.head.records, self.head.digest);
        }
    }

    /// Whether these records lead to `head`, one that was shown. The head of no records is everybody's.
    pub(super) fn contains(&self, head: &GuardHead) -> bool {
        head.records == 0 || self.shown.get(&head.records) == Some(&head.digest)
    }
}
