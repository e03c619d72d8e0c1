//! The one task that owns the federation's state: ledger, round machine, members.
//!
//! Everything that changes the state is a [`Command`] to one thread, so nothing is locked and the order of
//! events is the order of the queue. Readers look at a [`Snapshot`], which is replaced after every change.

mod jobs;
mod snapshots;
mod task;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use unsilo_ledger::{
    Derivation, Hash, ParticipantId, Proof, PublicKey, SignedEntry, SignedReceipt, State,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{EntriesReply, Step},
};

pub(crate) use snapshots::HandedOut;
pub(crate) use task::{OwnerParts, OwnerThread, now_ms, start};

use crate::round::Event;

/// Commands that may wait for the owner; senders wait beyond that.
const QUEUE: usize = 1024;

/// The federation as it is now, for readers.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) state: State,
    /// Entries in the ledger.
    pub(crate) entries: u64,
    /// A short word for the step under way.
    pub(crate) phase: &'static str,
    /// The newest checkpoint under the coordinator's signature; empty before the genesis.
    pub(crate) checkpoint: Arc<str>,
    /// What participants are signing, with the signatures so far.
    pub(crate) pending: Vec<SignedEntry>,
    /// The round that was weighed last since this process started, and how its weights came about.
    pub(crate) weighed: Option<(u64, Arc<Derivation>)>,
}

/// A batch of queries that is on the ledger, with everything that shows it.
pub(crate) struct EnteredBatch {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) root: Hash,
    /// The signed entry, canonical bytes, and its place in the log.
    pub(crate) entry: Vec<u8>,
    pub(crate) index: u64,
    /// From the entry to the root of `checkpoint`.
    pub(crate) proof: Proof,
    /// The newest, under the coordinator's signature.
    pub(crate) checkpoint: String,
}

/// A company that wants to join, with everything it sent.
pub(crate) struct JoinApplication {
    pub(crate) name: String,
    pub(crate) secret: [u8; 32],
    pub(crate) identity: PublicKey,
    pub(crate) certificate_request: Vec<u8>,
}

/// An entry, and why it is in the log.
#[derive(Debug)]
pub(crate) struct EntryProof {
    /// Its canonical bytes.
    pub(crate) entry: Vec<u8>,
    /// The newest checkpoint: a signed note, with its cosignatures.
    pub(crate) checkpoint: String,
    /// Entries in the log at that checkpoint.
    pub(crate) size: u64,
    /// The hashes from the entry's leaf up to the checkpoint's root, as in RFC 6962.
    pub(crate) path: Vec<Hash>,
}

/// A company that wants a fresh certificate; its signature is checked.
pub(crate) struct Renewal {
    pub(crate) name: String,
    pub(crate) identity: PublicKey,
    pub(crate) certificate_request: Vec<u8>,
    pub(crate) at_ms: u64,
    pub(crate) drop_old: bool,
}

type Reply<T> = oneshot::Sender<Result<T, Rejected>>;

/// A message to the owner.
pub(crate) enum Command {
    /// An event of the round whose sender waits only for "taken" or "refused".
    Event(Event, Reply<()>),
    /// A stored contribution; answered with its receipt.
    Commit(Box<SignedEntry>, Reply<SignedReceipt>),
    /// A company joins; answered with its certificate, DER.
    Join(JoinApplication, Reply<Vec<u8>>),
    /// A company renews; answered with its certificate, DER.
    Renew(Renewal, Reply<Vec<u8>>),
    /// A participant's cosignature of the checkpoint of so many entries.
    Cosign(u64, String, Reply<()>),
    /// A page of the log.
    Entries(u64, Reply<EntriesReply>),
    /// Canonical bytes of so many entries at most, from one on: a few, for people to look at.
    Excerpt(u64, usize, Reply<Vec<Vec<u8>>>),
    /// An entry with the proof that the newest checkpoint is about it.
    Proof(u64, Reply<EntryProof>),
    /// The consistency proof between two sizes of the log.
    Consistency(u64, u64, Reply<Proof>),
    /// A snapshot of the log was made, or the one on disk was read.
    SnapshotMade(snapshots::Made),
    /// The receipt of a contribution with this root, if it is on the ledger.
    Receipt(u64, ParticipantId, Hash, Reply<Option<SignedReceipt>>),
    /// The batch on the ledger that holds the query of this number.
    Batch(u64, Reply<Option<EnteredBatch>>),
    /// What a background job found.
    Finished(Event),
    /// Time has passed.
    Tick,
    /// The owner ends.
    Stop,
}

