//! This node's own copy of the ledger: every entry verified, every checkpoint held against the ones before.

use std::path::Path;

use tonic::transport::Channel;
use unsilo_ledger::{
    Diverged, Draft, LedgerStore, Outcome, PublicKey, SignedEntry, Standing, State, StoreError,
};
use unsilo_proto::{
    limits,
    v1::{EntriesReply, EntriesRequest, ledger_log_client::LedgerLogClient},
};

use super::{on_disk, requests::Failure};
use crate::{
    alarm::Alarm,
    error::NodeError,
    founders::Founder,
    session::{
        ContributionFacts, Facts, FoundingFacts, Phase, PublishedFacts, RoundFacts, SeatFacts,
    },
};

/// Most bytes of entries fetched at a time before a checkpoint confirms them. The coordinator has checkpoints of its
/// newest size only, so a new replica holds the whole log once; a usual federation's is megabytes a year.
const MAX_SYNC_BYTES: usize = 4 << 30;

/// The replica of one participant.
pub(super) struct LedgerReplica {
    store: LedgerStore,
    me: PublicKey,
}

/// How a synchronisation ended short of success.
pub(super) enum SyncError {
    /// The connection or the coordinator.
    Request(Failure),
    /// The coordinator signed what does not fit.
    Alarm(Alarm),
    /// This machine.
    Node(NodeError),
}

impl LedgerReplica {
    pub(super) fn open(path: &Path, draft: &Draft, me: PublicKey) -> Result<Self, NodeError> {
        let store = if path.exists() {
            LedgerStore::open_replica(path, draft.coordinator)
        } else {
            LedgerStore::create_replica(path, draft.coordinator, draft.federation_id())
        };
        Ok(Self {
            store: store.map_err(broken)?,
            me,
        })
    }

    /// Fetches and verifies until the replica has at least `entries`; with `None` it asks in any case, and so holds
    /// the coordinator's newest checkpoint against its own. Says whether the replica grew.
    pub(super) async fn sync(
        &mut self,
        channel: &Channel,
        entries: Option<u64>,
    ) -> Result<bool, SyncError> {
        let mut client =
            LedgerLogClient::new(channel.clone()).max_decoding_message_size(limits::MESSAGE_BYTES);
        let before = self.store.len();
        let mut pages: Vec<SignedEntry> = Vec::new();
        let mut bytes = 0;
        let mut asked = false;
        while !asked
            || !pages.is_empty()
            || entries.is_some_and(|entries| self.store.len() < entries)
        {
            if !asked && entries.is_some_and(|entries| self.store.len() >= entries) {
                break;
            }
            let from = self.store.len() + pages.len() as u64;
            let reply = client
                .entries(EntriesRequest { from })
                .await
                .map_err(|status| SyncError::Request(Failure::from(status)))?
                .into_inner();
            asked = true;
            if reply.size == 0 && self.store.is_empty() {
                break;
            }
            bytes += reply.entries.iter().map(Vec::len).sum::<usize>();
            if bytes > MAX_SYNC_BYTES {
                return Err(SyncError::Request(Failure::Lost(
                    "the coordinator sends ledger entries without end".to_owned(),
                )));
            }
            let more = decode(&reply)?;
            let stuck = more.is_empty();
            pages.extend(more);
            if self.store.len() + pages.len() as u64 >= reply.size {
                self.append(&pages, &reply.checkpoint)?;
                pages.clear();
            }
            if stuck {
                // Whatever was promised is not there (yet); the next step asks again.
                break;
            }
        }
        Ok(self.store.len() > before)
    }

    fn append(&mut self, entries: &[SignedEntry], checkpoint: &str) -> Result<(), SyncError> {
        let appended = if entries.is_empty() {
            match self.store.compare(checkpoint) {
                Ok(Standing::Equal | Standing::Ahead { .. }) => Ok(()),
                Err(error) => Err(StoreError::Append(error)),
            }
        } else {
            on_disk(|| self.store.append_verified(entries, checkpoint)).map(|_| ())
        };
        match appended {
            Ok(()) => Ok(()),
            Err(StoreError::Append(error)) => Err(SyncError::Alarm(self.alarm(&error, checkpoint))),
            Err(other) => Err(SyncError::Node(broken(other))),
        }
    }

