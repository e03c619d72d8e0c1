//! This node's own copy of the ledger: every entry verified, every checkpoint held against the ones before.

mod facts;
mod late;
mod weighed;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tonic::transport::Channel;
use unsilo_ledger::{
    AppendError, Diverged, Draft, LedgerStore, PublicKey, SignedEntry, Standing, State, StoreError,
};
use unsilo_proto::{
    limits,
    v1::{EntriesReply, EntriesRequest, ledger_log_client::LedgerLogClient},
};

use super::{
    on_disk,
    requests::{Failure, within},
};
use crate::{alarm::Alarm, error::NodeError, progress::Progress, session::Facts};

/// Most bytes of entries held in memory before a checkpoint confirms them. The coordinator has checkpoints of its newest
/// size only, so nothing can be verified, and nothing kept, page by page: a new replica holds the whole log once. A node
/// that stays connected holds a page.
const MAX_SYNC_BYTES: usize = 1 << 30;

/// The replica of one participant.
pub(super) struct LedgerReplica {
    store: LedgerStore,
    path: PathBuf,
    me: PublicKey,
    /// What the entries appended since it was last asked say that is worth telling.
    news: Vec<Progress>,
}

pub(super) use late::{Begun, LateStart};

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
            path: path.to_owned(),
            me,
            news: Vec::new(),
        })
    }

    /// What its entries say.
    pub(super) fn state(&self) -> &State {
        self.store.state()
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> u64 {
        self.store.len()
    }

    /// Fetches and verifies until the replica has at least `entries`; with `None` it asks in any case, and so holds
    /// the coordinator's newest checkpoint against its own. Says whether the replica grew. The node does nothing else
    /// meanwhile, so each page is waited for no longer than `wait`.
    pub(super) async fn sync(
        &mut self,
        channel: &Channel,
        entries: Option<u64>,
        wait: Duration,
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
            let reply = page(&mut client, from, wait).await?;
            asked = true;
            if reply.size == 0 && self.store.is_empty() {
                break;
            }
            bytes += reply.entries.iter().map(Vec::len).sum::<usize>();
            if bytes > MAX_SYNC_BYTES {
                return Err(SyncError::Request(Failure::Lost(format!(
                    "more than {} MiB of ledger entries would have to be fetched at once: begin with a snapshot \
                         (`full = false` under [ledger] in participant.toml), or stop this node and put a copy of \
                         another company's whole ledger.tlog in the place of its own, which is verified when it starts",
                    MAX_SYNC_BYTES >> 20
                ))));
            }
            let more = decode(&reply)?;
            let stuck = more.is_empty();
            pages.extend(more);
            if self.store.len() + pages.len() as u64 >= reply.size {
                self.append(&mut client, &pages, &reply.checkpoint, wait)
                    .await?;
                pages.clear();
            }
            if stuck {
                // Whatever was promised is not there (yet); the next step asks again.
                break;
            }
        }
        Ok(self.store.len() > before)
    }

    /// Appends entries that a checkpoint confirms. One that does not fit is looked into: whether it proves two histories,
    /// the entries from the first on tell.
    async fn append(
        &mut self,
        client: &mut LedgerLogClient<Channel>,
        entries: &[SignedEntry],
        checkpoint: &str,
        wait: Duration,
    ) -> Result<(), SyncError> {
        let appended = if entries.is_empty() {
            match self.store.compare(checkpoint) {
                Ok(Standing::Equal | Standing::Ahead { .. }) => Ok(()),
                Err(error) => Err(StoreError::Append(error)),
            }
        } else {
            on_disk(|| self.store.append_verified(entries, checkpoint)).map(|appended| {
                let state = self.store.state();
                let me = state.participant_by_key(&self.me).map(|me| me.id);
                let told = weighed::told(state, &appended.events, me);
                self.news.extend(told.into_iter().next_back());
            })
        };
        let error = match appended {
            Ok(()) => return Ok(()),
            Err(StoreError::Append(error)) => error,
            Err(other) => return Err(SyncError::Node(broken(other))),
        };
        let AppendError::Diverged(Diverged::Unreconciled { .. } | Diverged::WrongEntries { .. }) =
            &error
        else {
            return Err(SyncError::Alarm(self.alarm(&error, checkpoint)));
        };
        let whole = whole_log(client, wait).await?;
        match self.store.prove_fork(checkpoint, &whole) {
            Ok(Some(proof)) => {
                let proven = Diverged::Fork(Box::new(proof)).into();
                Err(SyncError::Alarm(self.alarm(&proven, checkpoint)))
            }
            // Its log begins with ours after all: what came before was damaged on the way.
            Ok(None) => Err(SyncError::Request(Failure::Lost(error.to_string()))),
            Err(_) => Err(SyncError::Alarm(self.alarm(&error, checkpoint))),
        }
    }

    /// What is to be told of the entries appended since the last call: the weights of a round, of several at once only the
    /// last one's.
    pub(super) fn take_news(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.news)
    }

    /// Holds the cosigned checkpoint of a step against the replica: another one of a size that the replica has is the
    /// proof of a second history.
    pub(super) fn check(&self, note: &str) -> Result<(), Alarm> {
        match self.store.compare(note) {
            Err(error @ AppendError::Diverged(Diverged::Fork(_) | Diverged::WrongState { .. })) => {
                Err(self.alarm(&error, note))
            }
            // Another size, or nothing that could be read: the session does not act on it.
            _ => Ok(()),
        }
    }

    /// Everything the coordinator signed and that does not fit what it signed before is evidence.
    fn alarm(&self, error: &AppendError, theirs: &str) -> Alarm {
        if let AppendError::OtherFederation { expected, found } = error {
            return Alarm::OtherFederation {
                expected: expected.to_string(),
                found: found.to_string(),
            };
        }
        let proof = match error {
            AppendError::Diverged(Diverged::Fork(proof)) => Some(proof.to_bytes()),
            _ => None,
        };
        tracing::error!(%error, proven = proof.is_some(), "the coordinator's ledger does not fit the replica");
        Alarm::Fork {
            detail: error.to_string(),
            ours: self
                .store
                .checkpoint()
                .map(|checkpoint| checkpoint.note().to_owned())
                .unwrap_or_default(),
            theirs: theirs.to_owned(),
            proof,
        }
    }

    /// What the session reads off the replica; `cosigned` is the size of the newest publication that this identity
    /// cosigned.
    pub(super) fn facts(&self, cosigned: Option<u64>) -> Facts {
        let replica = self.store.replica();
        Facts {
            checkpoint: self.store.checkpoint().cloned(),
            replayed: replica.published().copied(),
            cosigned: cosigned.and_then(|size| Some((size, replica.root_at(size).ok()?))),
            ..facts::facts(self.store.state(), self.store.len(), &self.me)
        }
    }
}

/// The entries from `from` on, as many as the coordinator gives at a time.
async fn page(
    client: &mut LedgerLogClient<Channel>,
    from: u64,
    wait: Duration,
) -> Result<EntriesReply, SyncError> {
    let reply = within(wait, client.entries(EntriesRequest { from })).await;
    reply
        .map(tonic::Response::into_inner)
        .map_err(SyncError::Request)
}

/// The coordinator's whole log, for a proof.
async fn whole_log(
    client: &mut LedgerLogClient<Channel>,
    wait: Duration,
) -> Result<Vec<Vec<u8>>, SyncError> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut bytes = 0;
    loop {
        let from = entries.len() as u64;
        let reply = page(client, from, wait).await?;
        bytes += reply.entries.iter().map(Vec::len).sum::<usize>();
        let ended = reply.entries.is_empty();
        entries.extend(reply.entries);
        if ended || entries.len() as u64 >= reply.size || bytes > MAX_SYNC_BYTES {
            return Ok(entries);
        }
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