/// How services reach the owner. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Owner {
    commands: mpsc::Sender<Command>,
    pub(crate) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(crate) steps: watch::Receiver<Step>,
    /// The newest snapshot of the log, for who joins late.
    pub(crate) handed_out: watch::Receiver<Option<Arc<HandedOut>>>,
}

impl Owner {
    /// Sends an event and waits until it was taken.
    pub(crate) async fn event(&self, event: Event) -> Result<(), Rejected> {
        self.ask(|reply| Command::Event(event, reply)).await
    }

    /// Puts a stored contribution on the ledger.
    pub(crate) async fn commit(&self, entry: SignedEntry) -> Result<SignedReceipt, Rejected> {
        self.ask(|reply| Command::Commit(Box::new(entry), reply))
            .await
    }

    /// The receipt of a contribution, if it is on the ledger.
    pub(crate) async fn receipt(
        &self,
        round: u64,
        participant: ParticipantId,
        root: Hash,
    ) -> Result<Option<SignedReceipt>, Rejected> {
        self.ask(|reply| Command::Receipt(round, participant, root, reply))
            .await
    }

    /// Handles a join.
    pub(crate) async fn join(&self, application: JoinApplication) -> Result<Vec<u8>, Rejected> {
        self.ask(|reply| Command::Join(application, reply)).await
    }

    /// Handles a renewal.
    pub(crate) async fn renew(&self, renewal: Renewal) -> Result<Vec<u8>, Rejected> {
        self.ask(|reply| Command::Renew(renewal, reply)).await
    }

    /// Keeps a participant's cosignature.
    pub(crate) async fn cosign(&self, size: u64, line: String) -> Result<(), Rejected> {
        self.ask(|reply| Command::Cosign(size, line, reply)).await
    }

    /// Reads a page of the log from entry `from` on.
    pub(crate) async fn entries(&self, from: u64) -> Result<EntriesReply, Rejected> {
        self.ask(|reply| Command::Entries(from, reply)).await
    }

    /// A few entries from `from` on, for people to look at.
    pub(crate) async fn excerpt(&self, from: u64, limit: usize) -> Result<Vec<Vec<u8>>, Rejected> {
        self.ask(|reply| Command::Excerpt(from, limit, reply)).await
    }

    /// Entry `index`, which must be in the log, with its proof.
    pub(crate) async fn proof(&self, index: u64) -> Result<EntryProof, Rejected> {
        self.ask(|reply| Command::Proof(index, reply)).await
    }

    /// The batch on the ledger that holds the query of this number; `None` while it waits for one.
    pub(crate) async fn batch(&self, number: u64) -> Result<Option<EnteredBatch>, Rejected> {
        self.ask(|reply| Command::Batch(number, reply)).await
    }

    /// The proof that the log of `new` entries begins with that of `old` entries.
    pub(crate) async fn consistency(&self, old: u64, new: u64) -> Result<Proof, Rejected> {
        self.ask(|reply| Command::Consistency(old, new, reply))
            .await
    }

    /// The federation as it is now.
    pub(crate) fn now(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Rejected> {
        let stopping = || {
            Rejected::new(
                Code::Internal,
                "the coordinator is stopping: try again later",
            )
        };
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }
}