    /// Everything the coordinator signed and that does not fit what it signed before is evidence.
    fn alarm(&self, error: &unsilo_ledger::AppendError, theirs: &str) -> Alarm {
        if let unsilo_ledger::AppendError::OtherFederation { expected, found } = error {
            return Alarm::OtherFederation {
                expected: expected.to_string(),
                found: found.to_string(),
            };
        }
        let proof = matches!(
            error,
            unsilo_ledger::AppendError::Diverged(Diverged::Fork(_) | Diverged::WrongState { .. })
        );
        tracing::error!(%error, proof, "the coordinator's ledger does not fit the replica");
        Alarm::Fork {
            detail: error.to_string(),
            ours: self
                .store
                .checkpoint()
                .map(|checkpoint| checkpoint.note().to_owned())
                .unwrap_or_default(),
            theirs: theirs.to_owned(),
        }
    }

    /// What the session reads off the replica.
    pub(super) fn facts(&self) -> Facts {
        facts(self.store.state(), self.store.len(), &self.me)
    }
}

fn decode(reply: &EntriesReply) -> Result<Vec<SignedEntry>, SyncError> {
    reply
        .entries
        .iter()
        .map(|bytes| SignedEntry::decode(bytes))
        .collect::<Result<_, _>>()
        .map_err(|error| {
            SyncError::Request(Failure::Lost(format!(
                "the coordinator sent ledger entries that cannot be read: {error}"
            )))
        })
}

/// The ledger at one size, seen from the identity `me`.
pub(super) fn facts(state: &State, entries: u64, me: &PublicKey) -> Facts {
    let draw = state.draw();
    Facts {
        entries,
        me: state
            .participant_by_key(me)
            .map(|participant| (participant.id, participant.owner)),
        participants: state.participants().count(),
        founding: state.founders_seed().map(|seed| FoundingFacts {
            seed,
            founders: founders(state),
        }),
        model: state.model().unwrap_or_default(),
        next_round: state
            .round()
            .map_or(state.next_round(), |round| round.opening.round),
        size: draw.as_ref().map_or(0, |draw| draw.size),
        draw: draw.map(|draw| draw.owners).unwrap_or_default(),
        round: round(state),
        published: published(state),
        void: state
            .history()
            .filter_map(|record| match record.outcome {
                Outcome::Voided { reason } => Some((record.round, reason)),
                Outcome::Published { .. } => None,
            })
            .collect(),
    }
}

fn founders(state: &State) -> Vec<Founder> {
    let invited = state
        .draft()
        .map(|draft| draft.founders.len())
        .unwrap_or_default();
    state
        .participants()
        .take(invited)
        .map(|participant| Founder {
            name: participant.name.clone(),
            key: participant.key,
        })
        .collect()
}

fn round(state: &State) -> Option<RoundFacts> {
    let current = state.round()?;
    let owner = |id| state.participant(id).map(|participant| participant.owner);
    let opening = &current.opening;
    Some(RoundFacts {
        round: opening.round,
        phase: if current.closing.is_some() {
            Phase::Closed
        } else {
            Phase::Open
        },
        model: opening.model,
        unit_log2: opening.unit_log2,
        seats: opening
            .seats
            .iter()
            .filter_map(|seat| {
                Some(SeatFacts {
                    participant: seat.participant,
                    owner: owner(seat.participant)?,
                    round_key: seat.round_key.clone(),
                })
            })
            .collect(),
        threshold: usize::from(opening.threshold),
        contribute_by_ms: opening.contribute_by_ms,
        close_by_ms: opening.close_by_ms,
        open_by_ms: opening.open_by_ms,
        contributions: current
            .contributions
            .iter()
            .filter_map(|(participant, made)| {
                Some(ContributionFacts {
                    participant: *participant,
                    owner: owner(*participant)?,
                    root: made.root,
                })
            })
            .collect(),
        contributions_hash: state.contributions_hash().unwrap_or_default(),
        weights: state.weights().unwrap_or_default().to_vec(),
        cohort: state.required_cohort(),
    })
}

fn published(state: &State) -> Option<PublishedFacts> {
    state
        .history()
        .rev()
        .find_map(|record| match record.outcome {
            Outcome::Published {
                model,
                sum,
                key_sum,
                total_weight,
            } => Some(PublishedFacts {
                round: record.round,
                base: record.model,
                unit_log2: record.unit_log2,
                sum,
                key_sum,
                model,
                total_weight,
            }),
            Outcome::Voided { .. } => None,
        })
}

fn broken(error: StoreError) -> NodeError {
    if error.is_full_disk() {
        return NodeError::DiskFull {
            path: unsilo_ledger::store::FILE_NAME.into(),
        };
    }
    NodeError::Store {
        store: "ledger",
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
