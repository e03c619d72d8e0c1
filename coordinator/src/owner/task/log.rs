//! The log: what goes into it, what failed, the receipts it backs, and the pages that replicas read.

use unsilo_ledger::{
    AppendError, CosignatureError, Entry, Hash, Outcome, ParticipantId, Proof, Receipt,
    SignedEntry, SignedReceipt, store::StoreError,
};
use unsilo_proto::{Code, Rejected, limits, v1::EntriesReply};

use super::{Task, internal, stopping};
use crate::{error::CoordinatorError, owner::EntryProof, round::Event};

impl Task {
    /// Appends durably; what follows from the entry for our files happens after.
    pub(super) fn append(&mut self, entry: SignedEntry) -> Result<(), Rejected> {
        let index = self.ledger.len();
        let appended = self
            .ledger
            .append(std::slice::from_ref(&entry))
            .map_err(|error| self.append_failed(&error))?;
        for event in appended.events {
            if let unsilo_ledger::Event::RoundWeighed {
                round, derivation, ..
            } = event
            {
                self.weighed = Some((round, derivation.into()));
            }
        }
        self.note_receipt(&entry, index);
        self.note_batch(&entry, index);
        match &entry.entry {
            Entry::FederationCreated { .. } => {
                if let Some(seed) = self.ledger.state().founders_seed()
                    && let Err(error) = self.models.store_initial(&seed)
                {
                    // The genesis stands and cannot be appended again: opening the directory again makes these.
                    let _ = self.failed.try_send(error);
                    return Err(stopping());
                }
                self.serve_current();
            }
            Entry::ModelPublished { round, .. } => {
                tracing::info!(round, "published");
                // Everybody cosigns this size.
                self.ledger.keep_books();
                self.serve_current();
                self.discard_before(*round);
                self.receipts.retain(|(of, _), _| of >= round);
            }
            Entry::StatisticsPublished { round, statistics } => {
                let measured = statistics.is_some();
                tracing::info!(round, measured, "statistics of the data published");
                self.serve_current();
            }
            Entry::RoundVoided { round, reason, .. } => {
                tracing::warn!(round, ?reason, "void");
            }
            _ => {}
        }
        Ok(())
    }

    /// Removes what is of no more use once `round` is published. What a rejection or an appeal is checked with stays
    /// for as long as it may be appealed against.
    fn discard_before(&self, round: u64) {
        let state = self.ledger.state();
        let kept = state.draft().map_or(u64::MAX, |draft| {
            let terms = &draft.incentive;
            u64::from(terms.appeal_epochs)
                .saturating_add(1)
                .saturating_mul(u64::from(terms.epoch_rounds))
        });
        let back = usize::try_from(kept).unwrap_or(usize::MAX);
        let published = state
            .history()
            .rev()
            .filter(|record| matches!(record.outcome, Outcome::Published { .. }));
        let proofs = published.map(|record| record.round).nth(back).unwrap_or(0);
        let disputed = |round, participant| self.scalars.has_evidence(round, participant);
        self.contributions.discard_before(round, proofs, disputed);
        self.scalars.discard_before(round, proofs);
    }

    /// An entry that the rules refuse changed nothing. After any other failure nobody knows what the disk
    /// holds: the process ends, and opening the ledger again finds out. Nothing was acknowledged.
    pub(super) fn append_failed(&self, error: &StoreError) -> Rejected {
        if let StoreError::Append(refused) = error {
            return Rejected::new(Code::LedgerRefused, refused.to_string());
        }
        tracing::error!(%error, "the ledger cannot be written");
        let _ = self
            .failed
            .try_send(CoordinatorError::LedgerNotWritten(error.to_string()));
        stopping()
    }

    /// The newest checkpoint with everybody's cosignatures.
    fn checkpoint(&self) -> String {
        match self.ledger.cosigned(self.ledger.len()) {
            Some(cosigned) => cosigned.note(),
            None => String::new(),
        }
    }

    /// The newest checkpoint with the cosignatures of the members of the round under way.
    pub(super) fn members_note(&self) -> String {
        let seated = |participant| {
            let round = self.ledger.state().round();
            round.is_some_and(|round| round.seat_of(participant).is_some())
        };
        match self.ledger.cosigned(self.ledger.len()) {
            Some(cosigned) => cosigned.note_of(seated),
            None => String::new(),
        }
    }

    /// Whether enough members of the round under way cosigned the newest checkpoint.
    pub(super) fn is_cosigned(&self) -> bool {
        let newest = self.ledger.cosigned(self.ledger.len());
        newest.is_some_and(|cosigned| self.ledger.state().threshold_cosigned(cosigned))
    }

