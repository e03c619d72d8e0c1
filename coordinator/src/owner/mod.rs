//! The one task that owns the federation's state: ledger, round machine, members.
//!
//! Everything that changes the state is a [`Command`] to one thread, so nothing is locked and the order of
//! events is the order of the queue. Readers look at a [`Snapshot`], which is replaced after every change.

mod jobs;
mod task;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use unsilo_ledger::{
    Derivation, Hash, ParticipantId, PublicKey, SignedEntry, SignedReceipt, State,
};
use unsilo_proto::{
    Code, Rejected,
    v1::{EntriesReply, Step},
};

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
    /// What participants are signing, with the signatures so far.
    pub(crate) pending: Vec<SignedEntry>,
    /// The round that was weighed last since this process started, and how its weights came about.
    pub(crate) weighed: Option<(u64, Arc<Derivation>)>,
}

/// A company that wants to join, with everything it sent.
pub(crate) struct JoinApplication {
    pub(crate) name: String,
    pub(crate) secret: [u8; 32],
    pub(crate) identity: PublicKey,
    pub(crate) certificate_request: Vec<u8>,
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
    /// A participant's cosignature of the checkpoint of so many entries.
    Cosign(u64, String, Reply<()>),
    /// A page of the log.
    Entries(u64, Reply<EntriesReply>),
    /// The receipt of a contribution with this root, if it is on the ledger.
    Receipt(u64, ParticipantId, Hash, Reply<Option<SignedReceipt>>),
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

    /// Keeps a participant's cosignature.
    pub(crate) async fn cosign(&self, size: u64, line: String) -> Result<(), Rejected> {
        self.ask(|reply| Command::Cosign(size, line, reply)).await
    }

    /// Reads a page of the log from entry `from` on.
    pub(crate) async fn entries(&self, from: u64) -> Result<EntriesReply, Rejected> {
        self.ask(|reply| Command::Entries(from, reply)).await
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