    /// Keeps a participant's cosignature of a checkpoint. The one that makes enough lets the members act.
    pub(super) fn cosign(&mut self, size: u64, line: &str) -> Result<(), Rejected> {
        let enough_before = self.is_cosigned();
        match self.ledger.add_cosignature(size, line) {
            Ok(_) => {}
            // Late for a checkpoint that is not kept any more: no harm, and nothing to do about it.
            Err(StoreError::Append(AppendError::Cosignature(CosignatureError::NoCheckpoint {
                size,
                newest,
            }))) if size < newest => return Ok(()),
            Err(StoreError::Append(refused)) => {
                let code = match &refused {
                    AppendError::Cosignature(CosignatureError::NoCheckpoint { .. }) => {
                        Code::CheckpointUnknown
                    }
                    _ => Code::SignatureInvalid,
                };
                return Err(Rejected::new(code, refused.to_string()));
            }
            Err(error) => return Err(self.append_failed(&error)),
        }
        if !enough_before && self.is_cosigned() {
            self.step(Event::Cosigned)?;
        }
        Ok(())
    }

    pub(super) fn note_receipt(&mut self, signed: &SignedEntry, index: u64) {
        if let Entry::ContributionCommitted {
            round,
            participant,
            root,
            ..
        } = signed.entry
        {
            self.receipts.insert((round, participant), (root, index));
        }
    }

    pub(super) fn commit(&mut self, signed: SignedEntry) -> Result<SignedReceipt, Rejected> {
        let Entry::ContributionCommitted {
            round,
            participant,
            root,
            ..
        } = signed.entry
        else {
            return Err(Rejected::new(
                Code::Malformed,
                "the signed entry is not a contribution's",
            ));
        };
        match self.receipts.get(&(round, participant)) {
            Some((known, _)) if *known != root => {
                return Err(Rejected::new(
                    Code::ContributionDiffers,
                    format!(
                        "you already made another contribution to round {round}; one a round is taken"
                    ),
                ));
            }
            Some(_) => {}
            None => self.step(Event::Stored(Box::new(signed)))?,
        }
        self.receipt(round, participant, root).ok_or_else(|| {
            Rejected::new(
                Code::Internal,
                "the contribution was not recorded: send it again",
            )
        })
    }

    /// The receipt of a contribution that is on the ledger. Signing is deterministic: always the same bytes.
    pub(super) fn receipt(
        &self,
        round: u64,
        participant: ParticipantId,
        root: Hash,
    ) -> Option<SignedReceipt> {
        let (known, entry_index) = self.receipts.get(&(round, participant))?;
        let receipt = Receipt {
            federation: self.federation,
            round,
            participant,
            root,
            entry_index: *entry_index,
        };
        (*known == root).then(|| receipt.sign(&self.identity))
    }

    pub(super) fn consistency(&self, old: u64, new: u64) -> Result<Proof, Rejected> {
        let proof = self.ledger.prove_consistency(old, new);
        proof.map_err(|error| Rejected::new(Code::Malformed, error.to_string()))
    }

    pub(super) fn entries(&self, from: u64) -> Result<EntriesReply, Rejected> {
        let size = self.ledger.len();
        let entries = self
            .ledger
            .encoded_entries(from, limits::ENTRIES_PAGE, limits::ENTRIES_PAGE_BYTES)
            .map_err(|error| internal(CoordinatorError::Ledger(error.to_string())))?;
        Ok(EntriesReply {
            entries,
            size,
            checkpoint: self.checkpoint(),
        })
    }

    /// A few entries, for people to look at.
    pub(super) fn excerpt(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Rejected> {
        self.ledger
            .encoded_entries(from, limit, limits::ENTRIES_PAGE_BYTES)
            .map_err(|error| internal(CoordinatorError::Ledger(error.to_string())))
    }

    /// An entry with the proof that the newest checkpoint is about it.
    pub(super) fn proof(&self, index: u64) -> Result<EntryProof, Rejected> {
        let ledger_failed = |error: String| internal(CoordinatorError::Ledger(error));
        let size = self.ledger.len();
        let path = self
            .ledger
            .prove_inclusion(index, size)
            .map_err(|error| Rejected::new(Code::Malformed, error.to_string()))?;
        let mut entries = self.excerpt(index, 1)?;
        let entry = entries
            .pop()
            .ok_or_else(|| ledger_failed(format!("entry {index} cannot be read")))?;
        Ok(EntryProof {
            entry,
            checkpoint: self.checkpoint(),
            size,
            path,
        })
    }
}
